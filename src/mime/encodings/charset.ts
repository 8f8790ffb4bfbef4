/** Charsets: Node decodes those of the Encoding Standard, and iconv-lite, loaded when needed, all others. */
import { isAscii } from 'node:buffer'
import { createRequire } from 'node:module'
import { decodeByTable, decodeText, encodeText } from '../../protocol/text.ts'
import { checkBundle } from './bundle.ts'
import { utf7Decoder } from './utf7.ts'

type Decode = (bytes: Buffer) => string
const decoders = new Map<string, Decode | undefined>()

/** Undefined for a charset that Node does not know. Bytes that are not UTF-8 are kept (see decodeText). */
export function decodeCharset(charset: string, bytes: Buffer): string | undefined {
  if (!decoders.has(charset)) {
    // Names come from the network, so the cache needs a limit.
    if (decoders.size >= 100) decoders.clear()
    decoders.set(charset, decoderOf(charset))
  }
  return decoders.get(charset)?.(bytes)
}

/** Names that mail uses and the Encoding Standard lacks. */
const ALIASES = new Map([
  ['cp932', 'shift_jis'],
  ['cp936', 'gbk'],
  ['cp949', 'euc-kr'],
  ['cp950', 'big5'],
])

function decoderOf(charset: string): Decode | undefined {
  let decoder
  try {
    decoder = new TextDecoder(ALIASES.get(charset) ?? charset)
  } catch {
    return undefined
  }
  switch (decoder.encoding) {
    case 'utf-8':
      // Bytes that are not UTF-8 are kept, as everywhere in this package.
      return (bytes) => decodeText(bytes)
    case 'windows-1252':
      return decodeWindows1252
    case 'iso-2022-jp':
      return (bytes) => decoder.decode(withoutVoidEscapes(bytes))
    default:
      return (bytes) => decoder.decode(bytes)
  }
}

/** 0x80 to 0x9f; the rest is Latin-1. Some releases of Node take these for control characters. */
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'

const UNITS_1252 = Uint16Array.from({ length: 256 }, (_none, byte) =>
  byte >= 0x80 && byte < 0xa0 ? WINDOWS_1252.charCodeAt(byte - 0x80) : byte,
)

const decodeWindows1252 = (bytes: Buffer): string =>
  isAscii(bytes) ? bytes.toString('latin1') : decodeByTable(bytes, UNITS_1252)

/** A word ends in ASCII, and the next one leaves it again. If nothing is between them, decoders see an attack. */
export const withoutVoidEscapes = (bytes: Buffer): Buffer =>
  // oxlint-disable-next-line eslint/no-control-regex -- escape sequences begin with ESC
  Buffer.from(bytes.toString('latin1').replaceAll(/\x1b[($][@-Z](?=\x1b)/g, ''), 'latin1')

/** Decodes in any case. If the charset is unknown, bytes are UTF-8 if possible, otherwise Latin-1. */
export function decodeCharsetNow(charset: string, bytes: Buffer): string {
  const text = charset === '' ? undefined : decodeCharset(charset.trim().toLowerCase(), bytes)
  if (text !== undefined) return text
  const utf8 = decodeText(bytes)
  return utf8.isWellFormed() ? utf8 : bytes.toString('latin1')
}

// oxlint-disable-next-line typescript/consistent-type-imports -- loaded when it is needed
type Iconv = typeof import('iconv-lite')
let iconv: Promise<Iconv> | undefined
let loaded: Iconv | undefined
const loadIconv = (): Promise<Iconv> =>
  (iconv ??= import('iconv-lite').then((module) => (loaded = module.default)))
checkBundle(import.meta.url, 'mime/encodings/charset', loadIconv)

/** Loads it at once, for names in headers. A bundle has it from the start, or does not include it. */
function iconvNow(): Iconv | undefined {
  try {
    loaded ??= createRequire(import.meta.url)('iconv-lite') as Iconv
  } catch {
    // This happens in a bundle without packages beside it, when it has just started.
  }
  return loaded
}

/** The text of bytes in a charset that only iconv-lite knows; undefined if it does not. */
export function decodeRareCharset(name: string, bytes: Buffer): string | undefined {
  if (name === '') return undefined
  const library = iconvNow()
  return library !== undefined && isCharset(library, name)
    ? decodeBy(library, name, bytes)
    : undefined
}

const decodeBy = (library: Iconv, name: string, bytes: Buffer): string =>
  utf7Decoder(name)?.(bytes) ?? library.decode(bytes, name)

/** iconv-lite counts `hex` and `base64` as charsets. No mail program reads mail that names them in this way. */
function isCharset({ encodingExists }: Iconv, name: string): boolean {
  let known = charsets.get(name)
  if (known === undefined) {
    if (charsets.size >= 100) charsets.clear()
    const bare = name.replaceAll(/[^0-9a-z]|:\d{4}$/g, '')
    known = !/^(?:hex|base64)$/.test(bare) && encodingExists(name)
    charsets.set(name, known)
  }
  return known
}

/** The names that were looked up. It has the same limit as `decoders`. */
const charsets = new Map<string, boolean>()

/** Decodes bytes in any charset. An unknown charset is read as in {@link decodeCharsetNow}. */
export async function decodeAnyCharset(charset: string, bytes: Buffer): Promise<string> {
  const name = charset.trim().toLowerCase()
  const text = name === '' ? undefined : decodeCharset(name, bytes)
  if (text !== undefined) return text
  const library = await loadIconv()
  return name !== '' && isCharset(library, name)
    ? decodeBy(library, name, bytes)
    : decodeCharsetNow('', bytes)
}

/** Encodes a text. It is undefined if the charset is unknown, or lacks a character of the text. */
export async function encodeCharset(
  charset: string,
  text: string,
): Promise<Buffer | undefined> {
  const name = charset.trim().toLowerCase()
  if (name === '' || name === 'us-ascii' || name === 'ascii') {
    return /^[\0-\x7f]*$/.test(text) ? Buffer.from(text, 'latin1') : undefined
  }
  if (name === 'utf-8' || name === 'utf8') return encodeText(text)
  const library = await loadIconv()
  if (!isCharset(library, name)) return undefined
  const bytes = library.encode(text, name)
  // iconv-lite writes a question mark for a character that the charset lacks.
  return (await decodeAnyCharset(name, bytes)) === text ? bytes : undefined
}
