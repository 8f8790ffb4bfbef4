/** A range of the bytes that were parsed: `[start, end)`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The fields of a header that describe content, without name and colon. A header can have several of a name. */
export interface ContentFields {
  readonly types: readonly Span[]
  readonly encodings: readonly Span[]
  readonly dispositions: readonly Span[]
}

/** The facts of a header about the content that the parser needs. */
export interface ContentFacts {
  /** in lower case; the default if it cannot be read */
  readonly type: string
  /** empty if there is none */
  readonly boundary: string
  /** in lower case; empty if there is none */
  readonly encoding: string
  /** other programs divide the part by lines in it: those of another boundary, or of one in a part of another type */
  readonly divided?: true
}

/**
 * A part as offsets. Each byte belongs to one place: the header `[start, headerEnd)`, the empty line
 * `[headerEnd, bodyStart)`, or the body `[bodyStart, end)`. The body of a multipart is the preamble, delimiters and
 * parts in turn, and the epilogue.
 */
export interface PartSpan {
  readonly start: number
  headerEnd: number
  bodyStart: number
  end: number
  facts: ContentFacts
  fields: ContentFields
  /** the line before each child, with the line end above it; only in a multipart that was parsed */
  delimiters: Span[] | undefined
  /** the closing delimiter, if there is one */
  closing: Span | undefined
  /** the parts of a multipart, or the attached message */
  children: PartSpan[]
}
