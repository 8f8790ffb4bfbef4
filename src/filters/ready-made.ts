/** What all ready-made filters have in common. */
import { defineFilter, shadow, type MessageFilter } from '../message/define-filter.ts'
import type { FilterDefinition } from '../message/definition.ts'
import type { ErrorPolicy } from '../options/types.ts'
import { ResultLog } from './result-log.ts'

/** Options of each ready-made filter. */
export interface CommonOptions {
  /** the name of the filter in log lines and metrics */
  readonly name?: string | undefined
  /** look at all mail, change nothing, and log what would have been done; false by default */
  readonly observe?: boolean | undefined
  /** the verdict if the filter fails; that of the server by default */
  readonly onError?: ErrorPolicy | undefined
}

/**
 * A filter with the common options.
 *
 * @param usualName its name if the options have none
 * @param stages makes the stages; results of the filter go through the log it gets
 */
export function readyMade<State = undefined>(
  usualName: string,
  { name = usualName, observe = false, onError }: CommonOptions,
  stages: (results: ResultLog) => Omit<FilterDefinition<State>, 'name' | 'onError'>,
): MessageFilter {
  const filter = defineFilter<State>({
    ...stages(new ResultLog(name, observe)),
    name,
    ...(onError !== undefined && { onError }),
  })
  return observe ? shadow(filter) : filter
}
