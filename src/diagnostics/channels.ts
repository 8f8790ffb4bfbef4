import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ErrorCode } from '../errors.ts'
import type { CloseReason } from '../session/events.ts'
import type { EditCounts } from './edit-counts.ts'
import { textLogger, type Logger } from './log.ts'
import type { MessageContent } from './message-content.ts'
import type { OverloadAnswer } from '../options/types.ts'
import { RateLimitedLog } from './rate-limited-log.ts'
import type { Stage } from '../protocol/stages.ts'

/**
 * The events of filters, on channels of `node:diagnostics_channel`. No event contains the header, body or recipients of
 * a message, except what you ask for with `askForContent`. While a channel has no subscribers, its events are not
 * created, and no clock is read for them.
 */
export interface TelemetryEvents {
  'tsmilter:connection:open': ConnectionOpened
  'tsmilter:connection:close': ConnectionClosed
  'tsmilter:connection:overload': ConnectionOverload
  'tsmilter:connection:refused': ConnectionRefused
  'tsmilter:client:refused': ClientRefused
  'tsmilter:message:start': MessageStarted
  'tsmilter:message': MessageDone
  'tsmilter:message:overload': MessageOverload
  'tsmilter:handler': HandlerDone
  'tsmilter:handler:error': HandlerFailed
  'tsmilter:violation': ProtocolViolation
  'tsmilter:spill': BodySpilled
  'tsmilter:store': StoreUsed
  'tsmilter:dnsbl:check': DnsblChecked
  'tsmilter:filter:result': FilterDone
  'tsmilter:authentication': AuthenticationDone
}

/** A mail server has connected. */
export interface ConnectionOpened {
  /** number of the connection, unique in this process, as `ctx.id` */
  readonly connection: number
  /**
   * `address:port` of the mail server; behind a load balancer in `proxies`, the one in the PROXY header. Undefined on a
   * unix socket and in memory.
   */
  readonly peer: string | undefined
}

/** The connection of a mail server has ended. */
export interface ConnectionClosed extends ConnectionOpened {
  readonly reason: CloseReason
  /** undefined if the transport does not count bytes */
  readonly bytesReceived: number | undefined
  readonly bytesSent: number | undefined
}

/** A connection came while there were `maxConnections` already. */
export interface ConnectionOverload {
  readonly maxConnections: number
  /** it was closed without an answer; other connections get `answer` */
  readonly dropped: boolean
  readonly answer: OverloadAnswer
}

/** There was no memory for a message (`maxMemory`). */
export interface MessageOverload {
  readonly connection: number
  readonly queueId: string | undefined
  /** bytes */
  readonly maxMemory: number
  readonly answer: OverloadAnswer
}

/** Why a connection was closed before it was served. */
export type RefusalCode = 'PEER_REFUSED' | 'INVALID_PROXY_HEADER' | 'TLS_FAILED'

/** A connection did not pass the checks of the options `allow`, `proxies` and `tls`. */
export interface ConnectionRefused {
  /** as in {@link ConnectionOpened}; behind a load balancer it is the client, once that is known */
  readonly peer: string | undefined
  readonly code: RefusalCode
}

/** The SMTP client of the mail server. */
interface Client {
  readonly connection: number
  /** verified host name, `[address]` or `unknown`; empty if the mail server did not send it */
  readonly hostname: string
  readonly address: string | undefined
}

/** How something ended. The fields of an SMTP reply are set if the filter wrote its own. */
interface Decision {
  /** name of the filter that decided, if it was made by `defineFilter` */
  readonly filter: string | undefined
  /** SMTP reply code, 400 to 599 */
  readonly code: number | undefined
  /** enhanced status code (RFC 3463) such as `5.7.1` */
  readonly enhanced: string | undefined
  /**
   * The reason in one line of at most 200 characters: the first line of the filter's SMTP reply, or the error code of a
   * handler that failed (`EXCEPTION` if it has none). The text is what the filter wrote. It also goes to the client and
   * to the log of the mail server.
   */
  readonly reason: string | undefined
}

/** The filter has refused a client at connect or HELO, before any message. */
export interface ClientRefused extends Client, Decision {
  readonly stage: 'connect' | 'helo'
  readonly verdict: 'reject' | 'tempfail'
}

/** A message has started: the mail server has sent MAIL. No handler of it has run yet. */
export interface MessageStarted {
  readonly connection: number
  /** number of the message, unique in this process; the event of its end has the same */
  readonly message: number
}

/** How a message ended. `abort`: the mail server aborted it, for example after RSET or when it lost its client. */
export type MessageVerdict = 'accept' | 'reject' | 'tempfail' | 'discard' | 'abort'

