/**
 * `tsmilter/telemetry`: logs, metrics and health of filters. They are made from the events of {@link observe}. The
 * packages pino and prom-client are loaded when you call a function that needs them.
 */
import '../node-version.ts'

export { logMessages, type MessageLogOptions } from './message-log.ts'
export { createLogger, type LogFormat, type LoggerOptions } from './logger.ts'
export {
  collectMetrics,
  mergeMetrics,
  type Metrics,
  type MetricsOptions,
  type MetricsSnapshot,
} from './metrics.ts'
export {
  serveTelemetry,
  type Health,
  type TelemetryServer,
  type TelemetryServerOptions,
} from './http.ts'

// Events
export {
  observe,
  type TelemetryEvents,
  type TelemetryListeners,
} from '../diagnostics/channels.ts'
export { askForContent, type MessageContent } from '../diagnostics/message-content.ts'
export type { HandlerTrace } from '../diagnostics/handler-trace.ts'
export type {
  AuthenticationDone,
  BodySpilled,
  ClientRefused,
  ConnectionClosed,
  ConnectionOpened,
  ConnectionOverload,
  ConnectionRefused,
  DnsblChecked,
  FailureCause,
  FilterDone,
  FilterResult,
  HandlerDone,
  HandlerFailed,
  MessageDone,
  MessageOverload,
  MessageStarted,
  MessageVerdict,
  ProtocolViolation,
  RefusalCode,
  StoreUsed,
} from '../diagnostics/channels.ts'
export type { EditCounts } from '../diagnostics/edit-counts.ts'
export type { EditMethod } from '../protocol/edit-table.ts'
