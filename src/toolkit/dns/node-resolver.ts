/**
 * The resolver of Node (c-ares). It speaks to the servers by itself, over UDP and for long answers over TCP. It never
 * uses getaddrinfo, whose calls share four threads with files and compression.
 */
import { promises } from 'node:dns'
import { invalidOption } from '../../options/invalid-option.ts'
import { wholeNumber } from '../../options/validate.ts'
import { MAX_TIMER } from '../../options/kinds.ts'
import { codeOf } from '../../net/system-error.ts'
import { decodeText } from '../../protocol/text.ts'
import { failed, none, type DnsFailure } from './answer.ts'
import type { DnsRecords, RecordType } from './records.ts'
import type { DnsResolver, ResolverAnswer } from './resolver.ts'

export interface NodeResolverOptions {
  /**
   * servers as `address` or `address:port` (`[address]:port` of IPv6); those of /etc/resolv.conf by default. Use one on
   * this machine: on the way to another, answers can be forged
   */
  readonly servers?: readonly string[]
  /** milliseconds until a server is asked again; each further time is longer. 1500 by default */
  readonly timeout?: number
  /** how often each server is asked, 1 to 10; 2 by default */
  readonly tries?: number
  /**
   * Asks for a CNAME record if there is no other, and lets the session follow it. You need this only for a server that
   * does not follow aliases itself, because it costs a question for each answer without records.
   */
  readonly followAliases?: boolean
}

/** Records of one type with what Node knows of their time-to-live, in seconds. */
interface Looked<Type extends RecordType> {
  readonly records: DnsRecords[Type][]
  readonly seconds?: number[]
}

const LOOKUPS: {
  readonly [Type in RecordType]: (
    node: promises.Resolver,
    name: string,
  ) => Promise<Looked<Type>>
} = {
  // Only with these two does Node tell the time-to-live.
  A: async (node, name) => withTtl(await node.resolve4(name, { ttl: true })),
  AAAA: async (node, name) => withTtl(await node.resolve6(name, { ttl: true })),
  // Node 26 adds `type` to these records.
  MX: async (node, name) => ({
    records: (await node.resolveMx(name))
      .map(({ exchange, priority }) => ({ exchange, priority }))
      .sort((a, b) => a.priority - b.priority),
  }),
  // Node gives a character for each byte.
  TXT: async (node, name) => ({
    records: (await node.resolveTxt(name)).map((strings) =>
      decodeText(Buffer.from(strings.join(''), 'latin1')),
    ),
  }),
  PTR: async (node, name) => ({ records: await node.resolvePtr(name) }),
  NS: async (node, name) => ({ records: await node.resolveNs(name) }),
  CNAME: async (node, name) => ({ records: await node.resolveCname(name) }),
  SRV: async (node, name) => ({
    records: (await node.resolveSrv(name)).map((record) => ({
      name: record.name,
      port: record.port,
      priority: record.priority,
      weight: record.weight,
    })),
  }),
}

const withTtl = (
  records: readonly { readonly address: string; readonly ttl: number }[],
): { records: string[]; seconds: number[] } => ({
  records: records.map(({ address }) => address),
  seconds: records.map(({ ttl }) => ttl),
})

const FAILURES: Readonly<Record<string, DnsFailure>> = {
  ETIMEOUT: 'timeout',
  ECONNREFUSED: 'unreachable',
  ESERVFAIL: 'server-failure',
  EREFUSED: 'refused',
  EBADRESP: 'bad-answer',
  EFORMERR: 'bad-answer',
  ENOTIMP: 'bad-answer',
}

/**
 * Asks the name servers of this machine, or others.
 *
 * c-ares takes the records of the right type out of an answer. It asks for no proof that they belong to the name, and
 * follows aliases only if their targets are in the same answer. So a circle of aliases looks as if there were no records,
 * and the server has to be one you trust, such as Unbound on the same machine.
 *
 *     new DnsCache({ resolver: new NodeResolver({ servers: ['127.0.0.1:5353'] }) })
 */
export class NodeResolver implements DnsResolver {
  readonly #node: promises.Resolver
  readonly #followAliases: boolean

  /** @throws UsageError INVALID_OPTION */
  constructor(options: NodeResolverOptions = {}) {
    const { servers, timeout = 1_500, tries = 2, followAliases = false } = options
    this.#node = new promises.Resolver({
      timeout: wholeNumber('timeout', timeout, 1, MAX_TIMER),
      tries: wholeNumber('tries', tries, 1, 10),
    })
    this.#followAliases = followAliases
    if (servers === undefined) return
    try {
      this.#node.setServers(servers)
    } catch {
      throw invalidOption(
        'servers',
        servers,
        'a list of IP addresses, each with or without a port',
      )
    }
  }

  /** c-ares cannot take one question back, so it ends by its own `timeout` and `tries`. */
  async resolve<Type extends RecordType>(
    name: string,
    type: Type,
  ): Promise<ResolverAnswer<Type>> {
    const answer = await this.#ask(name, type)
    if (!this.#followAliases || answer.none !== 'no-data' || type === 'CNAME') return answer
    const alias = await this.#ask(name, 'CNAME')
    if (alias.failed !== undefined) return alias
    return alias.found?.[0] === undefined ? answer : { alias: alias.found[0] }
  }

  async #ask<Type extends RecordType>(name: string, type: Type): Promise<ResolverAnswer<Type>> {
    try {
      const { records, seconds } = await LOOKUPS[type](this.#node, name)
      if (records.length === 0) return none('no-data')
      return seconds === undefined
        ? { found: records }
        : { found: records, ttl: 1_000 * Math.min(...seconds) }
    } catch (error) {
      const code = codeOf(error)
      if (code === 'ENODATA') return none('no-data')
      if (code === 'ENOTFOUND' || code === 'EBADNAME') return none('no-domain')
      return failed(FAILURES[code] ?? 'error', error)
    }
  }
}
