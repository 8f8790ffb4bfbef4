import { ProtocolError } from '../errors.ts'
import type { FrameDecoder } from '../protocol/frame.ts'
import { FRAMES } from '../protocol/replies.ts'
import { Engine, type EngineHost } from './engine.ts'
import type { CloseReason, MaybePromise, SessionEvents, Transport } from './events.ts'
import { Inbox } from './inbox.ts'
import { ALWAYS_HELD, type SessionLimits } from './limits.ts'
import type { MacroStore } from './macro-store.ts'
import { Outbox } from './outbox.ts'
import { GOES_ON } from './message-commands.ts'
import type { Terms } from './terms.ts'
import { noMemory } from './violations.ts'

/**
 * The filter's side of one connection: bytes in, calls out, answers in, bytes out. It does no I/O, has no timers and
 * catches no errors of handlers; see {@link SessionEvents} and {@link Transport}. It has input, waiting and output;
 * {@link Engine} has the meaning of commands.
 *
 * It guarantees that every command that needs an answer gets exactly one, in order; that it handles one event at a
 * time; and that edits go out with their verdict or not at all. It follows libmilter's `engine.c`, except where
 * libmilter would give no answer at all (docs/protocol.md).
 */
export class Session implements EngineHost {
  readonly macros: MacroStore

  readonly #events: SessionEvents
  readonly #transport: Transport
  readonly #limits: SessionLimits
  readonly #out = new Outbox()
  readonly #engine: Engine

  #busy = false
  /** the handler of the current command was not waited for */
  cut = false
  #closed = false
  #over = false
  #ending: CloseReason | undefined

  readonly #inbox: Inbox
  /** the one that was taken last; no getter, because a private getter is a call into V8 each time */
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
    this.#engine = new Engine(this, events, this.#frame, this.#out)
    this.macros = this.#engine.macros
  }

  /** What was negotiated; undefined before that. */
  get terms(): Terms | undefined {
    return this.#engine.terms
  }

  /** A message has begun and is not finished, or a handler is running. */
  get working(): boolean {
    return (
      this.#busy || this.#engine.message.phase === 'open' || this.#engine.message.keptAccept
    )
  }

  get handling(): boolean {
    return this.#busy
  }

  /** The mail server is in the middle of a message, whatever the filter has said to it. */
  get inMessage(): boolean {
    return this.#engine.message.phase !== 'none' || this.macros.messageAhead
  }

  /** Messages that have begun. */
  get messages(): number {
    return this.#engine.message.count
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
   * Takes bytes from the mail server, in `memory[0..size)`. The caller may reuse the memory after the call. No view of
   * it is made, since that would be an object for each read.
   */
  receiveBorrowed(memory: Buffer, size: number): void {
    if (this.#closed || this.#ending !== undefined) return
    if (this.#busy) return this.#postpone(memory, size)
    this.#inbox.readBorrowed(memory, size)
    this.#run()
    // A handler is still looking at this chunk, or its rest waits for one.
    if (!this.#closed) this.#frame.hold()
    this.boundMemory()
  }

  /** No more bytes will come. Input that still waits reaches no handler. */
  end(reason: CloseReason): void {
    if (this.#closed || this.#ending !== undefined) return
    this.#ending = reason
    if (this.#busy) this.#interrupt(reason === 'shutdown' ? 'shutdown' : 'disconnect')
    else this.#run()
  }

  /** Keeps the mail server waiting at end of message; anywhere else Sendmail would drop the filter. */
  progress(): void {
    if (!this.#engine.message.ending || this.#out.sendingBody) return
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

  /** A command that ends the current event is handled before its turn. */
  #heedInterruption(): void {
    if (this.#inbox.quitAhead) this.#interrupt('disconnect')
    else if (this.#inbox.abortAhead && this.#engine.message.phase === 'open')
      this.#interrupt('abort')
  }

  #interrupt(reason: 'abort' | 'disconnect' | 'shutdown'): void {
    this.cut = true
    this.#events.interrupt(reason)
  }

  /** At a shutdown the mail server still reads, and gets its answers to the message that was cut. */
  #answersOn(): boolean {
    const { phase } = this.#engine.message
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
          this.after(this.#out.sendFirst(this.#transport), nothing)
      }
      this.#unpause()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.fail(error)
    }
    if (!this.#busy && !this.#closed && this.#ending !== undefined) this.finish(this.#ending)
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
    const held = this.#closed
      ? 0
      : this.#inbox.held + this.macros.held + this.#engine.lines.held
    if (held === this.#held) return
    this.#limits.memory.pass(held - this.#held)
    this.#held = held
  }

  /** A frame that is larger than mail servers' frames are, or such macros, and no memory for it. */
  #dropFrame(): void {
    this.#out.push(this.#limits.overload.verdict.frame)
    this.fail(noMemory(this.#held))
  }

  // ---- EngineHost

  /** Goes on with `next` when the answer is there; at once when it is there already. */
  after<T>(answer: MaybePromise<T>, next: (value: T) => void): void {
    if (!(answer instanceof Promise)) return next(answer)
    this.#busy = true
    this.cut = false
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
    this.cut = false
    if (this.#ending !== undefined && !GOES_ON.has(command)) return this.finish(this.#ending)
    this.#engine.handle(command)
  }

  sendBody(body: AsyncIterable<Buffer>): Promise<boolean> {
    return this.#out.sendBody(
      body,
      this.#transport,
      () => this.#closed || this.#ending !== undefined,
    )
  }

  /** Ends the conversation: abort and close as far as they are due. */
  finish(reason: CloseReason): void {
    this.#engine.abandon(() => {
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

  fail(error: ProtocolError): void {
    this.#events.violation(error, true)
    this.finish('error')
  }
}

const nothing = (): void => {}
