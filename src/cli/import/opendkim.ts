/** opendkim.conf(5) for `dkimSign`. */
import { Networks } from '../../server/networks.ts'
import { UsageError } from '../../errors.ts'
import { OVERSIGNED_FIELDS } from '../../filters/signing/signed-fields.ts'
import { linesIn, Piece, type Source } from './piece.ts'

/** What other parts of tsmilter do, by the name of the setting in lower case. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  syslog: 'the log of tsmilter goes to standard output, and so to the journal',
  syslogsuccess: 'each message has a line in the log',
  syslogfacility: 'the log of tsmilter goes to standard output, and so to the journal',
  logwhy: 'each message that is not signed has a line with its reason',
  userid: 'the user is User= in the unit, or the option user',
  umask: 'a unix socket has unixSocket.mode',
  pidfile: 'the option pidFile; systemd needs none',
  background: 'the unit does it',
  autorestart: 'tsmilter run replaces workers that fail',
  autorestartrate: 'tsmilter run replaces workers that fail',
  trustanchorfile: 'DNSSEC is a matter of the resolver',
  nameservers: 'the resolver is that of the machine',
  requiresafekeys: 'check-config warns of keys that everybody can read',
  minimumkeybits: 'check-config warns of short keys',
}

/** Networks that are local by default, in both programs. */
const LOCAL = ['127.0.0.0/8', '::1']
const isYes = (value: string): boolean => /^(?:y|yes|t|true|1|on)$/i.test(value)

