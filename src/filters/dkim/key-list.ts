/**
 * Which keys sign for an address. Two lists give the answer: keys by their domain, and OpenDKIM's KeyTable with its
 * SigningTable (opendkim.conf(5)), so that these files can be used as they are.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { UsageError } from '../../errors.ts'
import { SigningKey } from './signing-key.ts'

/** A key that signs, and i= if the table says one. */
export interface ChosenKey {
  readonly key: SigningKey
  readonly identity: string | undefined
}

/** Finds the keys for a signer; none for an address that is not ours. */
export interface KeyList {
  /** @param address `local@domain`, without quotes, the domain in lower case */
  keysFor(local: string, domain: string): readonly ChosenKey[]
  /** all keys that are known before the first message */
  readonly all: readonly SigningKey[]
}

/** A private key of a domain. Several keys of one domain all sign, such as an RSA and an Ed25519 key. */
export interface DkimKey {
  readonly domain: string
  readonly selector: string
  /** path of a file with the private key in PEM */
  readonly file?: string
  /** the private key itself, in PEM */
  readonly privateKey?: string
  /** whether it also signs for subdomains that have no key of their own; true by default */
  readonly subdomains?: boolean
}

/** Keys by their domain: those of the domain itself, or of the nearest domain above it. */
export class DomainKeys implements KeyList {
  readonly all: readonly SigningKey[]
  readonly #exact = new Map<string, ChosenKey[]>()
  readonly #above = new Map<string, ChosenKey[]>()

  constructor(keys: readonly DkimKey[]) {
    this.all = keys.map((one) => {
      const key = new SigningKey(one.domain, one.selector, pemOf(one), sourceOf(one))
      add(this.#exact, key.domain, { key, identity: undefined })
      if (one.subdomains !== false) add(this.#above, key.domain, { key, identity: undefined })
      return key
    })
  }

  keysFor(_local: string, domain: string): readonly ChosenKey[] {
    const own = this.#exact.get(domain)
    if (own !== undefined) return own
    for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
      const keys = this.#above.get(domain.slice(dot + 1))
      if (keys !== undefined) return keys
    }
    return []
  }
}

function add(map: Map<string, ChosenKey[]>, domain: string, key: ChosenKey): void {
  const list = map.get(domain)
  if (list === undefined) map.set(domain, [key])
  else list.push(key)
}

const sourceOf = ({ file, domain, selector }: DkimKey): string =>
  file ?? `the key ${selector} of ${domain}`

function pemOf(key: DkimKey): string {
  const { file, privateKey } = key
  if ((file === undefined) === (privateKey === undefined)) {
    throw invalid(`${sourceOf(key)} needs either file or privateKey`)
  }
  return privateKey ?? readText(file!, 'the key')
}

/** OpenDKIM's tables, read once. Key files are read when the tables are, but for those with % in their name. */
export class OpenDkimTables implements KeyList {
  readonly all: readonly SigningKey[]
  readonly #rules: readonly Rule[]
  readonly #isPattern: boolean
  readonly #multiple: boolean
  readonly #keys: ReadonlyMap<string, KeyEntry>
  /** keys of entries with %, by domain; bounded by {@link MAX_MADE} */
  readonly #made = new Map<string, SigningKey | undefined>()

  /**
   * @param keyTable path, with or without `file:` or `refile:` before it
   * @param signingTable the same; with `refile:` its first column is a pattern with `*`
   * @param multiple all matches sign (MultipleSignatures), not the first alone
   * @throws UsageError INVALID_OPTION, with file and line
   */
  constructor(keyTable: string, signingTable: string, multiple: boolean) {
    const keys = new Map<string, KeyEntry>()
    for (const { line, words } of readTable(keyTable)) {
      const [name, value, ...more] = words
      const parts = /^([^:]+):([^:]+):(.+)$/s.exec(value ?? '')
      if (parts === null || more.length > 0) {
        throw invalid(
          `${pathOf(keyTable)}:${line}: write NAME DOMAIN:SELECTOR:FILE, not ${JSON.stringify(words.join(' '))}`,
        )
      }
      const [, domain, selector, source] = parts
      const entry = new KeyEntry(domain!, selector!, source!, pathOf(keyTable), line)
      if (!keys.has(name!)) keys.set(name!, entry)
    }
    this.#keys = keys
    this.#isPattern = /^refile:/i.test(signingTable)
    this.#multiple = multiple
    this.#rules = readTable(signingTable).map(({ line, words }) => {
      const [pattern, name, identity, ...more] = words
      if (name === undefined || more.length > 0) {
        throw invalid(
          `${pathOf(signingTable)}:${line}: write PATTERN KEY-NAME, not ${JSON.stringify(words.join(' '))}`,
        )
      }
      if (!keys.has(name)) {
        throw invalid(
          `${pathOf(signingTable)}:${line}: ${JSON.stringify(name)} is not in ${pathOf(keyTable)}`,
        )
      }
      return { matches: matcher(pattern!), text: pattern!.toLowerCase(), name, identity }
    })
    this.all = [...keys.values()].flatMap(({ fixed }) => fixed ?? [])
  }

  keysFor(local: string, domain: string): readonly ChosenKey[] {
    const rules = this.#isPattern
      ? this.#byPattern(local, domain)
      : this.#exactly(local, domain)
    const chosen: ChosenKey[] = []
    for (const { name, identity } of rules) {
      const key = this.#keyOf(name, domain)
      // A file for this domain that does not exist: the domain is not ours.
      if (key === undefined) continue
      chosen.push({ key, identity: identityOf(identity, domain, key) })
      if (!this.#multiple) break
    }
    return chosen
  }

  #byPattern(local: string, domain: string): Rule[] {
    const address = `${local}@${domain}`.toLowerCase()
    return this.#rules.filter(({ matches }) => matches(address))
  }

  /** The order of opendkim.conf(5), SigningTable. */
  #exactly(local: string, domain: string): Rule[] {
    const user = local.toLowerCase()
    const above: string[] = []
    for (let dot = domain.indexOf('.'); dot !== -1; dot = domain.indexOf('.', dot + 1)) {
      above.push(domain.slice(dot))
    }
    const wanted = [
      `${user}@${domain}`,
      domain,
      ...above.map((one) => `${user}@${one}`),
      ...above,
      `${user}@*`,
      '*',
    ]
    return wanted.flatMap((text) =>
      this.#rules.filter(
        (rule) => rule.text === text || (rule.text === '%' && text === domain),
      ),
    )
  }

  #keyOf(name: string, domain: string): SigningKey | undefined {
    const entry = this.#keys.get(name)!
    if (entry.fixed !== undefined) return entry.fixed
    const id = `${name} ${domain}`
    if (!this.#made.has(id)) {
      if (this.#made.size >= MAX_MADE) this.#made.clear()
      this.#made.set(id, entry.keyFor(domain))
    }
    return this.#made.get(id)
  }
}

