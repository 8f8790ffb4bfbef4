import { UsageError } from '../errors.ts'
import { encodeText } from '../protocol/text.ts'
import { MAX_BOUNDARIES } from './tree/boundaries.ts'
import {
  parseStructure,
  parseStructureInTurns,
  USUAL,
  type ParsedMessage,
  type Reading,
} from './tree/parser.ts'
import { lineEndOf } from './encodings/line-end.ts'
import { MimePart } from './tree/part.ts'
import {
  MIME_LIMITS,
  type MimeLimits,
  type MimeProblem,
  type MimeProblemCode,
} from './tree/problems.ts'
import { Turns } from './turns.ts'

/** A whole message as a tree. */
export class MimeMessage extends MimePart {
  /** Problems that make mail programs read the message differently. */
  readonly problems: readonly MimeProblem[]
  readonly #bytes: Buffer
  readonly #limits: MimeLimits
  readonly #headerEnd: number | undefined
  readonly #given: Buffer | undefined
  readonly #boundaries: readonly string[]
  #readingsLeft = false

  /** @internal See {@link parseMime}. */
  constructor(
    bytes: Buffer,
    limits: MimeLimits,
    reading: Reading,
    source: MessageSource,
    { root, problems, boundaries }: ParsedMessage,
  ) {
    const permit = source.permit ?? nothing
    super({ bytes, eol: lineEndOf(bytes), limits, reading, permit }, root)
    this.problems = problems
    this.#bytes = bytes
    this.#limits = limits
    this.#headerEnd = source.headerEnd
    this.#given = source.given
    this.#boundaries = boundaries
  }

  /** @internal {@link eachReading} has reached its limit, and there are more readings. */
  get readingsLeft(): boolean {
    return this.#readingsLeft
  }

  override toBytes(): Buffer {
    return this.#given ?? super.toBytes()
  }

  /** @internal @throws UsageError as {@link parseMime} */
  static of(bytes: Buffer, options: MimeOptions, source: MessageSource): MimeMessage {
    const limits = checkedLimits(options.limits)
    const parsed = parseStructure(bytes, limits, USUAL, source.headerEnd)
    return new MimeMessage(bytes, limits, USUAL, source, parsed)
  }

  /** @internal The same, in turns with other work of the process. */
  static async read(
    bytes: Buffer,
    options: MimeOptions = {},
    source: MessageSource = {},
    turns: Turns = new Turns(),
  ): Promise<MimeMessage> {
    const limits = checkedLimits(options.limits)
    const { headerEnd } = source
    const parsed = await parseStructureInTurns(bytes, limits, USUAL, headerEnd, turns)
    return new MimeMessage(bytes, limits, USUAL, source, parsed)
  }

