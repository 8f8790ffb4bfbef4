import { invalidEntry, shown, type Place } from '../entry.ts'
import { isSpace, logicalLines, physicalLines, trimmed, type TableLine } from './table-lines.ts'
import { LocalTable } from './table.ts'

export interface TextTableOptions {
  /** whose format it is; `postfix` by default */
  readonly format?: 'postfix' | 'sendmail'
  /** whether keys with other letters are other keys. By default they are not, as with postmap and makemap. */
  readonly caseSensitive?: boolean
  /** what the table is called in errors, usually its file */
  readonly name?: string
}

/**
 * A table of keys and values as text: what `postmap` reads for `hash:`, `lmdb:` and `texthash:` (postmap(1)), or what
 * `makemap hash` of Sendmail reads. The text is read, not the file that those programs make of it.
 *
 *     const table = new TextTable('example.org REJECT\n.example.org\n  550 not from here\n')
 *     table.get('Example.ORG') // 'REJECT'
 */
export class TextTable extends LocalTable {
  readonly #values = new Map<string, string>()
  readonly #fold: boolean
  readonly #problems: string[] = []

  /** @throws UsageError INVALID_ENTRY for a line that Postfix leaves out with a warning, or makemap refuses */
  constructor(text: string, options: TextTableOptions = {}) {
    super()
    const { name = 'text table', format = 'postfix' } = options
    this.#fold = options.caseSensitive !== true
    const entries =
      format === 'postfix' ? postfixEntries(text, name) : sendmailEntries(text, name)
    for (const { place, key, value } of entries) {
      const folded = this.#folded(key)
      if (!this.#values.has(folded)) this.#values.set(folded, value)
      else this.#problem(place, `the key ${shown(key)} came before, and the first one counts`)
      // postmap warns too: with aliases(5), the keys are others.
      if (format === 'postfix' && key.endsWith(':')) {
        this.#problem(place, `the key ${shown(key)} ends with ":", as in aliases(5)`)
      }
    }
  }

  #problem({ file, line }: Place, what: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(`${file}:${line}: ${what}`)
  }

  /** Keys that come twice, of which the first counts, and keys as in aliases(5). */
  override get problems(): readonly string[] {
    return this.#problems
  }

  get size(): number {
    return this.#values.size
  }

  get(key: string): string | undefined {
    return this.#values.get(this.#folded(key))
  }

  #folded(key: string): string {
    return this.#fold ? key.toLowerCase() : key
  }
}

const MAX_PROBLEMS = 100

interface TextEntry {
  readonly place: Place
  readonly key: string
  readonly value: string
}

function* postfixEntries(text: string, name: string): Generator<TextEntry> {
  for (const line of logicalLines(text, name)) {
    const [key, value] = splitKey(line)
    if (value === '') throw noValue(line, key)
    yield { place: line, key, value }
  }
}

/** A key can have quotes with spaces in them, and keeps its quotes (Postfix, dict_thash.c). */
function splitKey(line: TableLine): readonly [key: string, value: string] {
  const { text } = line
  let quoted = false
  let at = 0
  for (; at < text.length; at++) {
    const char = text[at]!
    if (char === '\\') at++
    else if (char === '"') quoted = !quoted
    else if (!quoted && isSpace(char)) break
  }
  if (quoted) throw invalidEntry(line, `the key ${shown(text)} has one quote`, 'add the other')
  return [text.slice(0, at), trimmed(text.slice(at))]
}

/** Sendmail, makemap.c. */
function* sendmailEntries(text: string, name: string): Generator<TextEntry> {
  for (const [i, line] of physicalLines(text, name).entries()) {
    const place = { file: name, line: i + 1 }
    if (line === '' || line.startsWith('#')) continue
    if (isSpace(line[0])) {
      // makemap: "syntax error (leading space)".
      if (trimmed(line) === '') continue
      throw invalidEntry(
        place,
        `the entry ${shown(trimmed(line))} begins with a space`,
        'makemap knows no continued lines; write each entry in one line, without a space before it',
      )
    }
    const key = /^[^ \t\v\f\r]+/.exec(line)![0]
    const value = trimmed(line.slice(key.length))
    if (value === '') throw noValue(place, key)
    yield { place, key, value }
  }
}

const noValue = (place: Place, key: string): Error =>
  invalidEntry(
    place,
    `the key ${shown(key)} has no value`,
    'write the key, a space and the value',
  )
