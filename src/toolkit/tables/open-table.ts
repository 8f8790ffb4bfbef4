import { invalidEntry, readText, readTextSync, shown } from '../entry.ts'
import { CidrTable } from './cidr-table.ts'
import { PatternTable } from './pattern-table.ts'
import { LocalTable } from './table.ts'
import { TextTable } from './text-table.ts'

/** Types whose files Postfix makes of a text, which is the file without its ending. */
const OF_TEXT = new Set(['hash', 'btree', 'lmdb', 'dbm', 'cdb', 'texthash'])

/**
 * Opens a table by the name that it has in the configuration of Postfix.
 *
 * - `hash:/etc/postfix/access`, also `btree:`, `lmdb:`, `cdb:`, `dbm:` and `texthash:`: the text that `postmap` reads. A
 *   change counts before `postmap` is run.
 * - `cidr:`, `regexp:`, `pcre:` and a path
 * - `inline:{ key = value, { key = value with spaces } }`
 * - `static:value`: the same for each key
 *
 * The text is read once. Open the table again after a change. For SQL, LDAP and everything else, use `functionTable`.
 *
 * @throws UsageError INVALID_ENTRY; FileError FILE_FAILED
 */
export async function openTable(name: string): Promise<LocalTable> {
  const opening = openingOf(name)
  return opening instanceof LocalTable ? opening : opening.make(await readText(opening.path))
}

/** As {@link openTable}, for programs that start: nothing else runs while the text is read. */
export function openTableSync(name: string): LocalTable {
  const opening = openingOf(name)
  return opening instanceof LocalTable ? opening : opening.make(readTextSync(opening.path))
}

/** A table of a text that has to be read. */
interface Opening {
  readonly path: string
  readonly make: (text: string) => LocalTable
}

/** A table without a file, or what to make of its file. */
function openingOf(name: string): LocalTable | Opening {
  const colon = name.indexOf(':')
  const type = name.slice(0, Math.max(colon, 0))
  const rest = name.slice(colon + 1)
  if (type === 'inline') return inlineTable(rest, name)
  if (type === 'static') return new StaticTable(withoutBraces(rest) ?? rest)
  if (OF_TEXT.has(type)) {
    return { path: rest, make: (text) => new TextTable(text, { name: rest }) }
  }
  if (type === 'cidr') {
    return { path: rest, make: (text) => new CidrTable(text, { name: rest }) }
  }
  if (type === 'regexp' || type === 'pcre') {
    return { path: rest, make: (text) => new PatternTable(text, { name: rest, syntax: type }) }
  }
  throw invalidEntry(
    shown(name),
    type === ''
      ? 'this is no table: it has no type'
      : `tables of the type ${shown(type)} are not known`,
    'write hash:, btree:, lmdb:, texthash:, cidr:, regexp: or pcre: and a path, inline: or static:; for SQL, LDAP and others, use functionTable',
  )
}

class StaticTable extends LocalTable {
  readonly #value: string

  constructor(value: string) {
    super()
    this.#value = value
  }

  get(): string {
    return this.#value
  }
}

/** Postfix, dict_inline.c. */
function inlineTable(text: string, name: string): LocalTable {
  const wrong = (what: string): Error =>
    invalidEntry(shown(name), what, 'write inline:{ key=value, { key = value with spaces } }')
  const inner = withoutBraces(text)
  if (inner === undefined) throw wrong('the entries have no braces around them')
  const entries = new Map<string, string>()
  for (const [piece] of inner.matchAll(/\{[^{}]*\}|[^\s,{}][^\s,]*|[{}]/g)) {
    const entry = withoutBraces(piece) ?? piece
    const [, key = '', value] = /^\s*([^=]*?)\s*=\s*([^]*?)\s*$/.exec(entry) ?? []
    if (key === '' || value === undefined)
      throw wrong(`${shown(piece)} has no key with a value`)
    const folded = key.toLowerCase()
    if (!entries.has(folded)) entries.set(folded, value)
  }
  if (entries.size === 0) throw wrong('it has no entries')
  return new InlineTable(entries)
}

class InlineTable extends LocalTable {
  readonly #values: ReadonlyMap<string, string>

  constructor(values: ReadonlyMap<string, string>) {
    super()
    this.#values = values
  }

  get(key: string): string | undefined {
    return this.#values.get(key.toLowerCase())
  }
}

const withoutBraces = (text: string): string | undefined => /^\s*\{([^]*)\}\s*$/.exec(text)?.[1]
