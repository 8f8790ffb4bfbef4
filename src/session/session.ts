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
import { FRAMES } from '../protocol/replies.ts'
import { malformed } from '../protocol/strings.ts'
import { boundMacros, CommandLines } from './bounds.ts'
import type { CloseReason, FinalAnswer, Later, SessionEvents, Transport } from './events.ts'
import { leaveField } from './field-in-turn.ts'
import { Inbox } from './inbox.ts'
import { ALWAYS_HELD, type SessionLimits } from './limits.ts'
import { MacroStore } from './macro-store.ts'
import { Outbox } from './outbox.ts'
import { callFor } from './message-events.ts'
import { isLastWord, MessageLife, outsideMessage } from './message-life.ts'
import { GOES_ON, type MessageCommand } from './order.ts'
import { agree, type Terms, type Wishes } from './terms.ts'
import { negotiatedTwice, noMemory, notNegotiated, outOfOrder } from './violations.ts'
import { CONTINUE, endsMessage, TEMPFAIL, type Verdict } from './verdict.ts'

/**
 * The filter's side of one connection: bytes in, calls out, answers in, bytes out. It does no I/O,
 * keeps no timer and catches no handler's error; see {@link SessionEvents} and {@link Transport}.
 *
 * What it promises: every command that wants an answer gets exactly one, in order; one event is
 * handled at a time; edits go out with their verdict or not at all. It follows libmilter's
 * `engine.c` except for its dead ends, where libmilter answers nothing at all (docs/protocol.md).
 */
export class Session {
  readonly macros: MacroStore = new MacroStore()

  readonly #events: SessionEvents
  readonly #transport: Transport
  readonly #limits: SessionLimits
  readonly #out = new Outbox()
  readonly #lines = new CommandLines()

  #terms: Terms | undefined
  /** an event of the present SMTP session has reached the filter */
  #begun = false
  #connected = false
  readonly #message = new MessageLife()

  #busy = false
  /** the handler of this command was not waited for */
  #cut = false
  #closed = false
  #over = false
  #ending: CloseReason | undefined

  readonly #inbox: Inbox
  /** the one that was taken last; no getter, because a private getter is a call into the engine each time */
  readonly #frame: FrameDecoder
  #paused = false
  /** bytes that are counted for this connection */
  #held = 0

  constructor(events: SessionEvents, transport: Transport, limits: SessionLimits) {
    this.#events = events
    this.#transport = transport
    this.#limits = limits
    this.#inbox = new Inbox(limits.maxFrameSize)
    this.#frame = this.#inbox.frame
  }

  /** What was negotiated; undefined before that. */
  get terms(): Terms | undefined {
    return this.#terms
  }

  /** A message has begun and is not finished, or a handler is running. */
  get working(): boolean {
    return this.#busy || this.#message.phase === 'open' || this.#message.owesAccept
  }

  get handling(): boolean {
    return this.#busy
  }

  /** The mail server is in the middle of a message, whatever the filter has said to it. */
  get inMessage(): boolean {
    return this.#message.phase !== 'none' || this.macros.messageAhead
  }

  /** Messages that have begun. */
  get messages(): number {
    return this.#message.count
  }

  /** Bytes that are counted for this connection. */
  get held(): number {
    return this.#held
  }

  /** Part of a frame has arrived, and its rest has not. */
  get midFrame(): boolean {
    return this.#frame.partial
  }

