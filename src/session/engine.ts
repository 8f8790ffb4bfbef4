import { ProtocolError } from '../errors.ts'
import {
  decodeConnect,
  decodeEnvelope,
  decodeLine,
  unknownCommand,
} from '../protocol/commands.ts'
import { Command, Step } from '../protocol/constants.ts'
import { EVENT_BY_COMMAND, EVENTS, type EventFacts } from '../protocol/event-table.ts'
import type { FrameDecoder } from '../protocol/frame.ts'
import { decodeOffer, encodeChoice, offeredBits, type Offer } from '../protocol/negotiation.ts'
import { malformed } from '../protocol/strings.ts'
import { boundMacros, CommandLines } from './bounds.ts'
import type { CloseReason, FinalAnswer, MaybePromise, SessionEvents } from './events.ts'
import { leaveField } from './field-in-turn.ts'
import { MacroStore } from './macro-store.ts'
import { callFor } from './message-events.ts'
import { isLastWord, MessageLife, outsideMessage } from './message-life.ts'
import type { MessageCommand } from './message-commands.ts'
import type { Outbox } from './outbox.ts'
import { agree, type Terms, type Wishes } from './terms.ts'
import { CONTINUE, endsMessage, TEMPFAIL, type Verdict } from './verdict.ts'
import { negotiatedTwice, notNegotiated, outOfOrder } from './violations.ts'

/** The session as its engine sees it: where it waits, and how it ends. */
export interface EngineHost {
  /** the handler of the current command was not waited for */
  readonly cut: boolean
  /** Goes on with `next` when the answer is there; at once when it is there already. */
  after<T>(answer: MaybePromise<T>, next: (value: T) => void): void
  /** Sends a body that is not in memory; false if it could not be sent to its end. */
  sendBody(body: AsyncIterable<Buffer>): Promise<boolean>
  finish(reason: CloseReason): void
  fail(error: ProtocolError): void
}

/**
 * Decides what a command means: whether it may come now, which event of the filter it is, and how it is answered. It
 * is named after libmilter's `engine.c`, which has the same job. The state of the message (`message-state.ts`) and
 * the rows of `protocol/event-table.ts` say which commands may come, and whether the filter is asked.
 */
export class Engine {
  readonly macros: MacroStore = new MacroStore()
  readonly message: MessageLife = new MessageLife()
  readonly lines: CommandLines = new CommandLines()
  /** what was negotiated; undefined before that */
  terms: Terms | undefined

  readonly #host: EngineHost
  readonly #events: SessionEvents
  /** the one that was taken last */
  readonly #frame: FrameDecoder
  readonly #out: Outbox
  /** an event of the present SMTP session has reached the filter */
  #begun = false
  #connected = false

  constructor(host: EngineHost, events: SessionEvents, frame: FrameDecoder, out: Outbox) {
    this.#host = host
    this.#events = events
    this.#frame = frame
    this.#out = out
  }

