import { decodeEnvelope } from '../protocol/commands.ts'
import { Command } from '../protocol/constants.ts'
import type { FrameDecoder } from '../protocol/frame.ts'
import type { MaybePromise, SessionEvents } from './events.ts'
import { showField } from './field-in-turn.ts'
import type { MessageCommand } from './message-commands.ts'
import type { Verdict } from './verdict.ts'

/** Reads a command inside a message, and calls the event that it is. */
export function callFor(
  events: SessionEvents,
  command: Exclude<MessageCommand, typeof Command.BODY>,
  frame: FrameDecoder,
): MaybePromise<Verdict> {
  switch (command) {
    case Command.RCPT:
      return events.rcpt(decodeEnvelope(frame))
    case Command.DATA:
      return events.data()
    case Command.HEADER:
      return events.header(showField(frame))
    case Command.EOH:
      return events.eoh()
  }
}
