import { UsageError } from '../errors.ts'
import { isThenable } from './answer.ts'
import type { AddressFamily } from '../protocol/commands.ts'
import type { Choice, Offer } from '../protocol/negotiation.ts'
import type { CloseReason } from '../session/events.ts'
import { isVerdict, reply, type Verdict } from '../session/verdict.ts'
import type { LiveConnectionContext } from './context.ts'
import {
  LiveMessageContext,
  tooLate,
  type ClientConnection,
  type ConnectionContext,
} from './context.ts'
import { Editing, type EditList } from './edits.ts'
import type { EnvelopeAddress } from './envelope/envelope-address.ts'
import {
  tableOf,
  type AnyHandler,
  type FilterObject,
  type FilterObjectSource,
  type HandlerTable,
} from './filter-object.ts'
import type {
  BodyAnswer,
  ConnectionAnswer,
  MessageAnswer,
  NegotiationRequest,
} from './handlers.ts'
import type { Logger } from '../diagnostics/log.ts'
import type { ServerFacts } from './mail-server/server-facts.ts'

/**
 * A filter as a class, one object for each SMTP session. Every callback is there and does nothing;
 * those a subclass overrides are the events the mail server is asked to send. Keep state in fields,
 * and set what belongs to a message anew in `envfrom`.
 *
 *     class Tag extends Base {
 *       override eom() { this.addHeader('X-Seen', 'yes') }
 *     }
 */
export class Base extends Editing implements FilterObjectSource {
  #context: LiveConnectionContext | undefined
  #overrunning = 0
  /** of the latest callback that was cut off, as long as any of them runs */
  #left: LiveConnectionContext | undefined
  /** a callback has been called and has not returned or awaited yet */
  #starting = false
  #reply: Verdict<'reject' | 'tempfail'> | undefined

  // ---- callbacks, to be overridden

  negotiate(
    _offer: Offer,
  ): NegotiationRequest | undefined | void | Promise<NegotiationRequest | undefined | void> {}
  connect(
    _hostname: string,
    _family: AddressFamily,
    _address: string | undefined,
    _port: number | undefined,
  ): ConnectionAnswer {}
  helo(_name: string): ConnectionAnswer {}
  /** `sender` as the client wrote it, with brackets; then ESMTP parameters. */
  envfrom(_sender: string, ..._parameters: string[]): MessageAnswer {}
  envrcpt(_recipient: string, ..._parameters: string[]): MessageAnswer {}
  data(): MessageAnswer {}
  header(_name: string, _value: string): MessageAnswer {}
  eoh(): MessageAnswer {}
  body(_chunk: Buffer): BodyAnswer {}
  eom(): MessageAnswer {}
  abort(): void | Promise<void> {}
  close(_reason: CloseReason): void | Promise<void> {}
  unknown(_line: string): ConnectionAnswer {}

  // ---- what holds now
  // While a callback that missed its deadline still runs, nobody can tell who asks after an `await`: then
  // what belongs to a message is not shown, rather than another message's.

  /**
   * The context of the callback that runs: of the message, or between messages of the connection.
   * @throws UsageError HANDLER_OVERRAN after an `await`, while an earlier callback that missed its deadline runs
   */
  get context(): ConnectionContext {
    if (!this.#isSure()) throw overran('context', 'ask for it before the first "await"')
    return this.#latest()
  }

  /** A number of its own for each connection of this process. */
  get id(): number {
    return this.#latest().id
  }

  get connection(): ClientConnection {
    return this.#latest().connection
  }

  /** The mail server: which one, its version, its known defects. */
  get server(): ServerFacts {
    return this.#latest().server
  }

  /**
   * Of the message: see `MessageContext`.
   * @throws UsageError HANDLER_OVERRAN as `context`, NOT_READ, WRONG_STAGE between messages
   */
  get sender(): EnvelopeAddress {
    return this.#ofMessage('sender').sender
  }

  /** @throws as `sender`; MilterError MESSAGE_TOO_LARGE */
  get recipients(): readonly EnvelopeAddress[] {
    return this.#ofMessage('recipients').recipients
  }

  #ofMessage(what: string): LiveMessageContext {
    const { context } = this
    if (context instanceof LiveMessageContext) return context
    throw new UsageError('WRONG_STAGE', `${what} is that of a message; there is none now`)
  }

  /** Version, actions and steps agreed with the mail server. */
  get negotiated(): Choice {
    return this.#latest().negotiated
  }

  /** Lines carry the queue id where it is known whose they are. */
  get log(): Logger {
    return this.#isSure() ? this.#latest().log : this.#latest().connectionLog
  }

  /**
   * Fires when the work of the callback that runs is pointless. Ask before the first `await`: after it, while an
   * earlier callback that missed its deadline still runs, this is the signal of that one, so that it ends.
   */
  get signal(): AbortSignal {
    return this.#isSure() ? this.#latest().signal : (this.#left ?? this.#latest()).signal
  }

