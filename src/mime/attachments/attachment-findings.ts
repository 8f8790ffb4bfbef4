import { UsageError } from '../../errors.ts'
import { Checks } from './attachment-checks.ts'
import type { AttachmentChecks, Finding } from './finding.ts'
import type { MimeMessage } from '../message.ts'

/**
 * Finds dangerous attachments. It checks every name that some program may show, all archives, the content, and
 * attached messages, also those that are encoded or attached as files. It reads the message, and the messages in it,
 * in every way that programs may read them. Anything it could not look at is a finding, too. It reports at most 100
 * findings for one part, so that each dangerous part has one. It does not reject because of content.
 *
 * @throws UsageError INVALID_OPTION for an invalid policy
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
  types,
  html,
  htmlFiles,
  contradictions,
  unread,
}: AttachmentChecks): void {
  if (kinds !== undefined && !Array.isArray(kinds)) {
    throw new UsageError('INVALID_OPTION', 'kinds takes a list such as ["exe", "tnef"]')
  }
  if (types !== undefined && !Array.isArray(types)) {
    throw new UsageError('INVALID_OPTION', 'types takes a list such as ["video/*"]')
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
