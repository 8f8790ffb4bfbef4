import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { recipientCheck, type RecipientCheckOptions } from '../../../src/filters/index.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { deliver, type TestOutcome } from '../../../src/testing/index.ts'
import { functionTable } from '../../../src/toolkit/index.ts'
import { FakeSmtpServer, RESET, SILENCE, type Script } from '../../support/fake-smtp-server.ts'
import { files, resultsIn } from '../support.ts'

const MESSAGE = 'From: a@example.org\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nHello\r\n'
const file = files()

async function sent(
  options: Partial<RecipientCheckOptions>,
  to: string[],
  mta: 'postfix' | 'sendmail' = 'postfix',
): Promise<TestOutcome & { results: string[] }> {
  const filter = await recipientCheck({ domains: 'example.net', ...options })
  const outcome = await deliver(filter, { mta, message: MESSAGE, from: 'a@example.org', to })
  return { ...outcome, results: resultsIn(outcome.log) }
}

describe('recipientCheck by tables', () => {
  const tables = `texthash:${file(
    'valid',
    'bob@example.net x\ncarol+news@example.net x\n@all.example x\nold@example.net REJECT gone\nbusy@example.net 450 later\n',
  )}`
  const domains = ['example.net', 'all.example', '.sub.example']
  const cases: [string, string][] = [
    ['bob@example.net', 'passed exists'],
    ['BOB@Example.NET', 'passed exists'],
    ['"bob"@example.net', 'passed exists'],
    ['bob+news@example.net', 'passed exists'],
    ['carol+news@example.net', 'passed exists'],
    ['carol@example.net', 'refused unknown'],
    ['nobody@example.net', 'refused unknown'],
    ['old@example.net', 'refused unknown'],
    ['busy@example.net', 'deferred failed'],
    ['anybody@all.example', 'passed exists'],
    ['x@a.sub.example', 'refused unknown'],
    ['x@sub.example', 'skipped other-domain'],
    ['someone@example.com', 'skipped other-domain'],
    ['postmaster@example.net', 'passed postmaster'],
  ]
  for (const [to, expected] of cases) {
    it(`${to}: ${expected}`, async () => {
      assert.deepEqual((await sent({ domains, tables }, [to])).results, [expected])
    })
  }

  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`refuses a recipient, and the others get the message, behind ${mta}`, async () => {
      const outcome = await sent({ tables }, ['nobody@example.net', 'bob@example.net'], mta)
      assert.equal(outcome.refused.length, 1)
      assert.match(
        outcome.refused[0]!.reply,
        /^550 5\.1\.1 .*This recipient does not exist here$/,
      )
      assert.deepEqual(outcome.recipients, ['bob@example.net'])
    })
  }

  for (const [onFailure, expected] of [
    ['defer', 'deferred failed'],
    ['pass', 'passed failed'],
  ] as const) {
    it(`${onFailure} if the database is down`, async () => {
      const down = functionTable(() => {
        throw new Error('no connection')
      })
      const { results, refused } = await sent({ tables: down, onFailure }, ['bob@example.net'])
      assert.deepEqual(results, [expected])
      if (onFailure === 'defer') assert.match(refused[0]!.reply, /^451 4\.3\.0/)
    })
  }
})

describe('recipientCheck by the next server', () => {
  const asking = (server: FakeSmtpServer, more = {}): Partial<RecipientCheckOptions> => ({
    callForward: {
      server: `127.0.0.1:${server.port}`,
      store: openMemoryStore(),
      timeout: 300,
      ...more,
    },
  })
  const cases: [string, Script, string][] = [
    ['takes it', {}, 'passed exists'],
    ['refuses it', { RCPT: '550 5.1.1 unknown' }, 'refused unknown'],
    ['refuses it for now', { RCPT: '450 4.2.1 later' }, 'deferred failed'],
    ['refuses the sender', { MAIL: '550 5.7.1 not you' }, 'deferred failed'],
    ['is silent', { RCPT: SILENCE }, 'deferred failed'],
    ['does not greet', { greeting: SILENCE }, 'deferred failed'],
    ['breaks off', { RCPT: RESET }, 'deferred failed'],
    ['says nonsense', { RCPT: 'hello' }, 'deferred failed'],
  ]
  for (const [name, script, expected] of cases) {
    it(`that ${name}`, async () => {
      await using server = await FakeSmtpServer.start(script)
      const { results, errors } = await sent(asking(server), ['bob@example.net'])
      assert.deepEqual(results, [expected])
      assert.deepEqual(errors, [])
      assert.ok(!server.commands.some((line) => line.startsWith('DATA')))
    })
  }

  it('is asked once about an address, and again about one it could not decide', async () => {
    await using server = await FakeSmtpServer.start({
      RCPT: (line) =>
        line.includes('nobody') ? '550 no' : line.includes('busy') ? '450 later' : '250 ok',
    })
    const options = asking(server)
    const asked = (): number => server.commands.filter((line) => line.startsWith('RCPT')).length
    const filter = await recipientCheck({ domains: 'example.net', ...options } as never)
    for (let i = 0; i < 2; i++) {
      await deliver(filter, {
        message: MESSAGE,
        from: 'a@example.org',
        to: ['bob@example.net', 'nobody@example.net', 'busy@example.net'],
      })
    }
    assert.equal(asked(), 4)
  })
})

describe('recipientCheck: mistakes at the start', () => {
  const cases: [string, unknown, RegExp][] = [
    ['no domains', { tables: 'static:x' }, /needs domains/],
    ['no source', { domains: 'example.net' }, /tables or callForward/],
    [
      'a missing table',
      { domains: 'example.net', tables: 'hash:/nowhere/t' },
      /tables: .*nowhere/,
    ],
    ['a table without a type', { domains: 'example.net', tables: '/etc/x' }, /no type/],
    [
      'a server by name',
      { domains: 'example.net', callForward: { server: 'mx:25' } },
      /callForward/,
    ],
  ]
  for (const [name, options, message] of cases) {
    it(name, async () => {
      await assert.rejects(async () => await recipientCheck(options as never), {
        code: 'INVALID_OPTION',
        message,
      })
    })
  }
})
