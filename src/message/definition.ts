import { UsageError } from '../errors.ts'
import type { ConnectionAnswer, MessageAnswer } from '../milter/handlers.ts'
import { marksOf, NO_MARKS } from '../milter/marks.ts'
import { messageLimits } from '../milter/message-limits.ts'
import { errorVerdict } from '../milter/options.ts'
import { MAX_TIMER } from '../options/kinds.ts'
import { didYouMean } from '../options/nearest.ts'
import { isPlainObject } from '../options/plain-object.ts'
import type { ErrorPolicy, MessageLimits } from '../options/types.ts'
import { invalidOption } from '../options/invalid-option.ts'
import { wholeNumber } from '../options/validate.ts'
import type { EnvelopeAddress } from '../milter/envelope/envelope-address.ts'
import { Action } from '../protocol/constants.ts'
import type { VerdictKind } from '../protocol/event-table.ts'
import { actionsFor, EDIT_KINDS, type EditKind } from '../protocol/edit-table.ts'
import type { MailConnection } from './mail-connection.ts'
import type { HeadersMail, Mail } from './mail.ts'
import {
  FILTER_STAGES,
  type FilterFacts,
  type FilterStage,
  type ReadKind,
  type RecipientStageContext,
  type SenderStageContext,
  type StageContext,
} from './stage-context.ts'

/**
 * A filter that looks at whole messages. A stage that you leave out costs no round trip. The mail server sends only
 * the parts of a message that a stage needs: no body without `message`, and no header without `headers` or `message`.
 *
 * Verdicts are as for events. If a stage returns nothing, the message goes on. `reply(...)`, REJECT, TEMPFAIL and
 * DISCARD are final. ACCEPT means that this filter is done with the message. At `recipient`, REJECT and TEMPFAIL are
 * for that recipient only.
 */
export interface FilterDefinition<State = undefined> {
  /** the name of the filter in log lines */
  readonly name: string
  /** makes the object that the stages of one message share; called for each message */
  readonly state?: (() => State) | undefined
  /** A client has connected. ACCEPT lets everything of this connection pass. */
  readonly connect?:
    ((connection: MailConnection, ctx: StageContext) => ConnectionAnswer) | undefined
  /** The client has sent HELO or EHLO, with this name. */
  readonly helo?: ((name: string, ctx: StageContext) => ConnectionAnswer) | undefined
  /** A message begins: the sender, from MAIL. */
  readonly sender?:
    ((sender: EnvelopeAddress, ctx: SenderStageContext<State>) => MessageAnswer) | undefined
  /** One recipient, from RCPT. REJECT and TEMPFAIL are for this recipient only. */
  readonly recipient?:
    | ((recipient: EnvelopeAddress, ctx: RecipientStageContext<State>) => MessageAnswer)
    | undefined
  /** The header is complete. If you reject the message here, the mail server does not send the body. */
  readonly headers?: ((mail: HeadersMail<State>) => MessageAnswer) | undefined
  /** The message is complete. */
  readonly message?: ((mail: Mail<State>) => MessageAnswer) | undefined
  /** The SMTP session is over. */
  readonly close?: ((ctx: StageContext) => void | Promise<void>) | undefined
  /**
   * The verdict if a stage throws, returns something that is not a verdict, or misses its deadline. The edits of that
   * stage are dropped.
   * @default the option `onError` of the server
   */
  readonly onError?: ErrorPolicy | undefined
  /**
   * Milliseconds for one call of a stage. With 0 only the deadline of the server applies (its option `deadlines`,
   * which is for all filters together). A stream that replaces the body counts as part of the call.
   */
  readonly deadlines?: Partial<Record<FilterStage, number>> | undefined
  /**
   * The parts of a message that the filter may change. The filter asks the mail server for these edits only, and
   * other edits throw ACTION_NOT_NEGOTIATED.
   * @default everything its stages can change
   */
  readonly edits?: readonly EditKind[] | undefined
  /**
   * The parts of the content that the filter looks at. The mail server does not send the other parts, which makes a
   * message much cheaper. With `[]` you have envelope and macros, `append`, `prepend` and `insertFirst` of `headers`,
   * and `body.replace`. The rest throws NOT_READ: all else of `body` needs `body`; all else of `headers`, and
   * `rawHeader()`, need `headers`; and `raw()`, `rawChunks()` and `mime()` need both.
   * @default everything its stages can look at
   */
  readonly reads?: readonly ReadKind[] | undefined
  /**
   * What happens with an edit that the mail server has not granted: `fail` throws ACTION_NOT_NEGOTIATED at the call,
   * `skip` leaves the edit out and logs a warning.
   * @default 'fail'
   */
  readonly onNotGranted?: 'fail' | 'skip' | undefined
  /** macros to ask for at a stage, in addition to those that the mail server sends anyway */
  readonly macros?: Partial<Record<FilterStage, readonly string[]>> | undefined
  /** Limits of one message. Those of the server (its option `limits`) override these. */
  readonly limits?: Partial<MessageLimits> | undefined
  /**
   * The place in a composition. A filter that judges the message as it came, such as a verifier of signatures, is
   * `first`. `compose` refuses it behind a filter that can change sender, header or body. A filter that needs the message
   * as it leaves, such as a signer, is `last`. `compose` refuses filters behind it that can change header or body. Several
   * `first` or `last` filters may stand in a row.
   * @default anywhere between them
   */
  readonly order?: FilterOrder | undefined
}

