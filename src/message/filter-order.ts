/** Verify first, sign last: the order of filters that judge or sign the content of a message. */
import { UsageError } from '../errors.ts'
import { Action } from '../protocol/constants.ts'
import type { ComposedFilter } from './definition.ts'

const CONTENT = Action.ADDHDRS | Action.CHGHDRS | Action.CHGBODY

/** Whether a filter may change what signatures cover. The edits of a shadow have no effect. */
const changesContent = ({ shadow, actions }: ComposedFilter): boolean =>
  !shadow && (actions & CONTENT) !== 0

/**
 * Checks the places of filters with the option `order`. A wrong place is an error and not a warning: signatures would
 * fail or break in all mail, and nothing would say so while it runs.
 *
 * @throws UsageError INVALID_OPTION
 */
export function checkOrder(members: readonly ComposedFilter[]): void {
  let editor: ComposedFilter | undefined
  let last: ComposedFilter | undefined
  for (const member of members) {
    const { order } = member.definition
    if (order === 'first' && editor !== undefined) {
      throw wrongOrder(
        `${quoted(member)} judges a message as it came, so it has to stand before`,
        editor,
      )
    }
    const changes = changesContent(member)
    if (order !== 'last' && changes && last !== undefined) {
      throw wrongOrder(
        `${quoted(last)} needs a message as it leaves, so it has to stand behind`,
        member,
      )
    }
    if (order === 'last') last ??= member
    if (order !== 'first' && changes) editor ??= member
  }
}

function wrongOrder(rule: string, editor: ComposedFilter): UsageError {
  const { edits, order } = editor.definition
  const hint =
    edits === undefined && order === undefined
      ? `. If ${quoted(editor)} changes neither, give it the option "edits"`
      : ''
  return new UsageError(
    'INVALID_OPTION',
    `wrong order of filters: ${rule} ${quoted(editor)}, which can change header or body${hint}`,
  )
}

const quoted = ({ name }: ComposedFilter): string => JSON.stringify(name)
