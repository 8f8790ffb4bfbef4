/** OpenDKIM's KeyTable with its SigningTable (opendkim.conf(5)), so that these files can be used as they are. */
import { dirname, resolve } from 'node:path'
import { UsageError } from '../../errors.ts'
import {
  MissingFile,
  readKeyFile,
  type ChosenKey,
  type KeyList,
  type NoKey,
} from '../signing/key-list.ts'
import { SigningKey } from '../signing/signing-key.ts'

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
      const where = `${pathOf(signingTable)}:${line}`
      return { matches: matcher(pattern!), text: pattern!.toLowerCase(), name, identity, where }
    })
    this.all = [...keys.values()].flatMap(({ fixed }) => fixed ?? [])
  }

  keysFor(local: string, domain: string): readonly ChosenKey[] | NoKey {
    const rules = this.#isPattern
      ? this.#byPattern(local, domain)
      : this.#exactly(local, domain)
    const chosen: ChosenKey[] = []
    for (const { name, identity, where } of rules) {
      const key = this.#keyOf(name, domain)
      // A file for this domain that does not exist: the domain is not ours.
      if (key === undefined) continue
      chosen.push({ key, identity: identityOf(identity, domain, key), rule: where })
      if (!this.#multiple) break
    }
    return chosen.length === 0 ? 'no-key' : chosen
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
  readonly where: string
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
    return new SigningKey(domain, this.#selector, readKeyFile(path, where), path)
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
  for (const [i, text] of readKeyFile(pathOf(spec), 'the table').split(/\r?\n/).entries()) {
    const words = text.replace(/#.*$/, '').trim().split(/\s+/)
    if (words[0] !== '') lines.push({ line: i + 1, words })
  }
  return lines
}

const invalid = (what: string): UsageError => new UsageError('INVALID_OPTION', `DKIM: ${what}`)
