import { UsageError } from '../errors.ts'
import type { FilterObjectSource } from '../milter/filter-object.ts'
import { filterSetOf } from './filter-set.ts'
import { checkedFilter, type FilterDefinition, type ComposedFilter } from './definition.ts'
import { Pipeline } from './pipeline.ts'

/** A whole-message filter, or several as one. It is what `serve`, `runMilter` and `deliver` take. */
export interface MessageFilter {
  /** makes what one SMTP session needs; called by the library */
  (): FilterObjectSource
  /** of a composition: the names of its filters, with ` + ` between them */
  readonly name: string
  readonly members: readonly ComposedFilter[]
}

/**
 * A filter that looks at whole messages and says what they should become.
 *
 *     export default defineFilter({
 *       name: 'tag',
 *       message(mail) { mail.headers.append('X-Seen', 'yes') },
 *     })
 *
 * @throws UsageError INVALID_HANDLER, INVALID_OPTION for a definition that cannot be
 */
export function defineFilter<State = undefined>(
  definition: FilterDefinition<State>,
): MessageFilter {
  // What `state` makes is only handed back to the same definition.
  return filterOf([checkedFilter(definition as unknown as FilterDefinition<unknown>)])
}

/**
 * Several filters on the same mail in one process, in order. They do to it what they would do one
 * after the other behind the mail server: each sees what those before it have made of it, the first
 * refusal wins, ACCEPT is for its filter alone; but the message comes only once.
 */
export function compose(...filters: readonly MessageFilter[]): MessageFilter {
  if (filters.length === 0) {
    throw new UsageError('INVALID_OPTION', 'compose takes one filter or more; it got none')
  }
  return filterOf(filters.flatMap(membersOf))
}

/**
 * A filter, or a composition, that sees all mail and never changes what becomes of it. What it would
 * have done is logged at level info: its verdict, and its edits. Mail waits for it at end of message,
 * 30 seconds at most.
 */
export function shadow(filter: MessageFilter): MessageFilter {
  return filterOf(membersOf(filter).map((member) => ({ ...member, shadow: true })))
}

function membersOf(filter: MessageFilter): readonly ComposedFilter[] {
  if (typeof filter !== 'function' || !Array.isArray(filter.members)) {
    throw new UsageError(
      'INVALID_OPTION',
      'compose and shadow take what defineFilter has made; filters of events run beside each other as milters of the mail server',
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
