import { MemoryBudget } from '../session/memory-budget.ts'
import { ACCEPT, CONTINUE, REJECT, TEMPFAIL, type Verdict } from '../session/verdict.ts'
import { STAGE_NAMES, type Stage } from '../protocol/stages.ts'
import { optionNamed, optionsOf } from '../options/table.ts'
import type { FilterValues } from '../options/settings.ts'
import type { ErrorPolicy, FilterFields } from '../options/types.ts'
import { readOption, readOptions } from '../options/validate.ts'
import { guardedLogger, textLogger, type Logger } from '../diagnostics/log.ts'
import { DEFAULT_LIMITS, givenLimits } from './message-limits.ts'
import { OVERLOADS, type Overload } from './overload.ts'
import { ServersMet } from './mail-server/servers-met.ts'
import { RateLimitedLog } from '../diagnostics/rate-limited-log.ts'

/** How a filter is run, wherever it runs. Times are milliseconds, sizes bytes. */
export interface FilterOptions extends FilterFields {
  /**
   * Where log lines go: anything with the methods of pino. One that throws costs lines, and no mail.
   * @default warnings and errors as text on standard error
   */
  readonly logger?: Logger | undefined
}

/** The names of all options of a filter. */
export const FILTER_OPTIONS: readonly string[] = [
  ...optionsOf('filter').map(({ name }) => name),
  'logger',
]

/** Options with nothing left out. */
export interface FilterSettings extends Omit<
  FilterValues,
  'deadlines' | 'maxMemory' | 'onError' | 'overload'
> {
  readonly onError: Verdict
  readonly deadlines: Readonly<Record<Stage, number>>
  /** of the server these settings are for, and of no other */
  readonly memory: MemoryBudget
  readonly overload: Overload
  readonly logger: Logger
  /** of this server, for lines that others can cause */
  readonly limitedLog: RateLimitedLog
  readonly servers: ServersMet
  /** recipients of one message that are kept for later handlers: `limits.recipients`, or its default */
  readonly keptRecipients: number
}

const POLICIES: Readonly<Record<ErrorPolicy, Verdict>> = {
  tempfail: TEMPFAIL,
  reject: REJECT,
  continue: CONTINUE,
  accept: ACCEPT,
}

const OPTIONS = optionsOf('filter').filter(({ name }) => !name.startsWith('limits.'))

/** @throws UsageError INVALID_OPTION */
export function filterSettings(options: FilterOptions = {}): FilterSettings {
  const read = readOptions(OPTIONS, options) as unknown as FilterValues
  const { deadlines, maxMemory, onError, overload, ...values } = read
  const limits = givenLimits(options.limits)
  return {
    ...values,
    onError: POLICIES[onError],
    deadlines: deadlinesOf(deadlines),
    memory: new MemoryBudget(maxMemory),
    overload: OVERLOADS[overload],
    // Those that were given: for the others filters have their own.
    limits,
    logger: guardedLogger(options.logger ?? textLogger()),
    limitedLog: new RateLimitedLog(),
    servers: new ServersMet(),
    keptRecipients: limits.recipients ?? DEFAULT_LIMITS.recipients,
  }
}

/** @throws UsageError INVALID_OPTION */
export function errorVerdict(policy: ErrorPolicy): Verdict {
  return POLICIES[readOption(optionNamed('onError'), policy) as ErrorPolicy]
}

/** By stage; `others` also for handlers of abort and close without a deadline, when a server stops. */
const USUAL = optionNamed('deadlines').default as {
  readonly others: number
  readonly eom: number
}

export const STAGE_DEADLINE: number = USUAL.others

function deadlinesOf(given: FilterValues['deadlines']): Record<Stage, number> {
  const { others, ...special } = USUAL
  const result = {} as Record<Stage, number>
  for (const stage of STAGE_NAMES) {
    result[stage] =
      typeof given === 'number'
        ? given
        : (given[stage] ?? (special as Partial<Record<Stage, number>>)[stage] ?? others)
  }
  return result
}
