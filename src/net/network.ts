import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** An IP network, or a single address with its full prefix length. */
export interface Network {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/**
 * Parses an IP address, or a network in CIDR notation. An IPv4-mapped IPv6 address becomes IPv4. Undefined for other
 * text. Host names are not accepted, because a name can resolve to a different address each time.
 */
export function parseNetwork(entry: string): Network | undefined {
  const [, host = '', digits] = /^([\da-f:.]+)(?:\/(0|[1-9]\d{0,2}))?$/i.exec(entry) ?? []
  const bits = isIPv4(host) ? 32 : 128
  if (bits === 128 && !isIPv6(host)) return undefined
  const prefix = digits === undefined ? bits : Number(digits)
  if (prefix > bits) return undefined
  const address = plainAddress(host)
  if (bits === 32 || isIPv6(address)) {
    return { address, prefix, family: bits === 32 ? 'ipv4' : 'ipv6' }
  }
  // Such as ::ffff:192.0.2.0/120. With a shorter prefix, the network would hold more than IPv4.
  return prefix < MAPPED ? undefined : { address, prefix: prefix - MAPPED, family: 'ipv4' }
}

/** Bits before the IPv4 address in an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2). */
const MAPPED = 96

/** An IP address in its usual notation, without a zone. An IPv4-mapped IPv6 address becomes IPv4. */
export function plainAddress(address: string): string {
  if (isIPv4(address)) return address
  const text = new SocketAddress({ address: address.replace(/%.*$/, ''), family: 'ipv6' })
    .address
  const mapped = text.startsWith('::ffff:') ? text.slice('::ffff:'.length) : ''
  return isIPv4(mapped) ? mapped : text
}
