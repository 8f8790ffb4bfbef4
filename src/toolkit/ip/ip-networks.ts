import { BITS, MAPPED_PREFIX, readIp, type IpAddress } from './ip-address.ts'

export interface IpNetwork extends IpAddress {
  /** bits that all addresses of it have in common */
  readonly prefix: number
}

/** Why a text is not a network. */
export type NetworkProblem = 'not-ip' | 'prefix'

/** @param text an address, or a network in CIDR notation */
export function parseIpNetwork(text: string): IpNetwork | NetworkProblem {
  const slash = text.indexOf('/')
  const host = slash === -1 ? text : text.slice(0, slash)
  const address = readIp(host)
  if (address === undefined) return 'not-ip'
  if (slash === -1) return { ...address, prefix: BITS[address.family] }
  const digits = text.slice(slash + 1)
  const mapped = address.family === 'ipv4' && host.includes(':')
  // Such as ::ffff:192.0.2.0/120. With a shorter prefix, the network would have more than IPv4 in it.
  const prefix = /^(?:0|[1-9]\d{0,2})$/.test(digits)
    ? Number(digits) - (mapped ? MAPPED_PREFIX : 0)
    : -1
  return prefix < 0 || prefix > BITS[address.family] ? 'prefix' : { ...address, prefix }
}

/** The address of a network with no bits after its prefix. */
export const networkBits = ({ family, value, prefix }: IpNetwork): bigint =>
  value >> BigInt(BITS[family] - prefix)

export const inNetwork = (address: IpAddress, network: IpNetwork): boolean =>
  address.family === network.family &&
  networkBits({ ...address, prefix: network.prefix }) === networkBits(network)

/** Networks with values, of which the first that an address is in counts. A look-up takes as long as in `IpNetworks`. */
export class FirstNetwork<Value> {
  readonly #networks = {
    ipv4: new Map<number, Map<bigint, { order: number; value: Value }>>(),
    ipv6: new Map<number, Map<bigint, { order: number; value: Value }>>(),
  }
  #count = 0

  add(network: IpNetwork, value: Value): void {
    const lengths = this.#networks[network.family]
    const same =
      lengths.get(network.prefix) ?? new Map<bigint, { order: number; value: Value }>()
    lengths.set(network.prefix, same)
    const bits = networkBits(network)
    if (!same.has(bits)) same.set(bits, { order: this.#count, value })
    this.#count++
  }

  get(address: IpAddress): Value | undefined {
    let first: { order: number; value: Value } | undefined
    for (const [prefix, networks] of this.#networks[address.family]) {
      const found = networks.get(networkBits({ ...address, prefix }))
      if (found !== undefined && (first === undefined || found.order < first.order))
        first = found
    }
    return first?.value
  }
}

/** Networks. A look-up takes one step for each length of a prefix, however many networks there are. */
export class IpNetworks {
  readonly #networks = {
    ipv4: new Map<number, Set<bigint>>(),
    ipv6: new Map<number, Set<bigint>>(),
  }

  add(network: IpNetwork): void {
    const lengths = this.#networks[network.family]
    const same = lengths.get(network.prefix)
    if (same === undefined) lengths.set(network.prefix, new Set([networkBits(network)]))
    else same.add(networkBits(network))
  }

  has(address: IpAddress): boolean {
    for (const [prefix, networks] of this.#networks[address.family]) {
      if (networks.has(networkBits({ ...address, prefix }))) return true
    }
    return false
  }
}
