/**
 * The hosts that take mail for a domain, one after the other (RFC 5321, section 5.1): by preference, in random order
 * among equals, and those before this machine only. A domain without MX is its own host.
 */
import { randomInt } from 'node:crypto'
import { isIP } from 'node:net'
import { plainAddress } from '../../net/network.ts'
import type { Networks } from '../../server/networks.ts'
import { domainName } from '../dns/domain-name.ts'
import type { MxResolver } from './mx-resolver.ts'
import { SmtpFailure } from './smtp-failure.ts'
import type { Waits } from './waits.ts'

/** An address to connect to. */
export interface MxTarget {
  /** the name that led to the address, for its certificate; the address itself for a literal */
  readonly name: string
  readonly address: string
}

export interface MxLimits {
  readonly maxHosts: number
  readonly maxAddresses: number
  /** in lower case */
  readonly ownNames: ReadonlySet<string>
  readonly ownAddresses: Networks
}

/** Milliseconds for a look-up, if the time of the whole task allows it. The resolver has limits of its own. */
const LOOK_UP = 60_000

export class MxWalk {
  readonly #dns: MxResolver
  readonly #limits: MxLimits
  readonly #waits: Waits
  readonly #domain: string
  /** why a host had no address, if nobody knows */
  #unknown: SmtpFailure | undefined

  constructor(domain: string, dns: MxResolver, limits: MxLimits, waits: Waits) {
    this.#domain = domain
    this.#dns = dns
    this.#limits = limits
    this.#waits = waits
  }

  /**
   * The addresses to try. Names are looked up when their turn comes.
   *
   * @throws SmtpFailure instead of the first address if there is none: `dns`, `no-host`, `null-mx`, `loop`; and when the
   *   time is over
   */
  async *targets(): AsyncGenerator<MxTarget> {
    let count = 0
    for (const name of await this.#hosts()) {
      const addresses = await this.#addresses(name)
      const own = addresses.find((address) => this.#limits.ownAddresses.has(address))
      if (own !== undefined) {
        // The hosts behind us would send it back to us.
        if (count === 0) throw this.#loop(`${name} has the address ${own}`)
        return
      }
      for (const address of addresses) {
        if (count++ >= this.#limits.maxAddresses) return
        yield { name, address }
      }
    }
    if (count > 0) return
    throw (
      this.#unknown ?? new SmtpFailure('no-host', `${this.#domain} has no host with an address`)
    )
  }

  async #hosts(): Promise<string[]> {
    const literal = /^\[(?:IPv6:)?([^\]]+)\]$/i.exec(this.#domain)?.[1]
    if (literal !== undefined) {
      if (isIP(literal) !== 0) return [literal]
      throw new SmtpFailure('no-host', `${this.#domain} is no address`)
    }
    const name = domainName(this.#domain)
    if (name === undefined) {
      throw new SmtpFailure('no-host', `${JSON.stringify(this.#domain)} is no domain`)
    }
    const answer = await this.#ask(name, 'MX')
    if (answer.failed !== undefined) {
      throw new SmtpFailure('dns', `the MX of ${name} cannot be looked up (${answer.failed})`)
    }
    if (answer.none === 'no-domain') throw new SmtpFailure('no-host', `${name} does not exist`)
    if (answer.found === undefined || answer.found.length === 0) return [name]
    return this.#byPreference(answer.found)
  }

  #byPreference(
    records: readonly { readonly exchange: string; readonly priority: number }[],
  ): string[] {
    const named = records
      .map(({ exchange, priority }) => ({
        priority,
        name: exchange.toLowerCase().replace(/\.$/, ''),
      }))
      .filter(({ name }) => name !== '')
    if (named.length === 0) {
      throw new SmtpFailure('null-mx', `${this.#domain} takes no mail (null MX)`)
    }
    const own = named.filter(({ name }) => this.#limits.ownNames.has(name))
    const ours = Math.min(...own.map(({ priority }) => priority))
    const before = named.filter(({ priority }) => priority < ours)
    if (before.length === 0) throw this.#loop(`its MX is ${own[0]!.name}`)
    const ordered = shuffled(before).sort((a, b) => a.priority - b.priority)
    return [...new Set(ordered.map(({ name }) => name))].slice(0, this.#limits.maxHosts)
  }

  #loop(text: string): SmtpFailure {
    return new SmtpFailure('loop', `${this.#domain} leads to this machine: ${text}`)
  }

  /** IPv4 first: of hosts that have both, it fails less often. */
  async #addresses(name: string): Promise<string[]> {
    if (isIP(name) !== 0) return [plainAddress(name)]
    const answers = await Promise.all([this.#ask(name, 'A'), this.#ask(name, 'AAAA')])
    const addresses = answers.flatMap(({ found }) => shuffled(found ?? []))
    const failed = answers.find((answer) => answer.failed !== undefined)?.failed
    if (addresses.length === 0 && failed !== undefined) {
      this.#unknown ??= new SmtpFailure(
        'dns',
        `the addresses of ${name} cannot be looked up (${failed})`,
      )
    }
    return addresses.filter((address) => isIP(address) !== 0)
  }

  #ask: MxResolver['resolve'] = async (name, type) =>
    await this.#waits.within(LOOK_UP, `the look-up of ${name}`, async () => {
      try {
        return await this.#dns.resolve(name, type)
      } catch (error) {
        // A resolver throws when it is cut off, and the signal is ours, too.
        return { failed: error instanceof Error ? error.message : 'error' }
      }
    })
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  const list = [...items]
  for (let i = list.length - 1; i > 0; i--) {
    const other = randomInt(i + 1)
    ;[list[i], list[other]] = [list[other]!, list[i]!]
  }
  return list
}
