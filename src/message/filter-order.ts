/** Verify first, sign last: the order of filters that judge or sign the content of a message. */
import { UsageError } from '../errors.ts'
import { Action } from '../protocol/constants.ts'
import type { ComposedFilter } from './definition.ts'

const CONTENT = Action.ADDHDRS | Action.CHGHDRS | Action.CHGBODY
/** SPF is about the sender of the envelope. */
const JUDGED = CONTENT | Action.CHGFROM

/** Whether a filter may change some of these. The edits of a shadow have no effect. */
const changes = ({ shadow, actions }: ComposedFilter, what: number): boolean =>
  !shadow && (actions & what) !== 0

/** Whether a filter may change what a signature covers. One that signs itself only adds to it. */
export const changesContent = (member: ComposedFilter): boolean =>
  member.definition.order !== 'last' && changes(member, CONTENT)

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
        'sender, header or body',
      )
    }
    if (last !== undefined && changesContent(member)) {
      throw wrongOrder(
        `${quoted(last)} needs a message as it leaves, so it has to stand behind`,
        member,
        'header or body',
      )
    }
    if (order === 'last') last ??= member
    if (order !== 'first' && changes(member, JUDGED)) editor ??= member
  }
}

function wrongOrder(rule: string, editor: ComposedFilter, what: string): UsageError {
  const { edits, order } = editor.definition
  const hint =
    edits === undefined && order === undefined
      ? `. If ${quoted(editor)} changes none of it, give it the option "edits"`
      : ''
  return new UsageError(
    'INVALID_OPTION',
    `wrong order of filters: ${rule} ${quoted(editor)}, which can change ${what}${hint}`,
  )
}

const quoted = ({ name }: ComposedFilter): string => JSON.stringify(name)