  /** Handles the command of the current frame. */
  handle(command: number): void {
    if (this.terms === undefined && command !== Command.OPTNEG && command !== Command.QUIT) {
      throw notNegotiated(command)
    }
    this.lines.take(this.#frame)
    switch (command) {
      case Command.OPTNEG:
        return this.#negotiate()
      case Command.MACRO:
        if (this.#frame.size === 0) {
          throw malformed('MACRO', 'the letter of the command it belongs to is missing')
        }
        return this.#macro()
      case Command.CONNECT:
        return this.#connect()
      case Command.HELO:
        return this.#helo()
      case Command.MAIL:
        return this.#mail()
      case Command.RCPT:
      case Command.DATA:
      case Command.HEADER:
      case Command.EOH:
      case Command.BODY:
        return this.#inMessage(EVENT_BY_COMMAND[command]!, command)
      case Command.EOM:
        return this.#eom()
      case Command.UNKNOWN:
        return this.#unknown()
      case Command.ABORT:
        return this.abandon(nothing)
      case Command.QUIT:
        return this.#host.finish('quit')
      case Command.QUIT_NC:
        return this.abandon(() => this.#closeScope(nothing))
      default:
        throw unknownCommand(command)
    }
  }

  /**
   * Macros of MAIL and CONNECT end the open message, as the commands behind them do: a handler that still works for it
   * must not see macros of the next one. They also come for events that were declined. If MAIL is declined, they are
   * the only sign of a new message after RSET (Sendmail sends no ABORT then).
   */
  #macro(): void {
    boundMacros(this.#frame)
    const { bytes, start } = this.#frame
    if (bytes[start] === Command.MAIL || bytes[start] === Command.CONNECT)
      this.abandon(() => this.macros.define(this.#frame))
    else this.macros.define(this.#frame)
  }

  // ---- before and between messages

  #negotiate(): void {
    if (this.terms !== undefined) throw negotiatedTwice()
    const offer = offeredBits(decodeOffer(this.#frame))
    this.#host.after(this.#events.negotiate(offer), (wishes) => this.#agree(offer, wishes))
  }

  #agree(offer: Offer, wishes: Wishes | undefined): void {
    if (wishes === undefined) return this.#host.finish('error')
    try {
      this.terms = agree(offer, wishes)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#host.fail(error)
      return
    }
    this.macros.clear()
    this.#out.push(encodeChoice(this.terms))
    this.#events.negotiated(this.terms)
  }

  #connect(): void {
    const client = decodeConnect(this.#frame)
    // A second CONNECT without QUIT_NC means the same as one with it.
    this.abandon(() =>
      this.#connected
        ? this.#closeScope(() => this.#connectTo(client), false)
        : this.#connectTo(client),
    )
  }

  #connectTo(client: ReturnType<typeof decodeConnect>): void {
    this.macros.begin(Command.CONNECT)
    this.#connected = true
    this.#begun = true
    this.#event(EVENTS.connect, () => this.#events.connect(client))
  }

  #helo(): void {
    const name = decodeLine(this.#frame)
    this.abandon(() => {
      this.macros.begin(Command.HELO)
      this.#begun = true
      this.#event(EVENTS.helo, () => this.#events.helo(name))
    })
  }

  #unknown(): void {
    const line = decodeLine(this.#frame)
    this.#begun = true
    this.#event(EVENTS.unknown, () => this.#events.unknown(line))
  }

  /** An event outside the order of a message. */
  #event(event: EventFacts, handle: () => MaybePromise<Verdict>): void {
    if (this.#declines(event)) {
      this.#respond(event, CONTINUE)
      return
    }
    this.#host.after(handle(), (given) => {
      const verdict = outsideMessage(event.command, given)
      const unsaid = this.#isSilent(event) && endsMessage(verdict)
      if (unsaid && this.message.settleAhead(event.command, verdict)) this.#settle(verdict)
      this.#respond(event, verdict)
    })
  }

  // ---- in a message

  #mail(): void {
    const words = decodeEnvelope(this.#frame)
    this.abandon(() => {
      this.macros.begin(Command.MAIL)
      this.#openMessage()
      this.message.advance(Command.MAIL)
      if (this.message.phase === 'settled') {
        this.#respond(EVENTS.mail, this.message.settled)
        return
      }
      if (this.#declines(EVENTS.mail)) {
        this.#respond(EVENTS.mail, CONTINUE)
        return
      }
      this.#host.after(this.#events.mail(words), (verdict) =>
        this.#conclude(EVENTS.mail, verdict),
      )
    })
  }