/**
 * The filter has decided about a message, or the mail server has aborted it. If a filter accepts or rejects at MAIL,
 * the message ends there for the filter, even if the client sends more.
 */
export interface MessageDone extends MessageStarted, Client, Decision {
  /** undefined if the mail server has not sent it */
  readonly queueId: string | undefined
  /** login name of the client (macro `auth_authen`) */
  readonly user: string | undefined
  /** address without brackets, '' for the null sender; undefined if the mail server did not send it */
  readonly sender: string | undefined
  /** number of recipients that the filter got and did not refuse; undefined if it does not ask for RCPT */
  readonly recipients: number | undefined
  /** number of recipients that the filter refused */
  readonly refusedRecipients: number
  readonly verdict: MessageVerdict
  /** the last event of the message that the filter got; the decision was made there */
  readonly stage: Stage
  /** number of edits that were sent, by the method that makes them; empty unless the message passes */
  readonly edits: EditCounts
  /** the reason why the filter quarantined the message, at most 200 characters; undefined if it did not */
  readonly quarantine: string | undefined
  /** bytes of the body received so far */
  readonly bodyBytes: number
  /** what you asked for with {@link askForContent}; undefined if you did not */
  readonly content: MessageContent | undefined
  /** time from MAIL to the end */
  readonly milliseconds: number
  /** the part of this time in handlers */
  readonly handlerMilliseconds: number
}

/** A handler of the filter has run and answered. */
export interface HandlerDone {
  readonly connection: number
  readonly stage: Stage
  readonly milliseconds: number
}

/**
 * Why a handler failed:
 *
 * - `exception`: it threw, or returned something that is not a verdict
 * - `deadline`: it missed its deadline
 * - `interrupted`: it was cut off, because the message was aborted, the connection closed or the server stopped
 */
export type FailureCause = 'exception' | 'deadline' | 'interrupted'

/** A handler has failed, and the error policy has answered for it. */
export interface HandlerFailed {
  readonly connection: number
  readonly queueId: string | undefined
  /** name of the filter, if it was made by `defineFilter` */
  readonly filter: string | undefined
  /** `factory` if the factory failed, so that there is no filter */
  readonly stage: string
  readonly cause: FailureCause
  /** the code of the error, if it has one; its text is left out, because it may quote a message */
  readonly code: string | undefined
}

/** A mail server, or another program that uses the port, has broken the protocol. */
export interface ProtocolViolation {
  readonly connection: number
  readonly code: ErrorCode
  /** the connection is closed because of it */
  readonly fatal: boolean
}

/** A body was moved to a temporary file. */
export interface BodySpilled {
  /** bytes so far */
  readonly bytes: number
  /** it is larger than `limits.bodyMemory`, or all messages together need `maxMemory` */
  readonly reason: 'size' | 'memory'
  /** it could not be written: SPILL_FAILED */
  readonly failed: boolean
}

/** A use of a store (`StoreUse`) has made a call, or has gone without. */
export interface StoreUsed {
  /** name of the use */
  readonly use: string
  /** kind of the store */
  readonly store: 'memory' | 'embedded' | 'redis'
  /** code of the failure; undefined if the store has answered */
  readonly code: ErrorCode | undefined
  /** what answered instead of the store that has failed */
  readonly policy: 'open' | 'closed' | 'local' | undefined
}

/** A list in DNS was checked (`Dnsbl` of `tsmilter/toolkit`). */
export interface DnsblChecked {
  readonly zone: string
  /** `broken`: it is left out until a later check. `unknown`: it could not be asked, and nothing changes */
  readonly state: 'working' | 'broken' | 'unknown'
  /** why it is broken or unknown */
  readonly why: string | undefined
}

/**
 * The result of a ready-made filter (`tsmilter/filters`):
 *
 * - `passed`: it has looked, and there was nothing to do
 * - `changed`: it has edited the message
 * - `refused`, `deferred`, `discarded`: its verdict
 * - `held`: it has quarantined the message
 * - `skipped`: it has not looked, or has left something undone; the reason says why
 */
export type FilterResult =
  'passed' | 'changed' | 'refused' | 'deferred' | 'discarded' | 'held' | 'skipped'

/** A ready-made filter is done with a message, a recipient or a client. */
export interface FilterDone {
  readonly connection: number
  readonly queueId: string | undefined
  /** name of the filter */
  readonly filter: string
  readonly result: FilterResult
  /** a word of the filter, such as `first-contact`; never text of a message */
  readonly reason: string
  /** the filter only observes: this is what it would have done */
  readonly observed: boolean
}

