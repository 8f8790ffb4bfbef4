/**
 * The structure of a message as offsets, in one pass and without recursion. A line that begins with
 * `--` is compared with all boundaries that are open: an inner multipart that is never closed ends at
 * the delimiter of an outer one.
 */
import { BoundaryReader, MAX_BOUNDARIES, type Boundaries } from './boundaries.ts'
import { fieldNameEnd, fieldNameStart } from '../fields/field-name.ts'
import { isMediaType, isMessageType } from '../fields/media-type.ts'
import { fieldAt, LONGEST_FIELD } from '../fields/content-field.ts'
import type { MimeLimits, MimeProblem, MimeProblemCode } from './problems.ts'
import type { ContentFacts, ContentFields, PartSpan, Span } from './span.ts'
import { isIdentity, transferEncoding } from '../encodings/transfer-encoding.ts'
import type { Turns } from '../turns.ts'

/** The choices of a reader where programs differ. The defaults are what most mail programs do. */
export interface Reading {
  /** which of several Content-Type fields counts */
  readonly contentType: 'first' | 'last'
  /** how to read a Content-Type that is not valid: as none (RFC 2045, section 5.2), or as lenient programs do */
  readonly badType: 'default' | 'lenient'
  /** which of several Content-Transfer-Encoding fields counts */
  readonly encoding: 'first' | 'last'
  /**
   * boundaries that only some programs read in a Content-Type; each of them takes precedence over all others there,
   * and makes a part of any type a multipart
   */
  readonly boundaries: readonly string[]
  /** an empty or missing boundary counts: lines with only `--` are delimiters (Python's email) */
  readonly emptyBoundary: boolean
  /** a delimiter after the closing one begins a part */
  readonly reopens: boolean
  /** a line that is no field ends the header and belongs to the body */
  readonly junkEndsHeader: boolean
}

export const USUAL: Reading = {
  contentType: 'first',
  badType: 'default',
  encoding: 'first',
  boundaries: [],
  emptyBoundary: false,
  reopens: false,
  junkEndsHeader: false,
}

export interface ParsedMessage {
  readonly root: PartSpan
  readonly problems: readonly MimeProblem[]
  /** boundaries with lines in the message that count only in another reading */
  readonly boundaries: readonly string[]
}

export function parseStructure(
  bytes: Buffer,
  limits: MimeLimits,
  reading: Reading = USUAL,
  /** where the header of the message ends, if that is known */
  headerEnd?: number,
): ParsedMessage {
  const steps = new Parser(bytes, limits, reading).steps(headerEnd)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** The same, in turns with other work of the process. */
export async function parseStructureInTurns(
  bytes: Buffer,
  limits: MimeLimits,
  reading: Reading,
  headerEnd: number | undefined,
  turns: Turns,
): Promise<ParsedMessage> {
  const steps = new Parser(bytes, limits, reading).steps(headerEnd)
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
    await turns.next()
  }
}

/** The maximum of fields of one name that describe a part. */
const MAX_FIELDS = 100

/** The number of bytes or parts that are read at once. */
const STEP_BYTES = 131_072
const STEP_PARTS = 100

/** The maximum of problems that are reported for one message. */
const MAX_PROBLEMS = 1_000

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a
const DASH = 0x2d
const DELIMITER = Buffer.from('\n--')