/** The place of a filter in a composition. */
export type FilterOrder = 'first' | 'last'

const OPTIONS: ReadonlySet<string> = new Set([
  ...FILTER_STAGES,
  'name',
  'state',
  'onError',
  'deadlines',
  'edits',
  'reads',
  'onNotGranted',
  'macros',
  'limits',
  'order',
])

/** A definition, checked once. */
export interface ComposedFilter extends FilterFacts {
  // Each definition has its own type of state; here it is only passed on.
  readonly definition: FilterDefinition<unknown>
  /** is told of each call; for commands that explain what a filter does */
  readonly watch?: (call: WatchedCall) => void
}

/** What one call of a filter has led to. */
export interface WatchedCall {
  readonly stage: FilterStage
  readonly verdict: VerdictKind
  /** its SMTP reply */
  readonly reply: string | undefined
  /** its edits in words, as the mail server would get them; empty if they do not count */
  readonly edits: readonly string[]
}

/** @throws UsageError INVALID_HANDLER, INVALID_OPTION */
export function checkedFilter(definition: FilterDefinition<unknown>): ComposedFilter {
  if (typeof definition !== 'object' || definition === null) {
    throw new UsageError('INVALID_HANDLER', 'defineFilter takes an object with stages')
  }
  const { name, edits, reads, onError, onNotGranted, order } = definition
  if (typeof name !== 'string' || name === '') {
    throw invalidOption('name', name, 'the name of the filter in log lines')
  }
  const where = `of the filter ${JSON.stringify(name)}`
  for (const [key, value] of Object.entries(definition)) {
    if (!OPTIONS.has(key)) {
      throw new UsageError(
        'INVALID_HANDLER',
        `${key} ${where} is neither a stage nor an option${didYouMean(key, OPTIONS) || '.'} Stages are ${FILTER_STAGES.join(', ')}`,
      )
    }
    const isHandler = (FILTER_STAGES as readonly string[]).includes(key) || key === 'state'
    if (isHandler && value !== undefined && typeof value !== 'function') {
      throw new UsageError(
        'INVALID_HANDLER',
        `the stage ${key} ${where} must be a function; it is of type ${typeof value}`,
      )
    }
    if (isHandler && typeof value === 'function' && marksOf(value as () => void) !== NO_MARKS) {
      throw new UsageError(
        'INVALID_HANDLER',
        `the stage ${key} ${where} has a mark, which would do nothing: marks are for handlers of events. Here there are the options macros, reads and edits`,
      )
    }
  }
  for (const [stage, limit] of byStage('deadlines', definition.deadlines)) {
    wholeNumber(`deadlines.${stage}`, limit as number, 0, MAX_TIMER)
  }
  for (const [stage, names] of byStage('macros', definition.macros)) {
    checkList(
      `macros.${stage}`,
      names,
      "a list of names of macros, such as ['i', 'auth_authen']",
    )
  }
  if (onError !== undefined) errorVerdict(onError)
  if (onNotGranted !== undefined && onNotGranted !== 'fail' && onNotGranted !== 'skip') {
    throw invalidOption('onNotGranted', onNotGranted, "'fail' or 'skip'")
  }
  if (order !== undefined && order !== 'first' && order !== 'last') {
    throw invalidOption('order', order, "'first' or 'last'")
  }
  if (edits !== undefined) checkList('edits', edits, `a list with ${EDIT_KINDS.join(', ')}`)
  if (reads !== undefined) checkList('reads', reads, `a list with ${READS.join(', ')}`)
  for (const kind of edits ?? []) {
    if (!EDIT_KINDS.includes(kind)) {
      throw invalidOption('edits', kind, EDIT_KINDS.join(', '), EDIT_KINDS)
    }
  }
  return {
    definition,
    name,
    shadow: false,
    reads: readsOf(definition, where),
    actions: actionsOf(definition),
    limits: messageLimits(definition.limits),
    skipsNotGranted: onNotGranted === 'skip',
    makeState: definition.state,
  }
}

