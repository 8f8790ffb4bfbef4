import { isIPv4, isIPv6 } from 'node:net'
import { ProtocolError } from '../errors.ts'
import { plainAddress } from '../net/network.ts'

/** A PROXY header: the client of a load balancer. */
export interface ProxyHeader {
  /** length of the header in bytes; the bytes after it belong to the connection */
  readonly size: number
  /** the connection is the balancer's own, such as a health check (version 2 only) */
  readonly local: boolean
  /** the client; undefined for the balancer's own connection, or one that is not TCP */
  readonly source: { readonly address: string; readonly port: number } | undefined
}

/** Maximum bytes of the line of version 1, including its CRLF. */
const LONGEST_LINE = 107
const LINE_START = Buffer.from('PROXY ')
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n')
/** Bytes before the addresses in version 2. */
const FIXED = 16
/**
 * Maximum bytes of a header of version 2. The addresses are at most 216 bytes. The rest are additions (TLVs) that this
 * package does not read; certificates are the largest.
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
 * Reads the PROXY header at the start of a connection from a load balancer, version 1 or 2 ("The PROXY protocol
 * Versions 1 & 2", haproxy). Undefined while the header is incomplete. The first wrong byte throws, so that a
 * connection without a header does not wait for more bytes.
 *
 * @param bytes all bytes received so far
 * @throws ProtocolError INVALID_PROXY_HEADER
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | undefined {
  if (startsAs(bytes, SIGNATURE)) return readBinary(bytes)
  if (startsAs(bytes, LINE_START)) return readLine(bytes)
  throw invalid('the connection does not begin with one')
}

/** Compares as many bytes as there are. */
function startsAs(bytes: Buffer, start: Buffer): boolean {
  const size = Math.min(bytes.length, start.length)
  return bytes.compare(start, 0, size, 0, size) === 0
}

function readLine(bytes: Buffer): ProxyHeader | undefined {
  const end = bytes.subarray(0, LONGEST_LINE).indexOf('\r\n')
  if (end === -1) {
    if (bytes.length >= LONGEST_LINE)
      throw invalid(`its line does not end within ${LONGEST_LINE} bytes`)
    return undefined
  }
  const size = end + 2
  const words = bytes.toString('latin1', 0, end).split(' ')
  // The rest of the line after UNKNOWN must be ignored.
  if (words[1] === 'UNKNOWN') return { size, local: false, source: undefined }
  const [, family, from = '', to = '', fromPort = '', toPort = ''] = words
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isZoneless : undefined
  if (isAddress === undefined) throw invalid('the address family of its line does not exist')
  if (words.length !== 6 || !isAddress(from) || !isAddress(to)) {
    throw invalid('the addresses of its line are not valid')
  }
  if (!isPort(fromPort) || !isPort(toPort)) throw invalid('the ports of its line are not valid')
  return { size, local: false, source: { address: plainAddress(from), port: Number(fromPort) } }
}

const isZoneless = (text: string): boolean => isIPv6(text) && !text.includes('%')

const isPort = (text: string): boolean =>
  /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535

function readBinary(bytes: Buffer): ProxyHeader | undefined {
  const kind = bytes[12]
  if (kind === undefined) return undefined
  const command = kind & 0x0f
  if (kind >> 4 !== 2) throw invalid(`its version is ${kind >> 4}, not 1 or 2`)
  if (command > PROXY) throw invalid(`its command ${command} does not exist`)
  if (bytes.length < FIXED) return undefined
  const transport = bytes[13]!
  const length = bytes.readUInt16BE(14)
  const size = FIXED + length
  if (size > LONGEST_HEADER)
    throw invalid(`it announces ${size} bytes; the maximum is ${LONGEST_HEADER}`)
  const local = command === LOCAL
  if (!local) {
    const needed = ADDRESS_SIZES[transport >> 4]
    if (needed === undefined || (transport & 0x0f) >= PROTOCOLS) {
      throw invalid(
        `its address family and protocol 0x${transport.toString(16)} does not exist`,
      )
    }
    if (length < needed) throw invalid(`${length} bytes are too few for its addresses`)
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
