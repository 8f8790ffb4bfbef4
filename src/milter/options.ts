import { ALL_ACTIONS, DataSize } from '../protocol/constants.ts'
import { MemoryBudget } from '../session/memory-budget.ts'
import { ACCEPT, CONTINUE, REJECT, TEMPFAIL, type Verdict } from '../session/verdict.ts'
import { guardedLogger, textLogger, type Logger } from './log.ts'
import { givenLimits, type MessageLimits } from './message-limits.ts'
import { invalidOption, MAX_TIMER, wholeNumber } from './option-values.ts'
import { overloadOf, type Overload, type OverloadAnswer } from './overload.ts'
import { ServersMet } from './servers-met.ts'
import { SparseLog } from './sparse-log.ts'
import { STAGE_NAMES, type Stage } from './stages.ts'

export type ErrorPolicy = 'tempfail' | 'reject' | 'continue' | 'accept'

/** How a filter is run, wherever it runs. Times are milliseconds, sizes bytes. */
export interface FilterOptions {
  /**
   * {@link Action} bits the filter may use; others are not asked for, and their edits throw
   * ACTION_NOT_NEGOTIATED.
   * @default all
   */
  readonly actions?: number | undefined
  /**
   * {@link Action} bits without which the filter cannot work: a mail server that does not offer
   * them is refused (ACTIONS_NOT_OFFERED).
   * @default 0
   */
  readonly requiredActions?: number | undefined
  /**
   * The largest frame data to agree on, if the mail server offers more than 65,535. Only Sendmail
   * built for it does.
   * @default 65535
   */
  readonly dataSize?: DataSize | undefined
  /**
   * What the mail server is told when a handler throws, rejects, returns something that is no
   * verdict, or misses its deadline. The cause goes to the log, never to the client.
   * @default 'tempfail'
   */
  readonly onError?: ErrorPolicy | undefined
  /**
   * Time for one call of a handler: one number for all, or by stage. 0 for no limit, for `abort` and
   * `close` until the server stops: then 8000. The defaults lie
   * below what mail servers wait: Sendmail 10 seconds a reply, 300 in all at end of message.
   * @default 8000, eom 270000
   */
  readonly deadlines?: number | Partial<Record<Stage, number>> | undefined
  /**
   * How often PROGRESS is sent while a handler of eom takes its time; 0 for never.
   * @default 5000
   */
  readonly progressInterval?: number | undefined
  /**
   * Edits of one message (TOO_MANY_EDITS).
   * @default 10000
   */
  readonly maxEdits?: number | undefined
  /**
   * The longest frame data that is taken; longer ones end the connection (FRAME_TOO_LARGE).
   * @default 1048576
   */
  readonly maxFrameSize?: number | undefined
  /**
   * Bytes that may wait while a handler runs; then reading stops until it is done.
   * @default 262144
   */
  readonly maxPending?: number | undefined
  /**
   * Bytes that all messages of the server hold in memory together: bodies, header fields, envelopes.
   * Bodies go to files when three quarters are in use; a message for whose other parts there is no room
   * is answered as `overload` says (MEMORY_EXHAUSTED). Not counted is what filters keep, such as a body
   * they ask for in one piece. At least 1 MiB.
   * @default 268435456
   */
  readonly maxMemory?: number | undefined
  /**
   * The answer to mail there is no room for, by `maxMemory` or `maxConnections`: `tempfail` has the mail
   * server try again later; with `accept` it passes unfiltered.
   * @default 'tempfail'
   */
  readonly overload?: OverloadAnswer | undefined
  /**
   * What one message may hold, for filters of `defineFilter`; `recipients` is also for `ctx.recipients`. What is given here goes before what the
   * filters themselves say.
   */
  readonly limits?: Partial<MessageLimits> | undefined
  /**
   * Where log lines go: anything with the methods of pino. One that throws costs lines, and no mail.
   * @default warnings and errors as text on standard error
   */
  readonly logger?: Logger | undefined
}

