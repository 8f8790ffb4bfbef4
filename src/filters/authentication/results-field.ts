/**
 * The field `Authentication-Results` (RFC 8601, section 2.2): reading it by its grammar, writing it, and finding those that
 * claim to be ours.
 */
import { decodeEncodedWords } from '../../mime/fields/encoded-words.ts'
import { domainName } from '../../toolkit/dns/domain-name.ts'

/** A property of a result: `header.d=example.org`. */
export interface ResultProperty {
  /** `smtp`, `header`, `body` or `policy` */
  readonly type: string
  readonly name: string
  readonly value: string
}

/** The result of one method: `dkim=pass reason="..." header.d=example.org`. */
export interface MethodResult {
  /** `spf`, `dkim`, `dmarc`, `arc`, ... in lower case */
  readonly method: string
  /** `pass`, `fail`, ... in lower case */
  readonly result: string
  readonly reason?: string | undefined
  /** a comment behind the result, without its parentheses */
  readonly comment?: string | undefined
  readonly properties: readonly ResultProperty[]
}

export interface ResultsField {
  /** the server that vouches for the results, as it stands in the field */
  readonly id: string
  /** 1 if the field does not say */
  readonly version: number
  /** empty for `none` */
  readonly results: readonly MethodResult[]
}

export const RESULTS_NAME = 'Authentication-Results'

// ---- reading

