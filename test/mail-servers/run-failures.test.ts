// What the client of a real mail server is told, and what is delivered, when a filter under
// `tsmilter run` fails at any stage of a message: it throws, misses its deadline, or its worker is killed.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { project, start, type Running } from '../cli/support/command.ts'
import type { MailServer } from './support/mail-server.ts'
import { MESSAGE_STAGES } from '../support/message-stages.ts'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, message, TO } from './support/stack.ts'

type Stage = (typeof MESSAGE_STAGES)[number]

/** Refuses messages with X-Bad; fails as plan.json says when a session begins. */
const FILTER = `
import { readFileSync } from 'node:fs'
import { reply } from 'tsmilter'

const FAILURES = {
  throws() { throw new Error('secret') },
  hangs: () => new Promise(() => {}),
  dies() {
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => {})
  },
}

export default () => {
  let bad = false
  const handlers = {
    header(ctx, name) {
      if (name === 'X-Bad') bad = true
    },
    eom(ctx) {
      if (bad) return reply(550, '5.7.1', 'Refused by the filter')
      ctx.addHeader('X-Seen', 'yes')
    },
  }
  const { stage, failure } = JSON.parse(readFileSync('plan.json', 'utf8'))
  if (stage !== undefined) handlers[stage] = FAILURES[failure]
  return handlers
}
`

type Failure = 'throws' | 'hangs' | 'dies'
type Policy = 'tempfail' | 'reject' | 'accept' | 'continue'

/** The first digit of what the client is told about a message that the filter would have refused. */
function expected(policy: Policy, stage: Stage): 2 | 4 | 5 {
  switch (policy) {
    case 'tempfail':
      return 4
    case 'reject':
      return 5
    case 'accept':
      return 2
    case 'continue':
      // As if the handler were not there: the field is not seen, or the last word not said.
      return stage === 'header' || stage === 'eom' ? 2 : 5
  }
}

class Site {
  readonly #directory: string
  readonly running: Running
  readonly #mta: MailServer
  /** identities of messages that have to be delivered, and whether the filter has seen them */
  readonly #due: string[] = []
  #count = 0

  constructor(directory: string, running: Running, mta: MailServer) {
    this.#directory = directory
    this.running = running
    this.#mta = mta
  }

  /** From the next session on. */
  plan(plan: { stage?: Stage; failure?: Failure }): void {
    writeFileSync(join(this.#directory, 'plan.json'), JSON.stringify(plan))
  }

  /** Sends a message in a session of its own; what the client is told. */
  async send(kind: 'good' | 'bad', seen = true): Promise<{ digit: number; text: string }> {
    const id = `${kind}-${++this.#count}`
    const client = await SmtpClient.connect(this.#mta.port)
    try {
      const replies = [client.greeting, await client.command('EHLO client.test')]
      const { mail, recipients, data } = await client.send({
        from: FROM,
        to: [TO],
        message: message([`X-Id: ${id}`, ...(kind === 'bad' ? ['X-Bad: yes'] : [])]),
      })
      const last = data ?? recipients.at(-1) ?? mail
      const text = [...replies, mail, ...recipients, last].map((reply) => reply.text).join('\n')
      assert.doesNotMatch(text, /secret|tsmilter|Error/)
      const digit = Math.floor(last.code / 100)
      if (digit === 2) this.#due.push(`${id} ${seen ? 'seen' : 'not seen'}`)
      return { digit, text }
    } finally {
      client.close()
    }
  }

  /** What was delivered is what had to be, once each. */
  async checkDelivered(): Promise<void> {
    await this.#mta.idle(60_000)
    const delivered = this.#mta.sink.messages.map(({ data }) => {
      const text = data.toString('latin1')
      const [, id] = /^X-Id: (.*)\r$/m.exec(text)!
      return `${id} ${/^X-Seen: yes\r$/m.test(text) ? 'seen' : 'not seen'}`
    })
    assert.deepEqual(delivered.toSorted(), this.#due.toSorted())
  }
}

eachServer('tsmilter run, whose filter fails', (kind) => {
  async function withSite(
    options: readonly string[],
    defaultAction: 'tempfail' | 'accept' | 'reject',
    work: (site: Site) => Promise<void>,
  ): Promise<void> {
    const directory = project({ 'filter.mjs': FILTER, 'plan.json': '{}' })
    const args = ['filter.mjs', '--listen', 'inet:0@127.0.0.1', '--deadlines', '300ms']
    await using running = await start([...args, ...options], directory)
    const mta = await kind.start({ milters: [running.address], defaultAction })
    try {
      const site = new Site(directory, running, mta)
      await work(site)
      await site.checkDelivered()
    } finally {
      await mta.stop()
    }
    assert.equal(await running.stop(), 0)
  }

  /** The filter as it should be: what it refuses is refused, what it accepts has its field. */
  async function works(site: Site): Promise<void> {
    site.plan({})
    assert.equal((await site.send('bad')).digit, 5)
    assert.equal((await site.send('good')).digit, 2)
  }

  for (const policy of ['tempfail', 'reject', 'accept', 'continue'] as const) {
    it(`in each stage, by an error or at its deadline: onError is ${policy}`, async () => {
      await withSite(['--on-error', policy], 'tempfail', async (site) => {
        for (const failure of ['throws', 'hangs'] as const) {
          for (const stage of MESSAGE_STAGES) {
            site.plan({ stage, failure })
            const seen = policy === 'continue' && stage !== 'eom'
            const { digit, text } = await site.send('bad', seen)
            assert.equal(digit, expected(policy, stage), `${failure} at ${stage}: ${text}`)
          }
          await works(site)
        }
      })
    })
  }

  for (const action of ['tempfail', 'reject', 'accept'] as const) {
    it(`in each stage, by the death of its worker: the server's default is ${action}`, async () => {
      await withSite(['--on-error', 'accept'], action, async (site) => {
        const { running } = site
        for (const [index, stage] of MESSAGE_STAGES.entries()) {
          site.plan({ stage, failure: 'dies' })
          const { digit, text } = await site.send('bad', false)
          assert.equal(digit, expected(action, stage), `at ${stage}: ${text}`)
          site.plan({})
          await running.says(/INFO  a worker has taken the place of another/, index + 1)
          // In a new version a worker that dies is replaced at once again.
          running.signal('SIGHUP')
          await running.says(/INFO  reloaded/, index + 1)
          await works(site)
        }
        assert.equal(running.count(/ERROR a worker has died/), MESSAGE_STAGES.length)
      })
    })
  }
})