  /**
   * The message as other programs may read it, if its bytes allow several readings. The list is empty for a message
   * without such faults. You can look at these messages, but you cannot edit them.
   *
   * A reading differs in one or more of these points:
   * - another one of several Content-Type or Content-Transfer-Encoding fields counts
   * - a boundary counts that only some programs read, also in a part that is no multipart
   * - parts follow the closing delimiter
   * - a line that is no field ends a header
   * - an empty boundary counts
   * - a CR alone ends a line
   */
  otherReadings(): MimeMessage[] {
    const readings: MimeMessage[] = []
    const differences = this.#differences()
    for (let next = differences.next(); next.done !== true;) {
      const { bytes, reading, source } = this.#otherwise(next.value)
      const parsed = parseStructure(bytes, this.#limits, reading, source.headerEnd)
      const message = new MimeMessage(bytes, this.#limits, reading, source, parsed)
      readings.push(message)
      next = differences.next(message)
    }
    return readings
  }

  /** @internal The same one by one, in turns with other work of the process. */
  async *eachReading(turns: Turns): AsyncGenerator<MimeMessage> {
    const differences = this.#differences()
    for (let next = differences.next(); next.done !== true;) {
      await turns.next()
      const { bytes, reading, source } = this.#otherwise(next.value)
      const { headerEnd } = source
      const limits = this.#limits
      const parsed = await parseStructureInTurns(bytes, limits, reading, headerEnd, turns)
      const message = new MimeMessage(bytes, limits, reading, source, parsed)
      yield message
      next = differences.next(message)
    }
  }

  /** The differences to try. It gets the message that was read with each of them. */
  *#differences(): Generator<Difference, void, MimeMessage> {
    const found = new Set<Difference>()
    const boundaries = new Set<string>()
    const done = new Set<string>()
    /** Whether a message shows a difference that was not known. */
    const learn = (message: MimeMessage): boolean => {
      const known = found.size + boundaries.size
      for (const { code } of message.problems) {
        const difference = DIFFERENCES[code]
        if (difference !== undefined) found.add(difference)
      }
      for (const boundary of message.#boundaries) {
        if (boundaries.size < MAX_BOUNDARIES) boundaries.add(boundary)
        else if (!boundaries.has(boundary)) this.#readingsLeft = true
      }
      return found.size + boundaries.size > known
    }
    // A reading may show faults that no other has, such as a multipart that the usual reading takes for text.
    for (let isFresh = learn(this); isFresh;) {
      isFresh = false
      for (const difference of readingsWith([...found], [...boundaries])) {
        const key = JSON.stringify(difference)
        if (done.has(key)) continue
        done.add(key)
        if (learn(yield difference)) isFresh = true
      }
    }
  }

  #otherwise({ crEndsLine, ...difference }: Difference): Otherwise {
    const source = {
      permit: refuse,
      headerEnd: crEndsLine === true ? undefined : this.#headerEnd,
      given: this.#bytes,
    }
    return {
      bytes: crEndsLine === true ? withoutBareCr(this.#bytes) : this.#bytes,
      reading: { ...USUAL, ...difference },
      source,
    }
  }
}

interface Otherwise {
  readonly bytes: Buffer
  readonly reading: Reading
  readonly source: MessageSource
}

interface Difference extends Partial<Reading> {
  /** as in Python's email */
  readonly crEndsLine?: boolean
}

/**
 * Each difference alone, and all together. Then each choice of boundaries, alone and with all differences, because a
 * program can take one boundary for a part and another one for the part in it.
 */
function* readingsWith(
  found: readonly Difference[],
  boundaries: readonly string[],
): Generator<Difference> {
  yield* found
  const all = Object.assign({}, ...found) as Difference
  if (found.length > 1) yield all
  for (let choice = 1; choice < 2 ** boundaries.length; choice++) {
    const chosen = boundaries.filter((_one, i) => (choice & (2 ** i)) !== 0)
    yield { boundaries: chosen }
    if (found.length > 0) yield { ...all, boundaries: chosen }
  }
}

/** How a message with a problem may be read otherwise. */
const DIFFERENCES: Partial<Record<MimeProblemCode, Difference>> = {
  BAD_CONTENT_TYPE: { badType: 'lenient' },
  SEVERAL_TYPES: { contentType: 'last' },
  SEVERAL_ENCODINGS: { encoding: 'last' },
  NO_BOUNDARY: { emptyBoundary: true },
  TEXT_AFTER_CLOSE: { reopens: true },
  NOT_A_FIELD: { junkEndsHeader: true },
  BARE_CR: { crEndsLine: true },
}

/** Each CR without a LF becomes a LF. All other bytes stay in their places. */
function withoutBareCr(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  let beforeFeed = false
  for (let at = bytes.length - 1; at >= 0; at--) {
    const byte = bytes[at]
    if (byte === LF) beforeFeed = true
    else if (byte !== CR) beforeFeed = false
    else if (!beforeFeed) copy[at] = LF
  }
  return copy
}

const CR = 0x0d
const LF = 0x0a

/** What is known about the source of a message. */
export interface MessageSource {
  /** where its header ends, if that is known; the header may have an empty line in it */
  readonly headerEnd?: number | undefined
  /** the message as it came, if it was parsed from other bytes */
  readonly given?: Buffer | undefined
  /** called before each edit; it may throw */
  readonly permit?: ((what: string) => void) | undefined
}

/** Edited parts are written recursively. */
const MAX_DEPTH = 1_000

const nothing = (): void => {}

const refuse = (what: string): never => {
  throw new UsageError(
    'WRONG_STAGE',
    `${what}: another reading of a message cannot be edited; edit the message itself`,
  )
}

export interface MimeOptions {
  readonly limits?: Partial<MimeLimits> | undefined
}

/**
 * Parses a message into a tree. This works for any bytes, and `toBytes()` returns them unchanged. Do not change the
 * bytes while you use the tree.
 *
 * @throws UsageError INVALID_OPTION for a limit that is not a positive integer, or a depth above 1,000
 */
export function parseMime(bytes: Uint8Array | string, options: MimeOptions = {}): MimeMessage {
  return MimeMessage.of(encodeText(bytes), options, {})
}

function checkedLimits(given: Partial<MimeLimits> | undefined): MimeLimits {
  if (given === undefined) return MIME_LIMITS
  const limits = { ...MIME_LIMITS, ...given }
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new UsageError(
        'INVALID_OPTION',
        `limits.${name} takes a positive integer, not ${String(value)}`,
      )
    }
  }
  if (limits.depth > MAX_DEPTH) {
    throw new UsageError(
      'INVALID_OPTION',
      `limits.depth is at most ${MAX_DEPTH}, not ${limits.depth}`,
    )
  }
  return limits
}
