/**
 * `tsmilter/protocol`: the milter protocol as data, in both directions and without I/O. It is for tools and mail
 * servers; a filter does not need it.
 */
import '../node-version.ts'

export * from './constants.ts'
export { NO_REPLY_STEPS, NO_SEND_STEPS } from './event-table.ts'
export { decodeText, encodeText, type TextOrBytes } from './text.ts'
export {
  describeFrame,
  encodeFrame,
  FRAME_HEADER_SIZE,
  FrameDecoder,
  FrameScanner,
  type Payload,
} from './frame.ts'
export { bareMacroName, decodeMacros, encodeMacros, wireMacroName } from './macros.ts'
export type { MacroLists, Macros } from './macros.ts'
export { decodeChoice, decodeOffer, encodeChoice, encodeOffer } from './negotiation.ts'
export type { Choice, Offer } from './negotiation.ts'
export {
  decodeCommand,
  decodeConnect,
  decodeEnvelope,
  decodeLine,
  encodeCommand,
  encodeConnect,
  HeaderView,
} from './commands.ts'
export type { AddressFamily, CommandMessage, SmtpClient } from './commands.ts'
export type { EditMessage } from './edit-table.ts'
export { decodeReply, encodeBody, encodeReply } from './replies.ts'
export type { ReplyMessage } from './replies.ts'
export {
  decodeSmtpReply,
  encodeSmtpReply,
  formatSmtpReply,
  makeSmtpReply,
  MAX_REPLY_LINE,
  MAX_REPLY_LINES,
  replyLines,
} from './smtp-reply.ts'
export type { SmtpReply } from './smtp-reply.ts'
