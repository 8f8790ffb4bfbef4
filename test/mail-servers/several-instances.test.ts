import assert from 'node:assert/strict'
import { it } from 'node:test'
import { project, start, until, type Running } from '../cli/support/command.ts'
import { haproxyMissing } from './support/available.ts'
import { Balancer } from './support/haproxy.ts'
import type { MailServer } from './support/mail-server.ts'
import { freePort } from './support/server-process.ts'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, message, TO } from './support/stack.ts'

const CLIENTS = 4
/** Graceful restarts of each instance; TSMILTER_RESTARTS asks for more. */
const RESTARTS = Number(process.env['TSMILTER_RESTARTS'] ?? 1)

const FILTER = `
import { defineFilter } from 'tsmilter'
const instance = process.env.INSTANCE
export default defineFilter({
  name: 'marks',
  async message(mail) {
    if (mail.headers.get('X-Stick')?.trim() === instance) {
      mail.log.info('sticks')
      await new Promise((resolve) => setTimeout(resolve, 600_000))
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
    mail.headers.append('X-Seen', mail.headers.get('X-Id').trim() + ' ' + instance)
  },
})
`
const HOSTS = { one: '127.0.0.2', two: '127.0.0.3' } as const
type Name = keyof typeof HOSTS
const NAMES: readonly Name[] = ['one', 'two']

/** Two instances of `tsmilter run` on hosts of their own, with the same ports. */
class Instances implements AsyncDisposable {
  readonly port: number
  readonly readyPort: number
  readonly #directory = project({ 'filter.mjs': FILTER })
  readonly #running = new Map<Name, Running>()

  private constructor(port: number, readyPort: number) {
    this.port = port
    this.readyPort = readyPort
  }

  static async start(): Promise<Instances> {
    const instances = new Instances(await freePort(), await freePort())
    for (const name of NAMES) await instances.start(name)
    return instances
  }

  async start(name: Name): Promise<void> {
    const listen = ['--listen', `inet:${this.port}@${HOSTS[name]}`]
    const telemetry = ['--telemetry', `${HOSTS[name]}:${this.readyPort}`]
    // Sessions of the mail server go on until they end by themselves.
    const stop = ['--stop-delay', '2s', '--stop-quiet', '60s', '--stop-deadline', '60s']
    const args = ['filter.mjs', '--workers', '2', ...listen, ...telemetry, ...stop]
    const env = { INSTANCE: name }
    this.#running.set(name, await start(args, this.#directory, { env }))
  }

  get(name: Name): Running {
    return this.#running.get(name)!
  }

  /** As if its machine had lost its power. */
  async kill(name: Name): Promise<void> {
    const running = this.get(name)
    const [, workers] = /INFO  ready .*pids="([\d ]+)"/.exec(running.said)!
    // The primary first: it would replace its workers.
    for (const pid of [running.pid, ...workers!.split(' ')]) {
      process.kill(Number(pid), 'SIGKILL')
    }
    await running.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running.values()) await running[Symbol.asyncDispose]()
  }
}

/** Clients that send one message after the other, each until it is taken. */
class Load {
  /** ids of the messages that were taken */
  readonly accepted: string[] = []
  /** replies to those that were not */
  readonly refused: string[] = []
  readonly #mta: MailServer
  readonly #over = new AbortController()
  readonly #clients: Promise<unknown>

  constructor(mta: MailServer) {
    this.#mta = mta
    this.#clients = Promise.all(Array.from({ length: CLIENTS }, (_, n) => this.#client(n)))
    this.#clients.catch(() => {})
  }

