import type { InterruptedError, ProtocolError } from '../errors.ts'
import type { HeaderView, Peer } from '../protocol/commands.ts'
import type { Offer } from '../protocol/negotiation.ts'
import type {
  BodyPiece,
  CloseReason,
  FinalAnswer,
  InterruptReason,
  Later,
  SessionEvents,
  Transport,
} from '../session/events.ts'
import { Session } from '../session/session.ts'
import type { Terms, Wishes } from '../session/terms.ts'
import { CONTINUE, type Verdict } from '../session/verdict.ts'
import { keepsLeadingSpace, LiveConnectionContext, LiveMessageContext } from './context.ts'
import { isThenable, readable, tapped, verdictOf, whenSettled } from './answer.ts'
import { channels } from './channels.ts'
import { ConnectionState } from './connection-state.ts'
import { decodeAs } from './decoding.ts'
import { EditList } from './edits.ts'
import {
  filterObject,
  type AnyHandler,
  type FilterFactory,
  type FilterObject,
} from './filter-object.ts'
import { handlerCalls, TracedCall } from './handler-call.ts'
import { interruption, logFailure, missedDeadline } from './interruption.ts'
import { keptTooLong, marksOf, NO_MARKS, type Marks } from './marks.ts'
import {
  MessageRecord,
  publishFailure,
  publishHandler,
  publishRefusal,
  recordFailure,
} from './message-record.ts'
import type { FilterSettings } from './options.ts'
import type { Stage } from './stages.ts'
import { answeringData, wishesOf, withRequest } from './subscription.ts'

let lastId = 0
/** Lines about what is against the protocol that one server writes in a minute, of each kind. */
const PROTOCOL_LINES = 10
const WHITE_SPACE =
  'the mail server does not tell the white space after a header name: one space is assumed'
const NO_ARGS: readonly unknown[] = []
const NO_EDITS: readonly Buffer[] = []

/** A handler that has not answered yet. */
interface Pending {
  /** Answers for it, by the configured policy. */
  cut(reason: InterruptedError): void
}

/**
 * A filter on one connection: calls its handlers for the session's events, and turns whatever they
 * do (answer, throw, hang, return nonsense) into an answer. This is the only place that knows
 * handlers, deadlines and the error policy.
 */
export class Conversation implements SessionEvents {
  readonly id: number = ++lastId
  readonly session: Session

  readonly #factory: FilterFactory
  readonly #settings: FilterSettings
  readonly #transport: Transport
  readonly #state: ConnectionState
  #context: LiveConnectionContext
  #message: LiveMessageContext | undefined
  /** of the message, if somebody listens */
  #record: MessageRecord | undefined
  #filter: FilterObject | undefined
  #headerMarks: Marks | undefined
  #pending: Pending | undefined
  /** of a handler, if somebody traces */
  #traced: TracedCall | undefined
  /** handlers that were cut off and have not ended yet */
  #overrunning = 0
  /** the latest answer was not the filter's own: its edits do not count */
  #failed = false

  constructor(factory: FilterFactory, settings: FilterSettings, transport: Transport) {
    this.#factory = factory
    this.#settings = settings
    this.#transport = transport
    this.session = new Session(this, transport, settings)
    this.#state = new ConnectionState(this.id, settings.logger, this.session)
    this.#context = new LiveConnectionContext(this.#state)
    if (channels.connectionOpen.hasSubscribers) {
      channels.connectionOpen.publish({ connection: this.id, peer: transport.peer })
    }
  }

  // ---- SessionEvents

