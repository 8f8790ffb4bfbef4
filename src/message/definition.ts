import { UsageError } from '../errors.ts'
import type { ConnectionAnswer, MessageAnswer } from '../milter/handlers.ts'
import { messageLimits } from '../milter/message-limits.ts'
import { errorVerdict } from '../milter/options.ts'
import { MAX_TIMER } from '../options/kinds.ts'
import { didYouMean } from '../options/nearest.ts'
import type { ErrorPolicy, MessageLimits } from '../options/types.ts'
import { invalidOption, wholeNumber } from '../options/validate.ts'
import type { EnvelopeAddress } from '../milter/envelope/envelope-address.ts'
import { Action } from '../protocol/constants.ts'
import { actionsFor, EDIT_KINDS, type EditKind } from '../protocol/edit-table.ts'
import type { MailConnection } from './mail-connection.ts'
import type { HeadersMail, Mail } from './mail.ts'
import {
  FILTER_STAGES,
  type FilterFacts,
  type FilterStage,
  type ReadKind,
  type RecipientStage,
  type SenderStage,
  type StageContext,
} from './stage-context.ts'

/**
 * A filter that looks at whole messages. A stage that is not declared costs no round trip, and what no
 * stage needs is not sent at all: without `message` there is no body, without `headers` and `message`
 * no header.
 *
 * Verdicts are as for events: nothing returned goes on, `reply(...)`, REJECT, TEMPFAIL and DISCARD are
 * final; ACCEPT says that this filter is done with the message. At `recipient` a refusal is for that
 * recipient only.
 */
export interface FilterDefinition<State = undefined> {
  /** stands in every log line */
  readonly name: string
  /** makes what the stages of one message share, anew for each message */
  readonly state?: (() => State) | undefined
  /** A client has connected. ACCEPT lets everything of this connection pass. */
  readonly connect?:
    ((connection: MailConnection, ctx: StageContext) => ConnectionAnswer) | undefined
  readonly helo?: ((name: string, ctx: StageContext) => ConnectionAnswer) | undefined
  readonly sender?:
    ((sender: EnvelopeAddress, ctx: SenderStage<State>) => MessageAnswer) | undefined
  readonly recipient?:
    ((recipient: EnvelopeAddress, ctx: RecipientStage<State>) => MessageAnswer) | undefined
  /** The header is complete and the body has not been sent: a refusal here saves it. */
  readonly headers?: ((mail: HeadersMail<State>) => MessageAnswer) | undefined
  /** The message is complete. */
  readonly message?: ((mail: Mail<State>) => MessageAnswer) | undefined
  /** The SMTP session is over. */
  readonly close?: ((ctx: StageContext) => void | Promise<void>) | undefined
  /**
   * What the mail server is told if a stage throws, answers nonsense or misses its deadline; the edits
   * of that stage are dropped.
   * @default the option `onError` of the server
   */
  readonly onError?: ErrorPolicy | undefined
  /**
   * Milliseconds for one call of a stage; 0 for none but the server's (option `deadlines` there, which
   * is for all filters together). For streams that replace a body too.
   */
  readonly deadlines?: Partial<Record<FilterStage, number>> | undefined
  /**
   * What the filter may change; nothing else is asked for, and other edits throw
   * ACTION_NOT_NEGOTIATED.
   * @default everything its stages can change
   */
  readonly edits?: readonly EditKind[] | undefined
  /**
   * What of the content the filter looks at: what no filter looks at is not sent, which makes a message
   * cheaper by far. With `[]` there are envelope and macros, `append`, `prepend` and `insertFirst` of
   * `headers`, and `body.replace`. The rest throws NOT_READ: all else of `body` needs `body`; all else of `headers`,
   * and `rawHeader()`, need `headers`; and `raw()`, `rawChunks()` and `mime()` need both.
   * @default everything its stages can look at
   */
  readonly reads?: readonly ReadKind[] | undefined
  /**
   * An edit the mail server has not granted: `fail` throws ACTION_NOT_NEGOTIATED at the call, `skip`
   * leaves it out and logs a warning.
   * @default 'fail'
   */
  readonly onNotGranted?: 'fail' | 'skip' | undefined
  /** macros it wants at a stage, besides those the mail server sends anyway */
  readonly macros?: Partial<Record<FilterStage, readonly string[]>> | undefined
  /** Those that are given to the server (option `limits` there) go before these. */
  readonly limits?: Partial<MessageLimits> | undefined
}

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
])

/** A definition, checked once. */
export interface ComposedFilter extends FilterFacts {
  // Each definition has a state of its own type; here it is only handed through.
  readonly definition: FilterDefinition<unknown>
}

/** @throws UsageError INVALID_HANDLER, INVALID_OPTION */
export function checkedFilter(definition: FilterDefinition<unknown>): ComposedFilter {
  if (typeof definition !== 'object' || definition === null) {
    throw new UsageError('INVALID_HANDLER', 'defineFilter takes an object with stages')
  }
  const { name, edits, macros = {}, onError, onNotGranted } = definition
  if (typeof name !== 'string' || name === '') {
    throw invalidOption('name', name, 'what the filter is called in log lines')
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
  }
  for (const [stage, limit] of Object.entries(definition.deadlines ?? {})) {
    checkStage('deadlines', stage)
    wholeNumber(`deadlines.${stage}`, limit, 0, MAX_TIMER)
  }
  for (const stage of Object.keys(macros)) checkStage('macros', stage)
  if (onError !== undefined) errorVerdict(onError)
  if (onNotGranted !== undefined && onNotGranted !== 'fail' && onNotGranted !== 'skip') {
    throw invalidOption('onNotGranted', onNotGranted, "'fail' or 'skip'")
  }
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
        `"reads" ${where} has ${JSON.stringify(kind)}, but no stage to look at it`,
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

function checkStage(option: string, stage: string): void {
  if (!(FILTER_STAGES as readonly string[]).includes(stage)) {
    throw invalidOption(option, stage, `stages: ${FILTER_STAGES.join(', ')}`, FILTER_STAGES)
  }
}

/** What cannot be edited is not asked for: nothing at the early stages, no body without `message`. */
function actionsOf({ headers, message, edits }: FilterDefinition<unknown>): number {
  if (headers === undefined && message === undefined) return 0
  const actions = actionsFor(edits ?? EDIT_KINDS)
  return message === undefined ? actions & ~Action.CHGBODY : actions
}
