/** Which fields of a header a signature covers, and in which order (RFC 6376, section 5.4). */
import type { MailServerKind } from '../../milter/mail-server/mail-server.ts'
import { relaxedName } from './canonicalization.ts'

/** A field of the header: the name before the colon, and everything after it, with CRLF in folds. */
export interface SignedField {
  readonly name: Uint8Array
  readonly value: Uint8Array
}

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
 * Sendmail adds these after the filters if a message has none (the H lines of sendmail.cf, for mailers with the flags D and
 * M). A signature that says there is none would break at once.
 */
const SENDMAIL_ADDS: ReadonlySet<string> = new Set(['date', 'message-id'])

/**
 * The names for h=. A name stands in it once for each field of that name. An oversigned one stands in it once more, so
 * that the signature breaks if somebody adds such a field (section 8.15).
 *
 * @param sign names to sign where the message has them
 * @param oversign names to sign whether the message has them or not
 * @param server the mail server that sends the message on
 */
export function signedNames(
  fields: readonly SignedField[],
  sign: ReadonlySet<string>,
  oversign: ReadonlySet<string>,
  server: MailServerKind = 'unknown',
): string[] {
  const counts = new Map<string, number>()
  for (const { name } of fields) {
    const key = relaxedName(name)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const names: string[] = []
  for (const name of new Set([...oversign, ...sign])) {
    const count = counts.get(name) ?? 0
    if (count === 0 && server === 'sendmail' && SENDMAIL_ADDS.has(name)) continue
    const times = count + (oversign.has(name) ? 1 : 0)
    for (let i = 0; i < times; i++) names.push(name)
  }
  return names
}

/** Section 5.4.2: of several fields with a name, the last one first. */
export function chosenFields(
  fields: readonly SignedField[],
  names: readonly string[],
): SignedField[] {
  const left = new Map<string, SignedField[]>()
  for (const field of fields) {
    const key = relaxedName(field.name)
    const list = left.get(key)
    if (list === undefined) left.set(key, [field])
    else list.push(field)
  }
  const chosen: SignedField[] = []
  for (const name of names) {
    const field = left.get(name.toLowerCase())?.pop()
    if (field !== undefined) chosen.push(field)
  }
  return chosen
}
