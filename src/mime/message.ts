import { UsageError } from '../errors.ts'
import { encodeText } from '../protocol/text.ts'
import { parseStructure, USUAL, type Reading } from './parser.ts'
import type { PartHeaders } from './part-headers.ts'
import { lineEndOf, MimePart } from './part.ts'
import { MIME_LIMITS, type MimeLimits, type MimeProblem } from './problems.ts'

/** A whole message as a tree. */
export class MimeMessage extends MimePart {
  /** What is wrong with it, as far as mail programs read it differently. */
  readonly problems: readonly MimeProblem[]
  readonly #bytes: Buffer
  readonly #limits: MimeLimits

  /** For the library: see {@link parseMime}. */
  constructor(bytes: Buffer, limits: MimeLimits, reading: Reading, source: MessageSource) {
    const { root, problems } = parseStructure(bytes, limits, reading)
    const tree = { bytes, eol: lineEndOf(bytes), limits, permit: source.permit ?? nothing }
    super(tree, root, undefined, source.headers)
    this.problems = problems
    this.#bytes = bytes
    this.#limits = limits
  }

  /**
   * The message as other programs may read it, where what it says can be read in several ways: another
   * of several Content-Type fields or boundaries counts, parts follow behind the last delimiter, a line
   * that is no field ends a header. Empty for a message without such faults. They are to be looked at,
   * not to be edited.
   */
  otherReadings(): MimeMessage[] {
    const codes = new Set(this.problems.map(({ code }) => code))
    const differences: Partial<Reading>[] = []
    if (codes.has('SEVERAL_TYPES')) differences.push({ contentType: 'last' })
    if (codes.has('SEVERAL_BOUNDARIES')) differences.push({ boundary: 'last' })
    if (codes.has('TEXT_AFTER_CLOSE')) differences.push({ reopens: true })
    if (codes.has('NOT_A_FIELD')) differences.push({ junkEndsHeader: true })
    if (differences.length > 1) differences.push(Object.assign({}, ...differences) as Reading)
    return differences.map(
      (difference) =>
        new MimeMessage(this.#bytes, this.#limits, { ...USUAL, ...difference }, READ_ONLY),
    )
  }
}

/** Where a message comes from. */
export interface MessageSource {
  /** a header that is kept elsewhere */
  readonly headers?: PartHeaders | undefined
  /** is asked before each edit, and may throw */
  readonly permit?: ((what: string) => void) | undefined
}

const nothing = (): void => {}

const READ_ONLY: MessageSource = {
  permit(what) {
    throw new UsageError(
      'WRONG_STAGE',
      `${what}: another reading of a message is there to be looked at; edit the message itself`,
    )
  },
}

/**
 * The tree of a message: header, empty line and body as they came. It never fails, whatever the bytes
 * are; `toBytes()` gives them back, and the bytes must not change meanwhile.
 *
 * @throws UsageError INVALID_OPTION for a limit that is no positive integer
 */
export function parseMime(
  bytes: Uint8Array | string,
  options: { readonly limits?: Partial<MimeLimits> | undefined } = {},
): MimeMessage {
  const limits = { ...MIME_LIMITS, ...options.limits }
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new UsageError(
        'INVALID_OPTION',
        `limits.${name} takes a positive integer, not ${String(value)}`,
      )
    }
  }
  return new MimeMessage(encodeText(bytes), limits, USUAL, {})
}
