/** Checks whether content is in the charset and the transfer encoding that the header of its part names. */
import { isAscii } from 'node:buffer'
import { withoutVoidEscapes } from '../encodings/charset.ts'
import { charsetInHtml } from '../html/html-charset.ts'
import { ownCodeOf } from '../encodings/own-codes.ts'
import type { Guess } from './guesses.ts'
import {
  isIdentity,
  transferEncoding,
  type TransferEncoding,
} from '../encodings/transfer-encoding.ts'

export interface CharsetReading {
  /** the bytes are text in the named charset, and no other reading is as good */
  readonly sure: boolean
  /** bytes below 0x80 are ASCII, whatever the bytes above are */
  readonly ascii: boolean
  /** the name of the charset is unknown */
  readonly unnamed?: true
}

const SURE: CharsetReading = { sure: true, ascii: true }
const OPAQUE: CharsetReading = { sure: false, ascii: false }

/** Escape sequences of ISO 2022, its shifts, and the NUL between the letters of UTF-16. */
// oxlint-disable-next-line eslint/no-control-regex -- bytes
const SHIFTS = /\x1b[$%&(-/]|[\0\x0e\x0f]/

/** Code pages of DOS that the Encoding Standard lacks. They have a character for each byte. */
const DOS = /^(?:cp|ibm|oem)-?(?:437|737|775|850|852|855|857|858|86[0-5]|869)$/

const ASCII_NAMES: ReadonlySet<string> = new Set(['', 'us-ascii', 'ascii', 'ansi_x3.4-1968'])

/** @param label the charset the header names */
export function readingOfCharset(
  type: string,
  label: string | undefined,
  bytes: Buffer,
): CharsetReading {
  const html = type === 'text/html'
  const shifted = SHIFTS.test(bytes.toString('latin1'))
  // In HTML a byte order mark overrides every declaration (Encoding Standard, decode).
  const mark = bytes.toString('latin1', 0, 2)
  if (html && (mark === '\xff\xfe' || mark === '\xfe\xff')) return OPAQUE
  const name = (label ?? charsetInHtml(type, bytes) ?? '').trim().toLowerCase()
  const plain = isAscii(bytes)
  if (ASCII_NAMES.has(name)) return { sure: plain && !shifted, ascii: !shifted }
  if (DOS.test(name)) return SURE
  const decoder = decoderOf(name)
  if (decoder === undefined) {
    // In these charsets, ASCII bytes are not ASCII text.
    if (ownCodeOf(name) !== undefined) return OPAQUE
    // Under every other name, ASCII is ASCII. The meaning of other bytes is unknown.
    return { sure: plain && !shifted && !bytes.includes('~{'), ascii: !shifted, unnamed: true }
  }
  switch (decoder.encoding) {
    case 'x-user-defined':
      return { sure: plain && !shifted, ascii: !shifted }
    case 'utf-16le':
    case 'utf-16be':
      return { sure: !html && decodes(decoder, bytes), ascii: false }
    case 'iso-2022-jp':
      return { sure: decodes(decoder, withoutVoidEscapes(bytes)), ascii: false }
    default:
      return { sure: !shifted && decodes(decoder, bytes), ascii: !shifted }
  }
}

type Decoder = InstanceType<typeof TextDecoder>

function decoderOf(name: string): Decoder | undefined {
  try {
    return new TextDecoder(name, { fatal: true })
  } catch {
    return undefined
  }
}

function decodes(decoder: Decoder, bytes: Buffer): boolean {
  try {
    const text = decoder.decode(bytes)
    // ICU uses private use characters for bytes that a charset lacks.
    return decoder.encoding.startsWith('utf-') || !/[\ufffd\ue000-\uf8ff]/.test(text)
  } catch {
    return false
  }
}

/** Whether a body is in the transfer encoding that its header names (RFC 2045, section 6.7 and 6.8). */
export function isEncodedAs(raw: Buffer, encoding: TransferEncoding): boolean {
  if (isIdentity(encoding)) return true
  if (encoding === 'base64') return isBase64(raw)
  const text = raw.toString('latin1')
  return !/=(?![0-9A-Fa-f]{2}|[ \t]*(?:\r?\n|$))/.test(text)
}

/** Digits, padding after them, and spaces anywhere. Padding may be missing, but it must not be wrong. */
function isBase64(raw: Buffer): boolean {
  let digits = 0
  let padding = 0
  for (const byte of raw) {
    const kind = BASE64[byte]!
    if (kind === DIGIT && padding === 0) digits++
    else if (kind === PADDING && padding < 2) padding++
    else if (kind !== SPACE) return false
  }
  return digits % 4 !== 1 && (padding === 0 || (digits + padding) % 4 === 0)
}

const DIGIT = 1
const PADDING = 2
const SPACE = 3
const BASE64 = Uint8Array.from({ length: 256 }, (_none, byte) => {
  const one = String.fromCharCode(byte)
  if (/[A-Za-z0-9+/]/.test(one)) return DIGIT
  return one === '=' ? PADDING : /[\r\n \t]/.test(one) ? SPACE : 0
})

/** The same of a part, which may name several charsets: programs disagree which of them counts. */
export function readingOfPart(
  part: Pick<ContentOfPart, 'type' | 'charset' | 'charsets'>,
  bytes: Buffer,
): CharsetReading {
  const usual = readingOfCharset(part.type, part.charset, bytes)
  if (part.charsets.length < 2) return usual
  const readings = part.charsets.map((label) => readingOfCharset(part.type, label, bytes))
  return { ...usual, sure: false, ascii: readings.every(({ ascii }) => ascii) }
}

/** The facts of a part that this needs. */
export interface ContentOfPart {
  readonly type: string
  readonly isMultipart: boolean
  readonly charset: string | undefined
  /** every charset that the header names */
  readonly charsets: readonly string[]
  readonly encoding: TransferEncoding
  readonly raw: Buffer
  bytes(): Buffer
  /** everything after the colon of each field with that name */
  fields(name: 'Content-Transfer-Encoding'): readonly Buffer[]
}

/** Whether its transfer encoding could not be read for sure, or its body is not encoded so. */
export function encodingIsGuess(part: ContentOfPart): boolean {
  const said = new Set(
    part
      .fields('Content-Transfer-Encoding')
      .map((raw) => transferEncoding(raw.toString('latin1'))),
  )
  const clear = said.size < 2 && !said.has(undefined)
  return !clear || (!part.isMultipart && !isEncodedAs(part.raw, part.encoding))
}

export function contentGuesses(part: ContentOfPart): Guess[] {
  if (encodingIsGuess(part)) return ['transfer-encoding']
  if (!part.type.startsWith('text/')) return []
  return readingOfPart(part, part.bytes()).sure ? [] : ['charset']
}
