/** Writes fields with parameters. */
import { decodeText, encodeText } from '../../protocol/text.ts'
import { parameterSpans } from './parameters.ts'

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Maximum length of a line that is written, if the field can be folded (RFC 5322, section 2.1.1). */
const LINE = 76
/** Room in the first line for the name of the field, such as `Content-Type:`. */
const NAME = 14

/**
 * Formats `value; name=text; ...` as it comes after the colon, folded with LF. Text that is not ASCII, or too long for
 * a line, is written as in RFC 2231.
 */
export function formatParameters(
  value: string,
  parameters: Readonly<Record<string, string | undefined>>,
): string {
  const parts: string[] = []
  for (const [name, text] of Object.entries(parameters)) {
    if (text !== undefined) parts.push(...formatParameter(name, text))
  }
  let line = ` ${value}`
  let result = ''
  for (const part of parts) {
    line += ';'
    const room = result === '' ? LINE - NAME : LINE
    if (line.length + 1 + part.length > room) {
      result += `${line}\n`
      line = ` ${part}`
    } else line += ` ${part}`
  }
  return result + line
}

function formatParameter(name: string, text: string): string[] {
  if (TOKEN.test(text) && text.length <= LINE - name.length) return [`${name}=${text}`]
  if (/^[ -~]*$/.test(text) && text.length <= LINE - name.length) {
    return [`${name}="${text.replaceAll(/["\\]/g, '\\$&')}"`]
  }
  return extended(name, text)
}

/** Pieces that each fit on a line: `name*0*=utf-8''...`. */
function extended(name: string, text: string): string[] {
  const room = LINE - name.length - "*00*=utf-8''".length - 2
  const pieces: string[] = []
  let piece = ''
  for (const unit of unitsOf(encodeText(text))) {
    if (piece !== '' && piece.length + unit.length > room) {
      pieces.push(piece)
      piece = ''
    }
    piece += unit
  }
  pieces.push(piece)
  return pieces.length === 1
    ? [`${name}*=utf-8''${piece}`]
    : pieces.map((one, i) => `${name}*${i}*=${i === 0 ? "utf-8''" : ''}${one}`)
}

/**
 * Units that must stay in one piece: characters, because some programs decode each piece by itself. Bytes that are not
 * UTF-8 are units of their own. Up to three of them stay with a byte that could begin a character.
 */
function unitsOf(bytes: Buffer): string[] {
  const units: string[] = []
  let room = 0
  for (const byte of bytes) {
    const one = String.fromCharCode(byte)
    const written = /[!#$&+\-.^_`|~0-9A-Za-z]/.test(one)
      ? one
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    const follows = byte >= 0x80 && byte < 0xc0 && room > 0
    if (follows) units[units.length - 1] += written
    else units.push(written)
    room = follows ? room - 1 : byte >= 0xc0 ? 3 : 0
  }
  return units
}

/**
 * Changes one parameter of a field in place, or adds it at the end. All other forms of the parameter (`name*=`,
 * `name*0=`, a second one) are removed, because readers disagree on which of them counts. Nothing else changes, except
 * bytes that cannot be written in a field.
 */
export function withParameter(raw: Buffer, name: string, text: string): Buffer {
  const written = formatParameter(name, text).join('; ')
  const value = decodeText(raw).replaceAll(/\0|\r(?!\n)/g, ' ')
  const isForm = (one: string): boolean =>
    one.startsWith(name) && /^(?:\*\d{0,9}\*?)?$/.test(one.slice(name.length))
  let changed = ''
  let end = 0
  let done = false
  for (const one of parameterSpans(value)) {
    if (!isForm(one.name)) continue
    changed += value.slice(end, one.start)
    if (!done) {
      const whole = value.slice(one.start, one.end)
      const spaces = /^;([ \t\r\n]*)/.exec(whole)![1]!
      changed += `;${spaces || ' '}${written}${whole.slice(whole.trimEnd().length)}`
    }
    done = true
    end = one.end
  }
  changed += value.slice(end)
  if (!done) changed = `${changed.replace(/[; \t\r\n]+$/, '')}; ${written}`
  return encodeText(changed)
}
