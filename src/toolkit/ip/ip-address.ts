/**
 * IP addresses as numbers. Only the usual forms are addresses (RFC 4291, section 2.2, and four decimal numbers):
 * programs read `010.1.1.1`, `10.1` and `0x0a.1.1.1` differently, so a list that accepts them can be passed by.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { UsageError } from '../../errors.ts'
import { shown } from '../entry.ts'

export interface IpAddress {
  /** an IPv4-mapped IPv6 address is IPv4 (RFC 4291, section 2.5.5.2) */
  readonly family: 'ipv4' | 'ipv6'
  readonly value: bigint
}

/** Before the IPv4 address in an IPv4-mapped one. */
const MAPPED = 0xffffn << 32n
/** @internal Its bits. */
export const MAPPED_PREFIX = 96

export const BITS = { ipv4: 32, ipv6: 128 } as const

/** Undefined for other text. */
export function readIp(text: string): IpAddress | undefined {
  if (isIPv4(text)) return { family: 'ipv4', value: fromIpv4(text) }
  if (!isIPv6(text) || text.includes('%')) return undefined
  const value = fromIpv6(text)
  return value >> 32n === 0xffffn
    ? { family: 'ipv4', value: value & 0xffffffffn }
    : { family: 'ipv6', value }
}

/** @throws UsageError INVALID_IP_ADDRESS */
export function parseIp(text: string): IpAddress {
  const address = readIp(text)
  if (address !== undefined) return address
  throw new UsageError(
    'INVALID_IP_ADDRESS',
    `${shown(text)} is not an IP address${whyNot(text)}; write it as 192.0.2.1 or 2001:db8::1`,
  )
}

/** What is wrong with an address, for a message; empty if that says nothing more. */
export function whyNot(text: string): string {
  if (/%/.test(text)) return ' (it has a zone, which only counts on one machine)'
  const numbers = text.split('.')
  if (!numbers.every((one) => /^(?:\d+|0x[\da-f]*)$/i.test(one))) return ''
  if (numbers.some((one) => /^0x/i.test(one))) return ' (it has a hexadecimal number)'
  if (numbers.some((one) => /^0\d/.test(one))) {
    return ' (a number with a zero before it is octal for some programs)'
  }
  if (numbers.length !== 4) return ` (it has ${numbers.length} numbers, not 4)`
  return ' (a number is above 255)'
}

/**
 * The 16 bytes of an address. An IPv4 address has those of the IPv4-mapped address.
 * @throws UsageError INVALID_IP_ADDRESS
 */
export function ipToBytes(text: string): Buffer {
  const { family, value } = parseIp(text)
  const full = family === 'ipv4' ? value | MAPPED : value
  return Buffer.from(full.toString(16).padStart(32, '0'), 'hex')
}

/**
 * The text of an address of 4 or 16 bytes, in lower case and as short as possible (RFC 5952). An IPv4-mapped address has
 * `::ffff:` and the IPv4 address.
 *
 *     ipFromBytes(ipToBytes('0:0:0:1234:5678:0:102:304')) // '::1234:5678:0:102:304'
 *
 * @throws UsageError INVALID_IP_ADDRESS for another number of bytes
 */
export function ipFromBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) {
    throw new UsageError(
      'INVALID_IP_ADDRESS',
      `an IP address has 4 or 16 bytes, and this has ${bytes.length}; give one of them`,
    )
  }
  const view = Buffer.from(bytes)
  if (view.readBigUInt64BE() === 0n && view.readUInt32BE(8) === 0xffff) {
    return `::ffff:${view.subarray(12).join('.')}`
  }
  const groups = Array.from({ length: 8 }, (_, i) => view.readUInt16BE(2 * i))
  const [start, end] = longestZeros(groups)
  const hex = (some: readonly number[]): string => some.map((one) => one.toString(16)).join(':')
  return end - start < 2
    ? hex(groups)
    : `${hex(groups.slice(0, start))}::${hex(groups.slice(end))}`
}

/** The first of the longest runs. */
function longestZeros(groups: readonly number[]): readonly [start: number, end: number] {
  let best: readonly [number, number] = [0, 0]
  let start = 0
  for (const [i, group] of groups.entries()) {
    if (group !== 0) start = i + 1
    else if (i + 1 - start > best[1] - best[0]) best = [start, i + 1]
  }
  return best
}

const fromIpv4 = (text: string): bigint =>
  text.split('.').reduce((value, octet) => (value << 8n) | BigInt(octet), 0n)

function fromIpv6(text: string): bigint {
  const [front = '', back] = text.split('::')
  const before = groupsOf(front)
  if (back === undefined) return joined(before)
  const after = groupsOf(back)
  return joined([
    ...before,
    ...Array<bigint>(8 - before.length - after.length).fill(0n),
    ...after,
  ])
}

const groupsOf = (text: string): bigint[] =>
  text === ''
    ? []
    : text.split(':').flatMap((group) => {
        if (!group.includes('.')) return [BigInt(`0x${group}`)]
        const value = fromIpv4(group)
        return [value >> 16n, value & 0xffffn]
      })

const joined = (groups: readonly bigint[]): bigint =>
  groups.reduce((value, group) => (value << 16n) | group, 0n)
