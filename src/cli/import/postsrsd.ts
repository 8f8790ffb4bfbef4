/** postsrsd's configuration for `rewrite`: /etc/default/postsrsd of version 1, postsrsd.conf of version 2. */
import { linesIn, Piece, type Source } from './piece.ts'

interface Setting {
  readonly line: number
  readonly values: readonly string[]
}

/** The names of version 1, and what they are called in version 2. */
const NAMES: Readonly<Record<string, string>> = {
  SRS_DOMAIN: 'srs-domain',
  SRS_EXCLUDE_DOMAINS: 'domains',
  SRS_SEPARATOR: 'separator',
  SRS_SECRET: 'secrets-file',
  SRS_HASHLENGTH: 'hash-length',
  SRS_HASHMIN: 'hash-minimum',
}
const PROCESS = 'a milter has no such thing: its unit and listen take its place'
const WHY_NOT: Readonly<Record<string, string>> = {
  SRS_FORWARD_PORT: PROCESS,
  SRS_REVERSE_PORT: PROCESS,
  SRS_LISTEN_ADDR: PROCESS,
  RUN_AS: PROCESS,
  CHROOT: PROCESS,
  socketmap: PROCESS,
  milter: PROCESS,
  'unprivileged-user': PROCESS,
  'chroot-dir': PROCESS,
  'pid-file': PROCESS,
  'keep-alive': PROCESS,
  syslog: PROCESS,
  daemonize: PROCESS,
  debug: PROCESS,
  'domains-file': 'write its domains into localDomains',
  'always-rewrite': 'senders of localDomains stay as they are',
  'original-envelope': 'addresses are made of the sender itself (embedded)',
  'envelope-database': 'addresses are made of the sender itself (embedded)',
  SRS_EXTRA_OPTIONS: 'senders of localDomains stay as they are',
}

export function importPostSrsd(source: Source): Piece {
  const piece = new Piece('rewrite')
  const { path } = source
  const found = new Map<string, Setting>()
  for (const { line, text } of linesIn(source)) {
    const [, name = '', rest = ''] = /^([\w-]+)\s*=\s*(.*)$/.exec(text) ?? []
    const setting = NAMES[name] ?? name
    const values = valuesOf(rest, NAMES[name] === undefined)
    if (Object.values(NAMES).includes(setting)) found.set(setting, { line, values })
    else if (setting === 'original-envelope' && values[0] === 'embedded') continue
    else piece.leave(path, line, text, WHY_NOT[name] ?? 'rewrite has nothing for it')
  }
  const one = (name: string): string | undefined => found.get(name)?.values[0]
  const domain = one('srs-domain')
  const secretsFile = one('secrets-file') ?? '/etc/postsrsd.secret'
  const domains = found.get('domains')?.values ?? []
  if (domain === undefined) {
    piece.notes.push(
      'postsrsd took the domain of Postfix (postconf -h mydomain), because its configuration has none: write it in the place of srs-domain.example.',
    )
  }
  if (domains.length === 0) {
    piece.notes.push('localDomains are the domains whose senders stay: add all of yours.')
  }
  const name = domain ?? 'srs-domain.example'
  const srs: Record<string, unknown> = {
    domain: name,
    secretsFile,
    localDomains: domains.length === 0 ? [name] : domains,
  }
  const separator = one('separator')
  if (separator !== undefined && separator !== '=') srs['separator'] = separator
  for (const [setting, option, usual] of [
    ['hash-length', 'hashLength', 4],
    ['hash-minimum', 'minHashLength', Number(one('hash-length') ?? 4)],
  ] as const) {
    const { line, values } = found.get(setting) ?? { line: 0, values: [] }
    const number = Number(values[0])
    if (values.length === 0 || number === usual) continue
    if (Number.isInteger(number) && number >= 1 && number <= 20) srs[option] = number
    else piece.leave(path, line, `${setting} ${values[0]}`, 'takes 1 to 20')
  }
  piece.options['srs'] = srs
  piece.notes.push(
    'Addresses stay valid, because the secrets are the same. tsmilter needs read access to that file.',
  )
  return piece
}

/** A value, or a list: words in version 1, quoted strings in version 2. */
function valuesOf(text: string, isNew: boolean): string[] {
  if (!isNew || /^[\w/.,+=-]+$/.test(text)) {
    const bare = text.replaceAll(/^["']|["']$/g, '')
    return bare === '=' ? ['='] : bare.split(/[\s,]+/).filter((word) => word !== '')
  }
  const strings = [...text.matchAll(/"([^"]*)"/g)].map(([, inner]) => inner!)
  return strings.length > 0 ? strings : [text.replace(/\s*#.*$/, '')]
}
