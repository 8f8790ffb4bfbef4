import { ZIP_PROBLEMS, type ZipProblemCode } from './archive.ts'
import { type ZipLimits } from './zip-budget.ts'
import { NAME_DANGERS, type Extensions, type NameDanger } from './file-names.ts'
import type { SanitizeOptions } from '../html/sanitize-options.ts'
import type { MimePart } from '../tree/part.ts'
import { MIME_PROBLEMS, type MimeProblemCode } from '../tree/problems.ts'

/** Problems of a message that keep parts of it from being looked at: whatever is too much. */
export type NotLookedAt = Extract<MimeProblemCode, `${string}TOO_${string}`>

export const NOT_LOOKED_AT: readonly NotLookedAt[] = Object.keys(MIME_PROBLEMS).filter(
  (code): code is NotLookedAt => code.includes('TOO_'),
)

/** Why something in a message is to be kept out. */
export const FINDING_REASONS: Readonly<Record<FindingReason, string>> = {
  ...NAME_DANGERS,
  ...ZIP_PROBLEMS,
  PROGRAM: 'content of a kind that is kept out, whatever its name is',
  CONTENT_CONTRADICTS: 'content of another kind than its name or type says',
  UNLISTED_ARCHIVE: 'files in a file of a kind that is not looked into',
  MESSAGES_TOO_DEEP: 'messages attached as files, one in another, beyond limits.messages',
  PARTIAL_MESSAGE: 'a piece of a message, which programs put together with others',
  EXTERNAL_BODY: 'content that programs get from elsewhere',
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
  | 'HTML_NOT_CLEANED'
  | 'TOO_MANY_READINGS'

export interface Finding {
  /** undefined where only another reading of the message has it: then it concerns the whole message */
  readonly part: MimePart | undefined
  /** the file names of the part */
  readonly names: readonly string[]
  /** what was judged: a file name, another value in the header, the name of an entry; may be empty */
  readonly name: string
  readonly reason: FindingReason
  /** what the reason was found in: a name in the header, a zip, another archive, the content, the parts */
  readonly where: 'name' | 'zip' | 'archive' | 'content' | 'structure'
  /** the files around it, from the part down: archives, and messages that are attached as files */
  readonly path: readonly string[]
  /** it is in a message that is attached */
  readonly attached: boolean
  /** what the content is, where that is the reason */
  readonly kind?: string
}

/** What is looked for. */
export interface AttachmentChecks {
  /** @default `DANGEROUS_EXTENSIONS` */
  readonly extensions?: Extensions | undefined
  /**
   * That HTML is cleaned, and how: options of `sanitizeHtml`, or a function that cleans a part and tells
   * whether it changed it. `defang` does it where it changes parts; `checkAttachments` only takes it into
   * account: active HTML that this cannot clean is found, whatever `htmlFiles` says.
   */
  readonly html?: SanitizeOptions | ((part: MimePart) => Promise<boolean>) | undefined
  /**
   * Names of files that a browser opens (`HTML_EXTENSIONS`), where `extensions` has them; the text of a
   * message may have such a name in any case. With `clean` those that can be cleaned as parts are allowed, and
   * those in archives are not. @default `report`; with `html`, `clean`
   */
  readonly htmlFiles?: 'allow' | 'clean' | 'report' | undefined
  /** Files in archives, and archives that cannot be read. @default true */
  readonly zips?: boolean | undefined
  /**
   * What cannot be looked into: archives of other kinds than zip, tar and gzip, and files in zips that are
   * encrypted or packed in other ways. @default `report`
   */
  readonly unread?: 'allow' | 'report' | undefined
  /** Parts of attached messages, and of files named `.eml`. @default true */
  readonly messages?: boolean | undefined
  /**
   * Kinds of content that are kept out under any name, in archives too, as `detectType` calls them: `tnef`.
   * @default {@link PROGRAM_KINDS}
   */
  readonly kinds?: readonly string[] | undefined
  /** Content that contradicts its name or type. @default `report` */
  readonly contradictions?: 'allow' | 'report' | undefined
  /** Of all archives of the message together. */
  readonly limits?: Partial<ZipLimits> | undefined
}

/** Programs of Windows, Linux and macOS, shortcuts, compiled help. */
export const PROGRAM_KINDS: readonly string[] = ['exe', 'elf', 'macho', 'lnk', 'chm']
