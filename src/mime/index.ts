import '../node-version.ts'

export { parseMime, MimeMessage, type MimeOptions } from './message.ts'
export { MimePart } from './tree/part.ts'
export type { EditOptions } from './tree/text-edit.ts'
export type { Guess } from './tree/guesses.ts'
export type { PartHeaders } from './fields/part-headers.ts'
export type {
  Address,
  Mailbox,
  MailboxGroup,
  NewAddress,
  NewMailbox,
} from './fields/mailboxes.ts'
export type { NewPart } from './tree/new-part.ts'
export type { Protection } from './tree/protection.ts'
export type { TransferEncoding } from './encodings/transfer-encoding.ts'
export {
  MIME_PROBLEMS,
  type MimeLimits,
  type MimeProblem,
  type MimeProblemCode,
} from './tree/problems.ts'

// Attachments
export { checkAttachments } from './attachments/attachment-findings.ts'
export { FINDING_REASONS, PROGRAM_KINDS } from './attachments/finding.ts'
export type { AttachmentChecks, Finding, FindingReason } from './attachments/finding.ts'
export { defang, defaultNotice } from './attachments/attachment-policy.ts'
export type {
  AttachmentAction,
  AttachmentPolicy,
  Defanged,
  Removal,
} from './attachments/attachment-policy.ts'
export {
  DANGEROUS_EXTENSIONS,
  HTML_EXTENSIONS,
  PYMILTER_EXTENSIONS,
} from './attachments/file-extensions.ts'
export { dangerousName, NAME_DANGERS } from './attachments/file-names.ts'
export type { Extensions, NameDanger } from './attachments/file-names.ts'
export { ZIP_PROBLEMS, zipEntries } from './attachments/archive.ts'
export { ZIP_LIMITS } from './attachments/zip-budget.ts'
export type { ZipEntry, ZipListing, ZipProblem, ZipProblemCode } from './attachments/archive.ts'
export type { ZipLimits } from './attachments/zip-budget.ts'
export { detectType, type ContentKind } from './attachments/content-kind.ts'

// HTML, footers
export { insertHtml, rewriteHtmlPart, rewriteLinks, sanitizeHtml } from './html/html.ts'
export type { HtmlLink, RewriteLink, SanitizedHtml, SanitizeOptions } from './html/html.ts'
export { addFooter, placeFooter } from './footer.ts'
export type { Footer, FooterReport, FooterResult, FooterVersion } from './footer.ts'
