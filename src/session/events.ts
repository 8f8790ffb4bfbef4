import type { ProtocolError } from '../errors.ts'
import type { HeaderView, SmtpClient } from '../protocol/commands.ts'
import type { Offer } from '../protocol/negotiation.ts'
import type { Terms, Wishes } from './terms.ts'
import type { Verdict } from './verdict.ts'

/** A value now, or later. A promise given to the session must never reject. */
export type MaybePromise<T> = T | Promise<T>

/**
 * How a connection ended, or with QUIT_NC one SMTP session on it. `overload` means that it had no message, and other
 * connections needed its place.
 */
export type CloseReason = 'quit' | 'eof' | 'error' | 'timeout' | 'shutdown' | 'overload'

/** Why a handler was cut off. */
export type InterruptReason = 'abort' | 'disconnect' | 'shutdown'

/** A piece of the body, in place. It is valid only until the method that gets it returns. */
export interface BodyPiece {
  readonly size: number
  /** In memory that stays as it is. */
  take(): Buffer
  /** Without a copy, and good only until that method returns. */
  view(): Buffer
}

/** The answer to end of message. Edits are frames, sent before the verdict if the message passes. */
export interface FinalAnswer {
  readonly verdict: Verdict
  readonly edits: readonly Buffer[]
  /** a new body that is not in memory, the last of the edits; read while it is sent */
  readonly body?: AsyncIterable<Buffer> | undefined
}

/**
 * What the floor above does with a conversation. The session calls one of these at a time and waits
 * for its answer; only `interrupt` may come in between.
 */
export interface SessionEvents {
  /** The filter's wishes for this connection; undefined to refuse it. */
  negotiate(offer: Offer): MaybePromise<Wishes | undefined>
  negotiated(terms: Terms): void
  connect(client: SmtpClient): MaybePromise<Verdict>
  helo(name: string): MaybePromise<Verdict>
  /**
   * A message begins; `mail` follows unless that event was declined.
   * @returns whether "accept" before the content must not be said before end of message
   */
  messageBegins(): boolean
  mail(words: readonly string[]): MaybePromise<Verdict>
  rcpt(words: readonly string[]): MaybePromise<Verdict>
  data(): MaybePromise<Verdict>
  /** The view is good until the answer. */
  header(field: HeaderView): MaybePromise<Verdict>
  eoh(): MaybePromise<Verdict>
  body(piece: BodyPiece): MaybePromise<Verdict>
  eom(): MaybePromise<FinalAnswer>
  unknown(line: string): MaybePromise<Verdict>
  /** The open message was abandoned: once for each that got no final verdict. */
  abort(): MaybePromise<void>
  /**
   * A message is over in whatever way; nothing may touch it from here on.
   * @param verdict the last word on it; undefined if it was abandoned without one
   */
  messageOver(verdict: Verdict | undefined): void
  /** The SMTP session is over: once for each that was begun by an event. */
  close(reason: CloseReason): MaybePromise<void>
  /** The event being handled must be answered now, with whatever the policy says. */
  interrupt(reason: InterruptReason): void
  /** Something illegal came. If it is fatal, the connection is closed after it. */
  violation(error: ProtocolError, fatal: boolean): void
}

/** Where a session's bytes go. */
export interface Transport {
  /** acknowledges late what it does not answer, as TCP does */
  readonly acknowledgesLate?: boolean
  /** the address of the mail server, for telemetry */
  readonly peer?: string | undefined
  /** so far, for telemetry */
  readonly bytesReceived?: number
  readonly bytesSent?: number
  /** Everything that answers what was read, in order; `rest` is empty nearly always. */
  send(first: Buffer, rest: readonly Buffer[]): void
  /** Settles when more can be sent without piling up, or nothing any more; undefined: at once. */
  drained(): Promise<void> | undefined
  /** The conversation is over; what was sent still goes out. */
  close(): void
  /** The last handler has ended, or is not waited for: none is called any more. Comes once, after `close`. */
  over?(): void
  /** More has arrived than may wait for a handler; and less again. */
  pause(): void
  resume(): void
}
