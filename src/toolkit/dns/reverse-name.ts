/** IP addresses as names of DNS. */
import { isIP, isIPv4 } from 'node:net'
import { plainAddress } from '../../net/network.ts'

/**
 * An address with its parts in reverse order, as lists in DNS have it in front of their zone: the four numbers of IPv4,
 * the 32 hexadecimal digits of IPv6 (RFC 5782, sections 2.1 and 2.4). An IPv4-mapped address counts as IPv4, and a zone
 * (`%eth0`) is left out. Undefined for a text that is not an IP address.
 *
 *     reverseLabels('192.0.2.99') // '99.2.0.192'
 */
export function reverseLabels(address: string): string | undefined {
  if (isIP(address) === 0) return undefined
  const plain = plainAddress(address)
  return isIPv4(plain)
    ? plain.split('.').reverse().join('.')
    : Array.from(hexDigits(plain)).reverse().join('.')
}

/**
 * The name under which DNS has the PTR record of an address (RFC 1035, 3.5; RFC 3596, 2.5). Undefined for a text that is
 * not an IP address.
 *
 *     reverseName('192.0.2.99') // '99.2.0.192.in-addr.arpa'
 */
export function reverseName(address: string): string | undefined {
  const labels = reverseLabels(address)
  if (labels === undefined) return undefined
  // Four numbers of at most three digits; IPv6 has 32 single digits.
  return `${labels}.${labels.length < 16 ? 'in-addr' : 'ip6'}.arpa`
}

/** All 32 digits of an IPv6 address. */
function hexDigits(address: string): string {
  const dotted = /[^:]*\.[^:]*$/.exec(address)?.[0]
  const groups =
    dotted === undefined ? address : address.slice(0, -dotted.length) + ipv4Groups(dotted)
  const [head = '', tail] = groups.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join('')
}

/** The IPv4 address at the end of an IPv6 address (RFC 4291, 2.2), as two groups. */
function ipv4Groups(dotted: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number)
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}
