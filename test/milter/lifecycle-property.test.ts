import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { inspect } from 'node:util'
import { fc } from '../support/property.ts'
import { defineFilter } from '../../src/message/define-filter.ts'
import { Base } from '../../src/milter/base.ts'
import type { FilterFactory } from '../../src/milter/filter-object.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import type { CommandMessage } from '../../src/protocol/commands.ts'
import {
  abort,
  body,
  Command,
  connect,
  data,
  eoh,
  eom,
  header,
  helo,
  macros,
  mail,
  quit,
  quitNc,
  RecordingTransport,
  rcpt,
  unknown,
  Wire,
} from '../support/wire.ts'

/** Repeats a run. */

/** What a handler does; those that hang end when all is over. */
const BEHAVIOURS = ['returns', 'throws', 'resolves', 'rejects', 'hangs'] as const
type Behaviour = (typeof BEHAVIOURS)[number]

const STYLES = ['events', 'Base', 'defineFilter'] as const

/** What the mail server does, what happens to a handler that runs, and what ends all. */
const STEPS = {
  connect: 2,
  helo: 2,
  mail: 8,
  rcpt: 4,
  data: 2,
  header: 2,
  eoh: 2,
  body: 3,
  eom: 4,
  message: 4,
  abort: 4,
  unknown: 2,
  quitNc: 2,
  quit: 1,
  settle: 10,
  deadline: 4,
  eof: 1,
  shutdown: 1,
} as const
type Step = keyof typeof STEPS

/** Of one filter object, which is one SMTP session: what its handlers see, and what is wrong with it. */
class Observed {
  readonly #world: World
  /** the message its handlers are in, by its mark */
  #message: string | undefined
  /** how often each message has ended */
  readonly ends = new Map<string, number>()
  #closed = false
  /** when a handler of close has begun that has not ended */
  #closing: number | undefined

  constructor(world: World) {
    this.#world = world
  }

