/** Problems of a message. Mail programs disagree on what a message with such a problem means. */
export const MIME_PROBLEMS = {
  NO_BOUNDARY: 'a multipart has no boundary: it is read as one piece',
  NO_DELIMITER: 'the boundary of a multipart does not occur in it: it is read as one piece',
  NOT_CLOSED: 'the closing delimiter of a multipart is missing',
  TEXT_AFTER_CLOSE: 'the boundary of a multipart occurs again after its closing delimiter',
  NO_EMPTY_LINE: 'no empty line ends a header',
  NOT_A_FIELD: 'a line in a header is not a field',
  BARE_CR:
    'a header has a CR without LF, or one is before `--`: some programs end a line there',
  BAD_CONTENT_TYPE: 'a Content-Type is not valid: the part counts as text/plain',
  SEVERAL_TYPES: 'a header has several Content-Type fields',
  SEVERAL_ENCODINGS: 'a header has several Content-Transfer-Encoding fields',
  SEVERAL_BOUNDARIES:
    'a Content-Type has several boundaries, or one that programs read differently: the part has lines of both',
  BOUNDARY_OF_LEAF:
    'the Content-Type of a part that is not a multipart has a boundary: the content has lines of it',
  UNKNOWN_ENCODING: 'a Content-Transfer-Encoding is unknown',
  ENCODED_MULTIPART: 'a multipart has a Content-Transfer-Encoding, which is not allowed',
  TOO_DEEP: 'parts are nested deeper than limits.depth: what is deeper is read as one piece',
  TOO_MANY_PARTS: 'there are more parts than limits.parts: the rest belongs to the last one',
  TOO_MANY_BOUNDARIES:
    'there are more boundaries that only some programs read than are tried: they may divide the message in another way',
  TOO_MANY_FIELDS:
    'a header has more than 100 fields of one name that describes content: of those above the limit, only the last is read',
  FIELD_TOO_LONG:
    'a Content-Type or Content-Disposition is larger than 16 KiB: only that much of it is read',
  HEADER_TOO_LARGE: 'a header is larger than limits.headerBytes: the rest counts as content',
} as const

export type MimeProblemCode = keyof typeof MIME_PROBLEMS

export interface MimeProblem {
  readonly code: MimeProblemCode
  /** where the part with the problem begins, in the bytes that were parsed */
  readonly offset: number
}

/** The limits of a tree. Anything above them is kept as it is, but not parsed. */
export interface MimeLimits {
  /** nested parts; the message itself is the first. The maximum is 1,000. @default 100 */
  readonly depth: number
  /** all parts of the message. @default 10,000 */
  readonly parts: number
  /** bytes of the header of one part. @default 1 MiB */
  readonly headerBytes: number
}

export const MIME_LIMITS: MimeLimits = { depth: 100, parts: 10_000, headerBytes: 1_048_576 }
