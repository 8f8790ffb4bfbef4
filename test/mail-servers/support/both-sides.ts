import assert from 'node:assert/strict'
import { MtaClient, type MtaClientOptions, type Outcome } from '../../../src/mta/index.ts'
import {
  decodeMacros,
  encodeText,
  type EditMessage,
  type MacroLists,
} from '../../../src/protocol/index.ts'
import { difference } from '../../../src/testing/index.ts'
import { until } from '../../support/resources.ts'
import { installedModel } from './installed.ts'
import type { MailServer, StartOptions } from './mail-server.ts'
import { RawFilter } from './raw-filter.ts'
import { SmtpClient, type SmtpReply } from './smtp.ts'
import { message, withoutReceived } from './stack.ts'

const CLIENT = { hostname: 'localhost', address: '127.0.0.1' }
const MESSAGE = message(
  ['X-Fold: a\r\n\tb', 'X-None:v', 'X-Tab:\tv'],
  'line\r\n'.repeat(20_000),
)
export const RECIPIENTS: readonly string[] = ['bob@example.test', 'carol@example.test']

/** How a filter behaves, and what it is sent. */
export interface Play {
  /** whole frames, by the letter of the command they answer */
  readonly answers?: Readonly<Record<string, Buffer>>
  readonly steps?: number
  /** the answer to the offer; given whole, whatever was offered */
  readonly negotiation?: Buffer | undefined
  /** NR bits that the filter keeps to */
  readonly silent?: number
  readonly edits?: readonly EditMessage[]
  readonly messages?: number
  readonly original?: Buffer
  readonly macroLists?: MacroLists
  readonly unknown?: readonly string[]
}

interface Played {
  /** the reply that ended the message, or refused its last recipient */
  readonly reply: string
  readonly delivered: Buffer | undefined
  readonly frames: readonly string[]
}

/** A real server and the client that plays it, in front of the same filter. */
export class BothSides {
  readonly #filter: RawFilter
  readonly #server: MailServer
  readonly #options: MtaClientOptions

