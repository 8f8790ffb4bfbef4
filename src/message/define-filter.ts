import { UsageError } from '../errors.ts'
import type { FilterObjectSource } from '../milter/filter-object.ts'
import { filterSetOf } from './filter-set.ts'
import { checkOrder } from './filter-order.ts'
import {
  checkedFilter,
  type ComposedFilter,
  type FilterDefinition,
  type WatchedCall,
} from './definition.ts'
import { Pipeline } from './pipeline.ts'

/** A whole-message filter, or a composition of several. `serve`, `runMilter` and `deliver` take it. */
export interface MessageFilter {
  /** makes the object for one SMTP session; called by the library */
  (): FilterObjectSource
  /** the name of the filter; for a composition, the names of its filters with ` + ` between them */
  readonly name: string
  /** the filters of a composition, in order; a single filter has itself */
  readonly members: readonly ComposedFilter[]
}

/**
 * Makes a filter that looks at whole messages and edits them.
 *
 *     export default defineFilter({
 *       name: 'tag',
 *       message(mail) { mail.headers.append('X-Seen', 'yes') },
 *     })
 *
 * @throws UsageError INVALID_HANDLER, INVALID_OPTION for an invalid definition
 */
export function defineFilter<State = undefined>(
  definition: FilterDefinition<State>,
): MessageFilter {
  // The state is only passed back to the definition that made it.
  return filterOf([checkedFilter(definition as unknown as FilterDefinition<unknown>)])
}

/**
 * Makes one filter of several, which run in order in one process. The result is the same as if the mail server called
 * one after the other: each sees the message as the filters before it have left it, the first refusal wins, and ACCEPT
 * is for its own filter only. But the mail server sends the message only once.
 *
 * Verify first, sign last: the order has to be right for filters with the option `order`.
 *
 *     export default compose(greylist, footer)
 *
 * @throws UsageError INVALID_OPTION for no filters, something else than filters, or a wrong order
 */
export function compose(...filters: readonly MessageFilter[]): MessageFilter {
  if (filters.length === 0) {
    throw new UsageError('INVALID_OPTION', 'compose takes at least one filter; it got none')
  }
  const members = filters.flatMap(membersOf)
  checkOrder(members)
  return filterOf(members)
}

/**
 * Makes a trial of a filter or a composition: it sees all mail, but its verdicts and edits have no effect. They are
 * logged at level info instead. Mail waits for it at end of message, for at most 30 seconds.
 *
 *     export default compose(filter, shadow(candidate))
 */
export function shadow(filter: MessageFilter): MessageFilter {
  return filterOf(membersOf(filter).map((member) => ({ ...member, shadow: true })))
}

/** The same filter or composition with other definitions. They have the same stages. */
export function withDefinitions(
  filter: MessageFilter,
  change: (definition: FilterDefinition<unknown>) => FilterDefinition<unknown>,
): MessageFilter {
  return filterOf(
    membersOf(filter).map((member) => ({ ...member, definition: change(member.definition) })),
  )
}

/** The same filter or composition, which tells of each call. @param name in log lines, so that each is known by them */
export function watched(
  filter: MessageFilter,
  name: string,
  watch: (call: WatchedCall) => void,
): MessageFilter {
  return filterOf(membersOf(filter).map((member) => ({ ...member, name, watch })))
}

/** One filter of a composition. */
export const memberOf = (filter: MessageFilter, index: number): MessageFilter =>
  filterOf([membersOf(filter)[index]!])

function membersOf(filter: MessageFilter): readonly ComposedFilter[] {
  if (typeof filter !== 'function' || !Array.isArray(filter.members)) {
    throw new UsageError(
      'INVALID_OPTION',
      'compose and shadow take filters made by defineFilter; run filters of events as separate milters of the mail server',
    )
  }
  return filter.members
}

function filterOf(members: readonly ComposedFilter[]): MessageFilter {
  const filterSet = filterSetOf(members)
  const make = (): FilterObjectSource => ({
    toFilterObject: (settings) => new Pipeline(filterSet, settings),
  })
  Object.defineProperty(make, 'name', { value: members.map(({ name }) => name).join(' + ') })
  return Object.assign(make, { members })
}
