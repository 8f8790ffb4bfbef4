import type { ProtocolError } from '../errors.ts'
import type { HeaderView, SmtpClient } from '../protocol/commands.ts'
import { EVENTS } from '../protocol/event-table.ts'
import { Step } from '../protocol/constants.ts'
import type { Offer } from '../protocol/negotiation.ts'
import type {
  BodyPiece,
  CloseReason,
  FinalAnswer,
  InterruptReason,
  MaybePromise,
  SessionEvents,
  Transport,
} from '../session/events.ts'
import { Session } from '../session/session.ts'
import type { Terms, Wishes } from '../session/terms.ts'
import { CONTINUE, endsMessage, type Verdict } from '../session/verdict.ts'
import { keepsLeadingSpace, LiveConnectionContext, LiveMessageContext } from './context.ts'
import { readable, afterAnswer } from './answer.ts'
import { channels } from '../diagnostics/channels.ts'
import { ConnectionState } from './connection-state.ts'
import { decodeAs } from './decoding.ts'
import { EditList } from './edits.ts'
import { EnvelopeAddress, type EnvelopeWords } from './envelope/envelope-address.ts'
import { filterObject, type FilterFactory, type FilterObject } from './filter-object.ts'
import { EventCalls, type Contexts } from './event-calls.ts'
import { interruption } from './interruption.ts'
import type { KeptEnvelope } from './envelope/kept-envelope.ts'
import type { Marks } from './marks.ts'
import { MergedFields } from './mail-server/merged-fields.ts'
import {
  MessageRecord,
  publishFailure,
  publishRefusal,
  recordFailure,
} from './message-record.ts'
import type { FilterSettings } from './options.ts'
import { answeringData, wishesOf, withRequest } from './subscription.ts'

let lastId = 0
/** How many lines of each kind of protocol violation one server logs in a minute. */
const PROTOCOL_LINES = 10
const WHITE_SPACE =
  'the mail server does not tell the white space after a header name: one space is assumed'
const NO_ARGS: readonly unknown[] = []
const NO_EDITS: readonly Buffer[] = []

/** A filter on one connection: the session's events as calls of its handlers, with their contexts. */
export class Conversation implements SessionEvents, Contexts {
  readonly id: number = ++lastId
  readonly session: Session

  readonly #factory: FilterFactory
  readonly #settings: FilterSettings
  readonly #transport: Transport
  #state: ConnectionState
  #context: LiveConnectionContext
  #message: LiveMessageContext | undefined
  /** of the present message */
  #envelope: KeptEnvelope | undefined
  /** of the present SMTP session, once there is something to call */
  #runner: EventCalls | undefined
  #headerMarks: Marks | undefined
  /** of the present message, where the mail server merges fields */
  #merged: MergedFields | undefined

  constructor(factory: FilterFactory, settings: FilterSettings, transport: Transport) {
    this.#factory = factory
    this.#settings = settings
    this.#transport = transport
    this.session = new Session(this, transport, settings)
    this.#state = new ConnectionState(this.id, settings, this.session)
    this.#context = new LiveConnectionContext(this.#state)
    if (channels.connectionOpen.hasSubscribers) {
      channels.connectionOpen.publish({ connection: this.id, peer: transport.peer })
    }
  }

  // ---- SessionEvents

  negotiate(offer: Offer): MaybePromise<Wishes | undefined> {
    const { filter } = this.#calls()
    let wishes: Wishes
    try {
      wishes = wishesOf(filter, this.#settings)
      if (this.#transport.acknowledgesLate === true) wishes = answeringData(wishes)
    } catch (error) {
      return this.#refuse(error)
    }
    const handler = filter.handlers.negotiate
    if (handler === undefined) return wishes
    return this.#calls().request(
      handler,
      this.#context,
      [offer],
      (given) => withRequest(wishes, given),
      (error) => this.#refuse(error),
    )
  }

  negotiated(terms: Terms): void {
    const { headerLeadingSpace, noCallback } = this.#calls().marks('header')
    if (headerLeadingSpace && !noCallback && !keepsLeadingSpace(terms)) {
      this.#settings.limitedLog.write(this.#context.log, 'warn', {}, WHITE_SPACE)
    }
  }

  connect(client: SmtpClient): MaybePromise<Verdict> {
    this.#state.connect(client)
    const { hostname, family, address, port } = client
    return this.#greet('connect', [hostname, family, address, port])
  }

  helo(name: string): MaybePromise<Verdict> {
    this.#state.helo = name
    return this.#greet('helo', [name])
  }

  #greet(stage: 'connect' | 'helo', args: readonly unknown[]): MaybePromise<Verdict> {
    const context = this.#context
    context.decidedBy = context.failure = undefined
    const answer = this.#calls().call(stage, context, args)
    if (!channels.clientRefused.hasSubscribers) return answer
    return afterAnswer(answer, (verdict) => publishRefusal(context, stage, verdict))
  }

