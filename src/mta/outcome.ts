import type { MilterError } from '../errors.ts'
import type { EditMessage } from '../protocol/edit-table.ts'
import type { QueuedAddress, MacroCommand } from './models/model.ts'
import type { Trace } from './trace.ts'

/** What becomes of a message: it goes on, is held, is dropped, or the client is told no. */
export type OutcomeVerdict = 'accept' | 'quarantine' | 'discard' | 'reject' | 'tempfail'

/** What a filter has made of one message. */
export interface Outcome {
  readonly verdict: OutcomeVerdict
  /** what the client is told, lines parted by CRLF: `550 5.7.1 No lotteries here` */
  readonly reply: string
  /**
   * the server has hung up after that reply (421, with Postfix also 521); for what else is delivered in the session,
   * the outcome has the same reply, and the filter is shown nothing
   */
  readonly closed: boolean
  /** the command that decided; eom where the message went all the way */
  readonly stage: MacroCommand
  /**
   * as the mail server queues it, without the Received field it adds (the option `received` shows where that
   * stands); undefined if it does not
   */
  readonly message: Buffer | undefined
  /** without angle brackets; '' for the null sender */
  readonly sender: string
  /** without angle brackets */
  readonly recipients: readonly string[]
  /** sender and recipients with their ESMTP parameters */
  readonly envelope: {
    readonly sender: QueuedAddress
    readonly recipients: readonly QueuedAddress[]
  }
  /** recipients that were refused, and how */
  readonly refused: readonly { readonly address: string; readonly reply: string }[]
  /** why the message is held, for the verdict quarantine */
  readonly quarantine: string | undefined
  /** the edits as the filter sent them */
  readonly edits: readonly EditMessage[]
  /** edits the server did not carry out, and why */
  readonly ignored: readonly { readonly edit: EditMessage; readonly reason: string }[]
  /**
   * The filter has failed: it did not answer, went away, or did what the server takes for an error.
   * The verdict is then what the server makes of that.
   */
  readonly failure: MilterError | undefined
  /** what the filter did against the protocol, and the server bore it */
  readonly violations: readonly MilterError[]
  /** the conversation about this message */
  readonly trace: Trace
}