const MAX_MADE = 1_000

interface Rule {
  readonly matches: (address: string) => boolean
  readonly text: string
  readonly name: string
  readonly identity: string | undefined
}

/** A line of a KeyTable. */
class KeyEntry {
  /** undefined if the line has a % */
  readonly fixed: SigningKey | undefined
  readonly #domain: string
  readonly #selector: string
  readonly #source: string
  readonly #file: string
  readonly #line: number

  constructor(domain: string, selector: string, source: string, file: string, line: number) {
    this.#domain = domain
    this.#selector = selector
    this.#source = source
    this.#file = file
    this.#line = line
    if (domain !== '%' && !source.includes('%')) this.fixed = this.#make(domain, source)
  }

  /** Undefined if the domain has no file. */
  keyFor(domain: string): SigningKey | undefined {
    // The name of a file is made of it.
    if (!/^[\w.-]+$/.test(domain) || /^\.|\.\./.test(domain)) return undefined
    try {
      return this.#make(
        this.#domain === '%' ? domain : this.#domain,
        this.#source.replaceAll('%', domain),
      )
    } catch (error) {
      if (error instanceof MissingFile) return undefined
      throw error
    }
  }

  #make(domain: string, source: string): SigningKey {
    const where = `${this.#file}:${this.#line}`
    if (!/^\.{0,2}\//.test(source)) {
      return new SigningKey(domain, this.#selector, inlineKey(source), where)
    }
    const path = resolve(dirname(this.#file), source)
    return new SigningKey(domain, this.#selector, readText(path, where), path)
  }
}

/** A key in the table itself: PEM, or its base64 alone. */
function inlineKey(text: string): string {
  if (text.includes('-----')) return text.replaceAll('\\n', '\n')
  for (const label of ['PRIVATE KEY', 'RSA PRIVATE KEY']) {
    const pem = `-----BEGIN ${label}-----\n${text.replaceAll(/(.{64})/g, '$1\n')}\n-----END ${label}-----\n`
    try {
      void new SigningKey('example.org', 'test', pem)
      return pem
    } catch {
      // Not this kind of DER.
    }
  }
  return text
}

/** i= must be in the domain of d= (RFC 6376, section 3.5); opendkim leaves others out. */
function identityOf(
  identity: string | undefined,
  domain: string,
  { domain: signer }: SigningKey,
): string | undefined {
  const text = identity?.replaceAll('%', domain)
  if (text === undefined) return undefined
  const at = text.slice(text.lastIndexOf('@') + 1).toLowerCase()
  if (at !== signer && !at.endsWith(`.${signer}`)) return undefined
  return text.includes('@') ? text : `@${text}`
}

/** A pattern of `refile:`, where `*` stands for any text. No text has to be looked at twice. */
function matcher(pattern: string): (text: string) => boolean {
  const [first, ...rest] = pattern.toLowerCase().split(/\*+/) as [string, ...string[]]
  const last = rest.pop()
  if (last === undefined) return (text) => text === first
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    for (const part of rest) {
      const found = text.indexOf(part, at)
      if (found === -1) return false
      at = found + part.length
    }
    return at <= text.length - last.length
  }
}

interface Line {
  readonly line: number
  readonly words: readonly string[]
}

const pathOf = (spec: string): string => spec.replace(/^(?:re)?file:/i, '')

/** Lines of a table: words, comments with `#`, empty lines. */
function readTable(spec: string): Line[] {
  const kind = /^([a-z]+):/i.exec(spec)?.[1]
  if (kind !== undefined && !/^(?:re)?file$/i.test(kind)) {
    throw invalid(`${spec}: only files are read (file:PATH, refile:PATH, PATH)`)
  }
  const lines: Line[] = []
  for (const [i, text] of readText(pathOf(spec), 'the table').split(/\r?\n/).entries()) {
    const words = text.replace(/#.*$/, '').trim().split(/\s+/)
    if (words[0] !== '') lines.push({ line: i + 1, words })
  }
  return lines
}

class MissingFile extends UsageError {}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as { code?: string }
    throw new MissingFile('INVALID_OPTION', `DKIM: ${what} cannot be read: ${path} (${code})`, {
      cause,
    })
  }
}

const invalid = (what: string): UsageError => new UsageError('INVALID_OPTION', `DKIM: ${what}`)