  messageBegins(): boolean {
    this.#envelope = this.#state.newEnvelope()
    this.#message = new LiveMessageContext(this.#state, this.#envelope)
    if (channels.messageStart.hasSubscribers) {
      channels.messageStart.publish({ connection: this.id, message: this.#message.message })
    }
    if (channels.message.hasSubscribers)
      this.#calls().record = new MessageRecord(this.#settings.memory)
    const { defects } = this.#state.mailServer
    this.#merged = defects.has('sendmail-merges-additions') ? new MergedFields() : undefined
    return defects.has('postfix-early-accept')
  }

  mail(words: readonly string[]): MaybePromise<Verdict> {
    const { record, filter } = this.#calls()
    if (record !== undefined) record.sender = words[0]
    // A filter that calls others keeps the envelope for them.
    if (filter.callsFilters !== true) this.#envelope!.sender = addressOf(words)
    return this.#callWithWords('envfrom', words)
  }

  rcpt(words: readonly string[]): MaybePromise<Verdict> {
    const { record, filter } = this.#calls()
    if (record !== undefined) record.recipient = words[0]
    if (filter.callsFilters === true) return this.#callWithWords('envrcpt', words)
    const recipient = addressOf(words)
    const message = this.#message!.atRecipient(recipient)
    // Without the bit, refused recipients do not come, and reading the macro would mean parsing all of this command.
    const shownAll = (this.session.terms!.steps & Step.RCPT_REJ) !== 0
    const refused = shownAll && message.rejectedByServer
    const answer = this.#callWithWords('envrcpt', words)
    if (refused) return answer
    if (answer instanceof Promise)
      return afterAnswer(answer, (verdict) => this.#keep(recipient, verdict))
    this.#keep(recipient, answer)
    return answer
  }

  /** A recipient, unless it was refused. */
  #keep(recipient: EnvelopeAddress, verdict: Verdict): void {
    if (!endsMessage(verdict)) this.#envelope?.add(recipient)
  }

  #callWithWords(
    stage: 'envfrom' | 'envrcpt',
    words: readonly string[],
  ): MaybePromise<Verdict> {
    const calls = this.#calls()
    const { decode, noCallback } = calls.marks(stage)
    // It came for a handler with the mark withEnvelope.
    if (noCallback) return CONTINUE
    return calls.call(stage, this.#message!, decodeAs(decode, words))
  }

  data(): MaybePromise<Verdict> {
    return this.#calls().call('data', this.#message!, NO_ARGS)
  }

  header(field: HeaderView): MaybePromise<Verdict> {
    const calls = this.#calls()
    const message = this.#message!
    calls.record?.content?.addField(field.name, field.value)
    if (calls.filter.takeField !== undefined) return calls.takeField(message, field)
    const { name } = field
    this.#merged?.count(name)
    const { decode, headerLeadingSpace } = (this.#headerMarks ??= calls.marks('header'))
    const value = this.#valueOf(field, headerLeadingSpace === true)
    const shown = decode === undefined ? value : decodeAs(decode, [value])[0]!
    const answer = calls.callField(message.atField(field), name, shown)
    if (answer instanceof Promise) return answer.finally(() => message.atField(undefined))
    message.atField(undefined)
    return answer
  }

  /** One space after the colon is part of the writing, not of the value. */
  #valueOf(field: HeaderView, verbatim: boolean): string {
    const complete = keepsLeadingSpace(this.session.terms!)
    if (complete === verbatim) return field.value
    return verbatim ? ` ${field.value}` : field.valueAfterSpace
  }

  eoh(): MaybePromise<Verdict> {
    return this.#calls().call('eoh', this.#message!, NO_ARGS)
  }

  body(piece: BodyPiece): MaybePromise<Verdict> {
    const calls = this.#calls()
    const { record } = calls
    if (record !== undefined) record.bodyBytes += piece.size
    const chunk = calls.marks('body').borrowed ? piece.view() : piece.take()
    return calls.call('body', this.#message!, [chunk])
  }

  eom(): MaybePromise<FinalAnswer> {
    const message = this.#message!
    const calls = this.#calls()
    const verbatim = calls.marks('header').headerLeadingSpace === true
    // The planner changes only fields that exist, and its fields are not counted.
    const complete =
      (this.session.terms!.declined & EVENTS.header.noSend) === 0 &&
      calls.filter.takeField === undefined
    if (this.#merged !== undefined) this.#merged.complete = complete
    const edits = new EditList(this.session.terms!, this.#settings, verbatim, this.#merged)
    message.beginEdits(edits, () => this.session.progress())
    const answer = calls.call('eom', message, NO_ARGS)
    if (!(answer instanceof Promise)) return this.#final(message, answer, edits)
    const every = this.#settings.progressInterval
    const keepAlive = every > 0 ? setInterval(() => this.session.progress(), every) : undefined
    return answer.then((verdict) => {
      clearInterval(keepAlive)
      return this.#final(message, verdict, edits)
    })
  }

  #final(message: LiveMessageContext, verdict: Verdict, edits: EditList): FinalAnswer {
    const { failed, record } = this.#calls()
    message.endEdits()
    if (failed) return { verdict, edits: NO_EDITS }
    if (record !== undefined) {
      record.edits = edits.counts()
      record.quarantine = edits.quarantineReason
    }
    const body = edits.bodySource
    return {
      verdict,
      edits: edits.frames(),
      body: body && watched(message, body),
    }
  }

  unknown(line: string): MaybePromise<Verdict> {
    return this.#calls().call('unknown', this.#context, [line])
  }

  abort(): MaybePromise<void> {
    const message = this.#message!
    message.scope.abort(() => interruption('abort'))
    return this.#calls().notify('abort', message, NO_ARGS)
  }

  messageOver(verdict: Verdict | undefined): void {
    if (this.#message === undefined) return
    const calls = this.#calls()
    calls.record?.publish(this.#message, verdict)
    calls.record = undefined
    this.#message.finish()
    this.#envelope!.letGo()
    this.#message = this.#envelope = undefined
    calls.filter.messageOver?.()
  }

  close(reason: CloseReason): MaybePromise<void> {
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
    if (this.#runner === undefined) return undefined
    const context = this.#context
    context.scope.abort(() => interruption(reason === 'shutdown' ? 'shutdown' : 'disconnect'))
    const done = this.#runner.notify('close', context, [reason])
    // The next SMTP session on this connection has nothing of this one.
    const reset = (): void => {
      this.#runner = this.#headerMarks = undefined
      context.finish()
      this.#state = new ConnectionState(this.id, this.#settings, this.session)
      this.#context = new LiveConnectionContext(this.#state)
    }
    if (done instanceof Promise) return done.then(reset)
    reset()
    return undefined
  }

  interrupt(reason: InterruptReason): void {
    const error = interruption(reason)
    const record = this.#runner?.record
    if (record !== undefined) record.cutOff = error.code
    this.#message?.scope.abort(() => error)
    if (reason !== 'abort') this.#context.scope.abort(() => error)
    this.#runner?.cut(error)
  }

  /** Bounds handlers of abort and close that have no deadline. */
  boundNotices(patience: number): void {
    this.#runner?.bound(patience)
  }

  violation(error: ProtocolError, fatal: boolean): void {
    if (channels.violation.hasSubscribers) {
      channels.violation.publish({ connection: this.id, code: error.code, fatal })
    }
    // Port scanners and health checks connect too. Only a violation after a negotiation is unusual.
    this.#settings.limitedLog.write(
      this.#context.log,
      this.session.terms === undefined && error.code !== 'ACTIONS_NOT_OFFERED'
        ? 'info'
        : 'warn',
      { peer: this.#transport.peer, code: error.code, reason: error.message },
      fatal ? 'protocol error, connection closed' : 'protocol error, command deferred',
      PROTOCOL_LINES,
    )
  }

  // ---- Contexts

  replace(context: LiveConnectionContext, next: LiveConnectionContext): void {
    if (context === this.#context) this.#context = next
    else if (next instanceof LiveMessageContext) this.#message = next
  }

  // ---- the filter

  /** Of the SMTP session's filter object; should the factory fail, of one that gives the policy's answer. */
  #calls(): EventCalls {
    return (this.#runner ??= new EventCalls(this.#made(), this.#settings, this))
  }

  #made(): FilterObject {
    try {
      return filterObject(this.#factory(), this.#settings)
    } catch (thrown) {
      const error = readable(thrown)
      this.#context.log.error({ err: error }, 'the factory of the filter failed')
      publishFailure(this.#context, 'factory', error)
      const verdict = (): Verdict => this.#settings.onError
      return filterObject(
        {
          connect: verdict as () => Verdict<'tempfail'>,
          envfrom: verdict as () => Verdict<'tempfail'>,
        },
        this.#settings,
      )
    }
  }

  #refuse(thrown: unknown): undefined {
    const error = readable(thrown)
    this.#context.log.error({ stage: 'negotiate', err: error }, 'the connection is refused')
    return undefined
  }
}

/** What MAIL and RCPT bring: there is always an address. */
const addressOf = (words: readonly string[]): EnvelopeAddress =>
  new EnvelopeAddress(words as EnvelopeWords)

/** A body that cannot be read to its end defers the message, whatever the policy: half of it is out. */
async function* watched(
  message: LiveMessageContext,
  body: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  try {
    yield* body
  } catch (error) {
    message.log.error({ err: error }, 'the new body could not be read, the message is deferred')
    recordFailure(message, 'eom', error)
    throw error
  }
}