/** A type without comments or folds in it. */
const PLAIN_TYPE = /^[ \t]*([a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+)[ \t]*(?:;|\r?\n?$)/i

/** Maximum number of bytes of a field that are searched for such a type. */
const LONGEST_PLAIN = 200

/** An open part: a multipart that is not at its end, or a message that holds one. */
interface Level {
  readonly part: PartSpan
  /** undefined after the closing delimiter */
  boundary: string | undefined
}

interface FieldSpans {
  types: Span[]
  encodings: Span[]
  dispositions: Span[]
}

/** The lists of most parts. Nothing is added to them. */
const NO_SPANS: Span[] = []
const NO_PARTS: PartSpan[] = []
const NO_FIELDS: ContentFields = {
  types: NO_SPANS,
  encodings: NO_SPANS,
  dispositions: NO_SPANS,
}

class Parser {
  readonly #bytes: Buffer
  readonly #limits: MimeLimits
  readonly #reading: Reading
  readonly #problems: MimeProblem[] = []
  readonly #codes = new Set<MimeProblemCode>()
  readonly #levels: Level[] = []
  /** the levels of each open boundary, the innermost last */
  readonly #open = new Map<string, number[]>()
  readonly #closed = new Set<string>()
  readonly #boundaries: BoundaryReader
  /** the parts that some programs divide by a boundary with no line so far */
  readonly #watched = new Map<string, PartSpan[]>()
  readonly #others = new Set<string>()
  #longest = 0
  #parts = 0
  /** everything before this offset belongs to a header, or to a delimiter */
  #assigned = 0
  #leaf!: PartSpan

  constructor(bytes: Buffer, limits: MimeLimits, reading: Reading) {
    this.#bytes = bytes
    this.#limits = limits
    this.#reading = reading
    this.#boundaries = new BoundaryReader(bytes)
  }

  /** Yields at each place where it may be interrupted. */
  *steps(headerEnd: number | undefined): Generator<undefined, ParsedMessage> {
    const root = this.#begin(0, 'text/plain')
    let at = yield* this.#enter(root, headerEnd)
    let since = at
    let parts = this.#parts
    // After all are closed, a line may follow that other programs take for a delimiter.
    while (this.#open.size > 0 || this.#closed.size > 0 || this.#watched.size > 0) {
      const line = this.#nextDashes(at)
      if (line === -1) break
      const lineEnd = this.#lineEnd(line)
      const found = this.#delimiterAt(line, lineEnd)
      at = lineEnd
      if (at - since > STEP_BYTES || this.#parts - parts > STEP_PARTS) {
        yield
        since = at
        parts = this.#parts
      }
      if (found === undefined) continue
      const next = this.#delimit(found, line, lineEnd)
      if (next === 'full') break
      if (next !== undefined) at = yield* this.#enter(next)
    }
    this.#endAll(0, this.#bytes.length)
    if (this.#bytes.includes('\r--')) this.#problem('BARE_CR', root)
    return { root, problems: this.#problems, boundaries: [...this.#others] }
  }

  #problem(code: MimeProblemCode, { start }: PartSpan): void {
    const last = this.#problems.at(-1)
    const again = last?.code === code && last.offset === start
    if (again) return
    if (this.#problems.length >= MAX_PROBLEMS) {
      // Each code is reported at least once. Other readings, and findings about what was not read, depend on it.
      if (this.#codes.has(code)) return
      const codes = this.#problems.map((one) => one.code)
      this.#problems.splice(
        codes.findLastIndex((one, i) => codes.indexOf(one) !== i),
        1,
      )
    }
    this.#codes.add(code)
    this.#problems.push({ code, offset: start })
  }

  // ---- lines

  /** The offset of the next line that begins with `--`, from the start of a line on, or -1. */
  #nextDashes(at: number): number {
    if (this.#bytes[at] === DASH && this.#bytes[at + 1] === DASH) return at
    const found = this.#bytes.indexOf(DELIMITER, Math.max(0, at - 1))
    return found === -1 ? -1 : found + 1
  }

  /** The offset after the line end. */
  #lineEnd(at: number): number {
    const feed = this.#bytes.indexOf(LF, at)
    return feed === -1 ? this.#bytes.length : feed + 1
  }

  /** The delimiter of an open boundary in a line. Spaces, tabs and CR at the end of the line do not count. */
  #delimiterAt(line: number, lineEnd: number): Found | undefined {
    const bytes = this.#bytes
    let end = lineEnd
    while (end > line && isSpace(bytes[end - 1]!)) end--
    const size = end - line - 2
    if (size < 0 || size > this.#longest + 2) return undefined
    const label = bytes.toString('latin1', line + 2, end)
    const opens = this.#open.get(label)
    if (opens !== undefined) return { level: opens.at(-1)!, closes: false }
    if (!label.endsWith('--')) {
      this.#watch(label)
      if (this.#closed.has(label)) this.#problem('TEXT_AFTER_CLOSE', this.#leaf)
      return undefined
    }
    const closes = this.#open.get(label.slice(0, -2))
    if (closes !== undefined) return { level: closes.at(-1)!, closes: true }
    this.#watch(label)
    this.#watch(label.slice(0, -2))
    return undefined
  }

  /**
   * The offset of the line end above a delimiter, which is part of the delimiter. Two CRs belong to it only if the
   * line of the delimiter also ends in that way.
   */
  #startOfDelimiter(line: number, lineEnd: number): number {
    const bytes = this.#bytes
    const earliest = this.#assigned
    let start = line
    if (start > earliest && bytes[start - 1] === LF) start--
    if (start < line && start > earliest && bytes[start - 1] === CR) start--
    const double = bytes[lineEnd - 2] === CR && bytes[lineEnd - 3] === CR
    if (double && start < line && start > earliest && bytes[start - 1] === CR) start--
    return start
  }

  // ---- parts

  #begin(start: number, type: string): PartSpan {
    this.#parts++
    return {
      start,
      headerEnd: start,
      bodyStart: start,
      end: start,
      facts: { type, boundary: '', encoding: '' },
      fields: NO_FIELDS,
      delimiters: undefined,
      closing: undefined,
      children: NO_PARTS,
    }
  }

  /** Reads the header of a part, and of the messages in it, and returns the offset where the content continues. */
  *#enter(first: PartSpan, headerEnd?: number): Generator<undefined, number> {
    let part = first
    for (;;) {
      const fields = yield* this.#readHeader(part, part === first ? headerEnd : undefined)
      if (hasBareCr(this.#bytes, part.start, part.bodyStart)) this.#problem('BARE_CR', part)
      this.#assigned = part.bodyStart
      part.fields = fields
      const { left } = this.#boundaries
      part.facts = this.#factsOf(part, fields)
      if (this.#boundaries.left < left) yield
      this.#leaf = part
      const kind = this.#kindOf(part)
      if (kind === 'leaf') return part.bodyStart
      const boundary = kind === 'multipart' ? part.facts.boundary : undefined
      this.#levels.push({ part, boundary })
      if (kind === 'multipart') {
        part.delimiters = []
        part.children = []
        this.#openBoundary(part.facts.boundary, this.#levels.length - 1)
        return part.bodyStart
      }
      const message = this.#begin(part.bodyStart, 'text/plain')
      part.children = [message]
      part = message
    }
  }

  #kindOf(part: PartSpan): 'leaf' | 'multipart' | 'message' {
    const { type, boundary, encoding } = part.facts
    const multipart = type.startsWith('multipart/')
    if (!multipart && !isMessageType(type)) return 'leaf'
    if (multipart && boundary === '') {
      this.#problem('NO_BOUNDARY', part)
      if (!this.#reading.emptyBoundary) return 'leaf'
    }
    const known = transferEncoding(encoding)
    if (known !== undefined && !isIdentity(known)) {
      // An encoded message is a tree of its own. A multipart is not encoded, whatever its header says: no mail
      // program decodes it, and the delimiters are there.
      if (!multipart) return 'leaf'
      this.#problem('ENCODED_MULTIPART', part)
    }
    if (this.#levels.length + 1 >= this.#limits.depth) {
      this.#problem('TOO_DEEP', part)
      return 'leaf'
    }
    if (!multipart && this.#parts >= this.#limits.parts) {
      this.#problem('TOO_MANY_PARTS', part)
      return 'leaf'
    }
    return multipart ? 'multipart' : 'message'
  }

  *#readHeader(part: PartSpan, knownEnd: number | undefined): Generator<undefined, FieldSpans> {
    const bytes = this.#bytes
    const fields: FieldSpans = { types: NO_SPANS, encodings: NO_SPANS, dispositions: NO_SPANS }
    let field: keyof FieldSpans | undefined
    let at = part.start
    let since = at
    const end = (headerEnd: number, bodyStart: number): FieldSpans => {
      part.headerEnd = headerEnd
      part.bodyStart = bodyStart
      return fields
    }
    while (at < bytes.length) {
      const lineEnd = this.#lineEnd(at)
      if (at === knownEnd) return end(at, lineEnd)
      if (knownEnd === undefined && isEmptyLine(bytes, at, lineEnd)) return end(at, lineEnd)
      const first = bytes[at]!
      if (first === DASH && bytes[at + 1] === DASH && this.#delimiterAt(at, lineEnd)) {
        this.#problem('NO_EMPTY_LINE', part)
        return end(at, at)
      }
      if (knownEnd === undefined && lineEnd - part.start > this.#limits.headerBytes) {
        this.#problem('HEADER_TOO_LARGE', part)
        return end(at, at)
      }
      const isFirst = at === part.start
      if (!isFirst && (first === SPACE || first === TAB)) {
        if (field !== undefined) {
          const spans = fields[field]
          spans[spans.length - 1] = { start: spans.at(-1)!.start, end: lineEnd }
        }
      } else {
        const start = fieldNameStart(bytes, at, isFirst)
        const name = fieldNameEnd(bytes, start, lineEnd)
        if (start > at) this.#problem('NOT_A_FIELD', part)
        if (name === -1) {
          this.#problem('NOT_A_FIELD', part)
          if (this.#reading.junkEndsHeader && knownEnd === undefined && !isFirst)
            return end(at, at)
        }
        field = undefined
        // The length of a name decides first, before its bytes are compared.
        const size = name - start
        if (size === 12 && isName(bytes, start, name, 'content-type')) field = 'types'
        else if (size === 25 && isName(bytes, start, name, 'content-transfer-encoding')) {
          field = 'encodings'
        } else if (size === 19 && isName(bytes, start, name, 'content-disposition')) {
          field = 'dispositions'
        }
        if (field !== undefined) {
          const span = { start: bytes.indexOf(COLON, at) + 1, end: lineEnd }
          if (fields[field] === NO_SPANS) fields[field] = [span]
          else if (fields[field].length < MAX_FIELDS) fields[field].push(span)
          else {
            // Programs take the first or the last.
            this.#problem('TOO_MANY_FIELDS', part)
            fields[field][MAX_FIELDS - 1] = span
          }
        }
      }
      at = lineEnd
      if (at - since > STEP_BYTES) {
        yield
        since = at
      }
    }
    if (part.start < bytes.length) this.#problem('NO_EMPTY_LINE', part)
    return end(bytes.length, bytes.length)
  }

  #factsOf(part: PartSpan, { types, encodings, dispositions }: FieldSpans): ContentFacts {
    for (const fields of [types, dispositions]) {
      for (const { start, end } of fields) {
        if (end - start > LONGEST_FIELD) this.#problem('FIELD_TOO_LONG', part)
      }
    }
    if (types.length > 1) this.#problem('SEVERAL_TYPES', part)
    if (encodings.length > 1) this.#problem('SEVERAL_ENCODINGS', part)
    const named = this.#reading.encoding === 'first' ? encodings[0] : encodings.at(-1)
    const encoding = named === undefined ? '' : this.#text(named).trim().toLowerCase()
    if (transferEncoding(encoding) === undefined) this.#problem('UNKNOWN_ENCODING', part)
    const field = this.#reading.contentType === 'first' ? types[0] : types.at(-1)
    if (field === undefined) return { type: part.facts.type, boundary: '', encoding }
    // Most parts need only the type here.
    const isLong = field.end - field.start > LONGEST_PLAIN
    const end = isLong ? field.start + LONGEST_PLAIN : field.end
    // If the field continues, the pattern must not see an end here.
    const start = this.#text({ start: field.start, end }) + (isLong ? '?' : '')
    const plain = PLAIN_TYPE.exec(start)?.[1]?.toLowerCase()
    if (plain !== undefined && !plain.startsWith('multipart/')) {
      const boundaries = this.#boundaries.ofLeaf(field)
      return this.#divided(part, { type: plain, boundary: '', encoding }, boundaries)
    }
    const read = fieldAt(this.#bytes, field)
    const { strict } = read
    if (!strict.sure) this.#problem('BAD_CONTENT_TYPE', part)
    const value = strict.sure || this.#reading.badType === 'default' ? strict : read.lenient
    const boundaries = this.#boundaries.ofType(field, value)
    if (boundaries.several) this.#problem('SEVERAL_BOUNDARIES', part)
    const type = isMediaType(value.value) ? value.value : part.facts.type
    return this.#divided(part, { type, boundary: boundaries.usual, encoding }, boundaries)
  }

  /** The boundary that divides the part in this reading. */
  #divided(part: PartSpan, facts: ContentFacts, { others }: Boundaries): ContentFacts {
    if (this.#boundaries.left < 0) this.#problem('TOO_MANY_BOUNDARIES', part)
    if (others.length === 0) return facts
    const taken = others.find((one) => this.#reading.boundaries.includes(one))
    for (const one of others) {
      if (one === taken) continue
      const parts = this.#watched.get(one)
      if (parts === undefined) this.#watched.set(one, [part])
      else parts.push(part)
      this.#longest = Math.max(this.#longest, one.length)
    }
    if (taken === undefined) return facts
    const type = facts.type.startsWith('multipart/') ? facts.type : 'multipart/mixed'
    return { ...facts, type, boundary: taken }
  }

  #text({ start, end }: Span): string {
    return this.#bytes.toString('latin1', start, end)
  }

  // ---- boundaries

  /** A line that some programs take for a delimiter: each boundary counts once, whichever part has it. */
  #watch(label: string): void {
    const parts = this.#watched.get(label)
    if (parts === undefined) return
    this.#watched.delete(label)
    for (const part of parts) {
      const isOpen = this.#leaf === part || this.#levels.some((level) => level.part === part)
      if (!isOpen) continue
      const isMultipart = part.facts.type.startsWith('multipart/')
      this.#problem(isMultipart ? 'SEVERAL_BOUNDARIES' : 'BOUNDARY_OF_LEAF', part)
      if (this.#others.size >= MAX_BOUNDARIES && !this.#others.has(label)) {
        this.#problem('TOO_MANY_BOUNDARIES', part)
      } else this.#others.add(label)
      part.facts = { ...part.facts, divided: true }
    }
  }

  #openBoundary(boundary: string, level: number): void {
    const levels = this.#open.get(boundary)
    if (levels === undefined) this.#open.set(boundary, [level])
    else levels.push(level)
    this.#longest = Math.max(this.#longest, boundary.length)
  }

  #closeBoundary({ boundary }: Level): void {
    if (boundary === undefined) return
    const levels = this.#open.get(boundary)!
    levels.pop()
    if (levels.length === 0) this.#open.delete(boundary)
  }

  /** Handles a delimiter, and returns the part that begins there, if there is one within the limits. */
  #delimit(
    { level, closes }: Found,
    line: number,
    lineEnd: number,
  ): PartSpan | 'full' | undefined {
    const { part } = this.#levels[level]!
    const start = this.#startOfDelimiter(line, lineEnd)
    const delimiter: Span = { start, end: lineEnd }
    this.#endAll(level + 1, start)
    if (closes) {
      part.closing = delimiter
      this.#assigned = lineEnd
      this.#leaf = part
      if (!this.#reading.reopens) {
        this.#closed.add(part.facts.boundary)
        this.#closeBoundary(this.#levels[level]!)
        this.#levels[level]!.boundary = undefined
      }
      return undefined
    }
    if (this.#parts >= this.#limits.parts) {
      this.#problem('TOO_MANY_PARTS', part)
      return 'full'
    }
    // If a delimiter after the closing one counts, the closing one was none.
    part.closing = undefined
    const digest = part.facts.type === 'multipart/digest'
    const child = this.#begin(lineEnd, digest ? 'message/rfc822' : 'text/plain')
    part.delimiters!.push(delimiter)
    part.children.push(child)
    return child
  }

  /** Ends all levels from this one on, and everything in them. */
  #endAll(level: number, end: number): void {
    while (this.#levels.length > level) {
      const last = this.#levels.pop()!
      this.#closeBoundary(last)
      const { part } = last
      part.end = Math.max(end, part.bodyStart)
      if (part.delimiters !== undefined && part.closing === undefined) {
        this.#problem(part.children.length === 0 ? 'NO_DELIMITER' : 'NOT_CLOSED', part)
      }
    }
    this.#leaf.end = Math.max(end, this.#leaf.bodyStart)
  }
}

/** A CR that no LF follows. */
function hasBareCr(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (bytes[at] !== CR) continue
    while (bytes[at] === CR && at < end) at++
    if (at < end && bytes[at] !== LF) return true
  }
  return false
}

interface Found {
  readonly level: number
  readonly closes: boolean
}

const isSpace = (byte: number): boolean =>
  byte === LF || byte === CR || byte === SPACE || byte === TAB

/** Only CRs before the LF, or before the end of a message that was cut off. */
function isEmptyLine(bytes: Buffer, start: number, end: number): boolean {
  let at = start
  while (bytes[at] === CR) at++
  return at === end || (at === end - 1 && bytes[at] === LF)
}

function isName(bytes: Buffer, start: number, end: number, name: string): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    if (lower !== name.charCodeAt(i - start)) return false
  }
  return true
}
