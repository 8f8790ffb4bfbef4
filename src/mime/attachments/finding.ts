import { ZIP_PROBLEMS, type ZipProblemCode } from './archive.ts'
import { type ZipLimits } from './zip-budget.ts'
import { NAME_DANGERS, type Extensions, type NameDanger } from './file-names.ts'
import type { SanitizeOptions } from '../html/sanitize-options.ts'
import type { MimePart } from '../tree/part.ts'
import { MIME_PROBLEMS, type MimeProblemCode } from '../tree/problems.ts'

/** Problems that keep parts of a message from being checked: there is too much of something. */
export type NotLookedAt = Extract<MimeProblemCode, `${string}TOO_${string}`>

export const NOT_LOOKED_AT: readonly NotLookedAt[] = Object.keys(MIME_PROBLEMS).filter(
  (code): code is NotLookedAt => code.includes('TOO_'),
)

/** Why something in a message is dangerous. */
export const FINDING_REASONS: Readonly<Record<FindingReason, string>> = {
  ...NAME_DANGERS,
  ...ZIP_PROBLEMS,
  PROGRAM: 'content of a kind that is blocked under any name',
  CONTENT_CONTRADICTS: 'content of a kind that differs from its name or type',
  UNLISTED_ARCHIVE: 'a file with other files in it that cannot be listed',
  MESSAGES_TOO_DEEP: 'messages attached as files, nested deeper than limits.messages',
  PARTIAL_MESSAGE: 'a piece of a message, which programs join with other pieces',
  EXTERNAL_BODY: 'content that programs get from elsewhere',
  BLOCKED_TYPE: 'a type that is blocked',
  HTML_NOT_CLEANED: 'active content in HTML that cannot be cleaned',
  TOO_MANY_READINGS: 'more ways to read the message than can be looked at',
  ...(Object.fromEntries(NOT_LOOKED_AT.map((code) => [code, MIME_PROBLEMS[code]])) as Record<
    NotLookedAt,
    string
  >),
}

export type FindingReason =
  | NameDanger
  | ZipProblemCode
  | NotLookedAt
  | 'PROGRAM'
  | 'CONTENT_CONTRADICTS'
  | 'UNLISTED_ARCHIVE'
  | 'MESSAGES_TOO_DEEP'
  | 'PARTIAL_MESSAGE'
  | 'EXTERNAL_BODY'
  | 'BLOCKED_TYPE'
  | 'HTML_NOT_CLEANED'
  | 'TOO_MANY_READINGS'

export interface Finding {
  /** undefined if only another reading of the message has it; the finding concerns the whole message then */
  readonly part: MimePart | undefined
  /** the file names of the part */
  readonly names: readonly string[]
  /** what was checked: a file name, another value in the header, or the name of an entry; it can be empty */
  readonly name: string
  readonly reason: FindingReason
  /** where it was found: a name in the header, a zip, another archive, the content, or the tree of parts */
  readonly where: 'name' | 'zip' | 'archive' | 'content' | 'structure'
  /** the files around it, from the part down: archives, and messages attached as files */
  readonly path: readonly string[]
  /** whether it is in an attached message */
  readonly attached: boolean
  /** the kind of the content, if that is the reason */
  readonly kind?: string
}

/** What to look for. */
export interface AttachmentChecks {
  /** @default `DANGEROUS_EXTENSIONS` */
  readonly extensions?: Extensions | undefined
  /**
   * How to clean HTML: options of `sanitizeHtml`, or a function that cleans a part and returns whether it changed
   * the part. `defang` cleans the HTML if its action changes parts. `checkAttachments` changes nothing, but reports
   * active HTML that cannot be cleaned this way, whatever `htmlFiles` says.
   */
  readonly html?: SanitizeOptions | ((part: MimePart) => Promise<boolean>) | undefined
  /**
   * What to do with the names of files that a browser opens (`HTML_EXTENSIONS`), if `extensions` has them. The text
   * of a message may always have such a name. `clean` allows files that can be cleaned as parts, but not those in
   * archives. @default `report`; with `html`, `clean`
   */
  readonly htmlFiles?: 'allow' | 'clean' | 'report' | undefined
  /** Look for files in archives, and for archives that cannot be read. @default true */
  readonly zips?: boolean | undefined
  /**
   * What to do with files that cannot be opened: archives other than zip, tar and gzip, and files in zips that are
   * encrypted or packed by an unknown method. @default `report`
   */
  readonly unread?: 'allow' | 'report' | undefined
  /** Look at the parts of attached messages, and of files named `.eml`. @default true */
  readonly messages?: boolean | undefined
  /**
   * Kinds of content to block under any name, also in archives. The words are those of `detectType`, such as `tnef`.
   * @default {@link PROGRAM_KINDS}
   */
  readonly kinds?: readonly string[] | undefined
  /** Media types to block, such as `application/x-msdownload` or `video/*`, by each reading of a part. @default none */
  readonly types?: readonly string[] | undefined
  /** What to do with content that contradicts its name or type. @default `report` */
  readonly contradictions?: 'allow' | 'report' | undefined
  /** The limits for all archives of the message together. */
  readonly limits?: Partial<ZipLimits> | undefined
}

/** Programs for Windows, Linux and macOS, shortcuts, and compiled help. */
export const PROGRAM_KINDS: readonly string[] = ['exe', 'elf', 'macho', 'lnk', 'chm']
