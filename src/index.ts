/** `tsmilter`: everything a filter needs. Loads nothing but Node's own modules. */
import './node-version.ts'

// Running a filter
export { serve } from './server/serve.ts'
export { runMilter, type RunOptions } from './server/run-milter.ts'
export { isMain } from './server/is-main.ts'
export { defineConfig, type Config } from './server/config.ts'
export type { Duration, Size } from './options/units.ts'
export type { MilterServer } from './server/server.ts'
export type { ServeOptions } from './server/options.ts'
export type { AccessOptions } from './server/access-control.ts'
export type { Pem, TlsOptions } from './server/tls.ts'
export type {
  CloseOptions,
  ConfigFields,
  ConnectionTimeouts,
  ErrorPolicy,
  FilterFields,
  MessageLimits,
  OverloadAnswer,
  ServerFields,
  SocketPermissions,
} from './options/types.ts'
export {
  formatForPostfix,
  formatListenAddress,
  parseListenAddress,
} from './net/listen-address.ts'
export type { ListenAddress } from './net/listen-address.ts'

// Verdicts
export { ACCEPT, CONTINUE, DISCARD, REJECT, reply, SKIP, TEMPFAIL } from './session/verdict.ts'
export type { Verdict } from './session/verdict.ts'
export type { VerdictKind } from './protocol/event-table.ts'

// Events
export type {
  BodyAnswer,
  ConnectionAnswer,
  Handlers,
  MessageAnswer,
  NegotiationRequest,
} from './milter/handlers.ts'
export type {
  ClientConnection,
  ConnectionContext,
  EndOfMessageContext,
  HeaderContext,
  MessageContext,
  NegotiateContext,
  RecipientContext,
} from './milter/context.ts'
export type { ServerFacts } from './milter/mail-server/server-facts.ts'
export type { MailServerKind } from './milter/mail-server/mail-server.ts'
export type { DefectName } from './milter/mail-server/known-defects.ts'
export type { FilterOptions } from './milter/options.ts'
export type { Filter, FilterFactory } from './milter/filter-object.ts'
export type { CloseReason } from './session/events.ts'
export type { TextOrBytes } from './protocol/text.ts'
export type { Stage } from './protocol/stages.ts'

// Telemetry
export {
  observe,
  type TelemetryEvents,
  type TelemetryListeners,
} from './diagnostics/channels.ts'
export { askForContent, type MessageContent } from './diagnostics/message-content.ts'
export type { HandlerTrace } from './diagnostics/handler-trace.ts'
export type {
  BodySpilled,
  ClientRefused,
  ConnectionClosed,
  ConnectionOpened,
  ConnectionOverload,
  ConnectionRefused,
  FailureCause,
  HandlerDone,
  HandlerFailed,
  MessageDone,
  MessageOverload,
  MessageStarted,
  MessageVerdict,
  ProtocolViolation,
  RefusalCode,
} from './diagnostics/channels.ts'
export type { EditCounts, EditMethod } from './diagnostics/edit-counts.ts'

// Marks on handlers
export {
  decode,
  headerLeadingSpace,
  borrowed,
  noCallback,
  noReply,
  rejectedRecipients,
  symlist,
  withEnvelope,
  type DecodeStrategy,
} from './milter/marks.ts'

// Objects
export { Base } from './milter/base.ts'
export { Milter } from './milter/milter.ts'

// Messages
export { compose, defineFilter, shadow, type MessageFilter } from './message/define-filter.ts'
export type { EditKind } from './protocol/edit-table.ts'
export type { FilterDefinition } from './message/definition.ts'
export type {
  ReadKind,
  FilterStage,
  RecipientStage,
  SenderStage,
  StageContext,
} from './message/stage-context.ts'
export type { BodyStream, MailBody } from './message/body.ts'
export type { MailSender, Recipients } from './message/envelope.ts'
export type { EnvelopeAddress } from './milter/envelope/envelope-address.ts'
export type { MailAddresses } from './message/addresses.ts'
export type {
  Address,
  Mailbox,
  MailboxGroup,
  NewAddress,
  NewMailbox,
} from './mime/fields/mailboxes.ts'
export type { FieldReference, HeaderField, MailHeaders } from './message/headers.ts'
export type { HeadersMail, Mail } from './message/mail.ts'
export type { Authentication, MailConnection, Tls } from './message/mail-connection.ts'

// Helpers
export {
  envelopeAddress,
  esmtpParameters,
  type EsmtpParameters,
} from './milter/envelope/parameters.ts'
export { silentLogger, textLogger, type Logger, type LogLevel } from './diagnostics/log.ts'
export { decodeText, encodeText } from './protocol/text.ts'
export { Action, DataSize, MacroStage, Step } from './protocol/constants.ts'
export type { SmtpClient, AddressFamily } from './protocol/commands.ts'
export type { Choice, Offer } from './protocol/negotiation.ts'
export { replyLines, type SmtpReply } from './protocol/smtp-reply.ts'

// Errors
export {
  ERROR_CODES,
  InterruptedError,
  ListenError,
  MilterError,
  ProtocolError,
  UsageError,
  type ErrorCode,
} from './errors.ts'