  /** Waits until so many more were taken. */
  async more(count: number): Promise<void> {
    const wanted = this.accepted.length + count
    const enough = until(`${count} more messages`, () => this.accepted.length >= wanted)
    await Promise.race([this.#clients, enough])
  }

  async end(): Promise<void> {
    this.#over.abort()
    await this.#clients
  }

  async #client(number: number): Promise<void> {
    let sent = 0
    while (!this.#over.signal.aborted) {
      // Of two messages, so that there are always sessions between two messages.
      await this.session(async (send) => {
        for (let left = 2; left > 0 && (await send(`${number}-${sent}`)) === 250; left--) sent++
      })
    }
  }

  /** A session; `send` sends a message in it and gives the code of the last reply. */
  async session(
    body: (send: (id: string, ...lines: string[]) => Promise<number>) => Promise<void>,
  ): Promise<void> {
    const smtp = await SmtpClient.connect(this.#mta.port)
    try {
      await smtp.command('EHLO client.test')
      await body(async (id, ...lines) => {
        const outcome = await smtp.send({
          from: FROM,
          to: [TO],
          message: message([`X-Id: ${id}`, ...lines]),
        })
        const { code, text } = outcome.data ?? outcome.recipients.at(-1) ?? outcome.mail
        if (code === 250) this.accepted.push(id)
        else this.refused.push(text)
        assert.match(text, /^[24]/)
        return code
      })
    } finally {
      smtp.close()
    }
  }
}

/** Sends messages until one hangs in that instance, and is deferred. */
async function untilDeferred(load: Load, name: Name): Promise<void> {
  for (let i = 0, code = 0; code !== 451; i++) {
    await load.session(async (send) => {
      code = await send(`stick-${name}-${i}`, `X-Stick: ${name}`)
    })
  }
}

/**
 * Every message that was taken has arrived, once, and with a mark of the filter; gives how many marks
 * are of whom.
 */
async function checkArrived(
  mta: MailServer,
  accepted: readonly string[],
): Promise<Record<Name, number>> {
  await mta.idle(60_000)
  const seen = { one: 0, two: 0 }
  const ids = mta.sink.messages.map(({ data }) => {
    const text = data.toString('latin1')
    const id = /^X-Id: (.*)\r$/m.exec(text)?.[1]
    const mark = /^X-Seen: (\S+) (one|two)\r$/m.exec(text)
    assert.equal(mark?.[1], id, 'filtered')
    seen[mark![2] as Name]++
    return id
  })
  assert.deepEqual(ids.sort(), accepted.toSorted())
  return seen
}

eachServer('two instances behind HAProxy', (kind) => {
  const required = process.env['TSMILTER_REQUIRE_MTA'] === '1'
  const skip = required ? false : (haproxyMissing() ?? false)

  it('are killed and restarted: nothing lost, doubled or unfiltered', { skip }, async () => {
    await using instances = await Instances.start()
    const [one, two] = NAMES.map((name) => `${HOSTS[name]}:${instances.port}`)
    await using balancer = await Balancer.start(one!, two!, instances.readyPort)
    await using mta = await kind.start({ milters: [balancer.address] })
    for (const name of NAMES) await balancer.sees(name, 'UP')
    const load = new Load(mta)
    await load.more(20)

    for (const name of NAMES) {
      // One message is in its hands when it dies, and is deferred.
      const deferred = untilDeferred(load, name)
      deferred.catch(() => {})
      await instances.get(name).says(/INFO .*sticks/)
      await instances.kill(name)
      await deferred
      await load.more(20)
      await balancer.sees(name, 'DOWN')
      await instances.start(name)
      await balancer.sees(name, 'UP')
      await load.more(20)
    }

    const refused = load.refused.length
    for (let i = 0; i < RESTARTS; i++) {
      for (const name of NAMES) {
        const ended = instances.get(name).stop()
        await balancer.sees(name, 'DOWN')
        assert.equal(await ended, 0)
        await load.more(20)
        await instances.start(name)
        await balancer.sees(name, 'UP')
        await load.more(20)
      }
    }
    assert.deepEqual(load.refused.slice(refused), [], 'nothing deferred by a restart')
    await load.end()
    const seen = await checkArrived(mta, load.accepted)
    assert.ok(seen.one > 0 && seen.two > 0, JSON.stringify(seen))
  })
})

eachServer('two instances as two addresses of one name', (kind) => {
  it('stand in for each other, and mail waits while both are down', async () => {
    await using instances = await Instances.start()
    await using mta = await kind.start({
      milters: [`inet:${instances.port}@filters.test`],
      hosts: NAMES.map((name) => `${HOSTS[name]}\tfilters.test`),
    })
    const load = new Load(mta)
    await load.more(20)
    for (const name of NAMES) {
      await instances.kill(name)
      await load.more(20)
      await instances.start(name)
      await load.more(20)
    }
    for (const name of NAMES) await instances.kill(name)
    const refused = load.refused.length
    await until('more refusals', () => load.refused.length > refused + 2 * CLIENTS)
    for (const name of NAMES) await instances.start(name)
    await load.more(20)
    await load.end()
    await checkArrived(mta, load.accepted)
  })
})