  /** @throws UsageError HANDLER_OVERRAN as `context` */
  get queueId(): string | undefined {
    return this.context.queueId
  }

  /** @throws UsageError HANDLER_OVERRAN as `context` */
  get macros(): ReadonlyMap<string, string> {
    return this.context.macros
  }

  /**
   * The value of a macro, with or without braces.
   * @throws UsageError HANDLER_OVERRAN as `context`
   */
  macro(name: string): string | undefined {
    return this.context.macro(name)
  }

  /** The one of the latest callback. */
  #latest(): LiveConnectionContext {
    if (this.#context === undefined) throw tooLate('the context of a filter', 'a callback')
    return this.#context
  }

  /** Whoever asks is the callback that was called last. */
  #isSure(): boolean {
    return this.#starting || this.#overrunning === 0
  }

  /**
   * The SMTP reply for the REJECT (5xx) or TEMPFAIL (4xx) that this callback returns. It holds for
   * this callback alone; returning `reply(...)` does the same in one step.
   * @throws UsageError INVALID_REPLY
   */
  setReply(
    code: number | string,
    enhanced?: string | null,
    ...lines: string[]
  ): Verdict<'reject' | 'tempfail'> {
    this.#guard('setReply')
    this.#reply = reply(code, enhanced, ...lines)
    return this.#reply
  }

  // ---- in eom only, as the edits; see EndOfMessageContext

  progress(): void {
    this.#editor('progress').progress()
  }

  /** For the library: where the edits go. */
  override toEditList(what: string): EditList {
    return this.#editor(what).toEditList(what)
  }

  #guard(what: string): void {
    if (this.#overrunning > 0) throw overran(what, 'make it stop when "this.signal" fires')
  }

  #editor(what: string): LiveMessageContext {
    this.#guard(what)
    const context = this.#context
    if (!(context instanceof LiveMessageContext)) throw tooLate(what, 'eom')
    return context
  }

  /** For the library: how it calls this object. */
  toFilterObject(): FilterObject {
    const handlers = tableOf((stage) => {
      const own: AnyHandler = this[stage]
      return own === Base.prototype[stage] ? undefined : own
    })
    return new Base.#Calls(this, handlers)
  }

  /** A class rather than closures for each connection, which stay in memory longer than it does. */
  static readonly #Calls = class Calls implements FilterObject {
    readonly handlers: HandlerTable
    readonly #object: Base
    /** calls of callbacks */
    #count = 0

    constructor(object: Base, handlers: HandlerTable) {
      this.#object = object
      this.handlers = handlers
    }

    call(
      handler: AnyHandler,
      context: LiveConnectionContext,
      args: readonly unknown[],
    ): unknown {
      this.#begin(context)
      try {
        return this.#answer(handler.apply(this.#object, args as never[]))
      } finally {
        this.#object.#starting = false
      }
    }

    callHeader(
      handler: AnyHandler,
      context: LiveMessageContext,
      name: string,
      value: string | Buffer,
    ): unknown {
      return this.call(handler, context, [name, value])
    }

    overrunning(change: 1 | -1): void {
      const object = this.#object
      object.#overrunning += change
      if (change === 1) object.#left = object.#context
      else if (object.#overrunning === 0) object.#left = undefined
    }

    #begin(context: LiveConnectionContext): void {
      this.#object.#context = context
      this.#object.#reply = undefined
      this.#object.#starting = true
      this.#count++
    }

    #answer(result: unknown): unknown {
      // A thenable of any kind; whether it is one must be asked where what it throws is caught, which is here.
      if (isThenable(result)) {
        const call = this.#count
        // What a call sets that was cut off is not for the one that runs by then.
        const settled = (value: unknown): unknown =>
          call === this.#count ? this.#withReply(value) : value
        return Promise.prototype.then.call(Promise.resolve(result), settled)
      }
      return this.#object.#reply === undefined ? result : this.#withReply(result)
    }

    #withReply(verdict: unknown): unknown {
      const own = this.#object.#reply
      this.#object.#reply = undefined
      if (own === undefined || !isVerdict(verdict) || verdict.reply !== undefined)
        return verdict
      if (verdict.kind !== 'reject' && verdict.kind !== 'tempfail') return verdict
      if (verdict.kind === own.kind) return own
      throw new UsageError(
        'INVALID_REPLY',
        `setReply(${own.reply?.code}) was called and ${verdict.kind.toUpperCase()} returned; 4xx goes with TEMPFAIL, 5xx with REJECT`,
      )
    }
  }
}

const overran = (what: string, advice: string): UsageError =>
  new UsageError(
    'HANDLER_OVERRAN',
    `${what}: a callback of this object ran into its deadline and still runs, so nobody can tell which message this is for; ${advice}`,
  )
