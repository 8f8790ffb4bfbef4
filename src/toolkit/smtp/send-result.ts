/** What became of a message, for each recipient. */
import type { SmtpServerFacts } from './conversation.ts'
import type { SmtpFailureReason } from './smtp-failure.ts'
import type { ServerReply } from './server-reply.ts'

/** The command that was answered, or `message` for the answer to the message itself. */
export type SmtpStep = 'mail' | 'rcpt' | 'data' | 'message'

/** The server has taken responsibility for the message. */
export interface RecipientAccepted {
  readonly outcome: 'accepted'
  readonly recipient: string
  readonly reply: ServerReply
  /** the host that accepted it, as it was connected to */
  readonly host: string
}

/** The server has refused the message: for now with a code below 500, for good with the others. */
export interface RecipientRefused {
  readonly outcome: 'refused'
  readonly recipient: string
  readonly step: SmtpStep
  readonly reply: ServerReply
  readonly host: string
}

/** No server could be asked, or none has answered. */
export interface RecipientFailed {
  readonly outcome: 'failed'
  readonly recipient: string
  readonly reason: SmtpFailureReason
  /** what happened, for a log */
  readonly text: string
  /** the reply that led to it, such as 421 */
  readonly reply: ServerReply | undefined
  readonly host: string | undefined
  /** whether the whole message was sent, so that it may have arrived. To send it again may deliver it twice. */
  readonly mayHaveArrived: boolean
}

export type RecipientResult = RecipientAccepted | RecipientRefused | RecipientFailed

export interface SendResult {
  /** in the order of the recipients */
  readonly recipients: readonly RecipientResult[]
  /** the last server that greeted us; undefined if none did */
  readonly server: SmtpServerFacts | undefined
  /** names of ESMTP parameters that were left out, because the server does not offer them */
  readonly leftOut: readonly string[]
}
