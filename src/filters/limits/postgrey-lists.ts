/** The whitelists of postgrey(8): files with an entry in each line, `#` begins a comment. */
import { plainAddress } from '../../net/network.ts'
import { readText, invalidEntry, shown, type Place } from '../../toolkit/entry.ts'
import { IpList } from '../../toolkit/ip/ip-list.ts'
import { Pattern, PatternError, type PatternFlags } from '../../toolkit/patterns/pattern.ts'

const FLAGS: PatternFlags = {
  ignoreCase: true,
  multiline: false,
  dotAll: false,
  extended: false,
  dollarEndOnly: false,
  ungreedy: false,
}
/** Characters of a name that patterns look at. */
const MAX_NAME = 1_000

interface Entry extends Place {
  readonly text: string
}

function* entriesOf(text: string, file: string): Generator<Entry> {
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const entry = line.replace(/#[^]*$/, '').trim()
    if (entry !== '') yield { file, line: i + 1, text: entry }
  }
}

/** A regular expression between slashes; undefined for other entries. */
function patternOf(entry: Entry): Pattern | undefined {
  const [, source] = /^\/(\S+)\/$/.exec(entry.text) ?? []
  if (source === undefined) return undefined
  try {
    return new Pattern(source, FLAGS, 'pcre')
  } catch (error) {
    if (!(error instanceof PatternError)) throw error
    throw invalidEntry(
      entry,
      `the pattern ${shown(source)} cannot be used: ${error.message}`,
      'correct it',
    )
  }
}

/** The domain and all domains below it. */
class Domains {
  readonly #names = new Set<string>()

  add(name: string): void {
    this.#names.add(name.toLowerCase().replace(/^\./, ''))
  }

  has(name: string): boolean {
    let rest = name.toLowerCase()
    for (;;) {
      if (this.#names.has(rest)) return true
      const dot = rest.indexOf('.')
      if (dot === -1) return false
      rest = rest.slice(dot + 1)
    }
  }
}

const matches = (patterns: readonly Pattern[], text: string): boolean =>
  patterns.some((one) => one.match(text.slice(0, MAX_NAME)) !== undefined)

/** `whitelist_clients`: addresses, the beginnings of addresses (`192.0.2`), networks, names of hosts, patterns. */
export class ClientWhitelist {
  readonly #ips: IpList
  readonly #domains = new Domains()
  readonly #patterns: Pattern[] = []

  /** @throws UsageError INVALID_ENTRY */
  constructor(texts: readonly (readonly [file: string, text: string])[]) {
    const ips: string[] = []
    for (const [file, text] of texts) {
      for (const entry of entriesOf(text, file)) {
        const pattern = patternOf(entry)
        const ip = ipOf(entry.text)
        if (pattern !== undefined) this.#patterns.push(pattern)
        else if (ip !== undefined) {
          // Alone first, so that an error names the line.
          void IpList.parse(`${'\n'.repeat(entry.line - 1)}${ip}`, { name: file })
          ips.push(ip)
        } else if (/^[\w.-]+$/.test(entry.text)) this.#domains.add(entry.text)
        else {
          throw invalidEntry(
            entry,
            `${shown(entry.text)} is no client`,
            'write an address, a network, the name of a host or domain, or a pattern between slashes',
          )
        }
      }
    }
    this.#ips = new IpList(ips)
  }

  static async read(files: readonly string[]): Promise<ClientWhitelist> {
    return new ClientWhitelist(await textsOf(files))
  }

  /** @param host its verified name; undefined, `unknown` or an address in brackets if there is none */
  has(address: string, host: string | undefined): boolean {
    if (this.#ips.has(plainAddress(address))) return true
    if (host === undefined || host === 'unknown' || host.startsWith('[')) return false
    return this.#domains.has(host) || matches(this.#patterns, host)
  }
}

/** As IpList takes it; undefined if the entry is no address. */
function ipOf(entry: string): string | undefined {
  // postgrey: the beginning of an address.
  const numbers = /^\d{1,3}(?:\.\d{1,3}){0,3}$/.test(entry) ? entry.split('.') : undefined
  if (numbers !== undefined) {
    const full = [...numbers, '0', '0', '0'].slice(0, 4).join('.')
    return numbers.length === 4 ? entry : `${full}/${8 * numbers.length}`
  }
  return /^[\d.]+\/\d+$/.test(entry) || /:[^]*:/.test(entry) ? entry : undefined
}

/** `whitelist_recipients`: addresses, `user@`, domains, patterns. */
export class RecipientWhitelist {
  readonly #addresses = new Set<string>()
  readonly #locals = new Set<string>()
  readonly #domains = new Domains()
  readonly #patterns: Pattern[] = []

  /** @throws UsageError INVALID_ENTRY */
  constructor(texts: readonly (readonly [file: string, text: string])[]) {
    for (const [file, text] of texts) {
      for (const entry of entriesOf(text, file)) {
        const pattern = patternOf(entry)
        const name = entry.text.toLowerCase()
        if (pattern !== undefined) this.#patterns.push(pattern)
        else if (/\s/.test(name)) {
          throw invalidEntry(
            entry,
            `${shown(entry.text)} is no recipient`,
            'write user@example.org, user@, example.org, or a pattern between slashes',
          )
        } else if (name.endsWith('@')) this.#locals.add(name.slice(0, -1))
        else if (name.includes('@')) this.#addresses.add(name)
        else this.#domains.add(name)
      }
    }
  }

  static async read(files: readonly string[]): Promise<RecipientWhitelist> {
    return new RecipientWhitelist(await textsOf(files))
  }

  /** The extension of an address (`user+news`) does not count. */
  has({ local, domain }: { readonly local: string; readonly domain: string }): boolean {
    const name = local.toLowerCase()
    const plain = name.replace(/(?!^)\+[^]*$/, '')
    return (
      [name, plain].some(
        (one) => this.#locals.has(one) || this.#addresses.has(`${one}@${domain}`),
      ) ||
      this.#domains.has(domain) ||
      matches(this.#patterns, `${name}@${domain}`)
    )
  }
}

const textsOf = async (files: readonly string[]): Promise<(readonly [string, string])[]> =>
  await Promise.all(files.map(async (file) => [file, await readText(file)] as const))
