/** Networks of clients, as greylisting takes them together. */
import { isIPv4 } from 'node:net'
import { plainAddress, type Network } from '../../net/network.ts'

/** The network of an address, such as `192.0.2.0/24`. A network that is larger already stays as it is. */
export function networkOf(
  { address, prefix, family }: Network,
  bits: { readonly ipv4: number; readonly ipv6: number },
): string {
  const length = Math.min(prefix, bits[family])
  const bytes = isIPv4(address) ? bytesOfIPv4(address) : bytesOfIPv6(address)
  const masked = bytes.map(
    (byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))),
  )
  const text = family === 'ipv4' ? masked.join('.') : plainAddress(textOfIPv6(masked))
  return `${text}/${length}`
}

const bytesOfIPv4 = (address: string): number[] => address.split('.').map(Number)

/** Of an address in its usual notation: at most one `::`, and perhaps an IPv4 address at the end (RFC 4291, 2.2). */
function bytesOfIPv6(address: string): number[] {
  const groups = (text: string): number[] =>
    text === ''
      ? []
      : text.split(':').flatMap((group) => {
          if (group.includes('.')) return bytesOfIPv4(group)
          const value = Number.parseInt(group, 16)
          return [value >> 8, value & 0xff]
        })
  const [head = '', tail] = address.split('::')
  const [before, after] = [groups(head), groups(tail ?? '')]
  const zeros: number[] = Array.from({ length: 16 - before.length - after.length }, () => 0)
  return [...before, ...zeros, ...after]
}

const textOfIPv6 = (bytes: readonly number[]): string =>
  Array.from({ length: 8 }, (_, i) =>
    ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16),
  ).join(':')