  /** Frames that have arrived whole and were begun to be handled. */
  get framesTaken(): number {
    return this.#inbox.taken
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Its last handler has ended as well. */
  get over(): boolean {
    return this.#over
  }

  /** Bytes from the mail server, in memory that stays as it is. */
  receive(chunk: Buffer): void {
    if (this.#closed || this.#ending !== undefined) return
    if (this.#busy) return this.#postpone(chunk, chunk.length)
    this.#inbox.read(chunk)
    this.#run()
    this.boundMemory()
  }

  /**
   * Bytes from the mail server, in `memory[0..size)`, which is the caller's again after the call. No view
   * of them is made: that is an object for each read.
   */
  receiveLent(memory: Buffer, size: number): void {
    if (this.#closed || this.#ending !== undefined) return
    if (this.#busy) return this.#postpone(memory, size)
    this.#inbox.readLent(memory, size)
    this.#run()
    // A handler is still looking at this chunk, or its rest waits for one.
    if (!this.#closed) this.#frame.hold()
    this.boundMemory()
  }

  /** No more bytes will come. What is waiting reaches no handler any more. */
  end(reason: CloseReason): void {
    if (this.#closed || this.#ending !== undefined) return
    this.#ending = reason
    if (this.#busy) this.#interrupt(reason === 'shutdown' ? 'shutdown' : 'disconnect')
    else this.#run()
  }

  /** Keeps the mail server waiting at end of message; anywhere else Sendmail would drop the filter. */
  progress(): void {
    if (!this.#message.ending || this.#out.sendingBody) return
    this.#out.push(FRAMES.progress)
    this.#out.flush(this.#transport)
  }

  #postpone(chunk: Buffer, size: number): void {
    this.#inbox.wait(chunk, size)
    this.#countMemory()
    this.#heedInterruption()
    const { maxPending, memory } = this.#limits
    if ((this.#inbox.size > maxPending || memory.exhausted) && !this.#paused) {
      this.#paused = true
      this.#transport.pause()
    }
  }

  /** A command that ends what is being handled is acted on before its turn. */
  #heedInterruption(): void {
    if (this.#inbox.quitAhead) this.#interrupt('disconnect')
    else if (this.#inbox.abortAhead && this.#message.phase === 'open') this.#interrupt('abort')
  }

  #interrupt(reason: 'abort' | 'disconnect' | 'shutdown'): void {
    this.#cut = true
    this.#events.interrupt(reason)
  }

  /** At a shutdown the mail server still reads, and gets its answers to the message that was cut. */
  #answersOn(): boolean {
    const { phase } = this.#message
    return this.#ending === 'shutdown' && (phase === 'cut' || phase === 'settled')
  }

  /** Works off whole frames until there are no more, or a handler needs time. */
  #run(): void {
    try {
      while (!this.#busy && !this.#closed) {
        if (this.#ending !== undefined && !this.#answersOn()) break
        if (!this.#inbox.next()) break
        this.#dispatch(this.#frame.command)
        if (this.#out.full && !this.#busy)
          this.#after(this.#out.sendFirst(this.#transport), nothing)
      }
      this.#unpause()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#fail(error)
    }
    if (!this.#busy && !this.#closed && this.#ending !== undefined) this.#finish(this.#ending)
    this.#out.flush(this.#transport)
  }

  #unpause(): void {
    if (!this.#paused || this.#inbox.size > this.#limits.maxPending / 2) return
    this.#paused = false
    this.#transport.resume()
  }

  /** Gives up a frame that is larger than usual, if others have no memory for it. */
  boundMemory(): void {
    this.#countMemory()
    if (this.#held > ALWAYS_HELD && !this.#busy && this.#limits.memory.exhausted)
      this.#dropFrame()
  }

  #countMemory(): void {
    const held = this.#closed ? 0 : this.#inbox.held + this.macros.held + this.#lines.held
    if (held === this.#held) return
    this.#limits.memory.pass(held - this.#held)
    this.#held = held
  }

  /** A frame that is larger than mail servers' frames are, or such macros, and no memory for it. */
  #dropFrame(): void {
    this.#out.push(this.#limits.overload.verdict.frame)
    this.#fail(noMemory(this.#held))
  }

  /** Goes on with `next` when the answer is there; at once when it is there already. */
  #after<T>(answer: Later<T>, next: (value: T) => void): void {
    if (!(answer instanceof Promise)) return next(answer)
    this.#busy = true
    this.#cut = false
    this.#inbox.lookAhead()
    this.#heedInterruption()
    void answer.then((value) => {
      this.#busy = false
      next(value)
      this.#run()
      this.#countMemory()
    })
  }

  #dispatch(command: number): void {
    this.#cut = false
    if (this.#ending !== undefined && !GOES_ON.has(command)) return this.#finish(this.#ending)
    if (this.#terms === undefined && command !== Command.OPTNEG && command !== Command.QUIT) {
      throw notNegotiated(command)
    }
    this.#lines.take(this.#frame)
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
        return this.#abandon(nothing)
      case Command.QUIT:
        return this.#finish('quit')
      case Command.QUIT_NC:
        return this.#abandon(() => this.#closeScope(nothing))
      default:
        throw unknownCommand(command)
    }
  }

  /**
   * Macros of MAIL and CONNECT end the message that is open, as the commands behind them do: nobody who still
   * works for it sees what belongs to the next. They come also for events that were declined, and where MAIL
   * is declined they are all that tells one message from the next after RSET (Sendmail sends no ABORT then).
   */
  #macro(): void {
    boundMacros(this.#frame)
    const { bytes, start } = this.#frame
    if (bytes[start] === Command.MAIL || bytes[start] === Command.CONNECT)
      this.#abandon(() => this.macros.define(this.#frame))
    else this.macros.define(this.#frame)
  }

  // ---- before and between messages

  #negotiate(): void {
    if (this.#terms !== undefined) throw negotiatedTwice()
    const offer = offeredBits(decodeOffer(this.#frame))
    this.#after(this.#events.negotiate(offer), (wishes) => this.#agree(offer, wishes))
  }

  #agree(offer: Offer, wishes: Wishes | undefined): void {
    if (wishes === undefined) return this.#finish('error')
    try {
      this.#terms = agree(offer, wishes)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#fail(error)
      return
    }
    this.macros.clear()
    this.#out.push(encodeChoice(this.#terms))
    this.#events.negotiated(this.#terms)
  }

  #connect(): void {
    const peer = decodeConnect(this.#frame)
    // A second CONNECT without QUIT_NC means the same as one with it.
    this.#abandon(() =>
      this.#connected
        ? this.#closeScope(() => this.#connectTo(peer), false)
        : this.#connectTo(peer),
    )
  }

  #connectTo(peer: ReturnType<typeof decodeConnect>): void {
    this.macros.begin(Command.CONNECT)
    this.#connected = true
    this.#begun = true
    this.#event(EVENTS.connect, () => this.#events.connect(peer))
  }

  #helo(): void {
    const name = decodeLine(this.#frame)
    this.#abandon(() => {
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
  #event(event: EventFacts, handle: () => Later<Verdict>): void {
    if (this.#declines(event)) {
      this.#respond(event, CONTINUE)
      return
    }
    this.#after(handle(), (given) => {
      const verdict = outsideMessage(event.command, given)
      const unsaid = this.#isSilent(event) && endsMessage(verdict)
      if (unsaid && this.#message.owe(event.command, verdict)) this.#settle(verdict)
      this.#respond(event, verdict)
    })
  }

  // ---- in a message

  #mail(): void {
    const words = decodeEnvelope(this.#frame)
    this.#abandon(() => {
      this.macros.begin(Command.MAIL)
      this.#openMessage()
      this.#message.advance(Command.MAIL)
      if (this.#message.phase === 'settled') {
        this.#respond(EVENTS.mail, this.#message.settled)
        return
      }
      if (this.#declines(EVENTS.mail)) {
        this.#respond(EVENTS.mail, CONTINUE)
        return
      }
      this.#after(this.#events.mail(words), (verdict) => this.#conclude(EVENTS.mail, verdict))
    })
  }

  #openMessage(): void {
    this.#begun = true
    const owed = this.#message.begin()
    this.#message.keepsAccept = this.#events.messageBegins()
    if (owed !== undefined) this.#settle(owed)
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
    if (this.#message.phase !== 'open') {
      this.#respond(event, this.#message.answer(command, this.#agreed(Step.SKIP)))
      return
    }
    if (this.#declines(event)) {
      this.#respond(event, CONTINUE)
      return
    }
    const answer =
      command === Command.BODY ? this.#body() : callFor(this.#events, command, this.#frame)
    if (answer instanceof Promise) {
      // The handler may look at the field later, and the chunk may be lent.
      if (command === Command.HEADER) leaveField()
      this.#after(answer, (verdict) => this.#conclude(event, verdict))
    } else {
      this.#conclude(event, answer)
    }
  }

  /** An empty chunk is forgiven (halon-extras/milter sends one for an empty body). */
  #body(): Later<Verdict> {
    if (this.#message.skipping || this.#frame.size === 0) return CONTINUE
    return this.#events.body(this.#frame)
  }

  /** Takes the verdict on an event of the open message, and answers the event. */
  #conclude(event: EventFacts, verdict: Verdict): void {
    if (verdict.kind === 'skip') {
      this.#message.skip()
      this.#respond(event, this.#agreed(Step.SKIP) ? verdict : CONTINUE)
      return
    }
    const { command } = event
    const unsaid = this.#isSilent(event)
    if (this.#cut) this.#message.cut(verdict)
    else if (isLastWord(command, verdict, unsaid)) this.#settle(verdict)
    if (!unsaid) this.#out.push(this.#message.said(command, verdict).frame)
  }

  #settle(verdict: Verdict): void {
    this.#message.settle(verdict)
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
    const { phase, settled } = this.#message
    if (phase === 'cut') {
      this.#endCut(settled)
    } else if (phase === 'settled') {
      this.#endMessage({ verdict: this.#message.lastWord, edits: [] })
    } else if (hasChunk && !this.#declines(EVENTS.body)) {
      this.#after(this.#body(), (verdict) => {
        if (this.#cut) this.#endCut(verdict)
        else if (endsMessage(verdict)) this.#endMessage({ verdict, edits: [] })
        else this.#after(this.#events.eom(), (answer) => this.#endMessage(answer))
      })
    } else {
      const answer = this.#events.eom()
      if (answer instanceof Promise) this.#after(answer, (final) => this.#endMessage(final))
      else this.#endMessage(answer)
    }
  }

  /** Its handler of end of message will not be called, so it is told of the end as of any other message's. */
  #endCut(verdict: Verdict): void {
    this.#after(this.#events.abort(), () => this.#endMessage({ verdict, edits: [] }))
  }

  #endMessage({ verdict, edits, body }: FinalAnswer): void {
    const passes = verdict.kind === 'continue' || verdict.kind === 'accept'
    if (passes) for (const edit of edits) this.#out.push(edit)
    if (passes && body !== undefined) {
      const stopped = (): boolean => this.#closed || this.#ending !== undefined
      this.#after(this.#out.sendBody(body, this.#transport, stopped), (complete) => {
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
    if (this.#message.phase === 'none') {
      if (!this.#startsWithoutMail()) return false
      this.macros.beginWithoutMail()
      this.#openMessage()
    }
    return this.#message.advance(command)
  }

  /**
   * libmilter drops such a command without an answer and the mail server waits for its timeout. Here
   * the message is given up and the command deferred.
   */
  #outOfOrder(event: EventFacts): void {
    this.#events.violation(outOfOrder(event.command, this.#message.phase === 'none'), false)
    this.#abandon(() => this.#respond(event, TEMPFAIL))
  }

  /** Ends the message that is open, if any, without a verdict; then goes on with `next`. */
  #abandon(next: () => void): void {
    if (this.#message.phase === 'settled') this.#closeMessage()
    if (this.#message.phase === 'none') return next()
    const verdict = this.#message.phase === 'cut' ? this.#message.settled : undefined
    this.#after(this.#events.abort(), () => {
      this.#closeMessage(verdict)
      next()
    })
  }

  #closeMessage(verdict?: Verdict): void {
    const { phase } = this.#message
    if (phase === 'open' || phase === 'cut') this.#events.messageOver(verdict)
    this.#message.end()
    this.macros.endMessage()
  }

