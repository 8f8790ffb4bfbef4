/**
 * The ready-made filter that signs mail with DKIM (RFC 6376, 8301, 8463). It signs the bytes that leave: in a
 * composition it comes last. Each message that is not signed has a line in the log that says why.
 */
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { readShape } from '../../options/shape.ts'
import { encodeText } from '../../protocol/text.ts'
import { addressParts } from '../../toolkit/addresses/address-parts.ts'
import { millisecondsSince } from '../milliseconds.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import { relaxedName, type Canonicalization } from '../signing/canonicalization.ts'
import type { ChosenKey, KeyList, NoKey } from '../signing/key-list.ts'
import { foldLongLines } from '../signing/line-facts.ts'
import { factsOf } from '../signing/message-facts.ts'
import { namesToSign } from '../signing/name-options.ts'
import { OWN_MAIL_MACROS, OwnMail } from '../signing/own-mail.ts'
import { signedNames } from '../signing/signed-fields.ts'
import type { SigningKey } from '../signing/signing-key.ts'
import type { DkimSignOptions, DkimSignSettings } from '../types.ts'
import { keyListOf } from './key-list-of.ts'
import { isSignedBy } from './own-signature.ts'
import { DKIM_SIGN } from './sign-options.ts'
import { makeSignature, SIGNATURE_NAME } from './signature.ts'

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
  const given = readShape(DKIM_SIGN, options)
  const [headerForm, bodyForm] = given.canonicalization.split('/') as [
    Canonicalization,
    Canonicalization,
  ]
  const settings = {
    options: given,
    keys: keyListOf(given),
    ownMail: new OwnMail(given),
    headerForm,
    bodyForm,
    ...namesToSign(given),
  }
  return readyMade(given, (results) => ({
    edits: ['headers'],
    order: 'last',
    macros: { message: OWN_MAIL_MACROS },
    message: (mail) => sign(mail, settings, results),
  }))
}

interface Settings {
  readonly options: DkimSignSettings
  readonly keys: KeyList
  readonly ownMail: OwnMail
  readonly headerForm: Canonicalization
  readonly bodyForm: Canonicalization
  readonly sign: ReadonlySet<string>
  readonly oversign: ReadonlySet<string>
}

async function sign(mail: Mail, settings: Settings, results: ResultLog): Promise<void> {
  const { options, bodyForm, headerForm } = settings
  const started = performance.now()
  const now = (options.now ?? Date.now)()
  const signers = signersOf(mail, settings, now)
  if (typeof signers === 'string') {
    const rule = RULES[signers]
    const facts = {
      ...(rule !== undefined && { rule }),
      ...(signers !== 'not-ours' && { from: mail.from }),
    }
    return results.tell(mail, 'skipped', signers, facts, 'info')
  }

  if (options.longLines === 'fold') foldHeader(mail, settings)
  const { fields, bodyHash, risks } = await factsOf(mail, bodyForm)
  const time = Math.floor(now / 1000)
  const message = { fields, bodyHash, bodyForm, time }
  const wanted = signers.filter(({ key }) => !isSignedBy(siblings(key, settings), message))
  if (wanted.length === 0) return results.tell(mail, 'skipped', 'signed-already', {}, 'info')

  const names = signedNames(fields, settings.sign, settings.oversign, mail.server.kind)
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
        expires:
          options.expiresIn === undefined
            ? undefined
            : time + Math.floor(options.expiresIn / 1000),
      }),
    ),
  )
  const dangers =
    headerForm === 'simple' && mail.server.kind === 'sendmail' ? [...risks, SENDMAIL] : risks
  const milliseconds = millisecondsSince(started)
  for (const [i, value] of made.entries()) {
    const { domain, selector, algorithm } = wanted[i]!.key
    mail.headers.prepend(SIGNATURE_NAME, value)
    const { rule } = wanted[i]!
    const facts = {
      domain,
      selector,
      algorithm,
      rule,
      ...(dangers.length > 0 && { risks: dangers }),
      milliseconds,
    }
    results.tell(mail, 'changed', 'signed', facts)
  }
}

/** Sendmail's commaize(). */
const SENDMAIL =
  'Sendmail writes lists of addresses anew, which the simple form does not forgive'

/** What the signature does not cover stays as it is. */
function foldHeader(mail: Mail, settings: Settings): void {
  for (const field of mail.headers) {
    const name = encodeText(field.name)
    const key = relaxedName(name)
    if (!settings.sign.has(key) && !settings.oversign.has(key)) continue
    const folded = foldLongLines(name, field.raw)
    if (folded !== undefined) field.raw = folded
  }
}

/** The option that decides, by the reason. */
const RULES: Readonly<Partial<Record<NotSignedReason, string>>> = {
  'no-domain': 'domainFrom',
  'no-key': 'domainFrom',
  'login-mismatch': 'loginMismatch',
  'sender-mismatch': 'senderMismatch',
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
