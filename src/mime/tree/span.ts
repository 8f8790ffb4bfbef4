/** Where something lies in the bytes that were parsed: `[start, end)`. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** The fields of a header that describe content, everything after the colon; of some there are several. */
export interface ContentFields {
  readonly types: readonly Span[]
  readonly encodings: readonly Span[]
  readonly dispositions: readonly Span[]
}

/** What the header of a part says about its content, as far as the parser needs it. */
export interface ContentFacts {
  /** in lower case; the default where nothing can be read */
  readonly type: string
  /** empty where there is none */
  readonly boundary: string
  /** in lower case; empty where there is none */
  readonly encoding: string
  /** lines came that other programs divide it by: of another boundary, or of one in a part of another type */
  readonly divided?: true
}

/**
 * A part as offsets. Every byte of it belongs to one place: the header `[start, headerEnd)`, the empty
 * line `[headerEnd, bodyStart)`, the body `[bodyStart, end)`; the body of a multipart is what comes
 * before its first delimiter, delimiters and parts in turn, and what comes after the last.
 */
export interface PartSpan {
  readonly start: number
  headerEnd: number
  bodyStart: number
  end: number
  facts: ContentFacts
  fields: ContentFields
  /** of a multipart that was looked into: the line before each child, with the line end above it */
  delimiters: Span[] | undefined
  /** the delimiter that ends it, if it came */
  closing: Span | undefined
  /** parts of a multipart; or the one message that is attached */
  children: PartSpan[]
}
