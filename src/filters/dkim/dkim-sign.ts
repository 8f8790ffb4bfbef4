/**
 * The ready-made filter that signs mail with DKIM (RFC 6376, 8301, 8463). It signs the bytes that leave: in a
 * composition it comes last. Each message that is not signed has a line in the log that says why.
 */
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { UsageError } from '../../errors.ts'
import { defineFilter, type MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { isPlainObject } from '../../options/plain-object.ts'
import { checkNames, invalidOption } from '../../options/validate.ts'
import { encodeText } from '../../protocol/text.ts'
import { Networks } from '../../server/networks.ts'
import { CanonicalBody, relaxedName, type Canonicalization } from './canonicalization.ts'
import {
  DomainKeys,
  OpenDkimTables,
  type ChosenKey,
  type DkimKey,
  type KeyList,
} from './key-list.ts'
import { LineFacts, risksOf } from './line-facts.ts'
import { makeSignature, SIGNATURE_NAME, signedNames, type SignedField } from './signature.ts'

export interface DkimSignOptions {
  /** the keys; all keys of a domain sign. Either these or `openDkim` */
  readonly keys?: readonly DkimKey[]
  /**
   * The tables of OpenDKIM: paths as in opendkim.conf, with `refile:` where it has that. `multiple` is its
   * MultipleSignatures.
   */
  readonly openDkim?: {
    readonly keyTable: string
    readonly signingTable: string
    readonly multiple?: boolean
  }
  /** sign mail of clients that have logged in; true by default */
  readonly authenticated?: boolean
  /**
   * Sign mail of clients with these addresses (`192.0.2.0/24`, `2001:db8::1`), and mail that the server made itself,
   * such as bounces. `127.0.0.0/8` and `::1` by default.
   */
  readonly networks?: readonly string[]
  /** sign all mail that comes in through these daemons (macro `daemon_name`), such as `ORIGINATING` */
  readonly daemons?: readonly string[]
  /** whose domain decides: the author's (`From`), the envelope sender's, or that of the login; `from` by default */
  readonly domainFrom?: 'from' | 'sender' | 'login'
  /** what to do if the domain of the login is not that of the author: `sign` by default */
  readonly loginMismatch?: 'sign' | 'skip'
  /** what to do if the domain of the envelope sender is not that of the author: `sign` by default */
  readonly senderMismatch?: 'sign' | 'skip'
  /** `header/body`, `relaxed/relaxed` by default */
  readonly canonicalization?: `${Canonicalization}/${Canonicalization}`
  /** names of fields that nobody may add or change later; {@link OVERSIGNED_FIELDS} by default */
  readonly oversign?: readonly string[]
  /** names of fields that are signed if the message has them; {@link SIGNED_FIELDS} by default */
  readonly sign?: readonly string[]
  /** seconds until the signature expires (x=); none by default */
  readonly expiresIn?: number
  /** logs what would be signed, and signs nothing; false by default */
  readonly observe?: boolean
  /** the name of the filter in log lines; `dkim-sign` by default */
  readonly name?: string
  /** Unix time in milliseconds, for tests; `Date.now` by default */
  readonly now?: () => number
}

const OPTIONS = [
  'keys',
  'openDkim',
  'authenticated',
  'networks',
  'daemons',
  'domainFrom',
  'loginMismatch',
  'senderMismatch',
  'canonicalization',
  'oversign',
  'sign',
  'expiresIn',
  'observe',
  'name',
  'now',
]

/**
 * Fields of which a second one would change what a reader sees. They are signed once more than the message has them, so
 * the signature breaks if one is added.
 */
export const OVERSIGNED_FIELDS: readonly string[] = [
  'From',
  'To',
  'Cc',
  'Subject',
  'Reply-To',
  'Date',
  'Message-ID',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
]

/** Fields that are signed where they are (RFC 6376, section 5.4.1). Mailing lists add List fields, so they are not oversigned. */
export const SIGNED_FIELDS: readonly string[] = [
  'Sender',
  'In-Reply-To',
  'References',
  'Resent-From',
  'Resent-To',
  'Resent-Cc',
  'Resent-Date',
  'Resent-Message-ID',
  'List-Id',
  'List-Help',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'List-Subscribe',
  'List-Post',
  'List-Owner',
  'List-Archive',
]

/**
 * Why a message is not signed:
 *
 * - `not-ours`: the client has not logged in, and is in none of `networks` and `daemons`
 * - `no-from`, `several-from`: RFC 5322 wants one `From`
 * - `no-domain`: the address that decides has no domain
 * - `no-key`: no key for the domain
 * - `login-mismatch`, `sender-mismatch`: as the options want it
 * - `signed-already`: it has this signature, over the same body
 */
export type NotSignedReason =
  | 'not-ours'
  | 'no-from'
  | 'several-from'
  | 'no-domain'
  | 'no-key'
  | 'login-mismatch'
  | 'sender-mismatch'
  | 'signed-already'

/**
 * Makes the filter. Keys are read now, so a mistake shows at the start.
 *
 *     compose(externalTag, dkimSign({
 *       keys: [{ domain: 'example.org', selector: 's1', file: '/etc/tsmilter/s1.pem' }],
 *     }))
 *
 * @throws UsageError INVALID_OPTION
 */
export function dkimSign(options: DkimSignOptions): MessageFilter {
  const settings = checked(options)
  return defineFilter({
    name: options.name ?? 'dkim-sign',
    edits: ['headers'],
    order: 'last',
    macros: { message: ['daemon_name'] },
    message: (mail) => sign(mail, settings),
  })
}

interface Settings {
  readonly options: DkimSignOptions
  readonly keys: KeyList
  readonly networks: Networks
  readonly headerForm: Canonicalization
  readonly bodyForm: Canonicalization
  readonly sign: ReadonlySet<string>
  readonly oversign: ReadonlySet<string>
}

function checked(options: DkimSignOptions): Settings {
  const given: unknown = options
  if (!isPlainObject(given)) throw invalidOption('dkimSign', given, 'an object of options')
  checkNames('dkimSign', options, OPTIONS)
  const { keys, openDkim, canonicalization = 'relaxed/relaxed', expiresIn } = options
  oneOf('domainFrom', options.domainFrom, ['from', 'sender', 'login'])
  oneOf('loginMismatch', options.loginMismatch, ['sign', 'skip'])
  oneOf('senderMismatch', options.senderMismatch, ['sign', 'skip'])
  oneOf('canonicalization', canonicalization, [
    'relaxed/relaxed',
    'relaxed/simple',
    'simple/relaxed',
    'simple/simple',
  ])
  if (expiresIn !== undefined && !(Number.isInteger(expiresIn) && expiresIn > 0)) {
    throw invalidOption('expiresIn', expiresIn, 'a whole number of seconds, at least 1')
  }
  if ((keys === undefined) === (openDkim === undefined)) {
    throw new UsageError('INVALID_OPTION', 'dkimSign needs either keys or openDkim')
  }
  const [headerForm, bodyForm] = canonicalization.split('/') as [
    Canonicalization,
    Canonicalization,
  ]
  const oversign = namesOf('oversign', options.oversign ?? OVERSIGNED_FIELDS)
  const signed = namesOf('sign', options.sign ?? SIGNED_FIELDS)
  // RFC 6376, section 5.4.
  if (!oversign.has('from') && !signed.has('from')) {
    throw invalidOption('oversign', options.oversign, 'a list with From')
  }
  return {
    options,
    keys:
      openDkim === undefined
        ? new DomainKeys(keys!)
        : new OpenDkimTables(
            openDkim.keyTable,
            openDkim.signingTable,
            openDkim.multiple ?? false,
          ),
    networks: new Networks('networks', options.networks ?? ['127.0.0.0/8', '::1']),
    headerForm,
    bodyForm,
    sign: signed,
    oversign,
  }
}

function oneOf(name: string, value: unknown, known: readonly string[]): void {
  if (value === undefined || known.includes(value as string)) return
  throw invalidOption(name, value, known.join(', '), known)
}

function namesOf(option: string, list: readonly string[]): Set<string> {
  const all = new Set<string>()
  for (const name of list) {
    if (typeof name !== 'string' || !/^[!-9;-~]+$/.test(name)) {
      throw invalidOption(option, name, 'names of header fields')
    }
    // RFC 6376, section 3.5: not itself.
    if (name.toLowerCase() === 'dkim-signature') {
      throw invalidOption(option, name, 'no DKIM-Signature (RFC 6376, section 3.5)')
    }
    all.add(name.toLowerCase())
  }
  return all
}

async function sign(mail: Mail, settings: Settings): Promise<void> {
  const { options, bodyForm, headerForm } = settings
  const signers = signersOf(mail, settings)
  if (typeof signers === 'string') return notSigned(mail, signers)

  const hash = createHash('sha256')
  const body = new CanonicalBody(bodyForm, hash)
  const [headerLines, bodyLines] = [new LineFacts(), new LineFacts()]
  for await (const piece of mail.body) {
    body.update(piece)
    bodyLines.update(piece)
  }
  body.end()
  const bodyHash = hash.digest()

  const fields = mail.headers
    .fields()
    .map(({ name, raw }) => ({ name: encodeText(name), value: raw }))
  for (const { name, value } of fields) {
    headerLines.update(Buffer.concat([name, COLON, value]))
    headerLines.endLine()
  }
  const wanted = signers.filter(
    ({ key }) => !isSigned(fields, key.domain, key.selector, bodyHash),
  )
  if (wanted.length === 0) return notSigned(mail, 'signed-already')

  const time = Math.floor((options.now ?? Date.now)() / 1000)
  const names = signedNames(fields, settings.sign, settings.oversign)
  const made = await Promise.all(
    wanted.map(({ key, identity }) =>
      makeSignature({
        key,
        headerForm,
        bodyForm,
        fields,
        names,
        bodyHash,
        identity,
        time,
        expires: options.expiresIn === undefined ? undefined : time + options.expiresIn,
      }),
    ),
  )
  const risks = risksOf(headerLines, bodyLines)
  if (headerForm === 'simple' && mail.server.kind === 'sendmail') risks.push(SENDMAIL)
  for (const [i, value] of made.entries()) {
    const { domain, selector, algorithm } = wanted[i]!.key
    if (options.observe !== true) mail.headers.prepend(SIGNATURE_NAME, value)
    const facts = { domain, selector, algorithm, ...(risks.length > 0 && { risks }) }
    mail.log.info(facts, options.observe === true ? 'would be signed' : 'signed')
  }
}

const COLON = Buffer.from(':')
/** Sendmail's commaize(). */
const SENDMAIL =
  'Sendmail writes lists of addresses anew, which the simple form does not forgive'

function notSigned(mail: Mail, reason: NotSignedReason): void {
  mail.log.info({ reason, ...(reason !== 'not-ours' && { from: mail.from }) }, 'not signed')
}

function signersOf(mail: Mail, settings: Settings): readonly ChosenKey[] | NotSignedReason {
  const { options, keys } = settings
  if (!isOurs(mail, settings)) return 'not-ours'
  const fields = mail.headers.fields('From')
  if (fields.length > 1) return 'several-from'
  const authors = mail.headers.mailboxes('From')
  if (authors.length === 0) return 'no-from'
  const author = authors[0]!
  // One signature cannot answer for authors of several domains.
  if (authors.some(({ domain }) => domain !== author.domain)) return 'several-from'

  const login = halves(mail.connection.authenticated)
  const sender = { local: mail.sender.local, domain: mail.sender.domain }
  const isOther = (domain: string | undefined): boolean =>
    domain !== undefined && domain !== '' && domain !== author.domain
  if (options.loginMismatch === 'skip' && isOther(login?.domain)) return 'login-mismatch'
  if (options.senderMismatch === 'skip' && isOther(sender.domain)) return 'sender-mismatch'

  const decides =
    options.domainFrom === 'sender' ? sender : options.domainFrom === 'login' ? login : author
  if (decides === undefined || decides.domain === '') return 'no-domain'
  const chosen = keys.keysFor(decides.local, decides.domain)
  return chosen.length === 0 ? 'no-key' : chosen
}

function isOurs(mail: Mail, { options, networks }: Settings): boolean {
  const { authenticated, address } = mail.connection
  if (options.authenticated !== false && authenticated !== undefined) return true
  const daemon = mail.macro('daemon_name')
  if (daemon !== undefined && options.daemons?.includes(daemon) === true) return true
  // Mail that did not come over the network: sendmail(1), bounces.
  return address === undefined || isIP(address) === 0 || networks.has(address)
}

function halves(login: string | undefined): { local: string; domain: string } | undefined {
  if (login === undefined) return undefined
  const at = login.lastIndexOf('@')
  return at === -1
    ? { local: login, domain: '' }
    : { local: login.slice(0, at), domain: login.slice(at + 1).toLowerCase() }
}

/** Whether a message has a signature of this key over this body: it came through here before. */
function isSigned(
  fields: readonly SignedField[],
  domain: string,
  selector: string,
  bodyHash: Buffer,
): boolean {
  return fields.some(({ name, value }) => {
    if (relaxedName(name) !== 'dkim-signature') return false
    const tags = new Map(
      Buffer.from(value)
        .toString('latin1')
        .split(';')
        .map((tag) => {
          const equals = tag.indexOf('=')
          return [tag.slice(0, equals).trim(), tag.slice(equals + 1).replaceAll(/\s+/g, '')]
        }),
    )
    return (
      tags.get('d')?.toLowerCase() === domain &&
      tags.get('s') === selector &&
      tags.get('bh') === bodyHash.toString('base64')
    )
  })
}
