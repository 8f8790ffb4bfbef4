import { isIP } from 'node:net'
import { TableError } from '../../errors.ts'
import { MAX_TIMER } from '../../options/kinds.ts'
import { wholeNumber } from '../../options/validate.ts'
import { within } from '../within.ts'
import { invalidEntry, readText, shown, type Place } from '../entry.ts'
import { parseIp, readIp, whyNot, type IpAddress } from './ip-address.ts'
import { looksLikeGlob, parseGlob } from './ip-glob.ts'
import { inNetwork, IpNetworks, parseIpNetwork } from './ip-networks.ts'

/**
 * Looks up the addresses of a host name, IPv4 and IPv6. No address: the name has none. It throws if it could not ask.
 */
export type HostResolver = (name: string, signal: AbortSignal) => Promise<readonly string[]>

export interface IpListOptions {
  /** looks up host names; without it, a host name in the list is an error */
  readonly resolve?: HostResolver
  /** milliseconds for all look-ups of one call of `matches`; 5,000 by default */
  readonly deadline?: number
  /** what the list is called in error messages; `IP list` by default */
  readonly name?: string
}

/** Host names in a list. Each of them can be a query for each message. */
const MAX_HOSTS = 100
/** Queries at the same time. */
const MAX_QUERIES = 8
/** Addresses of one name that count. */
const MAX_ADDRESSES = 256

const FORMS =
  'write an address (192.0.2.1, 2001:db8::1), a network (192.0.2.0/24), a pattern (192.0.2.*) or a host name'

interface Host {
  readonly name: string
  readonly prefix: string
}

/**
 * A list of IP addresses, networks in CIDR notation, patterns for IPv4 (`192.168.0.*`, `1.2.3.?`, `[1-3].2.3.4`) and
 * host names (also with a prefix: `mail.example.org/28`). IPv4 and IPv6 are never compared with each other, but an
 * IPv4-mapped IPv6 address is the IPv4 address.
 *
 *     const list = new IpList(['127.0.0.1', '192.0.2.0/24', '2001:db8::/32'])
 *     list.has('::ffff:192.0.2.7') // true
 */
export class IpList {
  readonly #networks = new IpNetworks()
  readonly #globs: RegExp[] = []
  readonly #hosts: Host[] = []
  readonly #resolve: HostResolver | undefined
  readonly #deadline: number

  /** @throws UsageError INVALID_ENTRY, which names the entry; INVALID_OPTION */
  constructor(entries: Iterable<string>, options: IpListOptions = {}) {
    const { name = 'IP list' } = options
    this.#resolve = options.resolve
    this.#deadline = wholeNumber('deadline', options.deadline ?? 5_000, 1, MAX_TIMER)
    for (const entry of entries) this.#add(entry, name)
  }

  /**
   * Reads a list: an entry in each line. `#` begins a comment.
   *
   * @param options `name` is named with the line in errors
   * @throws UsageError INVALID_ENTRY, which names the line
   */
  static parse(text: string, options: IpListOptions = {}): IpList {
    const { name: file = 'IP list' } = options
    const list = new IpList([], options)
    for (const [i, line] of text.split('\n').entries()) {
      const entry = line.replace(/(?:^|\s)#[^]*$/, '').trim()
      if (entry !== '') list.#add(entry, { file, line: i + 1 })
    }
    return list
  }

  /** Reads a file as {@link IpList.parse} does. @throws FileError FILE_FAILED, UsageError INVALID_ENTRY */
  static async read(path: string, options: IpListOptions = {}): Promise<IpList> {
    return IpList.parse(await readText(path), { name: path, ...options })
  }

  #add(entry: string, place: Place | string): void {
    const wrong = (what: string, remedy = FORMS): Error =>
      invalidEntry(place, `${shown(entry)} ${what}`, remedy)
    const network = parseIpNetwork(entry)
    if (network === 'prefix') {
      throw wrong(
        'has no valid prefix length',
        'write 0 to 32 for IPv4, 0 to 128 for IPv6, 96 to 128 for IPv4-mapped addresses',
      )
    }
    if (network !== 'not-ip') {
      this.#networks.add(network)
      return
    }
    const slash = entry.lastIndexOf('/')
    const host = slash === -1 ? entry : entry.slice(0, slash)
    if (looksLikeGlob(entry)) {
      if (entry.includes(':')) {
        throw wrong('is a pattern for IPv6', 'write a network, such as 2001:db8::/32')
      }
      const glob = parseGlob(entry)
      if (typeof glob === 'string') {
        throw wrong(
          `is not a pattern: ${glob}`,
          'write it as 192.168.0.*, 1.2.3.? or [1-3].2.3.4',
        )
      }
      this.#globs.push(glob)
      return
    }
    if (!isHostName(host)) {
      throw wrong(`is not an IP address, network, pattern or host name${whyNot(host)}`)
    }
    const prefix = slash === -1 ? '' : entry.slice(slash)
    if (prefix !== '' && !/^\/(?:\d|[1-9]\d|1[01]\d|12[0-8])$/.test(prefix)) {
      throw wrong('has no valid prefix length', 'write 0 to 128')
    }
    if (this.#resolve === undefined) {
      throw wrong(
        'is a host name, and this list looks up no names',
        'write the addresses, or give the option resolve',
      )
    }
    if (this.#hosts.length === MAX_HOSTS) {
      throw wrong(
        `is host name number ${MAX_HOSTS + 1}`,
        `write at most ${MAX_HOSTS} host names, and the others as addresses`,
      )
    }
    this.#hosts.push({ name: host, prefix })
  }

