import type { MailServerModel } from './model.ts'
import { postfixModel } from './postfix.ts'
import { sendmailModel } from './sendmail.ts'
import { chosenVersion, type MailServerChoice } from './versions.ts'

/**
 * The model of a mail server: `mailServerModel({ postfix: '3.7' })`.
 * @throws UsageError INVALID_OPTION
 */
export function mailServerModel(choice: MailServerChoice): MailServerModel {
  const chosen = chosenVersion(choice)
  return chosen.name === 'postfix'
    ? postfixModel(chosen.version)
    : sendmailModel(chosen.version)
}
