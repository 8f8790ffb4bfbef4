import { splitParameters } from './envelope.ts'
import { sendmailWords } from './esmtp-words.ts'
import type { EditFailure } from './model.ts'
import { decodedXtext, encodedUxtext, encodedXtext, isLooseXtext, isXtext } from './xtext.ts'

const WISHES = ['SUCCESS', 'FAILURE', 'DELAY']

/**
 * The ESMTP parameters of a recipient that a filter adds, as Postfix passes them on. Postfix takes the first valid
 * NOTIFY and the first valid ORCPT. It logs and leaves out the rest (cleanup_milter.c cleanup_add_rcpt_par).
 */
export function postfixRecipientParameters(text: string | Uint8Array | undefined): string[] {
  let notify: string | undefined
  let orcpt: string | undefined
  for (const one of splitParameters(text)) {
    const [, name, value] = /^(notify|orcpt)=(.*)$/is.exec(one) ?? []
    if (name?.toUpperCase() === 'NOTIFY') notify ??= postfixNotify(value!)
    else if (name !== undefined) orcpt ??= postfixOrcpt(value!)
  }
  return [
    ...(orcpt === undefined ? [] : [`ORCPT=${orcpt}`]),
    ...(notify === undefined ? [] : [`NOTIFY=${notify}`]),
  ]
}

/** NEVER must be the only value (dsn_mask.c DSN_NOTIFY_OK). Empty items are ignored (name_mask.c). */
function postfixNotify(value: string): string | undefined {
  const items = value
    .toUpperCase()
    .split(/[,\s]+/)
    .filter((item) => item !== '')
  if (items.length > 0 && items.every((item) => item === 'NEVER')) return 'NEVER'
  if (items.length === 0 || !items.every((item) => WISHES.includes(item))) return undefined
  return WISHES.filter((wish) => items.includes(wish)).join(',')
}

/** Postfix decodes the type and the address, and encodes both again for the next server. */
function postfixOrcpt(value: string): string | undefined {
  const found = /^([^;]+;)(.*)$/s.exec(value)
  if (found === null || !isLooseXtext(found[2]!)) return undefined
  // A NUL ends it, like every string in C.
  const decoded = found[1]! + decodedXtext(found[2]!).replace(/\0.*/s, '')
  if (!/^utf-8;/i.test(decoded)) return encodedXtext(decoded)
  return encodedUxtext(Buffer.from(decoded, 'latin1').toString())
}

/**
 * The same for Sendmail. It takes no other parameters, and no second ORCPT (srvrsmtp.c rcpt_esmtp_args). If one of them
 * is wrong, Sendmail adds no recipient. If one lacks its value, Sendmail crashes (measured with 8.17.1, 8.18.1 and
 * 8.18.2).
 */
export function sendmailRecipientParameters(
  text: string | Uint8Array | undefined,
): string[] | EditFailure {
  let notify: string | undefined
  let orcpt: string | undefined
  // Sendmail stops at the first parameter that it does not take (parse_esmtp_args).
  for (const { name, value } of sendmailWords(text)) {
    if (name === 'NOTIFY') {
      if (value === undefined) return CRASH
      const items = value.toUpperCase().split(',')
      if (value.toUpperCase() === 'NEVER') notify = 'NEVER'
      else if (items.every((item) => WISHES.includes(item))) notify = items.join(',')
      else return REFUSED
    } else if (name === 'ORCPT') {
      if (value?.includes(';') !== true) return CRASH
      const [type] = value.split(';', 1)
      const address = value.slice(type!.length + 1)
      if (orcpt !== undefined || !ATOM.test(type!) || !isXtext(address)) return REFUSED
      orcpt = value
    } else return REFUSED
  }
  return [
    ...(notify === undefined ? [] : [`NOTIFY=${notify}`]),
    ...(orcpt === undefined ? [] : [`ORCPT=${orcpt}`]),
  ]
}

const ATOM = /^[!#$%&'*+\-/0-9?A-Z^_`a-z{|}~]+$/

const CRASH: EditFailure = {
  effect: 'crash',
  reason: 'a parameter of a recipient without its value, for which Sendmail crashes',
}
/** Sendmail sends a line `olderrors=0, Errors=1` before the reply to the message (milter.c milter_addrcpt_par). */
const REFUSED: EditFailure = {
  effect: 'ignored',
  reason:
    'a parameter of a recipient that Sendmail does not take: it adds no recipient, and its client gets a line that is no reply',
}