  /**
   * Whether an address is in one of the addresses, networks and patterns. Host names do not count: see
   * {@link IpList.matches}. False for an unknown address.
   *
   * @throws UsageError INVALID_IP_ADDRESS
   */
  has(address: string | undefined): boolean {
    return address !== undefined && this.#has(parseIp(address))
  }

  #has(address: IpAddress): boolean {
    if (this.#networks.has(address)) return true
    if (address.family === 'ipv6' || this.#globs.length === 0) return false
    const text = ipv4Text(address.value)
    return this.#globs.some((glob) => glob.test(text))
  }

  /**
   * Whether an address is in the list. Host names are looked up only if nothing else matches. A name without addresses
   * matches nothing.
   *
   * @throws UsageError INVALID_IP_ADDRESS; TableError LOOKUP_FAILED if no entry matches and a name could not be looked
   *   up before the deadline; the reason of `signal`
   */
  async matches(
    address: string | undefined,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<boolean> {
    signal?.throwIfAborted()
    if (address === undefined) return false
    const ip = parseIp(address)
    if (this.#has(ip)) return true
    return this.#hosts.length > 0 && (await this.#inHosts(ip, signal))
  }

  async #inHosts(ip: IpAddress, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      return await within(this.#deadline, signal, (over) => this.#search(ip, over))
    } catch (cause) {
      signal?.throwIfAborted()
      throw new TableError(
        'LOOKUP_FAILED',
        `host names of an IP list could not be looked up: ${messageOf(cause)}; try again later`,
        { cause },
      )
    }
  }

  /** A few names at a time, until one matches. Rejects if none does and one could not be looked up. */
  #search(ip: IpAddress, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const left = this.#hosts.values()
      let failed: Error | undefined
      const work = async (): Promise<void> => {
        for (const { name, prefix } of left) {
          if (signal.aborted) return
          try {
            // oxlint-disable-next-line eslint/no-await-in-loop -- a worker has one query at a time
            const addresses = await this.#resolve!(name, signal)
            const some = addresses.slice(0, MAX_ADDRESSES)
            // Nobody knows then whether the address is in the list.
            if (some.some((one) => isIP(one) === 0)) throw new Error('it leads to no address')
            if (some.some((one) => inHost(ip, one, prefix))) {
              resolve(true)
              return
            }
          } catch (cause) {
            failed ??= new Error(`${name}: ${messageOf(cause)}`, { cause })
          }
        }
      }
      void Promise.all(Array.from({ length: MAX_QUERIES }, work)).then(() =>
        failed === undefined ? resolve(false) : reject(failed),
      )
    })
  }
}

const messageOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message : String(cause)

function inHost(ip: IpAddress, address: string, prefix: string): boolean {
  // A prefix is for the family that can have it: /64 of a name with addresses of both.
  const one = readIp(address)
  if (one === undefined || one.family !== ip.family) return false
  const network = parseIpNetwork(`${address}${prefix}`)
  return typeof network === 'string' ? one.value === ip.value : inNetwork(ip, network)
}

const ipv4Text = (value: bigint): string =>
  [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.')

/**
 * A name whose last label is a number is an IPv4 address for many programs (WHATWG URL, "ends in a number"). One without
 * letters in it is a range of addresses that somebody has tried, such as `192.0.2.1-9`.
 */
const isHostName = (text: string): boolean =>
  text.length <= 253 &&
  /^(?:[\w-]{1,63}\.)*[\w-]{1,63}\.?$/.test(text) &&
  !/(?:^|\.)(?:[\d_-]+|0x[\da-f]*)\.?$/i.test(text)
