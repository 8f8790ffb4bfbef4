/**
 * The ready-made filter that signs mail with DKIM (RFC 6376, 8301, 8463). It signs the bytes that leave: in a
 * composition it comes last. Each message that is not signed has a line in the log that says why.
 */
import { UsageError } from '../../errors.ts'
import { defineFilter, type MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { isPlainObject } from '../../options/plain-object.ts'
import { invalidOption } from '../../options/invalid-option.ts'
import { checkNames } from '../../options/validate.ts'
import { addressParts } from '../../toolkit/addresses/address-parts.ts'
import type { Canonicalization } from '../signing/canonicalization.ts'
import { DomainKeys, type DkimKey } from '../signing/domain-keys.ts'
import { fieldNames } from '../signing/field-names.ts'
import type { ChosenKey, KeyList, NoKey } from '../signing/key-list.ts'
import { factsOf } from '../signing/message-facts.ts'
import {
  OWN_MAIL_MACROS,
  OWN_MAIL_OPTIONS,
  OwnMail,
  type OwnMailOptions,
} from '../signing/own-mail.ts'
import { OVERSIGNED_FIELDS, SIGNED_FIELDS, signedNames } from '../signing/signed-fields.ts'
import type { SigningKey } from '../signing/signing-key.ts'
import { OpenDkimTables } from './opendkim-tables.ts'
import { isSignedBy } from './own-signature.ts'
import { makeSignature, SIGNATURE_NAME } from './signature.ts'

/** Mail that is ours is signed. */
export interface DkimSignOptions extends OwnMailOptions {
  /** the keys. Either these or `openDkim` */
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
  ...OWN_MAIL_OPTIONS,
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
 * Why a message is not signed:
 *
 * - `not-ours`: the client has not logged in, and is in none of `networks` and `daemons`
 * - `no-from`, `several-from`: RFC 5322 wants one `From`
 * - `no-domain`: the address that decides has no domain
 * - `no-key`: no key for the domain
 * - `no-active-key`: the domain has keys, but it is before `notBefore` or after `notAfter` of each
 * - `login-mismatch`, `sender-mismatch`: as the options want it
 * - `signed-already`: it has a good signature by a key of the domain
 */
export type NotSignedReason =
  | 'not-ours'
  | 'no-from'
  | 'several-from'
  | 'no-domain'
  | NoKey
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
    macros: { message: OWN_MAIL_MACROS },
    message: (mail) => sign(mail, settings),
  })
}

interface Settings {
  readonly options: DkimSignOptions
  readonly keys: KeyList
  readonly ownMail: OwnMail
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
  const oversign = fieldNames('oversign', options.oversign ?? OVERSIGNED_FIELDS, NEVER)
  const signed = fieldNames('sign', options.sign ?? SIGNED_FIELDS, NEVER)
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
    ownMail: new OwnMail(options),
    headerForm,
    bodyForm,
    sign: signed,
    oversign,
  }
}

/** Not itself. */
const NEVER = new Map([['dkim-signature', 'RFC 6376, section 3.5']])

function oneOf(name: string, value: unknown, known: readonly string[]): void {
  if (value === undefined || known.includes(value as string)) return
  throw invalidOption(name, value, known.join(', '), known)
}

async function sign(mail: Mail, settings: Settings): Promise<void> {
  const { options, bodyForm, headerForm } = settings
  const now = (options.now ?? Date.now)()
  const signers = signersOf(mail, settings, now)
  if (typeof signers === 'string') return notSigned(mail, signers)

  const { fields, bodyHash, risks } = await factsOf(mail, bodyForm)
  const time = Math.floor(now / 1000)
  const message = { fields, bodyHash, bodyForm, time }
  const wanted = signers.filter(({ key }) => !isSignedBy(siblings(key, settings), message))
  if (wanted.length === 0) return notSigned(mail, 'signed-already')

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
  const dangers =
    headerForm === 'simple' && mail.server.kind === 'sendmail' ? [...risks, SENDMAIL] : risks
  for (const [i, value] of made.entries()) {
    const { domain, selector, algorithm } = wanted[i]!.key
    if (options.observe !== true) mail.headers.prepend(SIGNATURE_NAME, value)
    const facts = { domain, selector, algorithm, ...(dangers.length > 0 && { risks: dangers }) }
    mail.log.info(facts, options.observe === true ? 'would be signed' : 'signed')
  }
}

/** Sendmail's commaize(). */
const SENDMAIL =
  'Sendmail writes lists of addresses anew, which the simple form does not forgive'

function notSigned(mail: Mail, reason: NotSignedReason): void {
  mail.log.info({ reason, ...(reason !== 'not-ours' && { from: mail.from }) }, 'not signed')
}

function signersOf(
  mail: Mail,
  settings: Settings,
  now: number,
): readonly ChosenKey[] | NotSignedReason {
  const { options, keys, ownMail } = settings
  if (!ownMail.has(mail)) return 'not-ours'
  const fields = mail.headers.fields('From')
  if (fields.length > 1) return 'several-from'
  const authors = mail.headers.mailboxes('From')
  if (authors.length === 0) return 'no-from'
  const author = authors[0]!
  // One signature cannot answer for authors of several domains.
  if (authors.some(({ domain }) => domain !== author.domain)) return 'several-from'

  const login = loginOf(mail)
  const sender = { local: mail.sender.local, domain: mail.sender.domain }
  const isOther = (domain: string | undefined): boolean =>
    domain !== undefined && domain !== '' && domain !== author.domain
  if (options.loginMismatch === 'skip' && isOther(login?.domain)) return 'login-mismatch'
  if (options.senderMismatch === 'skip' && isOther(sender.domain)) return 'sender-mismatch'

  const decides =
    options.domainFrom === 'sender' ? sender : options.domainFrom === 'login' ? login : author
  if (decides === undefined || decides.domain === '') return 'no-domain'
  return keys.keysFor(decides.local, decides.domain, now)
}

function loginOf(mail: Mail): { local: string; domain: string } | undefined {
  const { authenticated } = mail.connection
  if (authenticated === undefined) return undefined
  const { local, domain = '' } = addressParts(authenticated)
  return { local, domain: domain.toLowerCase() }
}

/** Keys that stand for the same: the key, and those before and after it in a rotation. */
const siblings = (key: SigningKey, { keys }: Settings): readonly SigningKey[] => [
  key,
  ...keys.all.filter(
    (one) => one !== key && one.domain === key.domain && one.algorithm === key.algorithm,
  ),
]