  /**
   * A handler is called.
   * @param look what shows macros to it: the id of a queue, if any
   */
  called(stage: string, look: () => unknown, sender?: string): unknown {
    const world = this.#world
    world.note(stage)
    if (world.over) world.wrong(`${stage} after all was over`)
    if (this.#closed) world.wrong(`${stage} after close`)
    if (stage === 'close') this.#closed = true
    if (sender !== undefined) {
      this.#message = `Q${/\d+/.exec(sender)![0]}`
      if (this.ends.has(this.#message)) world.wrong('a message began twice')
      this.ends.set(this.#message, 0)
    }
    const own = CONNECTION_STAGES.has(stage) ? look() : this.#message
    this.#check(stage, look, own)
    if (stage === 'eom' || stage === 'abort')
      this.ends.set(own as string, this.ends.get(own as string)! + 1)
    const behaviour = world.next()
    if (behaviour === 'returns') return undefined
    if (behaviour === 'throws') throw new Error('thrown')
    return this.#later(stage, look, own, behaviour)
  }

  get isClosing(): boolean {
    return this.#closing !== undefined && this.#world.now - this.#closing < DEADLINE
  }

  async #later(
    stage: string,
    look: () => unknown,
    own: unknown,
    how: Behaviour,
  ): Promise<void> {
    if (stage === 'close') this.#closing = this.#world.now
    await this.#world.gate(how === 'hangs')
    if (stage === 'close') this.#closing = undefined
    // Perhaps nobody has waited for it.
    this.#check(`late in ${stage}`, look, own)
    if (how === 'rejects') throw new Error('rejected')
  }

  #check(stage: string, look: () => unknown, own: unknown): void {
    const seen = look()
    if (seen !== undefined && seen !== own) {
      this.#world.wrong(`${stage} of ${inspect(own)} has seen ${inspect(seen)}`)
    }
  }
}

/** Milliseconds that a handler of close has, at least. */
const DEADLINE = 7_000
const EOM_DEADLINE = 270_000
const CONNECTION_STAGES: ReadonlySet<string> = new Set(['connect', 'helo', 'unknown', 'close'])

/** One conversation. */
class World {
  readonly problems: string[] = []
  readonly trace: string[] = []
  readonly sessions: Observed[] = []
  /** the server may say that it has closed */
  over = false
  now = 0
  readonly #behaviours: readonly Behaviour[]
  #calls = 0
  readonly #gates: (() => void)[] = []
  readonly #hanging: (() => void)[] = []

  constructor(behaviours: readonly Behaviour[]) {
    this.#behaviours = behaviours
  }

  session(): Observed {
    const session = new Observed(this)
    this.sessions.push(session)
    return session
  }

  note(what: string): void {
    this.trace.push(what)
  }

  wrong(what: string): void {
    this.problems.push(what)
  }

  next(): Behaviour {
    return this.#behaviours[this.#calls++ % this.#behaviours.length]!
  }

  gate(hangs: boolean): Promise<void> {
    return new Promise((resolve) => (hangs ? this.#hanging : this.#gates).push(resolve))
  }

  /** The handler that waits for the longest time goes on. */
  settle(): void {
    this.#gates.shift()?.()
  }

  settleAll(): void {
    for (const resolve of [...this.#gates.splice(0), ...this.#hanging.splice(0)]) resolve()
  }
}

interface Shown {
  readonly queueId: string | undefined
  macro(name: string): string | undefined
  readonly macros: ReadonlyMap<string, string>
}

/** The queue id by all ways that lead to it. */
function markOf(shown: Shown): string | undefined {
  const found = new Set([shown.macro('i'), shown.macros.get('i')])
  if (found.size > 1) return 'two ids'
  const [mark] = found
  // Once a message is over its lines still have its id.
  return mark ?? shown.queueId
}

const FACTORIES: Readonly<Record<(typeof STYLES)[number], (world: World) => FilterFactory>> = {
  events: (world) => () => {
    const session = world.session()
    const called =
      (stage: string) =>
      (ctx: Shown): unknown =>
        session.called(stage, () => markOf(ctx))
    const handlers: Record<string, unknown> = {
      envfrom: (ctx: Shown, sender: string) =>
        session.called('envfrom', () => markOf(ctx), sender),
    }
    for (const stage of EVENTS) handlers[stage] = called(stage)
    return handlers as Handlers
  },
  Base: (world) => () => new ObservedBase(world.session()),
  defineFilter: (world) => {
    // Its objects are made inside: the session is the one of the connection at hand.
    let session: Observed | undefined
    const at = (): Observed => (session ??= world.session())
    const called = (stage: string, ctx: Shown, sender?: string): never =>
      at().called(stage, () => markOf(ctx), sender) as never
    return defineFilter({
      name: 'observed',
      connect: (_connection, ctx) => called('connect', ctx),
      helo: (_name, ctx) => called('helo', ctx),
      sender: ({ address }, ctx) => called('sender', ctx, address),
      recipient: (_recipient, ctx) => called('recipient', ctx),
      headers: (message) => called('headers', message),
      message: (message) => called('eom', message),
      close: (ctx) => {
        const ended = at()
        session = undefined
        return ended.called('close', () => markOf(ctx)) as never
      },
    })
  },
}

const EVENTS = [
  'connect',
  'helo',
  'envrcpt',
  'data',
  'header',
  'eoh',
  'body',
  'eom',
  'abort',
  'unknown',
  'close',
]

class ObservedBase extends Base {
  readonly #session: Observed
  constructor(session: Observed) {
    super()
    this.#session = session
  }
  #called(stage: string, sender?: string): never {
    const look = (): unknown => {
      try {
        return markOf(this)
      } catch (error) {
        // Nobody can tell which message it is.
        if ((error as { code?: string }).code === 'HANDLER_OVERRAN') return undefined
        throw error
      }
    }
    return this.#session.called(stage, look, sender) as never
  }
  override connect = (): never => this.#called('connect')
  override helo = (): never => this.#called('helo')
  override envfrom = (sender: string): never => this.#called('envfrom', sender)
  override envrcpt = (): never => this.#called('envrcpt')
  override data = (): never => this.#called('data')
  override header = (): never => this.#called('header')
  override eoh = (): never => this.#called('eoh')
  override body = (): never => this.#called('body')
  override eom = (): never => this.#called('eom')
  override abort = (): never => this.#called('abort')
  override unknown = (): never => this.#called('unknown')
  override close = (): never => this.#called('close')
}

/** Says when nothing of the conversation runs any longer. */
class WatchedTransport extends RecordingTransport {
  readonly #world: World
  constructor(world: World) {
    super()
    this.#world = world
  }
  over(): void {
    if (this.#world.over) this.#world.wrong('it was over twice')
    if (this.#world.sessions.some((session) => session.isClosing)) {
      this.#world.wrong('it was over before close')
    }
    this.#world.over = true
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** All deadlines pass on a mocked clock, also the one of end of message. */
async function passDeadlines(world: World): Promise<void> {
  world.now += EOM_DEADLINE
  mock.timers.tick(EOM_DEADLINE)
  await turn()
}

let lastMark = 0
function beginning(): CommandMessage[] {
  const mark = ++lastMark
  return [macros(Command.MAIL, { i: `Q${mark}` }), mail(`<${mark}@example.org>`)]
}

const PLAIN: Partial<Record<Step, () => CommandMessage[]>> = {
  connect: () => [connect()],
  helo: () => [helo()],
  mail: beginning,
  rcpt: () => [rcpt()],
  data: () => [data],
  header: () => [header()],
  eoh: () => [eoh],
  body: () => [body()],
  eom: () => [eom()],
  message: () => [...beginning(), rcpt(), data, header(), eoh, body(), eom('tail')],
  abort: () => [abort],
  unknown: () => [unknown()],
  quitNc: () => [quitNc],
  quit: () => [quit],
}

async function take(step: Step, wire: Wire, world: World): Promise<void> {
  world.note(`<${step}>`)
  const commands = PLAIN[step]?.()
  if (commands !== undefined) wire.send(...commands)
  else if (step === 'settle') world.settle()
  else if (step === 'eof' || step === 'shutdown') wire.session.end(step)
  else await passDeadlines(world)
  await turn()
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval'] }))
afterEach(() => mock.timers.reset())

describe('whatever handlers do, and whenever they are cut off', () => {
  for (const style of STYLES) {
    for (const onError of ['continue', 'tempfail'] as const) {
      it(`each message of ${style} ends once, and close is the last (onError ${onError})`, () =>
        fc.assert(
          fc.asyncProperty(
            fc.array(
              fc.oneof(
                ...Object.entries(STEPS).map(([step, weight]) => ({
                  arbitrary: fc.constant(step as Step),
                  weight,
                })),
              ),
              { minLength: 5, maxLength: 30 },
            ),
            fc.array(fc.constantFrom(...BEHAVIOURS), { minLength: 1, maxLength: 12 }),
            async (steps, behaviours) => {
              const world = new World(behaviours)
              const transport = new WatchedTransport(world)
              const wire = new Wire(FACTORIES[style](world), { onError }, transport)
              wire.send({
                type: 'optneg',
                offer: { version: 6, actions: 0x1ff, steps: 0x1fffff },
              })
              for (const step of steps) await take(step, wire, world)
              // No handler of ours is needed for the end: deadlines do.
              wire.session.end('eof')
              for (let i = 0; i < 5 && !world.over; i++) await passDeadlines(world)
              assert.equal(world.over, true, 'it never ends')
              wire.send(...beginning())
              world.settleAll()
              await turn()
              for (const { ends } of world.sessions) {
                for (const [mark, count] of ends) {
                  const maximum = 1
                  const minimum = onError === 'continue' && style !== 'defineFilter' ? 1 : 0
                  if (count > maximum || count < minimum) {
                    world.wrong(`${mark} has ended ${count} times`)
                  }
                }
              }
              assert.deepEqual(world.problems, [], world.trace.join(' '))
            },
          ),
          { numRuns: 100 },
        ))
    }
  }
})
