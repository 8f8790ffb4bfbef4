/** postgrey(8) for `greylist`: its whitelists, its options, and dumps of its database. */
import { UsageError } from '../../errors.ts'
import { ClientWhitelist, RecipientWhitelist } from '../../filters/limits/postgrey-lists.ts'
import { linesIn, Piece, type Source } from './piece.ts'

/** What a client needs in postgrey_clients.db to be let in: `--auto-whitelist-clients`, 5 by default. */
const ENOUGH = 5

export function importPostgrey(sources: readonly Source[]): Piece {
  const piece = new Piece('greylist')
  const clients: string[] = []
  const recipients: string[] = []
  for (const source of sources) {
    const { path, text } = source
    if (/^POSTGREY_(?:OPTS|TEXT)=/m.test(text)) takeOptions(piece, source, clients, recipients)
    else if (text.startsWith('VERSION=3\n')) takeDump(piece, source)
    else if (/recipient/i.test(path)) takeList(piece, source, RecipientWhitelist, recipients)
    else takeList(piece, source, ClientWhitelist, clients)
  }
  if (clients.length > 0) piece.options['whitelistClients'] = clients
  if (recipients.length > 0) piece.options['whitelistRecipients'] = recipients
  return piece
}

/** The lists are read as they are; a line that would be a mistake is named. */
function takeList(
  piece: Piece,
  { path, text }: Source,
  List: new (texts: readonly (readonly [string, string])[]) => unknown,
  paths: string[],
): void {
  let wrong = false
  for (const { line, text: entry } of linesIn({ path, text })) {
    try {
      void new List([[path, entry]])
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      wrong = true
      piece.leave(path, line, entry, error.message.replace(/^[^]*?:1: /, ''))
    }
  }
  if (wrong)
    piece.notes.push(
      `${path} has lines that cannot be read, which are below: remove them, or the list is refused.`,
    )
  paths.push(path)
}

/** By the names of postgrey(8). */
const OPTIONS: Readonly<Record<string, (value: string, piece: Piece) => string | undefined>> = {
  delay: (value, { options }) => number(value, () => (options['delay'] = `${value}s`)),
  'max-age': (value, { options }) => number(value, () => (options['retention'] = `${value}d`)),
  'retry-window': (value, { options }) => {
    const [, count, unit = 'd'] = /^(\d+)(h?)$/.exec(value) ?? []
    if (count === undefined) return 'takes days, or hours with h'
    options['window'] = `${count}${unit || 'd'}`
    return undefined
  },
  'auto-whitelist-clients': (value, { options }) =>
    number(
      value === '' ? String(ENOUGH) : value,
      (count) => (options['autoWhitelist'] = count),
    ),
  'lookup-by-host': (_, { options }) => {
    Object.assign(options, { ipv4Prefix: 32, ipv6Prefix: 128 })
    return undefined
  },
  'lookup-by-subnet': () => undefined,
  ipv4cidr: (value, { options }) => number(value, (bits) => (options['ipv4Prefix'] = bits)),
  ipv6cidr: (value, { options }) => number(value, (bits) => (options['ipv6Prefix'] = bits)),
}
const PROCESS = 'a policy server needs it; a milter has listen, and its unit'
const WHY_NOT: Readonly<Record<string, string>> = {
  inet: PROCESS,
  unix: PROCESS,
  socketmode: PROCESS,
  user: PROCESS,
  group: PROCESS,
  pidfile: PROCESS,
  daemonize: PROCESS,
  dbdir: 'the store takes its place',
  'greylist-text': 'the text of the answer says how long to wait, and cannot be changed',
  'greylist-action': 'the answer is 451',
  'x-greylist-header': 'the option header adds X-Greylist; its text cannot be changed',
  privacy: 'keys in the store have a form of their own',
  hostname: 'the answer does not name the server',
  exim: 'tsmilter is for Postfix and Sendmail',
}

function takeOptions(
  piece: Piece,
  source: Source,
  clients: string[],
  recipients: string[],
): void {
  for (const { line, text } of linesIn(source)) {
    const [, name, value = ''] = /^(POSTGREY_\w+)=["']?(.*?)["']?$/.exec(text) ?? []
    if (name !== 'POSTGREY_OPTS') {
      piece.leave(source.path, line, text, WHY_NOT['greylist-text']!)
      continue
    }
    for (const word of value.split(/\s+(?=-)/)) {
      const [, option = '', given = ''] = /^--?([\w-]+)(?:[=\s]+(.*))?$/.exec(word.trim()) ?? []
      if (option === 'whitelist-clients') clients.push(given)
      else if (option === 'whitelist-recipients') recipients.push(given)
      else {
        const take = OPTIONS[option]
        const why =
          take === undefined
            ? (WHY_NOT[option] ?? 'greylist has nothing for it')
            : take(given, piece)
        if (why !== undefined) piece.leave(source.path, line, word.trim(), why)
      }
    }
  }
}

function number(value: string, take: (number: number) => void): string | undefined {
  if (!/^\d{1,9}$/.test(value)) return 'takes a whole number'
  take(Number(value))
  return undefined
}

/**
 * The output of `db_dump -p`. Clients that have come back often enough can become a whitelist. Triples (client, sender,
 * recipient) are left out: the store is the only one that may write what it reads, and each of them waits once more.
 */
function takeDump(piece: Piece, { path, text }: Source): void {
  if (!/^format=print$/m.test(text)) {
    return piece.leave(path, 2, 'format=bytevalue', 'it cannot be read: dump with db_dump -p')
  }
  const lines = text.slice(text.indexOf('HEADER=END') + 11).split('\n')
  const known: string[] = []
  let triples = 0
  for (let i = 0; i + 1 < lines.length && lines[i] !== 'DATA=END'; i += 2) {
    const key = lines[i]!.trim()
    const value = lines[i + 1]!.trim()
    if (key.includes('/')) triples++
    else if (/^[\d.:a-f]+$/i.test(key) && Number(/^(\d+),/.exec(value)?.[1] ?? 0) >= ENOUGH) {
      known.push(key)
    }
  }
  if (known.length > 0) {
    piece.notes.push(
      `${path} has ${known.length} clients that have come back ${ENOUGH} times. To let them in at once, write these lines into a file of whitelistClients, for 35 days:`,
      ...known,
    )
  }
  if (triples > 0) {
    piece.leave(
      path,
      1,
      `${triples} triples`,
      'their senders wait once more, and are known then',
    )
  }
}
