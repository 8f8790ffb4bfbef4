import { Command } from '../protocol/constants.ts'
import { EVENT_NAMES, EVENTS } from '../protocol/event-table.ts'

/** The commands between MAIL and end of message. */
export type MessageCommand =
  | typeof Command.RCPT
  | typeof Command.DATA
  | typeof Command.HEADER
  | typeof Command.EOH
  | typeof Command.BODY

/** What may still come of a message, whatever else the conversation has. */
export const GOES_ON: ReadonlySet<number> = new Set([
  Command.MACRO,
  ...EVENT_NAMES.map((name) => EVENTS[name])
    .filter(({ order }) => order > EVENTS.mail.order)
    .map(({ command }) => command),
])
