/**
 * Lists of addresses (RFC 5322, section 3.4, with the obsolete forms of section 4.4). In a message, an encoded word
 * counts wherever a name or a comment can be, and also in quotes: many programs write it there, and readers such as
 * Python's email and mailparser decode it. Decoded text has no encoded words.
 */
import { UsageError } from '../../errors.ts'
import { decodeEncodedWords, LOOKS_ENCODED, trimSpaces } from './encoded-words.ts'
import { addressTokens, commentEnd, routeEnd, type Token } from './address-tokens.ts'

/** One mailbox of an address field. */
export interface Mailbox {
  /** the name, decoded and without quotes; undefined if there is none */
  readonly name?: string | undefined
  /** the address as written, without comments; empty if the field has none there */
  readonly address: string
  /** the part before the last `@`, without quotes */
  readonly local: string
  /** the part after the last `@`, in lower case; empty for an address without `@` */
  readonly domain: string
}

/** Mailboxes under a name, such as `undisclosed-recipients:;`. */
export interface MailboxGroup {
  readonly group: string
  readonly mailboxes: readonly Mailbox[]
}

export type Address = Mailbox | MailboxGroup

/** A new mailbox: the address without angle brackets, and a name with any characters. */
export interface NewMailbox {
  readonly name?: string | undefined
  readonly address: string
}

export type NewAddress =
  string | NewMailbox | { readonly group: string; readonly mailboxes: readonly NewMailbox[] }

/** The place of a comment, or of a name or a part of one between comments. Everything else stays as it is. */
export interface Stretch {
  /** `local` is a name in the place of an address. All of it is in quotes, like a local address. */
  readonly kind: 'name' | 'comment' | 'local'
  readonly tokens: readonly Token[]
  readonly start: number
  readonly end: number
  /** a name with characters that are allowed only in quotes */
  readonly loose: boolean
}

export interface AddressList {
  readonly tokens: readonly Token[]
  readonly addresses: readonly Address[]
  readonly stretches: readonly Stretch[]
  /** why it is not a list of addresses; readers disagree on the addresses in it */
  readonly problem: string | undefined
}

/** @param encoded whether encoded words are read, as in a message */
export function parseAddresses(text: string, encoded: boolean): AddressList {
  return new Reader(text, encoded).read()
}

/** All mailboxes, including those in groups. */
export const mailboxesOf = (addresses: readonly Address[]): Mailbox[] =>
  addresses.flatMap((one) => ('group' in one ? one.mailboxes : [one]))

export const sameAddresses = (a: readonly Address[], b: readonly Address[]): boolean =>
  JSON.stringify(comparable(a)) === JSON.stringify(comparable(b))

/** Several spaces in a name count as one, as after folding. */
const comparable = (addresses: readonly Address[]): unknown[] =>
  addresses.map((one) =>
    'group' in one
      ? [oneSpace(one.group), comparable(one.mailboxes)]
      : [oneSpace(one.name ?? ''), one.address, one.local],
  )

const oneSpace = (text: string): string => trimSpaces(text.replaceAll(/[ \t]+/g, ' '))

class Reader {
  readonly #text: string
  readonly #encoded: boolean
  readonly #tokens: readonly Token[]
  readonly #addresses: Address[] = []
  readonly #stretches: Stretch[] = []
  #problem: string | undefined
  #group: { group: string; mailboxes: Mailbox[] } | undefined
  /** the tokens before the next delimiter */
  #pending: Token[] = []
  /** whether the element has its address in angle brackets already */
  #done = false

  constructor(text: string, encoded: boolean) {
    this.#text = text
    this.#encoded = encoded
    this.#tokens = addressTokens(text, encoded)
  }

