import type { MilterError } from '../errors.ts'
import type { EditMessage } from '../protocol/edit-table.ts'
import type { QueuedAddress, MacroCommand } from './models/model.ts'
import type { Trace } from './trace.ts'

/** What the server does with a message: it passes it on, holds it, drops it, or refuses it. */
export type OutcomeVerdict = 'accept' | 'quarantine' | 'discard' | 'reject' | 'tempfail'

/** The result of one message that went through a filter. */
export interface Outcome {
  /** what the server does with the message */
  readonly verdict: OutcomeVerdict
  /** the server's reply to the client, with CRLF between lines: `550 5.7.1 No lotteries here` */
  readonly reply: string
  /**
   * The server has closed the SMTP session after that reply (421, with Postfix also 521). Later messages of the
   * session have an outcome with the same reply, and the filter does not see them.
   */
  readonly closed: boolean
  /** the command that decided; `eom` if no earlier one did */
  readonly stage: MacroCommand
  /**
   * The message as the mail server queues it, without the Received field that the server adds (the option `received`
   * shows its place). It is undefined if the server does not queue the message.
   */
  readonly message: Buffer | undefined
  /** the sender after the edits, without angle brackets; '' for the null sender */
  readonly sender: string
  /** the recipients after the edits, without angle brackets */
  readonly recipients: readonly string[]
  /** the same sender and recipients, with their ESMTP parameters */
  readonly envelope: {
    readonly sender: QueuedAddress
    readonly recipients: readonly QueuedAddress[]
  }
  /** the recipients that were refused, with the reply for each */
  readonly refused: readonly { readonly address: string; readonly reply: string }[]
  /** the reason for the verdict `quarantine` */
  readonly quarantine: string | undefined
  /** the edits as the filter sent them */
  readonly edits: readonly EditMessage[]
  /** the edits that the server did not apply, with the reason for each */
  readonly ignored: readonly { readonly edit: EditMessage; readonly reason: string }[]
  /**
   * Set if the filter has failed: it did not answer, closed the connection, or did something that the server takes
   * for an error. The verdict is then that of `onFailure`.
   */
  readonly failure: MilterError | undefined
  /** the filter's violations of the protocol that the server tolerated */
  readonly violations: readonly MilterError[]
  /** the frames of this message, in both directions */
  readonly trace: Trace
}
