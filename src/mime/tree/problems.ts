/** What is wrong with a message. Mail programs disagree on what such a message means. */
export const MIME_PROBLEMS = {
  NO_BOUNDARY: 'a multipart without a boundary: it is one piece',
  NO_DELIMITER: 'a multipart in which its boundary never comes: it is one piece',
  NOT_CLOSED: 'a multipart whose last boundary is missing',
  TEXT_AFTER_CLOSE: 'a boundary that comes again after the one that ends its multipart',
  NO_EMPTY_LINE: 'a header that is not ended by an empty line',
  NOT_A_FIELD: 'a line in a header that is no field',
  BARE_CR: 'a CR without LF in a header, or before `--`: some programs end a line there',
  BAD_CONTENT_TYPE: 'a Content-Type that is none: it counts as text/plain',
  SEVERAL_TYPES: 'several fields Content-Type in one header',
  SEVERAL_ENCODINGS: 'several fields Content-Transfer-Encoding in one header',
  SEVERAL_BOUNDARIES:
    'a Content-Type with several boundaries, or with one that programs read differently: lines of both came',
  BOUNDARY_OF_LEAF:
    'a boundary in the Content-Type of a part that is no multipart: lines of it are in the content',
  UNKNOWN_ENCODING: 'a Content-Transfer-Encoding that nobody knows',
  ENCODED_MULTIPART: 'a multipart with a Content-Transfer-Encoding, which is not allowed',
  TOO_DEEP: 'parts in parts beyond limits.depth: what is deeper is one piece',
  TOO_MANY_PARTS: 'more parts than limits.parts: the rest belongs to the last one',
  TOO_MANY_BOUNDARIES:
    'more boundaries that only some programs read than are tried: they may divide the message otherwise',
  TOO_MANY_FIELDS:
    'more than 100 fields of one name that describes content: of those above, only the last is read',
  FIELD_TOO_LONG:
    'a Content-Type or Content-Disposition of more than 16 KiB: no more of it is read',
  HEADER_TOO_LARGE: 'a header of more than limits.headerBytes: the rest counts as content',
} as const

export type MimeProblemCode = keyof typeof MIME_PROBLEMS

export interface MimeProblem {
  readonly code: MimeProblemCode
  /** where the part begins that has it, in the bytes that were parsed */
  readonly offset: number
}

/** Bounds of a tree; what goes beyond is kept as it is and not looked into. */
export interface MimeLimits {
  /** parts in parts, the message itself being the first; 1,000 at most. @default 100 */
  readonly depth: number
  /** parts in all. @default 10,000 */
  readonly parts: number
  /** bytes of the header of one part. @default 1 MiB */
  readonly headerBytes: number
}

export const MIME_LIMITS: MimeLimits = { depth: 100, parts: 10_000, headerBytes: 1_048_576 }