/** RFC 2045, section 5.1, with the characters above ASCII of RFC 6532. */
const TOKEN = /[^\0- ()<>@,;:\\"/[\]?=\x7f]+/y
/** `[ local-part ] "@" domain-name`, and what stands in values all the same, such as a base64 with `/` and `=`. */
const VALUE = /[^\0- ();"\x7f]+/y
const QUOTED = /"((?:[^"\\]|\\[^])*)"/y
const KEYWORD = /[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/y
const DIGITS = /\d{1,9}/y

/** What is left of a field. Comments are kept, because a reader may want to see them. */
class Reader {
  #at = 0
  readonly #text: string
  comment: string | undefined

  constructor(text: string) {
    this.#text = text
  }

  get done(): boolean {
    return this.#at >= this.#text.length
  }

  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return undefined
    this.#at = pattern.lastIndex
    return found[1] ?? found[0]
  }

  takeQuoted(): string | undefined {
    return this.take(QUOTED)?.replaceAll(/\\([^])/g, '$1')
  }

  character(wanted: string): boolean {
    if (this.#text[this.#at] !== wanted) return false
    this.#at++
    return true
  }

  /** Spaces and comments. False for a comment that does not end. */
  space(): boolean {
    for (;;) {
      this.take(/[ \t\r\n]+/y)
      if (this.#text[this.#at] !== '(') return true
      const end = endOfComment(this.#text, this.#at)
      if (end === -1) return false
      this.comment = this.#text.slice(this.#at + 1, end - 1)
      this.#at = end
    }
  }
}

/** Comments can contain comments. */
function endOfComment(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const character = text[at]
    if (character === '\\') at++
    else if (character === '(') depth++
    else if (character === ')' && --depth === 0) return at + 1
  }
  return -1
}

/**
 * Reads the value of a field, with or without folds. Undefined if it is not by the grammar.
 *
 *     parseResultsField('mx.example.org; dkim=pass header.d=example.net')?.results[0].result // 'pass'
 */
export function parseResultsField(value: string): ResultsField | undefined {
  const reader = new Reader(value)
  const head = idOf(reader)
  if (head === undefined) return undefined
  const results: MethodResult[] = []
  while (reader.character(';')) {
    if (!reader.space()) return undefined
    // A semicolon at the end, as some write it.
    if (reader.done) break
    const result = resultOf(reader)
    if (result === undefined) return undefined
    // no-result
    if (result !== 'none') results.push(result)
  }
  return reader.done ? { ...head, results } : undefined
}

function idOf(reader: Reader): { id: string; version: number } | undefined {
  if (!reader.space()) return undefined
  const id = reader.takeQuoted() ?? reader.take(VALUE)
  if (id === undefined || !reader.space()) return undefined
  const version = reader.take(DIGITS)
  return reader.space()
    ? { id, version: version === undefined ? 1 : Number(version) }
    : undefined
}

function resultOf(reader: Reader): MethodResult | 'none' | undefined {
  const method = reader.take(KEYWORD)?.toLowerCase()
  if (method === undefined || !reader.space()) return undefined
  if (reader.character('/') && !(reader.space() && reader.take(DIGITS) && reader.space())) {
    return undefined
  }
  if (!reader.character('=')) return method === 'none' ? 'none' : undefined
  if (!reader.space()) return undefined
  const result = reader.take(KEYWORD)?.toLowerCase()
  reader.comment = undefined
  if (result === undefined || !reader.space()) return undefined
  const { comment } = reader
  let reason: string | undefined
  const properties: ResultProperty[] = []
  for (;;) {
    const type = reader.take(KEYWORD)?.toLowerCase()
    if (type === undefined) break
    if (!reader.space()) return undefined
    const name = reader.character('.') ? propertyName(reader) : undefined
    if (!reader.character('=') || !reader.space()) return undefined
    const value = reader.takeQuoted() ?? reader.take(VALUE)
    if (value === undefined || !reader.space()) return undefined
    if (name !== undefined) properties.push({ type, name, value })
    else if (type === 'reason') reason = value
    else return undefined
  }
  return {
    method,
    result,
    ...(reason !== undefined && { reason }),
    ...(comment !== undefined && { comment }),
    properties,
  }
}

function propertyName(reader: Reader): string | undefined {
  if (!reader.space()) return undefined
  const name = reader.take(TOKEN)?.toLowerCase()
  return reader.space() ? name : undefined
}

// ---- whose it is

/**
 * The ids that only we may use.
 *
 * @param ids names of servers; one with a dot before it (`.example.org`) stands for the domain and all names below it
 */
export class OwnIds {
  readonly #names = new Set<string>()
  readonly #domains: string[] = []

  constructor(ids: Iterable<string>) {
    for (const id of ids) {
      const name = normalId(id.startsWith('.') ? id.slice(1) : id)
      this.#names.add(name)
      if (id.startsWith('.')) this.#domains.push(`.${name}`)
    }
  }

  has(id: string): boolean {
    const name = normalId(id)
    return this.#names.has(name) || this.#domains.some((domain) => name.endsWith(domain))
  }

  /**
   * Whether a field claims one of the ids, for some program that reads it: one that follows the grammar, one that knows no
   * comments or quotes, one that decodes encoded words everywhere.
   */
  isClaimedBy(value: string): boolean {
    return readings(value).some((id) => this.has(id))
  }
}

/**
 * How a name is compared: without case, as A-labels, without brackets around it, and without what some write behind it: a
 * job behind a slash, a port, a comma.
 */
function normalId(id: string): string {
  // oxlint-disable-next-line no-control-regex
  const text = id.replaceAll(/[\0-\x20\x7f\u00ad\u200b-\u200f\u2060\ufeff"'<>[\]]/g, '')
  const name = /^[/\\;,:=@]?([^/\\;,:=]*)/.exec(text)![1]!
  return domainName(name) ?? name.toLowerCase().replace(/\.$/, '')
}

/** The ids that programs may read at the start of a field, in time that grows as the field does. */
function readings(value: string): string[] {
  const found: string[] = []
  for (const text of new Set([value, decodeEncodedWords(value)])) {
    const grammatical = idOf(new Reader(text))
    if (grammatical !== undefined) found.push(grammatical.id)
    found.push(
      // Comments are left out wherever they stand, even if they do not end.
      firstWord(withoutComments(text)),
      firstWord(text.replaceAll(/\([^()]*\)?/g, ' ')),
      firstWord(text),
    )
  }
  return found
}

/** A comment that does not end is none: only its parenthesis is left out. */
function withoutComments(text: string): string {
  const kept: string[] = []
  /** for each comment that is open, how much was kept before it */
  const open: number[] = []
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === '(') open.push(kept.length)
    else if (character === ')' && open.length > 0) kept.length = open.pop()!
    else if (character === '\\' && open.length > 0) kept.push(character, text[++at] ?? '')
    else kept.push(character)
  }
  return kept.join('')
}

/** To the first semicolon or space, with or without quotes. */
const firstWord = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  /^[\0-\x20"']*([^; \t\r\n]*)/.exec(text)![1]!

// ---- writing

/** A longer value is left out: it could not be folded (RFC 5322, section 2.1.1). */
const MAX_VALUE = 320
const WIDTH = 78
const INDENT = 8

const PLAIN_TOKEN = /^[^\0- ()<>@,;:\\"/[\]?=\x7f]+$/
/** A value that needs no quotes: a token, or a domain or address (`pvalue`). */
const PLAIN_ADDRESS = /^(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+)?@[A-Za-z0-9._-]+$/

/**
 * A value that may come from anywhere, as it is written; undefined if it cannot be: it is empty or above 320 bytes, or has
 * control characters or bytes above ASCII.
 */
export function writtenValue(value: string): string | undefined {
  if (value === '' || value.length > MAX_VALUE || !/^[ -~]+$/.test(value)) return undefined
  if (PLAIN_TOKEN.test(value) || PLAIN_ADDRESS.test(value)) return value
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`
}

/** The same for a comment. */
export const writtenComment = (text: string): string | undefined =>
  text === '' || text.length > MAX_VALUE || !/^[ -~]+$/.test(text)
    ? undefined
    : `(${text.replaceAll(/[()\\]/g, '\\$&')})`

/**
 * Writes the value of a field, with the space after its colon and CRLF in folds. Each result begins a line. Properties whose
 * values cannot be written are left out.
 */
export function writeResultsField(id: string, results: readonly MethodResult[]): string {
  const name = writtenValue(id) ?? 'unknown'
  if (results.length === 0) return ` ${name}; none`
  return ` ${name};${results.map((result) => `\r\n\t${writtenResult(result)}`).join(';')}`
}

/** `dkim=pass header.d=example.org`, in folded lines. */
function writtenResult({ method, result, reason, comment, properties }: MethodResult): string {
  const words = [`${method}=${result}`]
  const reasonText = reason === undefined ? undefined : writtenValue(reason)
  if (reasonText !== undefined) words.push(`reason=${reasonText}`)
  const commentText = comment === undefined ? undefined : writtenComment(comment)
  if (commentText !== undefined) words.push(commentText)
  for (const property of properties) {
    const value = writtenValue(property.value)
    if (value !== undefined) words.push(`${property.type}.${property.name}=${value}`)
  }
  return foldedWords(words, INDENT)
}

/** Words with a space or a fold between them. */
export function foldedWords(words: readonly string[], start: number): string {
  let text = ''
  let column = start
  for (const [i, word] of words.entries()) {
    if (i > 0 && column + 1 + word.length > WIDTH) {
      text += '\r\n\t'
      column = INDENT
    } else if (i > 0) {
      text += ' '
      column++
    }
    text += word
    column += word.length
  }
  return text
}
