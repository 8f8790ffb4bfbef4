/** Writing of fields with parameters. */
import { decodeText, encodeText } from '../../protocol/text.ts'
import { parameterSpans } from './parameters.ts'

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Longest line of a field this writes, where it can be (RFC 5322, section 2.1.1). */
const LINE = 76
/** Before the first line stands the name of the field, such as `Content-Type:`. */
const NAME = 14

/**
 * `value; name=text; ...` as it stands after the colon, folded with LF. Text that is not ASCII, or too
 * long for a line, is written as RFC 2231 has it.
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

/** Pieces that fit on a line each: `name*0*=utf-8''...`. */
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
 * What is not cut: characters, as some programs decode each piece by itself. Bytes that are no UTF-8 stand alone,
 * or behind a byte that might begin a character, three at most.
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
 * A field with one parameter changed in place, or added at its end. All forms of it go (`name*=`,
 * `name*0=`, a second one): readers disagree on which of them counts. Nothing else is touched, but bytes
 * that cannot be written in a field.
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