  private constructor(filter: RawFilter, server: MailServer, options: MtaClientOptions) {
    this.#filter = filter
    this.#server = server
    this.#options = {
      mta: installedModel(server.name),
      onFailure: 'tempfail',
      timeouts: 2_000,
      ...options,
    }
  }

  static async start(
    kind: { start(options: StartOptions): Promise<MailServer> },
    options: MtaClientOptions = {},
    start: Partial<StartOptions> = {},
  ): Promise<BothSides> {
    const filter = await RawFilter.start()
    const server = await kind.start({ milters: [filter.address], timeout: 2, ...start })
    return new BothSides(filter, server, options)
  }

  /** the model that is compared with */
  get mta(): MtaClientOptions['mta'] {
    return this.#options.mta
  }

  async stop(): Promise<void> {
    await this.#server.stop()
    this.#filter.close()
  }

  /** The same frames reach the filter, the client is told the same, the same is delivered. */
  async same(play: Play): Promise<void> {
    const filter = this.#filter
    filter.answers = play.answers ?? {}
    filter.steps = play.steps ?? 0
    filter.negotiation = play.negotiation
    filter.silent = play.silent ?? 0
    filter.edits = play.edits ?? []
    filter.macroLists = play.macroLists ?? new Map()
    const there = await this.#real(play)
    const here = await this.#played(play)
    assert.equal(withoutQueueId(here.reply), withoutQueueId(there.reply))
    assert.equal(difference(there.frames.join('\n'), here.frames.join('\n')), '')
    assert.equal(difference(there.delivered ?? '', here.delivered ?? ''), '')
  }

  async #real({ messages = 1, original = MESSAGE, unknown = [] }: Play): Promise<Played> {
    this.#filter.received = []
    const client = await SmtpClient.connect(this.#server.port)
    const talk = new Talk(client)
    await talk.command('EHLO client.test')
    if (talk.last.code !== 421) talk.last = client.greeting
    for (let i = 0; i < messages; i++) {
      for (const line of unknown) await talk.command(line)
      await talk.message(original)
    }
    await talk.end()
    await this.#server.idle()
    await until(() => this.#filter.connections === 0)
    const [delivered] = this.#server.sink.messages.splice(0)
    return {
      reply: talk.last.lines.join('\r\n'),
      delivered: delivered && withoutReceived(delivered),
      frames: this.#filter.received.map(shown),
    }
  }

  async #played({ messages = 1, original = MESSAGE, unknown = [] }: Play): Promise<Played> {
    this.#filter.received = []
    const client = await MtaClient.connect(this.#filter.address, this.#options)
    let outcome: Outcome | undefined
    for (let i = 0; i < messages; i++) {
      outcome = await client.deliver({
        client: CLIENT,
        helo: 'client.test',
        from: 'alice@example.test',
        to: RECIPIENTS,
        message: original,
        unknown,
      })
    }
    await client.quit()
    await until(() => this.#filter.connections === 0)
    return {
      reply: encodeText(outcome!.reply).toString('latin1'),
      // What is held does not arrive.
      delivered: outcome!.verdict === 'quarantine' ? undefined : outcome!.message,
      frames: this.#filter.received.map(shown),
    }
  }
}

/** A client that stops where the server ends the session: with 421, or without a word. */
class Talk {
  /** the reply that counts */
  last: SmtpReply
  readonly #client: SmtpClient
  #over: boolean

  constructor(client: SmtpClient) {
    this.#client = client
    this.last = client.greeting
    this.#over = this.last.code === 421
  }

  async #take(work: () => Promise<SmtpReply>): Promise<boolean> {
    if (this.#over) return false
    try {
      this.last = await work()
    } catch (error) {
      // A reply that should have come and did not is another matter than a server that has gone.
      if (!/closed|failed/.test((error as Error).message)) throw error
      this.#over = true
      return false
    }
    this.#over = this.last.code === 421
    return this.last.code < 400
  }

  async command(line: string): Promise<boolean> {
    return await this.#take(() => this.#client.command(line))
  }

  async message(message: Buffer): Promise<void> {
    if (!(await this.command('MAIL FROM:<alice@example.test>'))) return
    let some = false
    let refusal: SmtpReply | undefined
    for (const to of RECIPIENTS) {
      if (await this.command(`RCPT TO:<${to}>`)) some = true
      else refusal = this.last
    }
    if (some) await this.#take(() => this.#client.data(message))
    else if (refusal !== undefined) this.last = refusal
  }

  async end(): Promise<void> {
    if (!this.#over) await this.#client.quit().catch(() => {})
    this.#client.close()
  }
}

/** The first words of a frame: what a filter could tell two servers apart by. */
function shown([letter, payload]: readonly [string, Buffer]): string {
  switch (letter) {
    case 'D': {
      const { command, pairs } = decodeMacros({ bytes: payload, start: 0, end: payload.length })
      // How a server calls itself tells it apart; of which version it is does not.
      const names = pairs.map(([name, value]) =>
        name === 'v' ? `v=${value.replace(/\d[\d.]*/, 'N')}` : name,
      )
      return `D ${String.fromCharCode(command)} ${names.join(' ')}`.trimEnd()
    }
    case 'C': {
      // The port differs each time.
      const nul = payload.indexOf(0)
      return `C ${payload.toString('latin1', 0, nul + 2)} ${payload.toString('latin1', nul + 4)}`
    }
    case 'B':
      return `B ${payload.length}`
    default:
      return `${letter} ${payload.toString('latin1')}`.trimEnd()
  }
}

const withoutQueueId = (reply: string): string =>
  reply
    .replace(/\bmx\.(?:postfix|sendmail)\.test\b/, 'mx.example.net')
    .replace(/(?<=queued as )\w+|(?<=2\.0\.0 )\w+(?= Message accepted)/, 'ID')
