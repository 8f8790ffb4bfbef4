/**
 * Reads parameters as Python's newer policies do (email/_header_value_parser.py of 3.11, parse_mime_parameters). The
 * grammar has its own ways to go on after a part of a field that breaks it. Comments name the function of Python.
 */

/** A parameter as it was cut out. Its name has been read by RFC 2231. */
interface PythonParameter {
  readonly name: string
  readonly number: number
  readonly isExtended: boolean
  readonly charset: string
  readonly value: string
}

/** All parameters of one name, put together. */
export interface PythonValue {
  readonly name: string
  readonly charset: string
  readonly pieces: readonly { readonly isExtended: boolean; readonly value: string }[]
}

const ATTRIBUTE = /[^<> \t?:'\]@,\\)";([*%/=]+/y
const EXTENDED_ATTRIBUTE = /[^<> \t?:'\]@,\\)";([*/=]+/y
const TOKEN = /[^\\<> )?:";\t([\]/@=,]+/y
const ATOM = /[^()<>@,:;."[\]\\ \t]+/y
const SECTION = /\*(\d{1,9})/y

export interface PythonReading {
  /** the text before the first semicolon */
  readonly start: string
  readonly values: readonly PythonValue[]
}

/** @param text the whole value, unfolded */
export function pythonReading(text: string): PythonReading {
  const reader = new PythonReader(text)
  const start = reader.start()
  const groups = new Map<string, PythonParameter[]>()
  for (const one of reader.parameters()) {
    const group = groups.get(one.name)
    if (group === undefined) groups.set(one.name, [one])
    else group.push(one)
  }
  return { start, values: [...groups].map(([name, group]) => joined(name, group)) }
}

function joined(name: string, group: readonly PythonParameter[]): PythonValue {
  let parts = group.toSorted((a, b) => a.number - b.number)
  const first = parts[0]!
  if (!first.isExtended && parts[1]?.number === 0) parts = [first]
  let next = 0
  const pieces = parts.filter(({ number, isExtended }) => {
    if (number !== next && !isExtended) return false
    next++
    return true
  })
  return { name: name.toLowerCase(), charset: first.charset, pieces }
}

/** A rule of the grammar does not match (HeaderParseError). */
class NoMatch extends Error {}

class PythonReader {
  readonly #text: string
  readonly #lastWordEnd: number
  #at = 0

  constructor(text: string) {
    this.#text = text
    this.#lastWordEnd = text.lastIndexOf('?=')
  }

  get #more(): boolean {
    return this.#at < this.#text.length
  }

  #is(one: string): boolean {
    return this.#text[this.#at] === one
  }

  #isSpace(): boolean {
    return /\s/.test(this.#text[this.#at] ?? '')
  }

  /** A backslash before a space does not count. */
  #isEscape(): boolean {
    return this.#is('\\') && /[^ \t]/.test(this.#text[this.#at + 1] ?? '')
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) throw new NoMatch()
    this.#at = pattern.lastIndex
    return match[0]
  }

  /** The text before the first semicolon. */
  start(): string {
    try {
      for (;;) {
        this.#cfws()
        this.#match(TOKEN)
        this.#cfws()
        if (!this.#is('/')) break
        this.#at++
      }
    } catch (error) {
      if (!(error instanceof NoMatch)) throw error
    }
    this.#invalid()
    return this.#text.slice(0, this.#at)
  }

  /** parse_mime_parameters, from the first semicolon on. */
  *parameters(): Generator<PythonParameter> {
    while (this.#more) {
      this.#at++
      const start = this.#at
      try {
        const parameter = this.#parameter()
        if (parameter !== undefined) yield parameter
      } catch (error) {
        if (!(error instanceof NoMatch)) throw error
        this.#at = start
      }
      this.#invalid()
    }
  }

  /** get_parameter */
  #parameter(): PythonParameter | undefined {
    const name = this.#attribute(ATTRIBUTE)
    if (!this.#more || this.#is(';')) return undefined
    let number = 0
    let isExtended = false
    if (this.#is('*')) {
      SECTION.lastIndex = this.#at
      const section = SECTION.exec(this.#text)
      if (section !== null) {
        number = Number(section[1])
        this.#at = SECTION.lastIndex
      }
      if (this.#is('*')) {
        isExtended = true
        this.#at++
      }
    }
    if (!this.#is('=')) throw new NoMatch()
    this.#at++
    this.#cfws()
    if (isExtended && this.#is('"')) {
      const start = this.#at
      const quoted = new PythonReader(this.#quotedString())
      const inner = quoted.#extendedInQuotes(number)
      if (inner !== undefined) return { name, number, isExtended, ...inner }
      this.#at = start
    }
    return { name, number, isExtended, ...this.#charsetAndValue(isExtended && number === 0) }
  }

  /** Reads an extended value in quotes. That is common, and not allowed. Undefined if it is not one. */
  #extendedInQuotes(number: number): { charset: string; value: string } | undefined {
    if (number > 0) {
      EXTENDED_ATTRIBUTE.lastIndex = 0
      const all = EXTENDED_ATTRIBUTE.exec(this.#text)?.[0]
      return all === this.#text ? { charset: 'us-ascii', value: all } : undefined
    }
    const charset = this.#is("'") ? '' : this.#match(ATTRIBUTE)
    if (!this.#is("'")) return undefined
    this.#language()
    return {
      charset: charset || 'us-ascii',
      value: this.#text.slice(this.#at).replaceAll(/\\([^])/g, '$1'),
    }
  }

  #charsetAndValue(isFirst: boolean): { charset: string; value: string } {
    const start = this.#is("'") ? '' : this.#value()
    if (!this.#is("'")) {
      // Without the quotes of RFC 2231, all of it is the value, unless more text comes after it.
      if (isFirst && this.#more) throw new NoMatch()
      return { charset: 'us-ascii', value: start }
    }
    this.#language()
    return { charset: start.trim() || 'us-ascii', value: this.#value() }
  }

  /** `'en'` */
  #language(): void {
    this.#at++
    if (this.#more && !this.#is("'")) {
      this.#match(ATTRIBUTE)
      if (!this.#is("'")) throw new NoMatch()
    }
    this.#at++
  }

  /** get_value */
  #value(): string {
    this.#cfws()
    if (!this.#more) throw new NoMatch()
    return this.#is('"') ? this.#quotedString() : this.#attribute(EXTENDED_ATTRIBUTE)
  }

  /** get_attribute, get_extended_attribute */
  #attribute(pattern: RegExp): string {
    this.#cfws()
    const text = this.#match(pattern)
    this.#cfws()
    return text
  }

  /** get_quoted_string. Encoded words are kept, whatever they contain. */
  #quotedString(): string {
    let value = ''
    this.#at++
    while (this.#more && !this.#is('"')) {
      const word = this.#encodedWord()
      if (word !== '') value += word
      else {
        if (this.#isEscape()) this.#at++
        value += this.#text[this.#at]!
        this.#at++
      }
    }
    this.#at++
    this.#cfws()
    return value
  }

  /** get_encoded_word */
  #encodedWord(): string {
    const start = this.#at
    if (start >= this.#lastWordEnd || !this.#text.startsWith('=?', start)) return ''
    const match = /^=\?[^?]*\?[bq]\?/i.exec(this.#text.slice(start, start + 100))
    if (match === null) return ''
    const end = this.#text.indexOf('?=', start + match[0].length)
    if (end === -1) return ''
    this.#at = end + 2
    return this.#text.slice(start, this.#at)
  }

  /** get_cfws */
  #cfws(): void {
    for (;;) {
      while (this.#isSpace()) this.#at++
      if (!this.#is('(')) return
      let depth = 0
      while (this.#more) {
        const one = this.#text[this.#at]
        if (depth > 0 && this.#isEscape()) this.#at++
        else if (one === '(') depth++
        else if (one === ')') depth--
        this.#at++
        if (depth === 0) break
      }
    }
  }

  /** get_invalid_parameter: up to the next semicolon that is not in quotes, a comment or an encoded word. */
  #invalid(): void {
    while (this.#more && !this.#is(';')) {
      if (this.#is('"')) this.#quotedString()
      else if (this.#is('(') || this.#isSpace()) this.#cfws()
      else if (this.#encodedWord() === '') {
        ATOM.lastIndex = this.#at
        this.#at = ATOM.test(this.#text) ? ATOM.lastIndex : this.#at + 1
      }
    }
  }
}