const READS: readonly ReadKind[] = ['headers', 'body']

function readsOf(
  { headers, message, reads }: FilterDefinition<unknown>,
  where: string,
): ReadonlySet<ReadKind> {
  const possible = new Set<ReadKind>()
  if (headers !== undefined || message !== undefined) possible.add('headers')
  if (message !== undefined) possible.add('body')
  if (reads === undefined) return possible
  for (const kind of reads) {
    if (!READS.includes(kind)) throw invalidOption('reads', kind, READS.join(', '), READS)
    if (!possible.has(kind)) {
      throw new UsageError(
        'INVALID_HANDLER',
        `"reads" ${where} has ${JSON.stringify(kind)}, but the filter has no stage that can look at it`,
      )
    }
  }
  if (headers !== undefined && !reads.includes('headers')) {
    throw new UsageError(
      'INVALID_HANDLER',
      `the stage headers ${where} needs "headers" in its "reads"`,
    )
  }
  return new Set(reads)
}

/** What was given for stages. */
function byStage(option: string, given: unknown): readonly (readonly [string, unknown])[] {
  if (given === undefined) return []
  if (!isPlainObject(given)) {
    throw invalidOption(option, given, `an object with stages: ${FILTER_STAGES.join(', ')}`)
  }
  const entries = Object.entries(given)
  for (const [stage] of entries) checkStage(option, stage)
  return entries.filter(([, value]) => value !== undefined)
}

function checkList(option: string, given: unknown, takes: string): void {
  if (!Array.isArray(given)) throw invalidOption(option, given, takes)
}

function checkStage(option: string, stage: string): void {
  if (!(FILTER_STAGES as readonly string[]).includes(stage)) {
    throw invalidOption(option, stage, `stages: ${FILTER_STAGES.join(', ')}`, FILTER_STAGES)
  }
}

/** Asks only for edits that a stage can make: none at the early stages, no new body without `message`. */
function actionsOf({ headers, message, edits }: FilterDefinition<unknown>): number {
  if (headers === undefined && message === undefined) return 0
  const actions = actionsFor(edits ?? EDIT_KINDS)
  return message === undefined ? actions & ~Action.CHGBODY : actions
}