  negotiate(offer: Offer): Later<Wishes | undefined> {
    const filter = this.#object()
    let wishes: Wishes
    try {
      wishes = wishesOf(filter, this.#settings)
      if (this.#transport.acknowledgesLate === true) wishes = answeringData(wishes)
    } catch (error) {
      return this.#refuse(error)
    }
    const handler = filter.handlers.negotiate
    if (handler === undefined) return wishes
    return this.#trace('negotiate', this.#context, () =>
      this.#request(filter, handler, offer, wishes),
    )
  }

  #request(
    filter: FilterObject,
    handler: AnyHandler,
    offer: Offer,
    wishes: Wishes,
  ): Later<Wishes | undefined> {
    let request: unknown
    let later: PromiseLike<unknown> | undefined
    try {
      request = filter.call(handler, this.#context, [offer])
      if (isThenable(request)) later = request
    } catch (error) {
      return this.#refuse(error)
    }
    const combine = (given: unknown): Wishes | undefined => {
      try {
        return withRequest(wishes, given)
      } catch (error) {
        return this.#refuse(error)
      }
    }
    if (later === undefined) return combine(request)
    return this.#wait('negotiate', this.#context, later, combine, (error) =>
      this.#refuse(error),
    )
  }

  negotiated(terms: Terms): void {
    const { headerLeadingSpace, noCallback } = this.#marks('header')
    if (headerLeadingSpace && !noCallback && !keepsLeadingSpace(terms)) {
      this.#settings.sparse.write(this.#context.log, 'warn', {}, WHITE_SPACE)
    }
  }

  connect(peer: Peer): Later<Verdict> {
    this.#state.peer = peer
    this.#state.helo = undefined
    const { hostname, family, address, port } = peer
    return this.#greet('connect', [hostname, family, address, port])
  }

  helo(name: string): Later<Verdict> {
    this.#state.helo = name
    return this.#greet('helo', [name])
  }