  #openMessage(): void {
    this.#begun = true
    const ahead = this.message.begin()
    this.message.keepsAccept = this.#events.messageBegins()
    if (ahead !== undefined) this.#settle(ahead)
  }

  /** MAIL was declined, so a message begins with whatever comes first. */
  #startsWithoutMail(): boolean {
    return this.#agreed(EVENTS.mail.noSend)
  }

  #inMessage(event: EventFacts, command: MessageCommand): void {
    if (!this.#inOrder(command)) {
      this.#outOfOrder(event)
      return
    }
    if (command === Command.RCPT) this.macros.begin(command)
    if (this.message.phase !== 'open') {
      this.#respond(event, this.message.answer(command, this.#agreed(Step.SKIP)))
      return
    }
    if (this.#declines(event)) {
      this.#respond(event, CONTINUE)
      return
    }
    const answer =
      command === Command.BODY ? this.#body() : callFor(this.#events, command, this.#frame)
    if (answer instanceof Promise) {
      // The handler may look at the field later, and the chunk may be borrowed.
      if (command === Command.HEADER) leaveField()
      this.#host.after(answer, (verdict) => this.#conclude(event, verdict))
    } else {
      this.#conclude(event, answer)
    }
  }

  /** An empty chunk is forgiven (halon-extras/milter sends one for an empty body). */
  #body(): MaybePromise<Verdict> {
    if (this.message.skipping || this.#frame.size === 0) return CONTINUE
    return this.#events.body(this.#frame)
  }

  /** Takes the verdict on an event of the open message, and answers the event. */
  #conclude(event: EventFacts, verdict: Verdict): void {
    if (verdict.kind === 'skip') {
      this.message.skip()
      this.#respond(event, this.#agreed(Step.SKIP) ? verdict : CONTINUE)
      return
    }
    const { command } = event
    const unsaid = this.#isSilent(event)
    if (this.#host.cut) this.message.cut(verdict)
    else if (isLastWord(command, verdict, unsaid)) this.#settle(verdict)
    if (!unsaid) this.#out.push(this.message.said(command, verdict).frame)
  }

  #settle(verdict: Verdict): void {
    this.message.settle(verdict)
    this.#events.messageOver(verdict)
  }

  /**
   * End of message may carry the last piece of the body. libmilter answers twice if the body handler
   * does not continue; here its verdict is the answer.
   */
  #eom(): void {
    if (!this.#inOrder(Command.EOM)) {
      this.#outOfOrder(EVENTS.eom)
      return
    }
    const hasChunk = this.#frame.size > 0
    const { phase, settled } = this.message
    if (phase === 'cut') {
      this.#endCut(settled)
    } else if (phase === 'settled') {
      this.#endMessage({ verdict: this.message.lastWord, edits: [] })
    } else if (hasChunk && !this.#declines(EVENTS.body)) {
      this.#host.after(this.#body(), (verdict) => {
        if (this.#host.cut) this.#endCut(verdict)
        else if (endsMessage(verdict)) this.#endMessage({ verdict, edits: [] })
        else this.#host.after(this.#events.eom(), (answer) => this.#endMessage(answer))
      })
    } else {
      const answer = this.#events.eom()
      if (answer instanceof Promise)
        this.#host.after(answer, (final) => this.#endMessage(final))
      else this.#endMessage(answer)
    }
  }

  /** Its handler of end of message will not be called, so the filter gets `abort`, as for any other message. */
  #endCut(verdict: Verdict): void {
    this.#host.after(this.#events.abort(), () => this.#endMessage({ verdict, edits: [] }))
  }

  #endMessage({ verdict, edits, body }: FinalAnswer): void {
    const passes = verdict.kind === 'continue' || verdict.kind === 'accept'
    if (passes) for (const edit of edits) this.#out.push(edit)
    if (passes && body !== undefined) {
      this.#host.after(this.#host.sendBody(body), (complete) => {
        const final = complete ? verdict : TEMPFAIL
        this.#out.push(final.frame)
        this.#closeMessage(final)
      })
      return
    }
    this.#out.push(verdict.frame)
    this.#closeMessage(verdict)
  }

  // ---- order

  #inOrder(command: number): boolean {
    if (this.message.phase === 'none') {
      if (!this.#startsWithoutMail()) return false
      this.macros.beginWithoutMail()
      this.#openMessage()
    }
    return this.message.advance(command)
  }

  /**
   * libmilter drops such a command without an answer and the mail server waits for its timeout. Here
   * the message is given up and the command deferred.
   */
  #outOfOrder(event: EventFacts): void {
    this.#events.violation(outOfOrder(event.command, this.message.phase === 'none'), false)
    this.abandon(() => this.#respond(event, TEMPFAIL))
  }

  /** Ends the message that is open, if any, without a verdict; then goes on with `next`. */
  abandon(next: () => void): void {
    if (this.message.phase === 'settled') this.#closeMessage()
    if (this.message.phase === 'none') return next()
    const verdict = this.message.phase === 'cut' ? this.message.settled : undefined
    this.#host.after(this.#events.abort(), () => {
      this.#closeMessage(verdict)
      next()
    })
  }

  #closeMessage(verdict?: Verdict): void {
    const { phase } = this.message
    if (phase === 'open' || phase === 'cut') this.#events.messageOver(verdict)
    this.message.end()
    this.macros.endMessage()
  }

  /** Ends the SMTP session, then goes on with `next`; what was negotiated stays. */
  #closeScope(next: () => void, clearMacros = true): void {
    if (clearMacros) {
      this.macros.clear()
      this.lines.clear()
    }
    this.#connected = false
    this.message.forget()
    if (!this.#begun) return next()
    this.#begun = false
    this.#host.after(this.#events.close('quit'), next)
  }

  /** The filter wants no such event; should it come all the same, it is answered here. */
  #declines({ noSend }: EventFacts): boolean {
    return (this.terms!.declined & noSend) !== 0
  }

  #isSilent({ noReply }: EventFacts): boolean {
    return this.#agreed(noReply)
  }

  #agreed(step: number): boolean {
    return (this.terms!.steps & step) !== 0
  }

  #respond(event: EventFacts, verdict: Verdict): void {
    if (!this.#isSilent(event)) this.#out.push(verdict.frame)
  }
}

const nothing = (): void => {}
