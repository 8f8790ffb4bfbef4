import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { MtaClient } from '../../src/mta/client.ts'
import type { Outcome } from '../../src/mta/outcome.ts'
import { Random } from './random.ts'

/** What a client does with one message. */
const KINDS = [
  'plain',
  'plain',
  'edited',
  'edited',
  'spilled',
  'rewritten',
  'rejected',
  'refused',
  'aborted',
  'dropped',
  'throws',
  'slow',
] as const
/** One in so many misses its deadline, which takes seconds. */
const HANGS = 1_000
type Kind = (typeof KINDS)[number] | 'hangs'

const SMTP_451 = /^451 4\.7\.1 /

/** Who was killed, and when: what explains that an answer was lost. */
export interface Kills {
  readonly pids: ReadonlySet<number>
  /** how many there were so far */
  readonly count: number
}

/** Connections with messages of all kinds, for as long as it is wanted. Each answer is checked. */
export class Load {
  /** answers, by the kind of message */
  readonly answered = new Map<Kind, number>()
  /** connections that a killed worker has taken with it */
  lost = 0
  #over = false
  readonly #address: string
  readonly #kills: Kills
  readonly #clients: Promise<void>[]

  constructor(address: string, seed: number, clients: number, kills: Kills) {
    this.#address = address
    this.#kills = kills
    this.#clients = Array.from({ length: clients }, (_, n) =>
      this.#client(String(n), new Random(seed + n)),
    )
    for (const client of this.#clients) client.catch(() => (this.#over = true))
  }

  get total(): number {
    return [...this.answered.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Something was not as it should be; {@link stop} tells what. */
  get failed(): boolean {
    return this.#over
  }

  /** Lets all clients finish. @throws what one of them has found */
  async stop(): Promise<void> {
    this.#over = true
    await Promise.all(this.#clients)
  }

  async #client(name: string, random: Random): Promise<void> {
    for (let n = 0; !this.#over; n++) await this.#session(`${name}-${n}`, random)
  }

  /** A connection with some messages. */
  async #session(name: string, random: Random): Promise<void> {
    const { count } = this.#kills
    const client = await MtaClient.connect(this.#address, { timeouts: 60_000 })
    let pid: number | undefined
    try {
      for (let left = random.below(8); left >= 0 && !this.#over; left--) {
        const kind = random.below(HANGS) === 0 ? 'hangs' : random.of(KINDS)
        const id = `${name}-${left}`
        if (kind === 'dropped') {
          await this.#begin(client, id, random)
          return
        }
        if (kind === 'aborted') {
          await this.#begin(client, id, random)
          client.reset()
        } else {
          const { body, outcome } = await this.#deliver(client, kind, id, random)
          if (outcome.failure !== undefined) throw outcome.failure
          this.#check(kind, id, body, outcome)
          pid ??= pidOf(outcome)
        }
        this.answered.set(kind, (this.answered.get(kind) ?? 0) + 1)
        if (random.below(4) === 0) await sleep(random.below(20))
      }
    } catch (error) {
      if (client.failure?.code !== 'DISCONNECTED' || error !== client.failure) throw error
      // Without an answer on this connection it is not known whose it was.
      const explained =
        pid === undefined ? this.#kills.count > count : this.#kills.pids.has(pid)
      assert.ok(explained, `${name}: the connection to ${pid} was lost, and nobody was killed`)
      this.lost++
    } finally {
      client.destroy()
    }
  }

  async #deliver(
    client: MtaClient,
    kind: Kind,
    id: string,
    random: Random,
  ): Promise<{ body: string; outcome: Outcome }> {
    const large = kind === 'spilled' || kind === 'rewritten'
    const body = `${id} ${'x'.repeat(60)}\r\n`.repeat(large ? 400 + random.below(2_000) : 3)
    const outcome = await client.deliver({
      to: kind === 'refused' ? ['bob@example.net', 'nobody@example.net'] : 'bob@example.net',
      message: `From: alice@example.org\r\nSubject: ${kind} ${id}\r\n\r\n${body}`,
    })
    return { body, outcome }
  }

  /** A message up to some point. */
  async #begin(client: MtaClient, id: string, random: Random): Promise<void> {
    if (client.choice === undefined) await client.negotiate()
    await client.command({ type: 'helo', name: 'mail.example.org' })
    const steps = [
      { type: 'mail', words: ['<alice@example.org>'] },
      { type: 'rcpt', words: ['<bob@example.net>'] },
      { type: 'data' },
      { type: 'header', name: 'Subject', value: ` plain ${id}` },
      { type: 'eoh' },
      { type: 'body', chunk: Buffer.alloc(40_000, 'x') },
    ] as const
    for (const step of steps.slice(0, 1 + random.below(steps.length))) {
      const answer = await client.command(step)
      assert.ok(answer === undefined || answer.type === 'continue', JSON.stringify(answer))
    }
  }

  #check(kind: Kind, id: string, body: string, outcome: Outcome): void {
    const { verdict, reply, recipients, message } = outcome
    const where = `${kind} ${id}: ${verdict} ${reply}`
    if (kind === 'rejected') {
      assert.equal(reply, `550 5.7.1 No ${id}`, where)
      assert.deepEqual(outcome.edits, [], where)
      return
    }
    if (kind === 'throws' || kind === 'hangs') {
      assert.equal(verdict, 'tempfail', where)
      assert.match(reply, SMTP_451)
      assert.deepEqual(outcome.edits, [], where)
      return
    }
    assert.equal(verdict, 'accept', where)
    assert.deepEqual(outcome.violations, [], where)
    assert.deepEqual(outcome.ignored, [], where)
    const text = message!.toString('latin1')
    const end = text.indexOf('\r\n\r\n') + 4
    const fields = text.slice(0, end)
    assert.match(fields, new RegExp(`^X-Seen: ${id}\r$`, 'm'), where)
    const subject = kind === 'edited' ? `changed ${id}` : `${kind} ${id}`
    assert.match(fields, new RegExp(`^Subject: ${subject}\r$`, 'm'), where)
    const to =
      kind === 'edited' ? ['bob@example.net', 'archive@example.net'] : ['bob@example.net']
    assert.deepEqual(recipients, to, where)
    const expected = {
      edited: `new body of ${id}\r\n`,
      rewritten: `${body}the end of ${id}\r\n`,
    }
    assert.ok(text.slice(end) === (expected[kind as 'edited'] ?? body), `${where}: the body`)
    if (kind === 'spilled') {
      const hash = createHash('sha256').update(body).digest('hex')
      assert.match(fields, new RegExp(`^X-Hash: ${hash}\r$`, 'm'), where)
    }
    if (kind === 'refused') assert.equal(outcome.refused.length, 1, where)
  }
}

function pidOf({ message }: Outcome): number | undefined {
  const [, pid] = /^X-Pid: (\d+)\r$/m.exec(message?.toString('latin1') ?? '') ?? []
  return pid === undefined ? undefined : Number(pid)
}
