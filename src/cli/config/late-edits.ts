/**
 * Filters of the administrator below one that signs. A ready-made filter has a role, and the reader of the file refuses the
 * wrong order. What another may change is known only when its code is loaded.
 */
import type { MessageFilter } from '../../message/define-filter.ts'
import { changesContent } from '../../message/filter-order.ts'
import type { FilterFactory } from '../../milter/filter-object.ts'
import type { FilterEntry } from './filter-list.ts'
import { lineText, type FileMistake } from './place.ts'

/** `compose` refuses the same, but knows no places. */
export function lateEdits(
  filters: readonly { readonly entry: FilterEntry; readonly filter: FilterFactory }[],
): FileMistake[] {
  let signer: FilterEntry | undefined
  const mistakes: FileMistake[] = []
  for (const { entry, filter } of filters) {
    const { members = [] } = filter as Partial<MessageFilter>
    const role = entry.ready?.role
    if (role === 'sign' || role === 'seal') signer ??= entry
    else if (
      signer !== undefined &&
      entry.ready === undefined &&
      members.some(changesContent)
    ) {
      const text = `${entry.name} has to stand above ${signer.name} (${lineText(signer.place)}), which signs the message as it leaves: move it up, or if it changes neither header nor body, give it the option edits`
      mistakes.push({ place: entry.place, text })
    }
  }
  return mistakes
}