/** `authenticate` of `tsmilter/filters` has checked a message. Results are those of RFC 8601, section 2.7. */
export interface AuthenticationDone {
  readonly connection: number
  readonly spf: string
  /** the best result of all signatures */
  readonly dkim: string
  readonly dmarc: string
  readonly arc: string
  /** what became of the message */
  readonly action: 'accept' | 'quarantine' | 'reject' | 'defer'
  /** why it would not pass; undefined if it would */
  readonly reason: 'dmarc' | 'dns' | 'from' | 'spf' | undefined
  /** why it passes all the same */
  readonly override: 'allow' | 'sealer' | 'list' | undefined
  /** questions to DNS */
  readonly queries: number
  readonly milliseconds: number
}

/** A channel with the type of its events. */
export interface EventChannel<Event> {
  readonly hasSubscribers: boolean
  publish(event: Event): void
}

/** The channels. Each is looked up only once, so that asking for subscribers is cheap. */
export const channels: {
  readonly connectionOpen: EventChannel<ConnectionOpened>
  readonly connectionClose: EventChannel<ConnectionClosed>
  readonly connectionOverload: EventChannel<ConnectionOverload>
  readonly connectionRefused: EventChannel<ConnectionRefused>
  readonly clientRefused: EventChannel<ClientRefused>
  readonly messageStart: EventChannel<MessageStarted>
  readonly message: EventChannel<MessageDone>
  readonly messageOverload: EventChannel<MessageOverload>
  readonly handler: EventChannel<HandlerDone>
  readonly handlerError: EventChannel<HandlerFailed>
  readonly violation: EventChannel<ProtocolViolation>
  readonly spill: EventChannel<BodySpilled>
  readonly store: EventChannel<StoreUsed>
  readonly dnsblCheck: EventChannel<DnsblChecked>
  readonly filterResult: EventChannel<FilterDone>
  readonly authentication: EventChannel<AuthenticationDone>
} = {
  connectionOpen: channel('tsmilter:connection:open'),
  connectionClose: channel('tsmilter:connection:close'),
  connectionOverload: channel('tsmilter:connection:overload'),
  connectionRefused: channel('tsmilter:connection:refused'),
  clientRefused: channel('tsmilter:client:refused'),
  messageStart: channel('tsmilter:message:start'),
  message: channel('tsmilter:message'),
  messageOverload: channel('tsmilter:message:overload'),
  handler: channel('tsmilter:handler'),
  handlerError: channel('tsmilter:handler:error'),
  violation: channel('tsmilter:violation'),
  spill: channel('tsmilter:spill'),
  store: channel('tsmilter:store'),
  dnsblCheck: channel('tsmilter:dnsbl:check'),
  filterResult: channel('tsmilter:filter:result'),
  authentication: channel('tsmilter:authentication'),
}

/** Listeners, by the name of their channel. */
export type TelemetryListeners = {
  readonly [Name in keyof TelemetryEvents]?: (event: TelemetryEvents[Name]) => void
}

/**
 * Listens to the events of the filters of this process. Returns a function that stops it. Listeners are called
 * synchronously while mail is handled, so they must be fast. A promise that they return is not awaited.
 *
 * If a listener throws, the error is logged, at most once a minute, and mail goes on. If you subscribe to
 * `node:diagnostics_channel` directly, an exception of your subscriber is an uncaught exception and ends the process.
 *
 *     const stop = observe({ 'tsmilter:message': ({ verdict }) => count(verdict) })
 */
export function observe(
  listeners: TelemetryListeners,
  logger: Logger = textLogger(),
): () => void {
  const guarded = Object.entries(listeners)
    .filter(([, listener]) => listener !== undefined)
    .map(([name, listener]) => {
      const limitedLog = new RateLimitedLog()
      const guard = (event: unknown): void => {
        try {
          // The events of a channel have the type that its listener takes.
          ;(listener as (event: unknown) => void)(event)
        } catch (error) {
          complain(limitedLog, logger, name, error)
        }
      }
      subscribe(name, guard)
      return [name, guard] as const
    })
  return () => {
    for (const [name, guard] of guarded.splice(0)) unsubscribe(name, guard)
  }
}

/** Logs the error of a listener. The logger itself may throw. */
function complain(
  limitedLog: RateLimitedLog,
  logger: Logger,
  channelName: string,
  error: unknown,
): void {
  try {
    const fields = { err: error, channel: channelName }
    limitedLog.write(logger, 'error', fields, 'a listener of telemetry failed')
  } catch {
    // There is no other place to report it.
  }
}
