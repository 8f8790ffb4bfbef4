/** Plays a message through filters in memory, and keeps what each of them has seen and done. */
import { isDeepStrictEqual } from 'node:util'
import type { MilterError } from '../../errors.ts'
import { compose, watched, type MessageFilter } from '../../message/define-filter.ts'
import type { WatchedCall } from '../../message/definition.ts'
import type { Transaction } from '../../mta/transaction.ts'
import { deliver } from '../../testing/deliver.ts'
import type { LogLine } from '../../testing/recording.ts'
import type { FilterFactory } from '../../milter/filter-object.ts'
import { nodeAt, type ConfigNode } from '../config/nodes.ts'
import { lineText } from '../config/place.ts'
import type { Subject, Trial } from './subject.ts'

export type Mta = 'postfix' | 'sendmail'

/** What one filter has done with a message. */
export interface FilterReport {
  readonly name: string
  readonly place: string
  /** why it was not called at all */
  readonly skipped: string | undefined
  readonly calls: readonly WatchedCall[]
  /** its log lines, with the place of the rule that has decided */
  readonly log: readonly ReportedLine[]
}

export interface ReportedLine {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly place: string | undefined
}

/** What has become of a message. */
export interface Played {
  readonly mta: Mta
  readonly verdict: string
  readonly reply: string
  readonly filters: readonly FilterReport[]
  /** the message as the mail server queues it */
  readonly message: Buffer | undefined
  readonly sender: string
  readonly recipients: readonly string[]
  readonly refused: readonly { readonly address: string; readonly reply: string }[]
  /** a filter has failed, or broken the protocol */
  readonly failures: readonly string[]
}

/** Milliseconds for one answer. */
const PATIENCE = 30_000

/**
 * @param leaveOut says why a filter is not to be called, such as for what it would do to the world
 * @throws UsageError INVALID_OPTION for a transaction that cannot be
 */
export async function play(
  { subjects, filterOptions }: Trial,
  transaction: Transaction,
  mta: Mta,
  leaveOut: (subject: Subject) => string | undefined,
): Promise<Played> {
  const calls = subjects.map((): WatchedCall[] => [])
  const out = subjects.map(leaveOut)
  const parts = subjects.flatMap(({ filter }, i) =>
    out[i] !== undefined
      ? []
      : 'members' in filter
        ? [watched(filter as unknown as MessageFilter, idOf(i), (call) => calls[i]!.push(call))]
        : [filter],
  )
  const outcome = await deliver(together(parts), {
    ...transaction,
    mta,
    timeouts: PATIENCE,
    filter: filterOptions,
  })
  const failures = [
    ...outcome.errors.map((error) => textOf(error)),
    ...[outcome.failure, ...outcome.violations]
      .filter((error): error is MilterError => error !== undefined)
      .map(({ message }) => message),
  ]
  return {
    mta,
    verdict: outcome.verdict,
    reply: outcome.reply,
    message: outcome.message,
    sender: outcome.sender,
    recipients: outcome.recipients,
    refused: outcome.refused,
    failures: [...new Set(failures)],
    filters: subjects.map(({ name, place, filter, options, entry }, i) => ({
      name,
      place,
      skipped: out[i],
      calls: calls[i]!,
      log: outcome.log
        .filter(({ fields }) =>
          'members' in filter ? fields['filter'] === idOf(i) : fields['filter'] === undefined,
        )
        .filter(
          ({ fields }) => !('stage' in fields && 'verdict' in fields && !('err' in fields)),
        )
        .map((line) => reported(line, options, entry?.when && lineText(entry.when.place))),
    })),
  }
}

/** The name of a filter while it is played, since two can have the same one. */
const idOf = (index: number): string => `#${index + 1}`

function together(parts: readonly (MessageFilter | FilterFactory)[]): never {
  const [first] = parts
  // Nothing is left: a filter that does nothing.
  if (first === undefined) return (() => ({})) as never
  return (parts.length === 1 ? first : compose(...(parts as MessageFilter[]))) as never
}

/** Fields that say nothing here: the connection, the queue id of the model. */
const NOISE = new Set(['filter', 'connection', 'queueId', 'pid'])

/** @param when the place of the condition */
function reported(
  { level, message, fields }: LogLine,
  options: ConfigNode | undefined,
  when: string | undefined,
): ReportedLine {
  const shown = Object.fromEntries(
    Object.entries(fields)
      .filter(([name, value]) => !NOISE.has(name) && value !== undefined)
      .map(([name, value]) => [name, value instanceof Error ? textOf(value) : value]),
  )
  const { rule } = fields
  return {
    level,
    message,
    fields: shown,
    place:
      rule === 'when'
        ? when
        : typeof rule === 'string' && options !== undefined
          ? placeOfRule(rule, options)
          : undefined,
  }
}

/** The place of `keys[0].domain`. A rule in another file has its place in itself: `FILE:LINE`. */
function placeOfRule(rule: string, options: ConfigNode): string | undefined {
  const path = rule
    .split(/[.[\]]+/)
    .filter((part) => part !== '')
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
  const { namePlace } = nodeAt(options, path.slice(0, 1))
  if (namePlace === options.place && path.length > 0) return undefined
  return lineText(nodeAt(options, path).namePlace)
}

const textOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error)

/** Whether a message has the same fate behind both servers, and each filter does the same. Words of replies differ. */
export const isSame = (one: Played, other: Played): boolean => {
  const facts = ({
    verdict,
    filters,
    message,
    sender,
    recipients,
    refused,
    failures,
  }: Played): unknown => ({
    verdict,
    filters,
    message,
    sender,
    recipients,
    failures,
    refused: refused.map(({ address }) => address),
  })
  return isDeepStrictEqual(facts(one), facts(other))
}
