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
 * A filter as a class, with one object for each SMTP session. The callbacks of `Base` do nothing. The mail server is
 * asked to send the events whose callbacks you override. Keep state in fields, and reset the state of a message in
 * `envfrom`.
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

  /** Called before any other callback; few filters need it. An error here refuses the connection. */
  negotiate(
    _offer: Offer,
  ): NegotiationRequest | undefined | void | Promise<NegotiationRequest | undefined | void> {}
  /** A client has connected. `address` is undefined if the family is `unknown`. */
  connect(
    _hostname: string,
    _family: AddressFamily,
    _address: string | undefined,
    _port: number | undefined,
  ): ConnectionAnswer {}
  /** The client has sent HELO or EHLO, with this name. */
  helo(_name: string): ConnectionAnswer {}
  /** A message begins. `sender` is as the client wrote it, with brackets; ESMTP parameters follow. */
  envfrom(_sender: string, ..._parameters: string[]): MessageAnswer {}
  /** One recipient. "reject" and "tempfail" are for this recipient only; "accept" and "discard" for the message. */
  envrcpt(_recipient: string, ..._parameters: string[]): MessageAnswer {}
  /** The client has sent DATA; the header follows. */
  data(): MessageAnswer {}
  /** One header field. `value` begins after the colon and one space, if there is one. */
  header(_name: string, _value: string): MessageAnswer {}
  /** The header is complete; the body follows. */
  eoh(): MessageAnswer {}
  /** A piece of the body, at most 65,535 bytes. It can begin and end anywhere. You may keep it. */
  body(_chunk: Buffer): BodyAnswer {}
  /** The message is complete. You can edit it only here. */
  eom(): MessageAnswer {}
  /** The mail server has aborted the message. */
  abort(): void | Promise<void> {}
  /** The SMTP session is over. This is the last call of every connection, and sometimes the only one. */
  close(_reason: CloseReason): void | Promise<void> {}
  /** The client has sent an SMTP command that the mail server does not know. */
  unknown(_line: string): ConnectionAnswer {}

  // ---- facts of the current callback
  // A callback that missed its deadline may still run. After an `await`, `this` cannot tell which of the two
  // callbacks asks. The facts of a message then throw, so that no callback gets those of another message.

  /**
   * The context of the current callback: that of the message, or of the connection between messages.
   * @throws UsageError HANDLER_OVERRAN after an `await`, while an earlier callback that missed its deadline runs
   */
  get context(): ConnectionContext {
    if (!this.#isSure()) throw overran('context', 'ask for it before the first "await"')
    return this.#latest()
  }

  /** A number that no other connection of this process has. */
  get id(): number {
    return this.#latest().id
  }

  /** The SMTP client: its host name, address and HELO name. */
  get connection(): ClientConnection {
    return this.#latest().connection
  }

  /** The mail server: which one, its version, its known defects. */
  get server(): ServerFacts {
    return this.#latest().server
  }

  /**
   * The sender of the message: see `MessageContext`.
   * @throws UsageError HANDLER_OVERRAN as `context`, NOT_READ, WRONG_STAGE between messages
   */
  get sender(): EnvelopeAddress {
    return this.#ofMessage('sender').sender
  }

  /**
   * The recipients of the message that were not refused: see `MessageContext`.
   * @throws as `sender`; MilterError MESSAGE_TOO_LARGE
   */
  get recipients(): readonly EnvelopeAddress[] {
    return this.#ofMessage('recipients').recipients
  }

  #ofMessage(what: string): LiveMessageContext {
    const { context } = this
    if (context instanceof LiveMessageContext) return context
    throw new UsageError('WRONG_STAGE', `${what} belongs to a message, and there is none now`)
  }

  /** Version, actions and steps agreed with the mail server. */
  get negotiated(): Choice {
    return this.#latest().negotiated
  }

  /** Its lines carry the queue id if it is known which message they belong to. */
  get log(): Logger {
    return this.#isSure() ? this.#latest().log : this.#latest().connectionLog
  }

  /**
   * Fires when the work of the current callback has become pointless. Get it before the first `await`. After an
   * `await`, while an earlier callback that missed its deadline still runs, this is the signal of that earlier one,
   * so that it ends.
   */
  get signal(): AbortSignal {
    return this.#isSure() ? this.#latest().signal : (this.#left ?? this.#latest()).signal
  }

  /**
   * The mail server's queue id of the message, once it is known (Postfix: from the second RCPT or DATA).
   * @throws UsageError HANDLER_OVERRAN as `context`
   */
  get queueId(): string | undefined {
    return this.context.queueId
  }

  /**
   * All current macros, by name without braces.
   * @throws UsageError HANDLER_OVERRAN as `context`
   */
  get macros(): ReadonlyMap<string, string> {
    return this.context.macros
  }

  /**
   * The current value of a macro, by name with or without braces; undefined if it has none.
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

  /** Whether the caller is certainly the callback that was called last. */
  #isSure(): boolean {
    return this.#starting || this.#overrunning === 0
  }

  /**
   * Sets the SMTP reply for the REJECT (5xx) or TEMPFAIL (4xx) that this callback returns. It is for this call
   * only. Returning `reply(...)` does the same in one step.
   *
   *     override envrcpt(recipient: string) {
   *       this.setReply(550, '5.1.1', 'No such user')
   *       return REJECT
   *     }
   *
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

  /** Asks the mail server to keep waiting. You need not call it in slow callbacks: it is sent every 5 seconds. */
  progress(): void {
    this.#editor('progress').progress()
  }

  /** @internal Where the edits go. */
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

  /** It is a class because closures for each connection would stay in memory longer than the connection. */
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
      // A thenable of any kind. `isThenable` can throw, and errors are caught here.
      if (isThenable(result)) {
        const call = this.#count
        // The reply that a cut-off call has set is not for the call that runs by then.
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
    `${what}: a callback of this object missed its deadline and still runs, so it is not known which message this is for; ${advice}`,
  )
