/**
 * Reads values with parameters (`text/plain; charset=utf-8`) as real mail has them: with or without quotes, in pieces
 * (RFC 2231), with encoded words in quotes, given twice, or never closed. If programs disagree, `readingsOf` has the
 * readings of some of them.
 */
import { decodeText } from '../../protocol/text.ts'
import { decodeCharsetNow } from '../encodings/charset.ts'
import { decodeEncodedWords, unfold } from './encoded-words.ts'
import { percentDecoded } from '../encodings/hex-escapes.ts'
import { isMediaType, lenientType } from './media-type.ts'

export interface Parameter {
  /** in lower case, as written: `filename*0*` */
  readonly name: string
  /** without quotes and backslashes */
  readonly value: string
  /** what other programs read as the value */
  readonly others: readonly string[]
}

export interface ParameterizedValue {
  /** the text before the first semicolon, in lower case, without comments */
  readonly value: string
  readonly parameters: readonly Parameter[]
}

const NONE: readonly string[] = []

/** @param raw everything after the colon */
export function parseParameters(raw: Buffer): ParameterizedValue {
  const text = oneLine(decodeText(raw))
  const reader = new Reader(text)
  const value = withoutComments(reader.until(';')).trim().toLowerCase()
  const parameters: Parameter[] = []
  while (reader.more) {
    reader.skip(';')
    const parameter = reader.parameter()
    if (parameter !== undefined) parameters.push(parameter)
  }
  return { value, parameters }
}

/** A field Content-Type. */
export interface TypeField extends ParameterizedValue {
  /**
   * Whether its value is a media type, or the field is empty. Otherwise the field counts as absent (RFC 2045, section
   * 5.2).
   */
  readonly sure: boolean
}

/** @param raw everything after the colon */
export function parseTypeField(raw: Buffer): TypeField {
  const field = parseParameters(raw)
  const isEmpty = field.value === '' && field.parameters.length === 0
  return { ...field, sure: isEmpty || isMediaType(field.value) }
}

/** Reads a Content-Type as lenient programs do if its value is not a media type. */
export function parseLeniently(raw: Buffer): ParameterizedValue {
  const text = withoutComments(oneLine(decodeText(raw)))
  const { type, end } = lenientType(text.toLowerCase())
  return { value: type, parameters: looseParameters(text.slice(end)) }
}

/** Parameters with anything between them: `text/html charset=utf-8, name="x"`. */
export function looseParameters(text: string): Parameter[] {
  const parameters: Parameter[] = []
  let from = 0
  for (;;) {
    const equals = text.indexOf('=', from)
    if (equals === -1) return parameters
    let end = equals
    while (end > from && SPACE.test(text[end - 1]!)) end--
    let start = end
    while (start > from && !SEPARATOR.test(text[start - 1]!)) start--
    const name = text.slice(start, end).toLowerCase()
    let at = equals + 1
    while (at < text.length && SPACE.test(text[at]!)) at++
    const reader = new Reader(text, at)
    const parameter = text[at] === '"' ? reader.quoted(name) : reader.bare(name)
    if (name !== '') parameters.push(parameter)
    from = reader.at
  }
}