  #greet(stage: 'connect' | 'helo', args: readonly unknown[]): Later<Verdict> {
    const context = this.#context
    context.decidedBy = context.failure = undefined
    const answer = this.#call(stage, context, args)
    if (!channels.clientRefused.hasSubscribers) return answer
    return tapped(answer, (verdict) => publishRefusal(context, stage, verdict))
  }

  messageBegins(): void {
    this.#message = new LiveMessageContext(this.#state)
    if (channels.messageStart.hasSubscribers) {
      channels.messageStart.publish({ connection: this.id, message: this.#message.message })
    }
    if (channels.message.hasSubscribers) this.#record = new MessageRecord()
  }

  mail(words: readonly string[]): Later<Verdict> {
    if (this.#record !== undefined) this.#record.sender = words[0]
    return this.#callWithWords('envfrom', words)
  }

  rcpt(words: readonly string[]): Later<Verdict> {
    if (this.#record !== undefined) this.#record.recipient = words[0]
    return this.#callWithWords('envrcpt', words)
  }

  #callWithWords(stage: 'envfrom' | 'envrcpt', words: readonly string[]): Later<Verdict> {
    const { decode } = this.#marks(stage)
    return this.#call(stage, this.#message!.at(words), decodeAs(decode, words))
  }

  data(): Later<Verdict> {
    return this.#call('data', this.#message!, NO_ARGS)
  }

  header(field: HeaderView): Later<Verdict> {
    this.#record?.content?.addField(field.name, field.value)
    const filter = this.#object()
    if (filter.takeField !== undefined) return this.#takeField(filter, field)
    const { decode, headerLeadingSpace } = (this.#headerMarks ??= this.#marks('header'))
    const value = this.#valueOf(field, headerLeadingSpace === true)
    const shown = decode === undefined ? value : decodeAs(decode, [value])[0]!
    const message = this.#message!.atField(field)
    const answer = this.#observed()
      ? this.#timed('header', message, [field.name, shown])
      : this.#askField(filter, message, field.name, shown)
    if (answer instanceof Promise) return answer.finally(() => message.atField(undefined))
    message.atField(undefined)
    return answer
  }

  #takeField(filter: FilterObject, field: HeaderView): Verdict {
    this.#failed = false
    try {
      filter.takeField!(this.#message!, field)
      return CONTINUE
    } catch (error) {
      return this.#fail('header', this.#message!, error)
    }
  }

  /** One space after the colon is part of the writing, not of the value. */
  #valueOf(field: HeaderView, verbatim: boolean): string {
    const complete = keepsLeadingSpace(this.session.terms!)
    if (complete === verbatim) return field.value
    return verbatim ? ` ${field.value}` : field.valueAfterSpace
  }

  eoh(): Later<Verdict> {
    return this.#call('eoh', this.#message!, NO_ARGS)
  }

  body(piece: BodyPiece): Later<Verdict> {
    if (this.#record !== undefined) this.#record.bodyBytes += piece.size
    const chunk = this.#marks('body').lent ? piece.view() : piece.take()
    return this.#call('body', this.#message!, [chunk])
  }

  eom(): Later<FinalAnswer> {
    const message = this.#message!
    const verbatim = this.#marks('header').headerLeadingSpace === true
    const edits = new EditList(this.session.terms!, this.#settings, verbatim)
    message.beginEdits(edits, () => this.session.progress())
    const answer = this.#call('eom', message, NO_ARGS)
    if (!(answer instanceof Promise)) return this.#final(answer, edits)
    const every = this.#settings.progressInterval
    const keepAlive = every > 0 ? setInterval(() => this.session.progress(), every) : undefined
    return answer.then((verdict) => {
      clearInterval(keepAlive)
      return this.#final(verdict, edits)
    })
  }

  #final(verdict: Verdict, edits: EditList): FinalAnswer {
    this.#message?.endEdits()
    if (this.#failed) return { verdict, edits: NO_EDITS }
    if (this.#record !== undefined) {
      this.#record.edits = edits.counts()
      this.#record.quarantine = edits.quarantineReason
    }
    const body = edits.bodySource
    return {
      verdict,
      edits: edits.frames(),
      body: body && this.#watched(body),
    }
  }

  /** A body that cannot be read to its end defers the message, whatever the policy: half of it is out. */
  async *#watched(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const message = this.#message!
    try {
      yield* body
    } catch (error) {
      message.log.error(
        { err: error },
        'the new body could not be read, the message is deferred',
      )
      recordFailure(message, 'eom', error)
      throw error
    }
  }

  unknown(line: string): Later<Verdict> {
    return this.#call('unknown', this.#context, [line])
  }

  abort(): Later<void> {
    const message = this.#message!
    message.scope.abort(() => interruption('abort'))
    return this.#notify('abort', message, NO_ARGS)
  }

  messageOver(verdict: Verdict | undefined): void {
    if (this.#message === undefined) return
    this.#record?.publish(this.#message, verdict)
    this.#record = undefined
    this.#message.finish()
    this.#message = undefined
    this.#filter?.messageOver?.()
  }

  close(reason: CloseReason): Later<void> {
    if (this.session.closed && channels.connectionClose.hasSubscribers) {
      const { peer, bytesReceived, bytesSent } = this.#transport
      channels.connectionClose.publish({
        connection: this.id,
        peer,
        reason,
        bytesReceived,
        bytesSent,
      })
    }
    if (this.#filter === undefined) return undefined
    const context = this.#context
    context.scope.abort(() => interruption(reason === 'shutdown' ? 'shutdown' : 'disconnect'))
    const done = this.#notify('close', context, [reason])
    // The next SMTP session on this connection has nothing of this one.
    const reset = (): void => {
      this.#filter = this.#headerMarks = undefined
      this.#context = new LiveConnectionContext(this.#state)
      this.#state.peer = this.#state.helo = undefined
    }
    if (done instanceof Promise) return done.then(reset)
    reset()
    return undefined
  }

  interrupt(reason: InterruptReason): void {
    const error = interruption(reason)
    this.#message?.scope.abort(() => error)
    if (reason !== 'abort') this.#context.scope.abort(() => error)
    this.#pending?.cut(error)
  }

  violation(error: ProtocolError, fatal: boolean): void {
    if (channels.violation.hasSubscribers) {
      channels.violation.publish({ connection: this.id, code: error.code, fatal })
    }
    // Port scanners and health checks of all kinds come by; only what follows a negotiation is odd.
    this.#settings.sparse.write(
      this.#context.log,
      this.session.terms === undefined ? 'info' : 'warn',
      { peer: this.#transport.peer, code: error.code, reason: error.message },
      fatal ? 'protocol error, connection closed' : 'protocol error, command deferred',
      PROTOCOL_LINES,
    )
  }

  // ---- calling handlers

  /** The filter's object; should the factory fail, one that gives the policy's answer. */
  #object(): FilterObject {
    if (this.#filter === undefined) {
      try {
        this.#filter = filterObject(this.#factory(), this.#settings)
      } catch (thrown) {
        const error = readable(thrown)
        this.#context.log.error({ err: error }, 'the factory of the filter failed')
        publishFailure(this.#context, 'factory', error)
        const verdict = (): Verdict => this.#settings.onError
        this.#filter = filterObject(
          {
            connect: verdict as () => Verdict<'tempfail'>,
            envfrom: verdict as () => Verdict<'tempfail'>,
          },
          this.#settings,
        )
      }
    }
    return this.#filter
  }

  #marks(stage: Stage): Marks {
    const handler = this.#object().handlers[stage]
    return handler === undefined ? NO_MARKS : marksOf(handler)
  }

  #call(
    stage: Stage,
    context: LiveConnectionContext,
    args: readonly unknown[],
  ): Later<Verdict> {
    return this.#observed()
      ? this.#timed(stage, context, args)
      : this.#ask(stage, context, args)
  }

  /** Somebody listens: only then is there a clock, and a promise around the answer. */
  #observed(): boolean {
    return (
      this.#record !== undefined ||
      channels.handler.hasSubscribers ||
      handlerCalls.hasSubscribers
    )
  }

  /** @param ask calls the handler */
  #trace<T>(stage: Stage, context: LiveConnectionContext, ask: () => Later<T>): Later<T> {
    if (!handlerCalls.hasSubscribers || this.#object().callsFilters) return ask()
    this.#traced = new TracedCall(context, stage)
    return this.#traced.run(ask)
  }

  #timed(
    stage: Stage,
    context: LiveConnectionContext,
    args: readonly unknown[],
  ): Later<Verdict> {
    const record = this.#record
    if (record !== undefined) record.stage = stage
    const isHandled = this.#object().handlers[stage] !== undefined
    const began = performance.now()
    const ask = (): Later<Verdict> => this.#ask(stage, context, args)
    return tapped(isHandled ? this.#trace(stage, context, ask) : ask(), (verdict) => {
      const milliseconds = performance.now() - began
      record?.took(stage, milliseconds, verdict)
      if (isHandled) publishHandler(this.id, stage, milliseconds)
    })
  }

  #ask(stage: Stage, context: LiveConnectionContext, args: readonly unknown[]): Later<Verdict> {
    const filter = this.#object()
    const handler = filter.handlers[stage]
    this.#failed = false
    if (handler === undefined) return CONTINUE
    let result: unknown
    try {
      result = filter.call(handler, context, args)
    } catch (error) {
      return this.#fail(stage, context, error)
    }
    return this.#answered(stage, context, result)
  }

  /** `#ask` for the handler of header, of which most calls are: no list of arguments, no search for it. */
  #askField(
    filter: FilterObject,
    message: LiveMessageContext,
    name: string,
    value: string | Buffer,
  ): Later<Verdict> {
    const handler = filter.handlers.header
    if (handler === undefined || filter.callHeader === undefined) {
      return this.#ask('header', message, [name, value])
    }
    this.#failed = false
    let result: unknown
    try {
      result = filter.callHeader(handler, message, name, value)
    } catch (error) {
      return this.#fail('header', message, error)
    }
    return this.#answered('header', message, result)
  }

  #answered(stage: Stage, context: LiveConnectionContext, result: unknown): Later<Verdict> {
    if (result === undefined || result === CONTINUE) return CONTINUE
    try {
      if (!isThenable(result)) return this.#checked(stage, context, result)
    } catch (error) {
      return this.#fail(stage, context, error)
    }
    if (stage === 'body' && this.#marks(stage).lent) {
      this.#leave(result)
      return this.#fail(stage, context, keptTooLong())
    }
    return this.#wait(
      stage,
      context,
      result,
      (value) => this.#checked(stage, context, value),
      (error) => this.#fail(stage, context, error),
    )
  }

  /** A return value as a verdict. */
  #checked(stage: Stage, context: LiveConnectionContext, value: unknown): Verdict {
    if (value === undefined) return CONTINUE
    if (this.#marks(stage).noReply) {
      context.log.warn({ stage }, 'a handler marked noReply returned something; it is ignored')
      return CONTINUE
    }
    try {
      return verdictOf(value, stage) ?? CONTINUE
    } catch (error) {
      return this.#fail(stage, context, error)
    }
  }

  #fail(stage: Stage, context: LiveConnectionContext, thrown: unknown): Verdict {
    this.#failed = true
    const error = readable(thrown)
    const verdict = this.#settings.onError
    logFailure(context.log, stage, error, verdict)
    if (this.#record !== undefined) this.#record.stage = stage
    this.#traced?.failed(error)
    recordFailure(context, stage, error)
    return verdict
  }

  /** For abort and close: told, not asked, and never cut off but by their deadline. */
  #notify(
    stage: 'abort' | 'close',
    context: LiveConnectionContext,
    args: readonly unknown[],
  ): Later<void> {
    const filter = this.#object()
    const handler = filter.handlers[stage]
    if (handler === undefined) return undefined
    const failed = (thrown: unknown): void => {
      const error = readable(thrown)
      context.log.error({ stage, err: error }, 'a handler failed')
      this.#traced?.failed(error)
      publishFailure(context, stage, error)
    }
    return this.#trace(stage, context, () => {
      try {
        const result = filter.call(handler, context, args)
        if (!isThenable(result)) return undefined
        return this.#wait(stage, context, result, () => undefined, failed, false)
      } catch (error) {
        failed(error)
        return undefined
      }
    })
  }

  /** Settles in any case: with the handler, with its deadline, or when it is cut off. */
  #wait<T>(
    stage: Stage,
    context: LiveConnectionContext,
    result: PromiseLike<unknown>,
    done: (value: unknown) => T,
    failed: (error: unknown) => T,
    interruptible = true,
  ): Promise<T> {
    const filter = this.#object()
    return new Promise((resolve) => {
      let waiting = true
      const cut = (reason: InterruptedError): void => {
        if (!waiting) return
        settle()
        this.#overrun(filter, 1)
        context.scope.interrupt(reason)
        filter.cutOff?.(reason)
        resolve(failed(reason))
      }
      const pending: Pending = { cut }
      const limit = this.#settings.deadlines[stage]
      const timer =
        limit > 0 ? setTimeout(() => cut(missedDeadline(stage, limit)), limit) : undefined
      const settle = (): void => {
        waiting = false
        clearTimeout(timer)
        if (this.#pending === pending) this.#pending = undefined
      }
      if (interruptible) this.#pending = pending
      whenSettled(
        result,
        (value) => {
          if (!waiting) return this.#overrun(filter, -1)
          settle()
          return resolve(done(value))
        },
        (error: unknown) => {
          if (waiting) {
            settle()
            resolve(failed(error))
            return
          }
          this.#overrun(filter, -1)
          context.log.debug(
            { stage, err: readable(error) },
            'a handler that was cut off failed later',
          )
        },
      )
    })
  }

  /** A handler that is still running and that nobody waits for. */
  #leave(result: PromiseLike<unknown>): void {
    const filter = this.#object()
    const ended = (): void => this.#overrun(filter, -1)
    this.#overrun(filter, 1)
    whenSettled(result, ended, ended)
  }

  #overrun(filter: FilterObject, change: number): void {
    this.#overrunning += change
    filter.overrunning?.(this.#overrunning)
  }

  #refuse(thrown: unknown): undefined {
    const error = readable(thrown)
    this.#context.log.error({ stage: 'negotiate', err: error }, 'the connection is refused')
    this.#traced?.failed(error)
    return undefined
  }
}
