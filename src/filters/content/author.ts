/** The author of a mail: the first mailbox of `From`, and whether it is proved that the mail is by its domain. */
import type { Mail } from '../../message/mail.ts'
import type { Mailbox } from '../../mime/fields/mailboxes.ts'
import { authservIdOf } from '../authentication/authserv-id.ts'
import { OwnIds, parseResultsField, RESULTS_NAME } from '../authentication/results-field.ts'

/** The only author; undefined if there is none, or several. */
export function onlyAuthor(mail: Mail): Mailbox | undefined {
  if (mail.headers.fields('From').length !== 1) return undefined
  const [first, ...others] = mail.headers.mailboxes('From')
  return others.length === 0 && first !== undefined && first.domain !== '' ? first : undefined
}

/**
 * Whether the first `Authentication-Results` of this place says that DMARC has passed for the domain. Others of them may
 * be forged.
 *
 * @param authservId the name in the field; by default that of the mail server, as `authenticate` writes it
 */
export function dmarcPassed(mail: Mail, domain: string, authservId?: string): boolean {
  const own = new OwnIds([authservIdOf(mail, authservId)])
  for (const { raw } of mail.headers.fields(RESULTS_NAME)) {
    const text = raw.toString('latin1')
    if (!own.isClaimedBy(text)) continue
    const dmarc = (parseResultsField(text)?.results ?? []).filter(
      ({ method }) => method === 'dmarc',
    )
    return (
      dmarc.length === 1 &&
      dmarc[0]!.result === 'pass' &&
      dmarc[0]!.properties.some(
        ({ type, name, value }) =>
          type === 'header' && name === 'from' && value.toLowerCase() === domain,
      )
    )
  }
  return false
}
