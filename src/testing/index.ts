/**
 * `tsmilter/testing`: tests what a filter does to a message with a function call, without a mail server or a socket. It
 * works with any test runner.
 */
import '../node-version.ts'

export { deliver, openSession, TestSession } from './deliver.ts'
export type { TestOutcome, TestTransaction } from './deliver.ts'
export { difference } from './difference.ts'
export type { LogLine } from './recording.ts'
export { MtaClient } from '../mta/client.ts'
export type { MtaClientOptions } from '../mta/client-options.ts'
export type { Outcome, OutcomeVerdict } from '../mta/outcome.ts'
export type { Trace, TraceEntry } from '../mta/trace.ts'
export type {
  ClientAddress,
  HeaderText,
  Login,
  MessageParts,
  Recipient,
  Transaction,
} from '../mta/transaction.ts'
