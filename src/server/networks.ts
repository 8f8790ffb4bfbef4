import { BlockList, isIPv4 } from 'node:net'
import { parseNetwork, plainAddress } from '../net/network.ts'
import { NETWORK_FORM } from '../options/kinds.ts'
import { invalidOption } from '../options/invalid-option.ts'

/** The IP addresses and networks of an option. */
export class Networks {
  /** Two lists, because in one list `::/0` would also contain all of IPv4. */
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() }

  /** @throws UsageError INVALID_OPTION, which names the entry */
  constructor(option: string, entries: readonly string[], form: string = NETWORK_FORM) {
    for (const entry of entries) {
      const network = parseNetwork(entry)
      if (network === undefined) throw invalidOption(option, entry, form)
      this.#lists[network.family].addSubnet(network.address, network.prefix, network.family)
    }
  }

  /** False for an unknown address. */
  has(address: string | undefined): boolean {
    if (address === undefined) return false
    const plain = plainAddress(address)
    const family = isIPv4(plain) ? 'ipv4' : 'ipv6'
    return this.#lists[family].check(plain, family)
  }
}

/** `address:port`, with brackets around an IPv6 address. */
export const formatPeer = (address: string, port: number | undefined): string =>
  `${address.includes(':') ? `[${address}]` : address}:${port}`