  read(): AddressList {
    for (let i = 0; i < this.#tokens.length; i++) {
      const token = this.#tokens[i]!
      if (token.open) this.#wrong('a quote, bracket or comment has no end')
      if (token.kind !== 'special') this.#pending.push(token)
      else if (token.text === '<') i = this.#angle(i)
      else if (token.text === ':') this.#colon(token)
      else if (token.text === ',') this.#endElement()
      else if (token.text === ';') {
        this.#endElement()
        if (this.#group === undefined) this.#wrong('a ";" ends no group')
        this.#group = undefined
      } else this.#pending.push(token)
    }
    this.#endElement()
    if (this.#group !== undefined) this.#wrong('a group has no ";" at its end')
    return {
      tokens: this.#tokens,
      addresses: this.#addresses,
      stretches: this.#stretches,
      problem: this.#problem,
    }
  }

  #wrong(problem: string): void {
    this.#problem ??= problem
  }

  #add(mailbox: Mailbox): void {
    if (this.#group === undefined) this.#addresses.push(mailbox)
    else this.#group.mailboxes.push(mailbox)
  }

  /** @returns the index of the last token of it */
  #angle(start: number): number {
    // If one element has two addresses, both are kept, because readers take either one.
    if (this.#done) {
      this.#wrong('two addresses have no comma between them')
      this.#done = false
    }
    const name = this.#name(this.#pending)
    this.#pending = []
    let i = start + 1
    while (space(this.#tokens[i])) i++
    let inner = i
    // A source route no longer has a meaning (RFC 5322, section 4.4).
    const route = routeEnd(this.#text, this.#tokens[start]!.start)
    if (route !== -1) {
      while (this.#tokens[i] !== undefined && this.#tokens[i]!.start < route) i++
      inner = i
    }
    while (i < this.#tokens.length && !special(this.#tokens[i], '<>,;')) {
      if (this.#tokens[i]!.open) this.#wrong('a quote, bracket or comment has no end')
      i++
    }
    const tokens = this.#tokens.slice(inner, i)
    const closed = special(this.#tokens[i], '>')
    if (!closed) this.#wrong('a "<" has no ">"')
    for (const one of tokens) this.#comment(one)
    const empty = tokens.every(space)
    const address = empty ? NO_ADDRESS : addressOf(tokens)
    if (address === undefined) this.#wrong('the text in "<>" is not an address')
    const as = address ?? unreadable(trimSpaces(withoutComments(tokens)))
    this.#add(name === '' ? as : { name, ...as })
    this.#done = true
    return closed ? i : i - 1
  }

  #colon(token: Token): void {
    const legal =
      this.#group === undefined &&
      !this.#done &&
      !this.#pending.some((one) => special(one, '@')) &&
      !this.#pending.every(space)
    if (!legal) {
      this.#pending.push(token)
      return
    }
    this.#group = { group: this.#name(this.#pending), mailboxes: [] }
    this.#addresses.push(this.#group)
    this.#pending = []
  }

  #endElement(): void {
    const tokens = this.#pending
    this.#pending = []
    if (this.#done) {
      this.#done = false
      this.#parts(tokens, false)
      if (!tokens.every(space)) this.#wrong('there is text after an address')
      return
    }
    if (tokens.every(space)) {
      for (const one of tokens) this.#comment(one)
      return
    }
    const address = this.#encodedAlone(tokens) ? undefined : addressOf(tokens)
    if (address !== undefined) {
      for (const one of tokens) this.#comment(one)
      this.#add(address)
      return
    }
    if (tokens.some(hasEncoded) && this.#encoded) {
      // A name must not become an address with a domain when it is read as text.
      const words = trimTokens(tokens)
      const local = nameOf(words, this.#text, true)
      const [start, end] = [words[0]!.start, words.at(-1)!.end]
      this.#stretches.push({ kind: 'local', tokens: words, start, end, loose: false })
      this.#add({ address: phraseText(local, LOCAL), local, domain: '' })
      return
    }
    this.#wrong('a name has no address')
    for (const one of tokens) this.#comment(one)
    this.#add({ name: nameOf(tokens, this.#text, false), ...NO_ADDRESS })
  }

  /** Encoded words cannot be addresses. But with a domain after it, the undecoded word is one. */
  #encodedAlone(tokens: readonly Token[]): boolean {
    return this.#encoded && tokens.some(hasEncoded) && !tokens.some((one) => special(one, '@'))
  }

  #comment(token: Token): void {
    if (token.kind !== 'comment' || token.open) return
    const { start, end } = token
    this.#stretches.push({ kind: 'comment', tokens: [token], start, end, loose: false })
  }

  #name(tokens: readonly Token[]): string {
    this.#parts(tokens, true)
    return nameOf(tokens, this.#text, this.#encoded)
  }

  /**
   * Records the names between comments.
   * @param quotes whether characters other than those of words need quotes there
   */
  #parts(tokens: readonly Token[], quotes: boolean): void {
    let part: Token[] = []
    const end = (): void => {
      while (part.length > 0 && part.at(-1)!.kind === 'space') part.pop()
      if (part.length > 0) {
        this.#stretches.push({
          kind: 'name',
          tokens: part,
          start: part[0]!.start,
          end: part.at(-1)!.end,
          loose: part.some(
            (one) => (quotes && isLoose(one)) || (one.encoded && SPECIALS.test(one.text)),
          ),
        })
      }
      part = []
    }
    for (const one of tokens) {
      if (one.kind === 'comment') {
        end()
        this.#comment(one)
      } else if (one.kind !== 'space' || part.length > 0) part.push(one)
    }
    end()
  }
}

const isLoose = ({ kind }: Token): boolean => kind === 'special' || kind === 'literal'
/**
 * Characters that readers accept in an encoded word. In a text without encoded words, they separate or end something.
 */
