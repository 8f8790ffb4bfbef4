import type { FailureAction } from '../../../src/mta/index.ts'
import type { Sink } from './sink.ts'

/** Where macros can be asked for, in the words of the protocol's macro stages. */
export type MacroStage = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'eoh' | 'eom'

export interface StartOptions {
  /**
   * The filters, asked in this order, as libmilter writes their addresses: `inet:PORT@HOST`,
   * `inet6:PORT@HOST`, `unix:/path`. Postfix connects as its own user: a unix socket must be
   * writable for all, in a directory that all may enter, and that exists at the start.
   */
  readonly milters: readonly string[]
  /**
   * What the server does when a filter fails (default tempfail); Sendmail has no quarantine. `as installed`: nothing
   * is configured.
   */
  readonly defaultAction?: FailureAction | 'as installed'
  /** Seconds for connecting and for each answer of a filter (default 10). */
  readonly timeout?: number
  /** More lines for main.cf (the last line wins) or for the .mc file (before its MAILERs). */
  readonly config?: readonly string[]
  /** The version Postfix offers (default 6). Sendmail always offers 6. */
  readonly milterProtocol?: 2 | 3 | 4 | 6
  /** Macros sent at a stage instead of the default ones: names between spaces or commas. */
  readonly macros?: Readonly<Partial<Record<MacroStage, string>>>
  /** Names with several addresses: more lines of /etc/hosts, which this server alone sees. */
  readonly hosts?: readonly string[]
  /** Offer STARTTLS with a new self-signed certificate. */
  readonly tls?: boolean
}

/** A message that a filter has put into quarantine. */
export interface HeldMessage {
  readonly id: string
  /** The filter's text. Postfix reads it and drops it (milter8.c, SMFIR_QUARANTINE). */
  readonly reason: string | undefined
  /** Header, empty line and body as the server's queue has them: LF line ends, latin1. */
  readonly content: string
}

/**
 * A private mail server on loopback. It relays for everybody and delivers every message to its
 * sink. It refuses three domains by itself: rejected.test (550), nomailer.test (550) and
 * tempfail.test (450). Nothing else of the machine's mail set-up is read or written.
 */
export interface MailServer extends AsyncDisposable {
  readonly name: 'postfix' | 'sendmail'
  /** On 127.0.0.1. */
  readonly port: number
  readonly sink: Sink
  /** The directory with configuration, queue and log. KEEP_MTA=1 keeps it after the stop. */
  readonly directory: string
  /** What the server has logged so far. */
  log(): string
  held(): Promise<HeldMessage[]>
  /** How many messages are on their way in its queue. Held ones do not count. */
  queued(): Promise<number>
  /**
   * Resolves when the queue is empty: every message that was accepted before is now in the sink,
   * held, or has been dropped on purpose.
   */
  idle(timeoutMs?: number): Promise<void>
  /** Ends the server and everything it started, closes the sink, removes the directory. */
  stop(): Promise<void>
}

/** The words of a macro list, however they are separated. */
export function macroNames(list: string): string[] {
  return list.split(/[\s,]+/).filter((name) => name !== '')
}
