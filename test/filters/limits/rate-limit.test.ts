import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rateLimit, type RateLimitOptions } from '../../../src/filters/index.ts'
import { compose, defineFilter, reply } from '../../../src/index.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import {
  deliver,
  openSession,
  type TestOutcome,
  type TestTransaction,
} from '../../../src/testing/index.ts'
import { functionTable } from '../../../src/toolkit/index.ts'
import { FakeSmtpServer } from '../../support/fake-smtp-server.ts'
import { brokenStore, files, resultsIn } from '../support.ts'

const MESSAGE = 'From: a@example.org\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nHello\r\n'
const file = files()

async function limited(options: RateLimitOptions) {
  const clock = { now: Date.UTC(2026, 10, 30) }
  const store = openMemoryStore({ clock: () => clock.now })
  const filter = await rateLimit({ store, ...options })
  const send = async (delivery: Partial<TestTransaction> = {}): Promise<TestOutcome> =>
    await deliver(filter, {
      message: MESSAGE,
      from: 'alice@example.org',
      to: ['bob@example.net'],
      client: { address: '192.0.2.7' },
      authenticated: 'alice',
      ...delivery,
    })
  const results = async (delivery: Partial<TestTransaction> = {}): Promise<string[]> => {
    const outcome = await send(delivery)
    assert.deepEqual(outcome.errors, [])
    return resultsIn(outcome.log)
  }
  /** How many of a number of messages pass. */
  const passes = async (
    count: number,
    delivery: (i: number) => Partial<TestTransaction> = () => ({}),
  ): Promise<number> => {
    let passed = 0
    for (let i = 0; i < count; i++) if ((await send(delivery(i))).verdict === 'accept') passed++
    return passed
  }
  return { clock, filter, send, results, passes }
}

const to = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `user${i}@example.net`)

for (const mta of ['postfix', 'sendmail'] as const) {
  describe(`rateLimit behind ${mta}`, () => {
    it('defers what is above the limit, and says when to try again', async () => {
      const { clock, send, passes } = await limited({ login: { messages: '2/60s' } })
      assert.equal(await passes(2, () => ({ mta })), 2)
      const outcome = await send({ mta })
      assert.equal(
        outcome.reply,
        '451 4.7.1 Too many messages: the limit of this login is 2/60s; try again in 30 seconds',
      )
      clock.now += 30_000
      assert.equal((await send({ mta })).verdict, 'accept')
    })
  })
}

