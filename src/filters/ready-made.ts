import { defineFilter, shadow, type MessageFilter } from '../message/define-filter.ts'
import type { FilterDefinition } from '../message/definition.ts'
import type { CommonSettings } from './common-fields.ts'
import { ResultLog } from './result-log.ts'

/**
 * A filter with the options that all ready-made filters have. One that only observes is a shadow: it does all it would
 * do, and none of it counts.
 *
 * @param stages makes the stages; results of the filter go through the log it gets
 */
export function readyMade<State = undefined>(
  { name, observe, onError }: CommonSettings,
  stages: (results: ResultLog) => Omit<FilterDefinition<State>, 'name' | 'onError'>,
): MessageFilter {
  const filter = defineFilter<State>({
    ...stages(new ResultLog(name, observe)),
    name,
    ...(onError !== undefined && { onError }),
  })
  return observe ? shadow(filter) : filter
}
