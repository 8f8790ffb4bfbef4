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
 * What a filter does, as events on channels of `node:diagnostics_channel`. No event holds the content
 * of a message, neither header, body nor recipients, but what `askForContent` was called for. While
 * nobody listens to a channel its events are not even made, and no clock is read for them.
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
}

/** A mail server has connected. */
export interface ConnectionOpened {
  /** a number of its own for each connection of this process, as `ctx.id` */
  readonly connection: number
  /**
   * the mail server's `address:port`, behind a balancer of `proxies` as its header tells; undefined on a
   * unix socket and in memory
   */
  readonly peer: string | undefined
}

/** The conversation with a mail server is over. */
export interface ConnectionClosed extends ConnectionOpened {
  readonly reason: CloseReason
  /** undefined where the transport does not count */
  readonly bytesReceived: number | undefined
  readonly bytesSent: number | undefined
}

/** More connections than `maxConnections`. */
export interface ConnectionOverload {
  readonly maxConnections: number
  /** closed without a word; `answer` is what the others are told */
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

/** A connection has not passed what the options `allow`, `proxies` and `tls` ask for. */
export interface ConnectionRefused {
  /** as of {@link ConnectionOpened}; behind a balancer it is the client, once that is known */
  readonly peer: string | undefined
  readonly code: RefusalCode
}

/** Who the client of the mail server is. */
interface Client {
  readonly connection: number
  /** verified host name, `[address]` or `unknown`; empty if the filter is not told */
  readonly hostname: string
  readonly address: string | undefined
}

/** How something ended; the SMTP reply is there if the filter wrote its own. */
interface Decision {
  /** the filter that decided, of those made by `defineFilter` */
  readonly filter: string | undefined
  /** SMTP reply code, 400 to 599 */
  readonly code: number | undefined
  /** enhanced status code (RFC 3463) such as `5.7.1` */
  readonly enhanced: string | undefined
  /**
   * Why, in one line of 200 characters at most: the first line of the filter's SMTP reply, or the code
   * of the error of a handler that failed (`EXCEPTION` where it has none). What a filter writes into a
   * reply is its own affair: the client and the mail server's log have it as well.
   */
  readonly reason: string | undefined
}

/** The filter has refused a client at connect or HELO, before any message. */
export interface ClientRefused extends Client, Decision {
  readonly stage: 'connect' | 'helo'
  readonly verdict: 'reject' | 'tempfail'
}

/** A message has begun: the mail server has sent MAIL, and the filter was not asked about it yet. */
export interface MessageStarted {
  readonly connection: number
  /** a number of its own for each message of this process, the same when it is over */
  readonly message: number
}

/** How a message ended. `abort`: the mail server gave it up, as after RSET or a lost client. */
export type MessageVerdict = 'accept' | 'reject' | 'tempfail' | 'discard' | 'abort'

/**
 * The filter has said its last word on a message, or the mail server has given the message up. A filter
 * that accepts or refuses at MAIL is done there, whatever else the client sends.
 */
export interface MessageDone extends MessageStarted, Client, Decision {
  /** undefined as long as the mail server has given none */
  readonly queueId: string | undefined
  /** who has logged in (macro `auth_authen`) */
  readonly user: string | undefined
  /** address without brackets, '' for the null sender; undefined if the filter is not told */
  readonly sender: string | undefined
  /** recipients the filter has been told of and has not refused; undefined if it does not ask for RCPT */
  readonly recipients: number | undefined
  /** recipients the filter has refused */
  readonly refusedRecipients: number
  readonly verdict: MessageVerdict
  /** the latest event of the message the filter was asked about: where it was decided */
  readonly stage: Stage
  /** edits that were sent, by the method that makes them; empty unless the message passes */
  readonly edits: EditCounts
  /** why the filter has put the message into quarantine, 200 characters at most; undefined if it has not */
  readonly quarantine: string | undefined
  /** bytes of the body that have come */
  readonly bodyBytes: number
  /** what {@link askForContent} was called for; undefined if it was not */
  readonly content: MessageContent | undefined
  /** from MAIL to the end */
  readonly milliseconds: number
  /** of these, inside handlers */
  readonly handlerMilliseconds: number
}

/** A handler was called and has answered. Only handlers the filter has. */
export interface HandlerDone {
  readonly connection: number
  readonly stage: Stage
  readonly milliseconds: number
}

/**
 * Why a handler failed: it threw (or answered nonsense), missed its deadline, or was not waited for any
 * longer because the message was abandoned, the connection gone or the server stopped.
 */
export type FailureCause = 'exception' | 'deadline' | 'interrupted'

/** A handler has failed, and the error policy has answered for it. */
export interface HandlerFailed {
  readonly connection: number
  readonly queueId: string | undefined
  /** of those made by `defineFilter` */
  readonly filter: string | undefined
  /** `factory` if there is no filter because what makes it failed */
  readonly stage: string
  readonly cause: FailureCause
  /** the code of the error, if it has one; never its text, which may quote a message */
  readonly code: string | undefined
}

/** A mail server, or whoever talks to the port, has broken the protocol. */
export interface ProtocolViolation {
  readonly connection: number
  readonly code: ErrorCode
  /** the connection is closed for it */
  readonly fatal: boolean
}

/** A body went to a temporary file. */
export interface BodySpilled {
  /** bytes so far */
  readonly bytes: number
  /** it is larger than `limits.bodyMemory`, or all messages together need `maxMemory` */
  readonly reason: 'size' | 'memory'
  /** it could not be written: SPILL_FAILED */
  readonly failed: boolean
}

/** A channel, with the type of its events. */
export interface EventChannel<Event> {
  readonly hasSubscribers: boolean
  publish(event: Event): void
}

/** The channels; each is looked up once, so that asking for subscribers is cheap. */
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
}

/** Listeners by the channel they listen to. */
export type TelemetryListeners = {
  readonly [Name in keyof TelemetryEvents]?: (event: TelemetryEvents[Name]) => void
}

/**
 * Listens to what filters of this process do; the function it returns ends that. Listeners are called
 * at once, in the middle of the mail: they must be quick, and what they return is not waited for.
 *
 * A listener that throws does no harm here: it is logged, once a minute at most. One that was given to
 * `node:diagnostics_channel` directly ends the process, since Node makes an uncaught exception of it.
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
          // Each channel has events of its listener's type.
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

/** The logger may be what fails. */
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
    // Nobody is left to tell.
  }
}
