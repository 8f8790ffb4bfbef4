/** Which addresses a request may go to. A name is looked up once, and the connection goes to what was checked. */
import { lookup as lookUp, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Networks } from '../../server/networks.ts'

/**
 * Networks that are not the Internet (the registries of RFC 6890), and those in which such an address can be hidden:
 * NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380), IPv4-compatible.
 */
const INTERNAL: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/32',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]

/** Finds the addresses of a name. */
export type AddressLookup = typeof lookUp

export class AddressPolicy {
  readonly #internal = new Networks('internal', INTERNAL)
  readonly #allowed: Networks

  /** @param allowed internal addresses and networks that count as good */
  constructor(allowed: readonly string[]) {
    this.#allowed = new Networks('allowAddresses', allowed)
  }

  allows(address: string): boolean {
    return this.#allowed.has(address) || !this.#internal.has(address)
  }

  /** Whether the host of a URL is an address that is not allowed. Node does not look up addresses. */
  refusesHost(url: URL): boolean {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    return isIP(host) !== 0 && !this.allows(host)
  }

  /**
   * Looks a name up, and gives only addresses that are allowed.
   *
   * @param lookup that of Node by default
   */
  lookup(lookup: AddressLookup = lookUp): LookupFunction {
    return (host, options, callback) => {
      lookup(host, { ...options, all: true }, (error, found: LookupAddress[]) => {
        if (error) return callback(error, '', 0)
        const good = found.filter(({ address }) => this.allows(address))
        const [first] = good
        if (first === undefined) {
          const what = found.map(({ address }) => address).join(', ')
          return callback(
            new Error(`${host} leads to ${what}: name such addresses in allowAddresses`),
            '',
            0,
          )
        }
        if (options.all) return callback(null, good)
        return callback(null, first.address, first.family)
      })
    }
  }
}
