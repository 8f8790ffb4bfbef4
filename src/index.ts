/** `tsmilter`: everything that a filter needs. It loads only modules of Node. */
import './node-version.ts'

// Running a filter
export { serve } from './server/serve.ts'
export { runMilter, type RunOptions } from './server/run-milter.ts'
export { isMain } from './server/is-main.ts'
export { defineConfig, type Config } from './server/config.ts'
export type { MilterServer } from './server/server.ts'
export type { ServeOptions } from './server/options.ts'
export type { TlsOptions } from './server/tls.ts'
export type { CloseOptions, ErrorPolicy, MessageLimits } from './options/types.ts'

// Verdicts
export { ACCEPT, CONTINUE, DISCARD, REJECT, reply, SKIP, TEMPFAIL } from './session/verdict.ts'
export type { Verdict } from './session/verdict.ts'

// Events
export type { Handlers } from './milter/handlers.ts'
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
export type { FilterOptions } from './milter/options.ts'
export type { Filter, FilterFactory } from './milter/filter-object.ts'

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
} from './milter/marks.ts'

// Objects
export { Base } from './milter/base.ts'
export { Milter } from './milter/milter.ts'

// Messages
export { compose, defineFilter, shadow, type MessageFilter } from './message/define-filter.ts'
export type { FilterDefinition, FilterOrder } from './message/definition.ts'
export type {
  RecipientStageContext,
  SenderStageContext,
  StageContext,
} from './message/stage-context.ts'
export type { MailBody } from './message/body.ts'
export type { MailSender, Recipients } from './message/envelope.ts'
export type { EnvelopeAddress } from './milter/envelope/envelope-address.ts'
export type { MailAddresses } from './message/addresses.ts'
export type { HeaderField, MailHeaders } from './message/headers.ts'
export type { HeadersMail, Mail } from './message/mail.ts'
export type { MailConnection } from './message/mail-connection.ts'

// Helpers
export { envelopeAddress, esmtpParameters } from './milter/envelope/parameters.ts'
export { silentLogger, textLogger, type Logger } from './diagnostics/log.ts'

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
