/** The basics of milter-greylist's greylist.conf(5) for `greylist`: times, sizes of networks, whitelists. */
import { parseDuration } from '../../options/units.ts'
import { Piece, type Source } from './piece.ts'

interface Statement {
  readonly line: number
  readonly words: readonly string[]
}

const PROCESS = 'the unit, listen and the store take its place'
const WHY_NOT: Readonly<Record<string, string>> = {
  socket: PROCESS,
  pidfile: PROCESS,
  dumpfile: PROCESS,
  dumpfreq: PROCESS,
  user: PROCESS,
  stat: 'the log and the metrics have it',
  quiet: 'the answer always says how long to wait',
  verbose: 'the option logLevel',
  syslog: 'the log goes to standard output',
  report: 'the option header',
  peer: 'several machines share a store in Redis',
  syncaddr: 'several machines share a store in Redis',
  geoipdb: 'greylist has nothing for countries',
  dnsrbl: 'the filter dnsbl',
  noauth: 'mail of users who have logged in never waits',
  nospf: 'the option spf',
  lazyaw: 'autoWhitelist counts clients',
}
const TIME = /^(\d{1,9})([smhdw]?)$/

/** A time of greylist.conf; seconds without a unit. */
function timeOf(text: string | undefined): string | undefined {
  const [, number, unit] = TIME.exec(text ?? '') ?? []
  if (number === undefined) return undefined
  return unit === 'w' ? `${Number(number) * 7}d` : `${number}${unit || 's'}`
}

const longer = (one: string, other: string): boolean =>
  (parseDuration(one) ?? 0) > (parseDuration(other) ?? 0)

export function importMilterGreylist(source: Source): Piece {
  const piece = new Piece('greylist')
  const { options } = piece
  const lists = new Map<
    string,
    { readonly type: string; readonly entries: readonly string[] }
  >()
  const networks: string[] = []
  const recipients: string[] = []
  const whitelist = (type: string, entries: readonly string[]): string | undefined => {
    if (type === 'addr') networks.push(...entries)
    else if (type === 'rcpt' && entries.every((one) => !one.startsWith('/'))) {
      recipients.push(...entries.map((one) => one.replaceAll(/^<|>$/g, '')))
    } else {
      return `write it into a file of ${type === 'rcpt' ? 'whitelistRecipients' : 'whitelistClients'}, if greylist has it: ${type === 'domain' ? 'a name of a host or domain in each line' : 'it knows addresses, host names and recipients'}`
    }
    return undefined
  }
  for (const { line, words } of statementsIn(source.text)) {
    const [name = '', ...rest] = words
    const leave = (why: string): void =>
      piece.leave(source.path, line, words.join(' ').slice(0, 200), why)
    const time = (option: string, text: string | undefined): void => {
      const read = timeOf(text)
      if (read === undefined) leave('takes a time')
      else options[option] = read
    }
    const bits = (option: string): void => {
      const [, number] = /^\/?(\d{1,3})$/.exec(rest[0] ?? '') ?? []
      if (number === undefined) leave('takes a number of bits, such as /24')
      else options[option] = Number(number)
    }
    if (name === 'greylist') time('delay', rest[0])
    else if (name === 'autowhite') time('retention', rest[0])
    else if (name === 'timeout') time('window', rest[0])
    else if (name === 'subnetmatch') bits('ipv4Prefix')
    else if (name === 'subnetmatch6') bits('ipv6Prefix')
    else if (name === 'list') {
      const [title = '', type = '', ...entries] = rest
      lists.set(title, { type, entries: entries.filter((one) => one !== '{' && one !== '}') })
    } else if (name === 'acl' || name === 'racl') {
      const [action, ...clause] = rest
      const [type = '', value = '', ...more] = clause
      if (action === 'greylist' && type === 'default') {
        const given = clause.slice(1)
        for (let i = 0; i < given.length; i += 2) {
          if (given[i] === 'delay') time('delay', given[i + 1])
          else if (given[i] === 'autowhite') time('retention', given[i + 1])
          else leave(`greylist has nothing for ${given[i]}`)
        }
      } else if (action === 'whitelist' && type !== 'default' && more.length === 0) {
        const list = type === 'list' ? lists.get(value) : { type, entries: [value] }
        const why =
          list === undefined ? 'there is no such list' : whitelist(list.type, list.entries)
        if (why !== undefined) leave(why)
      } else
        leave(
          'only "acl whitelist" with one condition, and "acl greylist default", can be read',
        )
    } else leave(WHY_NOT[name] ?? 'greylist has nothing for it')
  }
  const { window, retention } = options as { window?: string; retention?: string }
  if (window !== undefined && retention !== undefined && longer(window, retention)) {
    options['retention'] = window
    piece.notes.push(
      `retention cannot be shorter than window, so it is ${window} in the place of ${retention}.`,
    )
  }
  if (networks.length > 0)
    options['networks'] = [...new Set(['127.0.0.0/8', '::1', ...networks])]
  if (recipients.length > 0)
    options['recipients'] = [...new Set(['postmaster@', 'abuse@', ...recipients])]
  return piece
}

/** Lines; a backslash at the end, or an open brace, goes on in the next. Quotes hold words together. */
function* statementsIn(text: string): Generator<Statement> {
  let [start, words, depth] = [1, [] as string[], 0]
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    if (words.length === 0) start = i + 1
    const goesOn = /\\\s*$/.test(raw)
    const found = raw.replace(/\\\s*$/, '').match(/"[^"]*"|#.*|[{}]|[^\s{}"#]+/g) ?? []
    for (const word of found) {
      if (word.startsWith('#')) break
      if (word === '{') depth++
      if (word === '}') depth--
      words.push(word.replaceAll('"', ''))
    }
    if (goesOn || depth > 0 || words.length === 0) continue
    yield { line: start, words }
    words = []
  }
  if (words.length > 0) yield { line: start, words }
}
