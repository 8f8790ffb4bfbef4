/**
 * `tsmilter/mta`: the mail server's side. It has a client for milters in any language, and models of how Postfix and
 * Sendmail apply their edits.
 */
import '../node-version.ts'

export { MtaClient } from './client.ts'
export type { ConnectOptions, MacroStageName, MtaClientOptions } from './client-options.ts'
export type { Channel, ChannelListener, ClientTls, OpenChannel } from './channel.ts'
export { Field, formatFields, parseMessage } from './message.ts'
export type { ParsedMessage } from './message.ts'
export type {
  AddedFields,
  CannedReply,
  EditFailure,
  EditTerms,
  QueuedAddress,
  MacroCommand,
  MailServerModel,
  MessageResult,
  MtaTimeouts,
  QueuedMessage,
  ReceivedMessage,
} from './models/model.ts'
export type { NegotiationRules } from './models/negotiation.ts'
export type { FailureAction } from './models/failure-action.ts'
export { mailServerModel } from './models/mail-server-model.ts'
export type {
  MailServerChoice,
  MailServerName,
  PostfixVersion,
  SendmailVersion,
} from './models/versions.ts'
export type { Outcome, OutcomeVerdict } from './outcome.ts'
export { describeMessage, Trace } from './trace.ts'
export type { TraceEntry } from './trace.ts'
export type {
  ClientAddress,
  HeaderText,
  Login,
  MessageParts,
  Recipient,
  Transaction,
} from './transaction.ts'
export {
  formatForPostfix,
  formatListenAddress,
  parseListenAddress,
  type ListenAddress,
} from '../net/listen-address.ts'
