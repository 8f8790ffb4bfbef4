import { tmpdir } from 'node:os'
import { invalidOption, wholeNumber } from './option-values.ts'

/**
 * What one message may hold. Beyond a limit the message is answered by `onError`, with the error
 * MESSAGE_TOO_LARGE.
 */
export interface MessageLimits {
  /** header fields. @default 10000 */
  readonly headers: number
  /** bytes of the header. @default 4194304 */
  readonly headerBytes: number
  /** recipients. @default 10000 */
  readonly recipients: number
  /** bytes of a body that stay in memory; larger ones go to a temporary file. @default 1048576 */
  readonly bodyMemory: number
  /** bytes of a body, as it came or as it becomes. @default 1073741824 */
  readonly bodySize: number
  /** where temporary files are made; they have no name there. @default the system's */
  readonly temporaryDirectory: string
}

const DEFAULTS: MessageLimits = {
  headers: 10_000,
  headerBytes: 4_194_304,
  recipients: 10_000,
  bodyMemory: 1_048_576,
  bodySize: 1_073_741_824,
  temporaryDirectory: tmpdir(),
}

/** All of them, with nothing left out. @throws UsageError INVALID_OPTION */
export function messageLimits(given?: Partial<MessageLimits>): MessageLimits {
  return { ...DEFAULTS, ...givenLimits(given) }
}

/** Those that are given, checked. @throws UsageError INVALID_OPTION */
export function givenLimits(given: Partial<MessageLimits> = {}): Partial<MessageLimits> {
  const limits: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(DEFAULTS, name)) {
      const known = Object.keys(DEFAULTS)
      throw invalidOption('limits', name, known.join(', '), known)
    }
    if (value === undefined) continue
    if (name !== 'temporaryDirectory') wholeNumber(`limits.${name}`, value as number, 0)
    else if (typeof value !== 'string' || value === '') {
      throw invalidOption('limits.temporaryDirectory', value, 'the path of a directory')
    }
    limits[name] = value
  }
  return limits
}

/** With what a message for several filters is collected: the largest of each. */
export function largestLimits(all: readonly MessageLimits[]): MessageLimits {
  const [first = DEFAULTS, ...others] = all
  return others.reduce(
    (most, one) => ({
      headers: Math.max(most.headers, one.headers),
      headerBytes: Math.max(most.headerBytes, one.headerBytes),
      recipients: Math.max(most.recipients, one.recipients),
      bodyMemory: Math.max(most.bodyMemory, one.bodyMemory),
      bodySize: Math.max(most.bodySize, one.bodySize),
      // One that somebody has chosen.
      temporaryDirectory:
        most.temporaryDirectory === DEFAULTS.temporaryDirectory
          ? one.temporaryDirectory
          : most.temporaryDirectory,
    }),
    first,
  )
}