/** Options with nothing left out. */
export interface FilterSettings {
  readonly actions: number
  readonly requiredActions: number
  readonly dataSize: DataSize
  readonly onError: Verdict
  readonly deadlines: Readonly<Record<Stage, number>>
  readonly progressInterval: number
  readonly maxEdits: number
  readonly maxFrameSize: number
  readonly maxPending: number
  /** of the server these settings are for, and of no other */
  readonly memory: MemoryBudget
  readonly overload: Overload
  /** those that were given */
  readonly limits: Partial<MessageLimits>
  readonly logger: Logger
  /** of this server, for lines that others can cause */
  readonly sparse: SparseLog
  readonly servers: ServersMet
}

const POLICIES: Readonly<Record<ErrorPolicy, Verdict>> = {
  tempfail: TEMPFAIL,
  reject: REJECT,
  continue: CONTINUE,
  accept: ACCEPT,
}
/** also for handlers of abort and close without a deadline, when a server stops */
export const STAGE_DEADLINE = 8_000
const EOM_DEADLINE = 270_000

/** Less is no budget: one header may have that much. */
const LEAST_MEMORY = 1_048_576

/** @throws UsageError INVALID_OPTION */
export function filterSettings(options: FilterOptions = {}): FilterSettings {
  const dataSize = options.dataSize ?? DataSize.K64
  if (!Object.values(DataSize).includes(dataSize)) {
    throw invalidOption('dataSize', dataSize, Object.values(DataSize).join(', '))
  }
  return {
    actions: bits('actions', options.actions ?? ALL_ACTIONS),
    requiredActions: bits('requiredActions', options.requiredActions ?? 0),
    dataSize,
    onError: errorVerdict(options.onError ?? 'tempfail'),
    deadlines: deadlines(options.deadlines),
    progressInterval: wholeNumber('progressInterval', options.progressInterval ?? 5_000, 0),
    maxEdits: wholeNumber('maxEdits', options.maxEdits ?? 10_000, 1),
    maxFrameSize: wholeNumber('maxFrameSize', options.maxFrameSize ?? 1_048_576, DataSize.K64),
    maxPending: wholeNumber('maxPending', options.maxPending ?? 262_144, 0),
    memory: new MemoryBudget(
      wholeNumber('maxMemory', options.maxMemory ?? 268_435_456, LEAST_MEMORY),
    ),
    overload: overloadOf(options.overload ?? 'tempfail'),
    limits: givenLimits(options.limits),
    logger: guardedLogger(options.logger ?? textLogger()),
    sparse: new SparseLog(),
    servers: new ServersMet(),
  }
}

/** @throws UsageError INVALID_OPTION */
export function errorVerdict(policy: ErrorPolicy): Verdict {
  if (!Object.hasOwn(POLICIES, policy)) {
    throw invalidOption('onError', policy, 'tempfail, reject, continue or accept')
  }
  return POLICIES[policy]
}

function deadlines(given: FilterOptions['deadlines']): Record<Stage, number> {
  const result = {} as Record<Stage, number>
  for (const stage of STAGE_NAMES) {
    const usual = stage === 'eom' ? EOM_DEADLINE : STAGE_DEADLINE
    const wanted = typeof given === 'number' ? given : (given?.[stage] ?? usual)
    result[stage] = wholeNumber(`deadlines.${stage}`, wanted, 0, MAX_TIMER)
  }
  if (typeof given === 'object') {
    for (const name of Object.keys(given)) {
      if (!Object.hasOwn(result, name)) {
        throw invalidOption('deadlines', name, `stages: ${STAGE_NAMES.join(', ')}`, STAGE_NAMES)
      }
    }
  }
  return result
}

function bits(name: string, value: number): number {
  return wholeNumber(name, value, 0, ALL_ACTIONS)
}
