import { UsageError } from '../../errors.ts'
import { Checks } from './attachment-checks.ts'
import type { AttachmentChecks, Finding } from './finding.ts'
import type { MimeMessage } from '../message.ts'

/**
 * What is dangerous among the attachments of a message: by every name some program may show, in all
 * archives, by content, in attached messages (encoded ones and files too), and in every way the message
 * and those in it may be read. What could not be looked at is a finding too. Of one part 100 findings are
 * told at most, so that each part has one. Never rejects on content.
 *
 * @throws UsageError INVALID_OPTION for a policy with values it does not take
 */
export async function checkAttachments(
  message: MimeMessage,
  policy: AttachmentChecks = {},
): Promise<readonly Finding[]> {
  checkOptions(policy)
  return await new Checks(message, policy).all()
}

function checkOptions({
  kinds,
  html,
  htmlFiles,
  contradictions,
  unread,
}: AttachmentChecks): void {
  if (kinds !== undefined && !Array.isArray(kinds)) {
    throw new UsageError('INVALID_OPTION', 'kinds takes a list such as ["exe", "tnef"]')
  }
  if (html === null || !['undefined', 'object', 'function'].includes(typeof html)) {
    throw new UsageError('INVALID_OPTION', 'html takes a function, or options of sanitizeHtml')
  }
  if (![undefined, 'allow', 'clean', 'report'].includes(htmlFiles)) {
    throw new UsageError('INVALID_OPTION', 'htmlFiles takes "allow", "clean" or "report"')
  }
  for (const [name, value] of Object.entries({ contradictions, unread })) {
    if (![undefined, 'allow', 'report'].includes(value)) {
      throw new UsageError('INVALID_OPTION', `${name} takes "allow" or "report"`)
    }
  }
}