  /** Ends the SMTP session, then goes on with `next`; what was negotiated stays. */
  #closeScope(next: () => void, clearMacros = true): void {
    if (clearMacros) {
      this.macros.clear()
      this.#lines.clear()
    }
    this.#connected = false
    this.#message.forget()
    if (!this.#begun) return next()
    this.#begun = false
    this.#after(this.#events.close('quit'), next)
  }

  /** Ends the conversation: abort and close as far as they are due. */
  #finish(reason: CloseReason): void {
    this.#abandon(() => {
      if (this.#closed) return
      this.#closed = true
      // The other side may take its time to go.
      this.#inbox.clear()
      this.#countMemory()
      this.#out.flush(this.#transport)
      const closing = this.#events.close(reason)
      this.#transport.close()
      if (closing instanceof Promise) void closing.then(() => this.#end())
      else this.#end()
    })
  }

  /** The handler of close may look at macros. */
  #end(): void {
    this.macros.clear()
    this.#over = true
    this.#transport.over?.()
  }

  #fail(error: ProtocolError): void {
    this.#events.violation(error, true)
    this.#finish('error')
  }

  /** The filter wants no such event; should it come all the same, it is answered here. */
  #declines({ noSend }: EventFacts): boolean {
    return (this.#terms!.declined & noSend) !== 0
  }

  #isSilent({ noReply }: EventFacts): boolean {
    return this.#agreed(noReply)
  }

  #agreed(step: number): boolean {
    return (this.#terms!.steps & step) !== 0
  }

  #respond(event: EventFacts, verdict: Verdict): void {
    if (!this.#isSilent(event)) this.#out.push(verdict.frame)
  }
}

const nothing = (): void => {}