const SPACE = /[ \t]/
const SEPARATOR = /[\s,:;"/\\=]/

/** Unfolds. Other line ends and NUL are removed. */
const oneLine = (text: string): string =>
  /[\r\n\0]/.test(text) ? unfold(text).replaceAll(/[\r\n\0]+/g, '') : text

/** Removes comments. They are rare, and allowed nearly everywhere: `text/plain (a comment)`. */
export function withoutComments(text: string): string {
  if (!text.includes('(')) return text
  let result = ''
  let depth = 0
  for (const one of text) {
    if (one === '(') depth++
    else if (one === ')' && depth > 0) depth--
    else if (depth === 0) result += one
  }
  return result
}

/** The name of a parameter, in lower case. */
const nameIn = (text: string): string => withoutComments(text).trim().toLowerCase()

/** Where a parameter is in a value. It begins with the semicolon before it. */
export interface ParameterSpan {
  /** in lower case, as written */
  readonly name: string
  readonly start: number
  readonly end: number
}

/** Finds all parameters, including those without a value. @param text everything after the colon, not unfolded */
export function parameterSpans(text: string): ParameterSpan[] {
  // A line end counts as a space, and the text keeps its length.
  const reader = new Reader(text.replaceAll(/[\r\n]/g, ' '))
  reader.until(';')
  const spans: ParameterSpan[] = []
  while (reader.more) {
    const start = reader.at
    reader.skip(';')
    const parameter = reader.parameter()
    const name = parameter?.name ?? nameIn(text.slice(start + 1, reader.at))
    if (name !== '') spans.push({ name, start, end: reader.at })
  }
  return spans
}

class Reader {
  #at: number
  readonly #text: string

  constructor(text: string, at = 0) {
    this.#text = text
    this.#at = at
  }

  get more(): boolean {
    return this.#at < this.#text.length
  }

  get at(): number {
    return this.#at
  }

  skip(one: string): void {
    if (this.#text[this.#at] === one) this.#at++
  }

  until(stop: string): string {
    const end = this.#text.indexOf(stop, this.#at)
    const text = this.#text.slice(this.#at, end === -1 ? undefined : end)
    this.#at += text.length
    return text
  }

  /** `name=value` up to the next semicolon outside quotes. */
  parameter(): Parameter | undefined {
    const text = this.#text
    const start = this.#at
    while (this.more && text[this.#at] !== '=' && text[this.#at] !== ';') this.#at++
    const name = nameIn(text.slice(start, this.#at))
    if (text[this.#at] !== '=') return undefined
    this.#at++
    while (text[this.#at] === ' ' || text[this.#at] === '\t') this.#at++
    const parameter = text[this.#at] === '"' ? this.#upToSemicolon(name) : this.#plain(name)
    return name === '' ? undefined : parameter
  }

  /** A value up to the next space or separator. */
  bare(name: string): Parameter {
    const start = this.#at
    while (this.more && !/[\s,;]/.test(this.#text[this.#at]!)) this.#at++
    return { name, value: this.#text.slice(start, this.#at), others: NONE }
  }

  /** A value in quotes, whatever comes after them. */
  quoted(name: string): Parameter {
    const { value } = this.#quoted()
    return { name, value, others: NONE }
  }

  #quoted(): { readonly inner: string; readonly value: string } {
    const text = this.#text
    const start = ++this.#at
    let hasEscapes = false
    while (this.more && text[this.#at] !== '"') {
      if (text[this.#at] === '\\' && this.#at + 1 < text.length) {
        hasEscapes = true
        this.#at++
      }
      this.#at++
    }
    const inner = text.slice(start, this.#at)
    // Building a long value character by character would make an object for each.
    const value = hasEscapes ? inner.replaceAll(/\\(.)/gs, '$1') : inner
    this.skip('"')
    return { inner, value }
  }

  #upToSemicolon(name: string): Parameter {
    const { inner, value } = this.#quoted()
    // Text between the closing quote and the semicolon.
    const rest = this.until(';').trimEnd()
    const others: string[] = []
    // Some programs write the backslashes of a path without escapes.
    if (inner !== value) others.push(inner)
    if (rest.trim() !== '') others.push(value + rest.replaceAll('"', ''))
    // If a quote is never closed, other programs stop at the semicolon.
    if (inner.includes(';') && !this.more) others.push(inner.slice(0, inner.indexOf(';')))
    return { name, value, others: beside(value, others) }
  }

  #plain(name: string): Parameter {
    const all = this.until(';').trim()
    const value = all.endsWith('"') && !all.slice(0, -1).includes('"') ? all.slice(0, -1) : all
    const bare = withoutComments(value).trim()
    // A strict reader stops at the first space.
    const token = SPACE.test(bare) ? /^[^ \t]*/.exec(bare)![0] : bare
    return { name, value, others: beside(value, [bare, token]) }
  }
}

/** Removes repetitions and the value itself. */
function beside(value: string, others: readonly string[]): readonly string[] {
  if (others.every((other) => other === value)) return NONE
  return [...new Set(others)].filter((other) => other !== value)
}

/** The value of a parameter as most programs read it; undefined if there is none. */
export function parameterOf(
  { parameters }: ParameterizedValue,
  name: string,
): string | undefined {
  const whole = wholeValues(parameters, name)
  // RFC 2231 and RFC 6266: the extended form wins.
  return whole.extended[0] ?? whole.continued[0] ?? whole.plain[0]
}

/** All values that the field gives for a parameter. */
export function valuesOf({ parameters }: ParameterizedValue, name: string): string[] {
  const { extended, continued, plain } = wholeValues(parameters, name)
  return [...extended, ...continued, ...plain]
}

/** All readings of a parameter, the usual one first. */
export function readingsOf({ parameters }: ParameterizedValue, name: string): string[] {
  const { extended, continued, plain } = wholeValues(parameters, name)
  const others = parameters
    .filter((one) => one.name === name || one.name === `${name}*`)
    .flatMap((one) => one.others)
    .flatMap(decodedAndRaw)
  return [...new Set([...extended, ...continued, ...plain, ...others])]
}

const decodedAndRaw = (text: string): readonly string[] =>
  text.includes('=?') ? [decodeEncodedWords(text), text] : [text]

interface WholeValues {
  readonly extended: readonly string[]
  readonly continued: readonly string[]
  readonly plain: readonly string[]
}

function wholeValues(parameters: readonly Parameter[], name: string): WholeValues {
  const extended: string[] = []
  const plain: string[] = []
  const sections: Section[] = []
  for (const { name: full, value } of parameters) {
    if (!full.startsWith(name)) continue
    const rest = full.slice(name.length)
    if (rest === '') plain.push(...decodedAndRaw(value))
    else if (rest === '*') extended.push(decodeExtended(value))
    else {
      const match = /^\*(\d{1,9})(\*?)$/.exec(rest)
      if (match !== null) {
        sections.push({ number: Number(match[1]), encoded: match[2] === '*', value })
      }
    }
  }
  return { extended, plain, continued: sections.length === 0 ? NONE : joined(sections) }
}

interface Section {
  readonly number: number
  readonly encoded: boolean
  readonly value: string
}

/**
 * The sections in the order of their numbers up to the first gap, all of them in that order, and all in the order of
 * the field.
 */
function joined(sections: readonly Section[]): string[] {
  const inOrder: Section[] = []
  const byNumber = sections.toSorted((a, b) => a.number - b.number)
  for (const section of byNumber) {
    if (section.number === inOrder.length) inOrder.push(section)
  }
  const readings = [inOrder, byNumber, sections].map(join).filter((text) => text !== '')
  return [...new Set(readings.flatMap(decodedAndRaw))]
}

function join(sections: readonly Section[]): string {
  let charset = ''
  const pieces: Buffer[] = []
  for (const [i, { encoded, value }] of sections.entries()) {
    let text = value
    if (encoded && i === 0) {
      const parts = /^([^']*)'[^']*'(.*)$/s.exec(text)
      if (parts !== null) [charset, text] = [parts[1]!, parts[2]!]
    }
    pieces.push(encoded ? percentDecoded(text) : Buffer.from(text, 'utf8'))
  }
  return decodeCharsetNow(charset, Buffer.concat(pieces))
}

/** Decodes `utf-8'en'%e2%82%ac`. A value without these quotes is read as UTF-8. */
function decodeExtended(value: string): string {
  const parts = /^([^']*)'[^']*'(.*)$/s.exec(value)
  return parts === null
    ? decodeCharsetNow('utf-8', percentDecoded(value))
    : decodeCharsetNow(parts[1]!, percentDecoded(parts[2]!))
}
