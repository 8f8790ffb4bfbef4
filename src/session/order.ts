import { Command, Step } from '../protocol/constants.ts'

/** Commands inside a message come in this order; RCPT, HEADER and BODY may repeat. */
export const ORDER: Readonly<Record<number, number>> = {
  [Command.MAIL]: 1,
  [Command.RCPT]: 2,
  [Command.DATA]: 3,
  [Command.HEADER]: 4,
  [Command.EOH]: 5,
  [Command.BODY]: 6,
  [Command.EOM]: 7,
}
/** The commands between MAIL and end of message. */
export type MessageCommand =
  | typeof Command.RCPT
  | typeof Command.DATA
  | typeof Command.HEADER
  | typeof Command.EOH
  | typeof Command.BODY
/** The bit that declines such a command, and the bit that leaves out its reply. */
export const MESSAGE_STEPS: Readonly<
  Record<MessageCommand, { readonly declined: number; readonly silent: number }>
> = {
  [Command.RCPT]: { declined: Step.NORCPT, silent: Step.NR_RCPT },
  [Command.DATA]: { declined: Step.NODATA, silent: Step.NR_DATA },
  [Command.HEADER]: { declined: Step.NOHDRS, silent: Step.NR_HDR },
  [Command.EOH]: { declined: Step.NOEOH, silent: Step.NR_EOH },
  [Command.BODY]: { declined: Step.NOBODY, silent: Step.NR_BODY },
}
/** Whether a command may come again in a message. */
export const repeats = (command: number): boolean =>
  command === Command.HEADER || command === Command.RCPT || command === Command.BODY
/** What may still come of a message when the rest of the conversation is not looked at. */
export const GOES_ON: ReadonlySet<number> = new Set([
  Command.MACRO,
  Command.RCPT,
  Command.DATA,
  Command.HEADER,
  Command.EOH,
  Command.BODY,
  Command.EOM,
])
