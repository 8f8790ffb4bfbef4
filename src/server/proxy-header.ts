import { isIPv4, isIPv6 } from 'node:net'
import { ProtocolError } from '../errors.ts'
import { plainAddress } from '../net/network.ts'

/** Who speaks through a balancer, as its PROXY header tells. */
export interface ProxyHeader {
  /** bytes of the header; what follows belongs to the connection */
  readonly size: number
  /** a connection of the balancer's own, such as a health check (version 2 only) */
  readonly local: boolean
  /** undefined if the balancer does not tell: another kind of connection, or its own */
  readonly source: { readonly address: string; readonly port: number } | undefined
}

/** The longest line of version 1, its CRLF included. */
const LONGEST_LINE = 107
const LINE_START = Buffer.from('PROXY ')
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n')
/** Bytes of version 2 up to its addresses. */
const FIXED = 16
/**
 * The most that is taken for a header of version 2. The addresses are 216 bytes at most; the rest are
 * additions nobody reads here (TLVs), the largest of them certificates.
 */
export const LONGEST_HEADER = 16_384

/** The lower half of byte 13: 0 LOCAL, 1 PROXY. */
const LOCAL = 0
const PROXY = 1
/** Byte 14: family (UNSPEC, INET, INET6, UNIX) and protocol (UNSPEC, STREAM, DGRAM). */
const TCP4 = 0x11
const TCP6 = 0x21
/** Bytes of addresses by family. */
const ADDRESS_SIZES = [0, 12, 36, 216]
const PROTOCOLS = 3

/**
 * Reads the header that begins a connection through a balancer, of version 1 or 2 ("The PROXY
 * protocol Versions 1 & 2", haproxy). Undefined as long as it is not whole; what can no more become
 * one is refused with its first wrong byte, so nobody waits for the rest of something else.
 *
 * @param bytes all that has come so far
 * @throws ProtocolError INVALID_PROXY_HEADER
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsAs(bytes, SIGNATURE)) return readBinary(bytes)
  if (startsAs(bytes, LINE_START)) return readLine(bytes)
  throw invalid('the connection does not begin with one')
}

/** As far as there are bytes. */
function startsAs(bytes: Buffer, start: Buffer): boolean {
  const size = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, size, 0, size) === 0
}

function readLine(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, LONGEST_LINE).indexOf('\r\n')
  if (end === -1) {
    if (bytes.length >= LONGEST_LINE)
      throw invalid(`its line has no end in ${LONGEST_LINE} bytes`)
    return undefined
  }
  const size = end + 2
  const words = bytes.toString('latin1', 0, end).split(' ')
  // What follows UNKNOWN is to be ignored.
  if (words[1] === 'UNKNOWN') return { size, local: false, source: undefined }
  const [, family, from = '', to = '', fromPort = '', toPort = ''] = words
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isZoneless : undefined
  if (isAddress === undefined) throw invalid('its line is of no family there is')
  if (words.length !== 6 || !isAddress(from) || !isAddress(to)) {
    throw invalid('the addresses of its line are none')
  }
  if (!isPort(fromPort) || !isPort(toPort)) throw invalid('the ports of its line are none')
  return { size, local: false, source: { address: plainAddress(from), port: Number(fromPort) } }
}

const isZoneless = (text: string): boolean => isIPv6(text) && !text.includes('%')

const isPort = (text: string): boolean =>
  /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535

function readBinary(bytes: Buffer): ProxyHeader | undefined {
  const kind = bytes[12]
  if (kind === undefined) return undefined
  const command = kind & 0x0f
  if (kind >> 4 !== 2) throw invalid(`it is of version ${kind >> 4}`)
  if (command > PROXY) throw invalid(`its command ${command} does not exist`)
  if (bytes.length < FIXED) return undefined
  const transport = bytes[13]!
  const length = bytes.readUInt16BE(14)
  const size = FIXED + length
  if (size > LONGEST_HEADER)
    throw invalid(`it announces ${size} bytes; ${LONGEST_HEADER} are taken`)
  const local = command === LOCAL
  if (!local) {
    const needed = ADDRESS_SIZES[transport >> 4]
    if (needed === undefined || (transport & 0x0f) >= PROTOCOLS) {
      throw invalid(`its kind of addresses 0x${transport.toString(16)} does not exist`)
    }
    if (length < needed) throw invalid(`${length} bytes do not hold its addresses`)
  }
  if (bytes.length < size) return undefined
  return { size, local, source: local ? undefined : binarySource(bytes, transport) }
}

function binarySource(bytes: Buffer, transport: number): ProxyHeader['source'] {
  if (transport === TCP4) {
    const address = bytes.subarray(FIXED, FIXED + 4).join('.')
    return { address, port: bytes.readUInt16BE(FIXED + 8) }
  }
  if (transport === TCP6) {
    const groups = bytes.toString('hex', FIXED, FIXED + 16).match(/.{4}/g)!
    return { address: plainAddress(groups.join(':')), port: bytes.readUInt16BE(FIXED + 32) }
  }
  return undefined
}

const invalid = (why: string): ProtocolError =>
  new ProtocolError('INVALID_PROXY_HEADER', `no PROXY header: ${why}`)
