/** Why a server could not be asked. Inside `smtp/` it is thrown; callers get it as a part of a result. */
import type { ServerReply } from './server-reply.ts'

/**
 * Why there is no answer to a command, or no command was sent.
 *
 * Of the connection:
 *
 * - `unreachable`: the connection was refused, or there is no way to the host
 * - `timeout`: the server was silent for too long
 * - `time-over`: all steps together took longer than `timeouts.total`
 * - `closed`: the server closed the connection, or it broke
 * - `bad-reply`: what came is no SMTP reply, too long, or makes no sense at this step
 * - `unavailable`: the server takes no mail now (421, or a greeting or reply to EHLO that is not 2yz)
 * - `tls`: TLS is required, and the server does not offer it, refuses it, or has a certificate that is not valid
 *
 * Of the message, which the server cannot take:
 *
 * - `too-large`: it is larger than the limit that the server has announced (SIZE)
 * - `needs-8bitmime`, `needs-smtputf8`: the server does not offer the extension
 * - `ambiguous-end`: some servers would see the end of the message in the middle of it (SMTP smuggling)
 *
 * Of the domain:
 *
 * - `dns`: a name could not be looked up
 * - `no-host`: the domain has neither MX nor addresses
 * - `null-mx`: the domain takes no mail (RFC 7505)
 * - `loop`: the domain leads to this machine, or the server greets with our name
 * - `no-name`: the server's reply to EHLO has no name
 */
export type SmtpFailureReason =
  | 'unreachable'
  | 'timeout'
  | 'time-over'
  | 'closed'
  | 'bad-reply'
  | 'unavailable'
  | 'tls'
  | 'too-large'
  | 'needs-8bitmime'
  | 'needs-smtputf8'
  | 'ambiguous-end'
  | 'dns'
  | 'no-host'
  | 'null-mx'
  | 'loop'
  | 'no-name'

/** Thrown inside of this folder only. */
export class SmtpFailure extends Error {
  readonly reason: SmtpFailureReason
  /** the reply that says so, if there is one */
  readonly reply: ServerReply | undefined

  constructor(reason: SmtpFailureReason, text: string, reply?: ServerReply) {
    super(text)
    this.reason = reason
    this.reply = reply
  }
}
