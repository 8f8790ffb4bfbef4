import { UsageError } from '../errors.ts'
import { encodeText } from '../protocol/text.ts'
import { parseStructure, USUAL, type Reading } from './parser.ts'
import { lineEndOf } from './line-end.ts'
import { MimePart } from './part.ts'
import { MIME_LIMITS, type MimeLimits, type MimeProblem } from './problems.ts'

/** A whole message as a tree. */
export class MimeMessage extends MimePart {
  /** What is wrong with it, as far as mail programs read it differently. */
  readonly problems: readonly MimeProblem[]
  readonly #bytes: Buffer
  readonly #limits: MimeLimits
  readonly #headerEnd: number | undefined

  /** For the library: see {@link parseMime}. */
  constructor(bytes: Buffer, limits: MimeLimits, reading: Reading, source: MessageSource) {
    const { root, problems } = parseStructure(bytes, limits, reading, source.headerEnd)
    const permit = source.permit ?? nothing
    super({ bytes, eol: lineEndOf(bytes), limits, reading, permit }, root)
    this.problems = problems
    this.#bytes = bytes
    this.#limits = limits
    this.#headerEnd = source.headerEnd
  }

  /** For the library. @throws UsageError as {@link parseMime} */
  static of(bytes: Buffer, options: MimeOptions, source: MessageSource): MimeMessage {
    return new MimeMessage(bytes, checkedLimits(options.limits), USUAL, source)
  }

  /**
   * The message as other programs may read it, where what it says can be read in several ways: another
   * of several fields Content-Type or Content-Transfer-Encoding counts, or another of several
   * boundaries; parts follow behind the last delimiter; a line that is no field ends a header. Empty for
   * a message without such faults. They are to be looked at, not to be edited.
   */
  otherReadings(): MimeMessage[] {
    return [...this.eachReading()]
  }

  /** For the library: the same one by one, as each is a pass over the message. */
  *eachReading(): Generator<MimeMessage> {
    const codes = new Set(this.problems.map(({ code }) => code))
    const differences: Partial<Reading>[] = []
    if (codes.has('BAD_CONTENT_TYPE')) differences.push({ badType: 'lenient' })
    if (codes.has('SEVERAL_TYPES')) differences.push({ contentType: 'last' })
    if (codes.has('SEVERAL_ENCODINGS')) differences.push({ encoding: 'last' })
    if (codes.has('SEVERAL_BOUNDARIES')) differences.push({ boundary: 'last' })
    if (codes.has('TEXT_AFTER_CLOSE')) differences.push({ reopens: true })
    if (codes.has('NOT_A_FIELD')) differences.push({ junkEndsHeader: true })
    if (differences.length > 1) differences.push(Object.assign({}, ...differences) as Reading)
    for (const difference of differences) {
      yield new MimeMessage(
        this.#bytes,
        this.#limits,
        { ...USUAL, ...difference },
        { permit: refuse, headerEnd: this.#headerEnd },
      )
    }
  }
}

/** Where a message comes from. */
export interface MessageSource {
  /** where its header ends, if that is known: an empty line may be in it */
  readonly headerEnd?: number | undefined
  /** is asked before each edit, and may throw */
  readonly permit?: ((what: string) => void) | undefined
}

/** Edited parts are written by recursion. */
const MOST_DEPTH = 1_000

const nothing = (): void => {}

const refuse = (what: string): never => {
  throw new UsageError(
    'WRONG_STAGE',
    `${what}: another reading of a message is there to be looked at; edit the message itself`,
  )
}

export interface MimeOptions {
  readonly limits?: Partial<MimeLimits> | undefined
}

/**
 * The tree of a message: header, empty line and body as they came. It never fails, whatever the bytes
 * are; `toBytes()` gives them back, and the bytes must not change meanwhile.
 *
 * @throws UsageError INVALID_OPTION for a limit that is no positive integer, or a depth beyond 1,000
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
  if (limits.depth > MOST_DEPTH) {
    throw new UsageError(
      'INVALID_OPTION',
      `limits.depth is ${MOST_DEPTH} at most, not ${limits.depth}`,
    )
  }
  return limits
}
