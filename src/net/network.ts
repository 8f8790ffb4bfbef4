import { isIPv4, isIPv6, SocketAddress } from 'node:net'

export interface Network {
  readonly address: string
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/**
 * An address, or a network in CIDR notation. What IPv6 maps of IPv4 is IPv4. Undefined for anything
 * else: host names among it, which may mean another address every time.
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
  // ::ffff:192.0.2.0/120. One that is wider than all of IPv4 is more than it looks.
  return prefix < MAPPED ? undefined : { address, prefix: prefix - MAPPED, family: 'ipv4' }
}

/** Bits before the IPv4 address in one that is mapped (RFC 4291, 2.5.5.2). */
const MAPPED = 96

/** An IP address in its usual spelling, without its zone; IPv4 where IPv6 only maps it. */
export function plainAddress(address: string): string {
  if (isIPv4(address)) return address
  const text = new SocketAddress({ address: address.replace(/%.*$/, ''), family: 'ipv6' })
    .address
  const mapped = text.startsWith('::ffff:') ? text.slice('::ffff:'.length) : ''
  return isIPv4(mapped) ? mapped : text
}