/** @param read gives the text of a file that the configuration names; undefined if it cannot be read */
export function importOpenDkim(
  source: Source,
  read: (path: string) => string | undefined,
): Piece {
  const piece = new Piece('dkimSign')
  const { path } = source
  const found = new Map<string, { line: number; name: string; value: string }>()
  for (const { line, text } of linesIn(source)) {
    const [, name, rest] = /^(\S+)\s*([^]*)$/.exec(text)!
    // opendkim.conf(5): what follows a # is a comment.
    const value = rest!.replace(/\s*#.*$/, '')
    const before = found.get(name!.toLowerCase())
    if (before !== undefined)
      piece.leave(path, before.line, before.name, 'a later line sets it again')
    found.set(name!.toLowerCase(), { line, name: name!, value })
  }
  const take = (name: string) => {
    const one = found.get(name)
    found.delete(name)
    return one
  }
  const leave = (name: string, why: string): void => {
    const one = take(name)
    if (one !== undefined) piece.leave(path, one.line, `${one.name} ${one.value}`, why)
  }

  const [keyTable, signingTable] = [take('keytable'), take('signingtable')]
  const subdomains = take('subdomains')
  if (keyTable !== undefined && signingTable !== undefined) {
    const others = [keyTable, signingTable].filter(({ value }) => !isFileTable(value))
    for (const { line, name, value } of others) {
      piece.leave(
        path,
        line,
        `${name} ${value.replace(/:[^]*/, ':...')}`,
        'only tables in files (file:, refile:) are read: write one',
      )
    }
    const multiple = take('multiplesignatures')
    if (others.length === 0) {
      piece.options['openDkim'] = {
        keyTable: keyTable.value,
        signingTable: signingTable.value,
        ...(multiple !== undefined && isYes(multiple.value) && { multiple: true }),
      }
    }
    for (const name of ['domain', 'selector', 'keyfile'])
      leave(name, 'the tables take its place')
  } else {
    for (const one of [keyTable, signingTable]) {
      if (one !== undefined)
        piece.leave(path, one.line, one.name, 'KeyTable and SigningTable are needed together')
    }
    takeKey(
      piece,
      path,
      { domain: take('domain'), selector: take('selector'), file: take('keyfile') },
      subdomains !== undefined && isYes(subdomains.value),
    )
  }
  const form = take('canonicalization')
  if (form !== undefined) {
    // RFC 6376, section 3.5: without the second, the body is simple.
    const [header = '', body = 'simple'] = form.value.toLowerCase().split('/')
    const known = [header, body].every((one) => one === 'simple' || one === 'relaxed')
    if (known) piece.options['canonicalization'] = `${header}/${body}`
    else piece.leave(path, form.line, `${form.name} ${form.value}`, 'takes simple or relaxed')
  }
  const mode = take('mode')
  if (mode !== undefined && /v/i.test(mode.value)) {
    piece.leave(
      path,
      mode.line,
      `${mode.name} ${mode.value}`,
      'dkimSign only signs; authenticate checks signatures, as the first filter',
    )
  }
  if (mode !== undefined && !/s/i.test(mode.value)) {
    piece.notes.push('OpenDKIM was not signing here (Mode): you may want authenticate alone.')
  }
  const hosts = take('internalhosts')
  if (hosts !== undefined) takeHosts(piece, path, hosts, read)
  const ttl = take('signaturettl')
  if (ttl !== undefined && /^\d+$/.test(ttl.value) && Number(ttl.value) > 0) {
    piece.options['expiresIn'] = `${ttl.value}s`
  }
  const daemons = take('mta')
  if (daemons !== undefined) piece.options['daemons'] = list(daemons.value)
  const oversign = take('oversignheaders')
  if (oversign !== undefined) {
    const usual = OVERSIGNED_FIELDS.map((name) => name.toLowerCase())
    const more = list(oversign.value).filter((name) => !usual.includes(name.toLowerCase()))
    if (more.length > 0) piece.options['oversign'] = [...OVERSIGNED_FIELDS, ...more]
  }
  const algorithm = take('signaturealgorithm')
  if (algorithm !== undefined && !/^(?:rsa-sha256|ed25519-sha256)$/i.test(algorithm.value)) {
    piece.leave(
      path,
      algorithm.line,
      `${algorithm.name} ${algorithm.value}`,
      'RFC 8301: only rsa-sha256 and ed25519-sha256 count, and the key decides which',
    )
  }
  const socket = take('socket')
  if (socket !== undefined) {
    piece.leave(
      path,
      socket.line,
      `${socket.name} ${socket.value}`,
      `to keep the lines of the mail server, write listen: ${socket.value}`,
    )
  }
  for (const { line, name, value } of found.values()) {
    piece.leave(
      path,
      line,
      `${name} ${value}`.trim(),
      ELSEWHERE[name.toLowerCase()] ?? 'dkimSign has nothing for it',
    )
  }
  if (piece.options['keys'] === undefined && piece.options['openDkim'] === undefined) {
    piece.notes.push(
      'There is no key: write keys, with domain, selector and file, or openDkim.',
    )
  }
  piece.leftOut.sort((a, b) => a.line - b.line)
  return piece
}

interface Setting {
  readonly line: number
  readonly name: string
  readonly value: string
}

function takeKey(
  piece: Piece,
  path: string,
  given: Readonly<Record<'domain' | 'selector' | 'file', Setting | undefined>>,
  subdomains: boolean,
): void {
  const { domain, selector, file } = given
  const all = Object.values(given).filter((one) => one !== undefined)
  if (domain === undefined || selector === undefined || file === undefined) {
    for (const { line, name, value } of all) {
      piece.leave(
        path,
        line,
        `${name} ${value}`,
        'a key needs Domain, Selector and KeyFile together',
      )
    }
    return
  }
  const domains = list(domain.value)
  if (domains.some((one) => !/^[\w.-]+$/.test(one))) {
    piece.leave(
      path,
      domain.line,
      `${domain.name} ${domain.value}`,
      'only names of domains are read: write a key for each',
    )
    return
  }
  piece.options['keys'] = domains.map((one) => ({
    domain: one,
    selector: selector.value,
    file: file.value,
    ...(!subdomains && { subdomains: false }),
  }))
}

/** InternalHosts is a list, or the path of a file with one host or network in each line. */
function takeHosts(
  piece: Piece,
  path: string,
  { line, name, value }: Setting,
  read: (path: string) => string | undefined,
): void {
  const file = /^(?:refile:|file:)?(\/.*)$/i.exec(value)?.[1]
  const text = file === undefined ? undefined : read(file)
  if (file !== undefined && text === undefined) {
    return piece.leave(
      path,
      line,
      `${name} ${value}`,
      `${file} cannot be read: write its addresses into networks`,
    )
  }
  const entries =
    file === undefined
      ? list(value).map((one) => ({ line, text: one, at: path }))
      : [...linesIn({ path: file, text: text! })].map((one) => ({ ...one, at: file }))
  const networks: string[] = []
  for (const entry of entries) {
    const words = entry.text.replace(/\s*#.*$/, '')
    if (isNetwork(words)) networks.push(words)
    else if (words.toLowerCase() !== 'localhost') {
      piece.leave(
        entry.at,
        entry.line,
        words,
        'networks takes addresses only, because names of clients can be forged',
      )
    }
  }
  piece.options['networks'] = [...new Set([...LOCAL, ...networks])]
}

function isNetwork(text: string): boolean {
  try {
    void new Networks('networks', [text])
    return true
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return false
  }
}

const isFileTable = (value: string): boolean => /^(?:refile:|file:)?\//i.test(value)
const list = (value: string): string[] => value.split(/[\s,]+/).filter((one) => one !== '')
