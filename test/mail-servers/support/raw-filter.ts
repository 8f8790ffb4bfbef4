import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import {
  Action,
  ALL_ACTIONS,
  Command,
  decodeMacros,
  decodeOffer,
  encodeChoice,
  encodeReply,
  FrameDecoder,
  NO_REPLY_STEPS,
  Step,
  type EditMessage,
  type MacroLists,
} from '../../../src/protocol/index.ts'

/** What the mail server showed of one message. */
export interface Shown {
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

const CONTINUE = encodeReply({ type: 'continue' })

/** The bit that leaves out the answer, by the letter of the command. */
const NO_REPLY_STEP: Readonly<Record<string, number>> = {
  C: Step.NR_CONN,
  H: Step.NR_HELO,
  M: Step.NR_MAIL,
  R: Step.NR_RCPT,
  T: Step.NR_DATA,
  U: Step.NR_UNKN,
  L: Step.NR_HDR,
  N: Step.NR_EOH,
  B: Step.NR_BODY,
}

/**
 * A filter without a library's good manners: answers end of message with whatever edits it is given,
 * on any bytes, legal or not. Only the codec is used.
 */
export class RawFilter {
  readonly address: string
  /** the answer to the next end of message, before its verdict */
  edits: readonly EditMessage[] = []
  /** HDR_LEADSPC for connections from now on */
  leadingSpace = false
  /** the steps to ask for instead: then every command is answered */
  steps: number | undefined
  /** the NR bits it keeps to where `steps` says that every command is answered */
  silent = 0
  /** the answer to the offer instead, a whole frame */
  negotiation: Buffer | undefined
  /** macros to ask for; none: what the server sends anyway */
  macroLists: MacroLists = new Map()
  /** answers to commands by their letter, whole frames; continue without one */
  answers: Readonly<Record<string, Buffer>> = {}
  /** everything that came: the letter, and what followed it */
  received: (readonly [letter: string, payload: Buffer])[] = []
  /** the last message that was shown */
  shown: Shown = { headers: [], body: Buffer.alloc(0) }
  /** how many are open */
  connections = 0
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.address = `inet:${(server.address() as AddressInfo).port}@127.0.0.1`
    server.on('connection', (socket: Socket) => this.#serve(socket))
  }

  static async start(): Promise<RawFilter> {
    const server = createServer({ noDelay: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    server.unref()
    return new RawFilter(server)
  }

  /** What the server has told in the macro `v`, last. */
  get serverVersion(): string {
    const told = this.received.flatMap(([letter, payload]) => {
      if (letter !== 'D') return []
      const { pairs } = decodeMacros({ bytes: payload, start: 0, end: payload.length })
      return pairs.flatMap(([name, value]) => (name === 'v' ? [value] : []))
    })
    const last = told.at(-1)
    if (last === undefined) throw new Error('the server has sent no macro v')
    return last
  }

  close(): void {
    this.#server.close()
  }

  #serve(socket: Socket): void {
    this.connections++
    socket.on('close', () => this.connections--)
    const frames = new FrameDecoder(2 * 1024 * 1024)
    let headers: [string, string][] = []
    let chunks: Buffer[] = []
    socket.on('error', () => socket.destroy())
    socket.on('data', (data: Buffer) => {
      frames.push(data)
      while (frames.next()) {
        const bytes = frames.take()
        const payload = { bytes, start: 0, end: bytes.length }
        const letter = String.fromCharCode(frames.command)
        this.received.push([letter, bytes])
        switch (frames.command) {
          case Command.OPTNEG:
            socket.write(this.negotiation ?? this.#choice(decodeOffer(payload)))
            break
          case Command.HEADER: {
            const [name, value] = bytes.toString('latin1').split('\0') as [string, string]
            headers.push([name, value])
            break
          }
          case Command.BODY:
            chunks.push(bytes)
            break
          case Command.EOM: {
            this.shown = { headers, body: Buffer.concat(chunks) }
            headers = []
            chunks = []
            const replies = this.edits.map((edit) => encodeReply(edit))
            socket.write(Buffer.concat([...replies, this.answers['E'] ?? CONTINUE]))
            break
          }
          default:
            break
        }
        if (
          this.steps !== undefined &&
          !'OEDAQK'.includes(letter) &&
          !this.#keepsQuiet(letter)
        ) {
          socket.write(this.answers[letter] ?? CONTINUE)
        }
      }
    })
  }

  #keepsQuiet(letter: string): boolean {
    return (this.silent & (NO_REPLY_STEP[letter] ?? 0)) !== 0
  }

  #choice(offer: { actions: number }): Buffer {
    return encodeChoice({
      version: 6,
      actions:
        offer.actions & ALL_ACTIONS & (this.macroLists.size > 0 ? -1 : ~Action.SETSYMLIST),
      macros: this.macroLists,
      steps: this.steps ?? NO_REPLY_STEPS | (this.leadingSpace ? Step.HDR_LEADSPC : 0),
    })
  }
}
