import '../node-version.ts'

export { parseMime, MimeMessage, type MimeOptions } from './message.ts'
export { MimePart } from './part.ts'
export type { EditOptions } from './text-edit.ts'
export type { Guess } from './guesses.ts'
export type { PartHeaders } from './part-headers.ts'
export type { Address, Mailbox, MailboxGroup } from './mailboxes.ts'
export type { NewPart } from './new-part.ts'
export type { Protection } from './protection.ts'
export type { TransferEncoding } from './transfer-encoding.ts'
export {
  MIME_PROBLEMS,
  type MimeLimits,
  type MimeProblem,
  type MimeProblemCode,
} from './problems.ts'

// Attachments
export { checkAttachments } from './attachment-findings.ts'
export { FINDING_REASONS, PROGRAM_KINDS } from './finding.ts'
export type { AttachmentChecks, Finding, FindingReason } from './finding.ts'
export { defang, defaultNotice } from './attachment-policy.ts'
export type {
  AttachmentAction,
  AttachmentPolicy,
  Defanged,
  Removal,
} from './attachment-policy.ts'
export {
  DANGEROUS_EXTENSIONS,
  HTML_EXTENSIONS,
  PYMILTER_EXTENSIONS,
} from './file-extensions.ts'
export { dangerousName, NAME_DANGERS } from './file-names.ts'
export type { Extensions, NameDanger } from './file-names.ts'
export { ZIP_PROBLEMS, zipEntries } from './archive.ts'
export { ZIP_LIMITS } from './zip-budget.ts'
export type { ZipEntry, ZipListing, ZipProblem, ZipProblemCode } from './archive.ts'
export type { ZipLimits } from './zip-budget.ts'
export { detectType, type ContentKind } from './content-kind.ts'

// HTML, footers
export { insertHtml, rewriteHtmlPart, rewriteLinks, sanitizeHtml } from './html.ts'
export type { HtmlLink, RewriteLink, SanitizedHtml, SanitizeOptions } from './html.ts'
export { addFooter, placeFooter } from './footer.ts'
export type { Footer, FooterReport, FooterResult, FooterVersion } from './footer.ts'