const SPECIALS = /[ \t"()<>[\]:;@\\,]/

const NO_ADDRESS = { address: '', local: '', domain: '' } as const

const space = (token: Token | undefined): boolean =>
  token?.kind === 'space' || token?.kind === 'comment'

const special = (token: Token | undefined, which: string): boolean =>
  token?.kind === 'special' && which.includes(token.text)

const hasEncoded = (token: Token): boolean =>
  token.encoded || (token.kind === 'quoted' && !token.open && LOOKS_ENCODED.test(token.text))

function trimTokens(tokens: readonly Token[]): readonly Token[] {
  const first = tokens.findIndex((one) => !space(one))
  return tokens.slice(first, tokens.findLastIndex((one) => !space(one)) + 1)
}

const withoutComments = (tokens: readonly Token[]): string =>
  tokens.map(({ kind, text }) => (kind === 'comment' ? ' ' : text)).join('')

/** Text that is not an address, as written. */
function unreadable(address: string): Mailbox {
  const at = address.lastIndexOf('@')
  return {
    address,
    local: at === -1 ? address : address.slice(0, at),
    domain: at === -1 ? '' : address.slice(at + 1).toLowerCase(),
  }
}

/**
 * The address; undefined if the tokens are not an `addr-spec`: words joined by dots, `@`, a domain. A single word may
 * have no domain.
 */
function addressOf(tokens: readonly Token[]): Mailbox | undefined {
  const parts = tokens.filter((one) => !space(one))
  const at = parts.findIndex((one) => special(one, '@'))
  const localParts = at === -1 ? parts : parts.slice(0, at)
  const domainParts = at === -1 ? [] : parts.slice(at + 1)
  if (!areWords(localParts, true)) return undefined
  const written = localParts.map(({ text }) => text).join('')
  const local = localParts.map((one) => valueOf(one)).join('')
  if (at === -1) return { address: written, local, domain: '' }
  const literal = domainParts.length === 1 && domainParts[0]!.kind === 'literal'
  if (!literal && !areWords(domainParts, false)) return undefined
  const domain = domainParts.map(({ text }) => text).join('')
  return { address: `${written}@${domain}`, local, domain: domain.toLowerCase() }
}

function areWords(parts: readonly Token[], quotes: boolean): boolean {
  return (
    parts.length > 0 &&
    parts.every(
      (one, i) =>
        (one.kind === 'word'
          ? !NOT_IN_ATOM.test(one.text)
          : quotes && one.kind === 'quoted' && !one.open) &&
        (i === 0 || joined(parts[i - 1]!, one)),
    )
  )
}

/**
 * Whether two words are joined: by a dot, or with nothing between them. An encoded word is not a word of its own in an
 * address.
 */
const joined = (before: Token, one: Token): boolean =>
  before.text.endsWith('.') ||
  one.text.startsWith('.') ||
  (before.kind === 'word' && one.kind === 'word' && before.end === one.start)

// oxlint-disable-next-line eslint/no-control-regex -- they are what no atom has
const NOT_IN_ATOM = /[\0-\x20\x7f"(),:;<>@[\\\]]/

/** The text of a token, without its quotes. */
const valueOf = ({ kind, text, open }: Token): string =>
  kind === 'quoted' ? unquote(open ? text.slice(1) : text.slice(1, -1)) : text

const unquote = (inner: string): string =>
  inner.includes('\\') ? inner.replaceAll(/\\([^])/g, '$1') : inner

/** The text of tokens that follow each other. */
export function nameOf(tokens: readonly Token[], text: string, encoded: boolean): string {
  let name = ''
  let run: Token[] = []
  let afterComment = false
  const add = (said: string): void => {
    // A line break in a name would end a line of the header. Such characters have no meaning in a name.
    // oxlint-disable-next-line eslint/no-control-regex -- they are what is taken out
    const clean = said.replaceAll(/[\0-\x1f\x7f]/g, ' ')
    const piece = afterComment ? clean.replace(/^ +/, '') : clean
    name += piece
    if (piece !== '') afterComment = false
  }
  const endRun = (): void => {
    if (run.length === 0) return
    const plain = text.slice(run[0]!.start, run.at(-1)!.end).replaceAll(/[ \t\r\n]+/g, ' ')
    add(encoded ? decodeEncodedWords(plain) : plain)
    run = []
  }
  for (const one of tokens) {
    if (one.kind === 'comment') {
      endRun()
      // One space for it and the spaces around it.
      name = `${trimSpaces(name)} `
      afterComment = true
    } else if (one.kind === 'quoted') {
      endRun()
      const inner = one.text.slice(1, one.open ? undefined : -1)
      add(encoded && !one.open ? decodeEncodedWords(inner, unquote) : unquote(inner))
    } else run.push(one)
  }
  endRun()
  return trimSpaces(name)
}

// ---- as text

/** Text that needs no quotes. A dot needs them (RFC 5322, section 3.2.5). */
const PHRASE =
  /^[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~\u0080-\uffff]+(?: [!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~\u0080-\uffff]+)*$/
const LOCAL = /^[!#$%&'*+\-./0-9=?A-Z^_`a-z{|}~\u0080-\uffff]+$/

/**
 * A name as a phrase, in quotes if it needs them. A backslash breaks text that looks like an encoded word, because
 * readers decode encoded words in quotes, too.
 */
export function phraseText(name: string, plain: RegExp = PHRASE): string {
  const looks = LOOKS_ENCODED.test(name)
  if (!looks && plain.test(name)) return name
  const inner = name.replaceAll(/["\\]/g, '\\$&')
  return `"${looks ? inner.replaceAll('=?', '=\\?') : inner}"`
}

/** The content of a comment with its encoded words decoded. It is still one comment. */
export function commentText(comment: string): string {
  const escape = (text: string): string => {
    const safe = text.replaceAll(/[()\\]/g, '\\$&').replaceAll(/[\r\n\0]/g, ' ')
    return LOOKS_ENCODED.test(safe) ? safe.replaceAll('=?', '=\\?') : safe
  }
  const text = decodeEncodedWords(comment, wholeEscapes, escape)
  // A word may hold a bracket of its own, which counts among those of the comment.
  return commentEnd(text, 0) === text.length ? text : comment
}

/** A backslash before an encoded word must not escape the first character of its text. */
export const wholeEscapes = (plain: string): string => {
  let end = plain.length
  while (plain[end - 1] === '\\') end--
  return (plain.length - end) % 2 === 1 ? `${plain}\\` : plain
}

/** The text of a value in a message. It parses back to the same mailboxes. */
export function addressText(unfolded: string): string {
  const value = trimSpaces(unfolded)
  if (!value.includes('=?') && SIMPLE.test(value)) return value
  const { stretches } = parseAddresses(value, true)
  let text = ''
  let end = 0
  for (const stretch of stretches) {
    const shown = stretchText(stretch, value)
    if (shown === undefined) continue
    text += value.slice(end, stretch.start) + shown
    end = stretch.end
  }
  return text + value.slice(end)
}

/** The name in another form; undefined if it is shown as written. */
export function stretchText(
  { kind, tokens, start, end, loose }: Stretch,
  value: string,
): string | undefined {
  const source = value.slice(start, end)
  if (kind === 'comment') return source.includes('=?') ? commentText(source) : undefined
  if (!loose && !source.includes('=?')) return undefined
  const name = nameOf(tokens, value, true)
  if (kind === 'local') return phraseText(name, LOCAL)
  if (name === '') return '""'
  return loose || name !== nameOf(tokens, value, false) ? phraseText(name) : undefined
}

/** One address, or one in angle brackets after a name, with nothing that needs a closer look. */
const SIMPLE = /^(?:[^ \t\r\n"()<>[\]:;\\,]+|[^"()<>[\]:;@\\,]*<[^"()<>[\]:;\\,]*>)$/

/**
 * The text of mailboxes and groups.
 * @throws UsageError INVALID_ADDRESS
 */
export function formatAddresses(addresses: readonly NewAddress[]): string {
  return addresses
    .map((one) => {
      if (typeof one === 'string') return formatText(one)
      if (!('group' in one)) return formatMailbox(one)
      return `${phraseText(clean(one.group))}: ${one.mailboxes.map(formatMailbox).join(', ')};`
    })
    .join(', ')
}

/** Each is checked alone, because the next one must not repair a fault of the one before. */
function formatText(text: string): string {
  const { problem, addresses } = parseAddresses(text, false)
  if (problem === undefined && addresses.length > 0) return text
  throw notAddress(text, problem ?? 'there is no address in it')
}

function formatMailbox({ name, address }: NewMailbox): string {
  const { problem, addresses } = parseAddresses(`<${address}>`, false)
  const [one] = mailboxesOf(addresses)
  if (problem !== undefined || addresses.length !== 1 || one!.address !== address) {
    throw notAddress(address, problem ?? 'it is more than an address')
  }
  if (address === '') throw notAddress(address, 'it is empty')
  const words = clean(name ?? '')
  return words === '' ? address : `${phraseText(words)} <${address}>`
}

const notAddress = (address: string, why: string): UsageError =>
  new UsageError(
    'INVALID_ADDRESS',
    `${JSON.stringify(address.length > 120 ? `${address.slice(0, 120)}...` : address)} is not an address for a field: ${why}; give { name, address } with the address alone, such as jane@example.org`,
  )

// oxlint-disable-next-line eslint/no-control-regex -- they are what is taken out
const clean = (name: string): string => trimSpaces(name.replaceAll(/[\0-\x1f\x7f]/g, ' '))