describe('rateLimit: what is counted', () => {
  const outside = { authenticated: undefined }
  it('messages, not recipients, by default', async () => {
    const { passes } = await limited({ login: { messages: '3/h' } })
    assert.equal(await passes(4, () => ({ to: to(20) })), 3)
  })

  it('recipients: all or nothing, so what is refused uses up nothing', async () => {
    const { passes } = await limited({ login: { recipients: '10/h' } })
    assert.equal(await passes(1, () => ({ to: to(6) })), 1)
    assert.equal(await passes(3, () => ({ to: to(6) })), 0)
    assert.equal(await passes(5, () => ({ to: to(1) })), 4)
  })

  it('bytes, as they came', async () => {
    const { passes, send } = await limited({ login: { bytes: '4K/h' } })
    const message = `${MESSAGE}${'x'.repeat(60)}\r\n`.repeat(1)
    const size = Buffer.byteLength(message) - 2
    assert.equal(await passes(60, () => ({ message })), Math.floor(4096 / size))
    const large = await send({ message: `${MESSAGE}${`${'x'.repeat(70)}\r\n`.repeat(80)}` })
    assert.match(large.reply, /^550 5\.7\.1 .*too many bytes for the limit of 4096\/h/)
  })

  it('two limits of a login, and its domain', async () => {
    const { passes } = await limited({
      login: { messages: ['2/60s', '3/d'] },
      domain: { messages: '4/d' },
    })
    const as = (authenticated: string) => () => ({ authenticated })
    assert.equal(await passes(3, as('alice@example.org')), 2)
    assert.equal(await passes(3, as('bob@example.org')), 2)
    assert.equal(await passes(1, as('carol@EXAMPLE.org')), 0)
    assert.equal(await passes(1, as('carol@example.com')), 1)
  })

  it('a login in another case is the same', async () => {
    const { passes } = await limited({ login: { messages: '1/h' } })
    assert.equal(await passes(2, (i) => ({ authenticated: i === 0 ? 'alice' : 'ALICE' })), 1)
  })

  it('senders of users only: a stranger cannot use up the limit of somebody else', async () => {
    const { results } = await limited({ sender: { messages: '1/h' } })
    assert.deepEqual(await results(outside), ['skipped no-limit'])
    assert.deepEqual(await results(outside), ['skipped no-limit'])
    assert.deepEqual(await results(), ['passed within'])
    assert.deepEqual(await results(), ['deferred above'])
    assert.deepEqual(await results({ from: '' }), ['skipped no-limit'])
  })

  it('clients from outside by address, and of IPv6 by /64', async () => {
    const { passes } = await limited({ client: { messages: '1/h' } })
    const from =
      (...all: string[]) =>
      (i: number) => ({ ...outside, client: { address: all[i]! } })
    assert.equal(await passes(2, from('192.0.2.1', '192.0.2.2')), 2)
    assert.equal(await passes(2, from('2001:db8::1', '2001:db8::2')), 1)
    // Users come from one address behind NAT, and have their own limits.
    assert.equal(await passes(3, () => ({ client: { address: '192.0.2.1' } })), 3)
    assert.equal(await passes(3, from('127.0.0.1', '127.0.0.1', '127.0.0.1')), 3)
    assert.equal(await passes(2, () => ({ ...outside, client: null })), 2)
  })

  it('not mail to postmaster alone', async () => {
    const { results } = await limited({ login: { messages: '1/h' } })
    assert.deepEqual(await results({ to: ['Postmaster@example.net'] }), [
      'skipped exempt-recipient',
    ])
    assert.deepEqual(await results({ to: ['postmaster@example.net', 'bob@example.net'] }), [
      'passed within',
    ])
  })

  it('refuses with action: refuse, and what no limit will ever allow', async () => {
    const refusing = await limited({ login: { messages: '1/h' }, action: 'refuse' })
    await refusing.send()
    assert.match((await refusing.send()).reply, /^550 5\.7\.1 Too many messages/)
    const { send, passes } = await limited({ login: { recipients: '10/h' } })
    assert.match((await send({ to: to(16) })).reply, /^550 5\.7\.1 .*too many recipients/)
    assert.equal(await passes(10), 10)
  })
})

describe('rateLimit: limits of some users', () => {
  const groups = { bulk: { messages: '5/h' }, silent: { recipients: '1/h' } }
  const cases: [string, string, string, number][] = [
    ['the usual limit', 'carol', 'alice bulk', 2],
    ['a group', 'alice', 'alice bulk', 5],
    ['limits in the table', 'alice', 'alice messages=3/h,100/d recipients=1000/d', 3],
    ['none', 'alice', 'alice unlimited', 6],
    ['of a domain', 'x@example.org', '@example.org messages=4/h', 4],
    ['what is no limit', 'alice', 'alice often', 2],
    ['only other units', 'alice', 'alice recipients=100/h', 2],
    ['a group with another unit', 'alice', 'alice silent', 1],
  ]
  for (const [name, authenticated, text, expected] of cases) {
    it(name, async () => {
      const users = `texthash:${file('users', `${text}\n`)}`
      const { passes } = await limited({ login: { messages: '2/h' }, users, groups })
      assert.equal(await passes(6, () => ({ authenticated })), expected)
    })
  }

  it('of a function, and the usual ones if it fails', async () => {
    const users = functionTable((key) => {
      if (key === 'broken') throw new Error('no database')
      return key === 'alice' ? 'bulk' : undefined
    })
    const { passes } = await limited({ login: { messages: '2/h' }, users, groups })
    assert.equal(await passes(6), 5)
    assert.equal(await passes(6, () => ({ authenticated: 'broken' })), 2)
  })
})

describe('rateLimit gives back', () => {
  it('what a later filter refuses or defers, and not what is accepted or discarded', async () => {
    const refuses = { now: reply(550, '5.7.1', 'no') as ReturnType<typeof reply> | undefined }
    const { filter } = await limited({ login: { messages: '2/h' } })
    const chain = compose(filter, defineFilter({ name: 'later', message: () => refuses.now }))
    const send = async (): Promise<TestOutcome> =>
      await deliver(chain, { message: MESSAGE, authenticated: 'alice', from: 'a@example.org' })
    for (let i = 0; i < 5; i++) {
      const outcome = await send()
      assert.equal(outcome.verdict, 'reject')
      assert.deepEqual(resultsIn(outcome.log), ['passed within', 'skipped given-back'])
    }
    refuses.now = undefined
    assert.equal((await send()).verdict, 'accept')
    assert.equal((await send()).verdict, 'accept')
    assert.equal((await send()).verdict, 'tempfail')
  })

  it('what the client aborts while a later filter works', async () => {
    const { filter } = await limited({ login: { messages: '1/h' } })
    const hangs = { now: true }
    const chain = compose(
      filter,
      defineFilter({
        name: 'slow',
        message: async ({ signal }) => {
          if (!hangs.now) return
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        },
      }),
    )
    const delivery = { message: MESSAGE, authenticated: 'alice', from: 'a@example.org' }
    const session = await openSession(chain, { timeouts: 300 })
    const outcome = await session.deliver(delivery)
    assert.notEqual(outcome.failure, undefined)
    hangs.now = false
    // The connection is closed beside this test.
    for (let i = 0; i < 100; i++) {
      if ((await deliver(chain, delivery)).verdict === 'accept') return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.fail('it was not given back')
  })
})

describe('rateLimit tells the administrator', () => {
  const warned = ({ log }: TestOutcome): unknown[] =>
    log
      .filter(({ message }) => message === 'a limit is used up')
      .map(({ fields }) => fields['who'])

  it('once in a while, in the log', async () => {
    const { clock, send } = await limited({ login: { messages: '1/d' }, noticeEvery: '1h' })
    await send()
    assert.deepEqual(warned(await send()), ['login alice'])
    assert.deepEqual(warned(await send()), [])
    clock.now += 3_600_000
    assert.deepEqual(warned(await send()), ['login alice'])
  })

  it('by mail', async () => {
    await using server = await FakeSmtpServer.start()
    const { send } = await limited({
      login: { messages: '1/d' },
      notice: {
        to: 'admin@example.org',
        from: 'filter@example.org',
        server: `127.0.0.1:${server.port}`,
      },
    })
    const mean = { authenticated: 'eve\r\nBcc: x@example.com' }
    await send(mean)
    await send(mean)
    for (let i = 0; server.messages.length === 0 && i < 200; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const text = String(server.messages[0])
    assert.match(text, /^To: admin@example\.org\r$/m)
    assert.match(
      text,
      /^Subject: login eve\?\?bcc: x@example\.com has used up a limit: messages 1\/d\r$/m,
    )
    assert.doesNotMatch(text, /^bcc:/im)
    assert.ok(
      server.commands.includes('MAIL FROM:<>') ||
        server.commands.some((line) => line.startsWith('MAIL FROM:<>')),
    )
  })
})

describe('rateLimit while its store fails', () => {
  const cases = [
    ['open', ['passed store-failed']],
    ['closed', ['deferred store-failed']],
    ['local', ['passed within']],
  ] as const
  for (const [onStoreFailure, expected] of cases) {
    it(onStoreFailure, async () => {
      const broken = brokenStore()
      const { results } = await limited({
        login: { messages: '1/h' },
        store: broken.store,
        onStoreFailure,
      })
      broken.fails = true
      assert.deepEqual(await results(), expected)
    })
  }
})

describe('rateLimit: mistakes at the start', () => {
  const cases: [string, RateLimitOptions, RegExp][] = [
    ['no limits', {}, /needs limits: login, sender, domain, client or users/],
    [
      'a limit without a time',
      { login: { messages: '10' } },
      /login\.messages takes a limit such as/,
    ],
    ['a limit of nothing', { login: { messages: '0/h' } }, /takes a limit such as/],
    ['a limit twice', { login: { messages: ['10/h', '10/h'] } }, /takes each limit once/],
    ['a missing table', { users: 'hash:/nowhere/users' }, /option users: .*nowhere/],
    [
      'a server by name',
      { login: { messages: '1/h' }, notice: { to: 'a@b', from: 'a@b', server: 'mx:25' } },
      /notice\.server takes an IP address/,
    ],
  ]
  for (const [name, options, message] of cases) {
    it(name, async () => {
      await assert.rejects(async () => await rateLimit(options), {
        code: 'INVALID_OPTION',
        message,
      })
    })
  }
})
