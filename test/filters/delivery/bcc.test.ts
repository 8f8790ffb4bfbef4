import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bcc, type BccOptions } from '../../../src/filters/index.ts'
import { inspectBcc } from '../../../src/filters/delivery/inspect-delivery.ts'
import { deliver, type TestTransaction } from '../../../src/testing/index.ts'
import { files, resultsIn } from '../support.ts'

const file = files()
const key = file('key', 'a key of at least sixteen bytes\n')
const MESSAGE =
  'Date: Mon, 30 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nFrom: a@example.org\r\nTo: b@example.net\r\nSubject: x\r\n\r\nHello\r\n'
const TO = 'audit@example.com'
const usual: TestTransaction = {
  message: MESSAGE,
  from: 'a@example.org',
  to: ['b@example.net'],
  client: { address: '192.0.2.7' },
}

describe('bcc: which mail', () => {
  const cases: [string, BccOptions['rules'], TestTransaction, string[], string][] = [
    ['all', { to: TO }, {}, [TO], 'changed copied'],
    ['the null sender', { to: TO }, { from: '' }, [TO], 'changed copied'],
    ['a sender', { to: TO, sender: 'A@Example.org' }, {}, [TO], 'changed copied'],
    ['a domain of senders', { to: TO, sender: 'example.org' }, {}, [TO], 'changed copied'],
    ['another sender', { to: TO, sender: 'x@example.org' }, {}, [], 'skipped no-rule'],
    ['a recipient', { to: TO, recipient: 'b@example.net' }, {}, [TO], 'changed copied'],
    ['another recipient', { to: TO, recipient: '.example.net' }, {}, [], 'skipped no-rule'],
    ['from outside', { to: TO, direction: 'outside' }, {}, [TO], 'changed copied'],
    ['of users', { to: TO, direction: 'authenticated' }, {}, [], 'skipped no-rule'],
    [
      'of a user',
      { to: TO, direction: 'authenticated' },
      { authenticated: 'alice' },
      [TO],
      'changed copied',
    ],
    [
      'all conditions',
      { to: TO, sender: 'example.org', recipient: 'other.example' },
      {},
      [],
      'skipped no-rule',
    ],
    [
      'several rules and recipients, each once',
      [{ to: [TO, 'x@example.com'] }, { to: 'AUDIT@example.com' }, { to: 'x@EXAMPLE.com' }],
      {},
      [TO, 'x@example.com'],
      'changed copied',
    ],
    ['a recipient that is there', { to: 'b@EXAMPLE.net' }, {}, [], 'passed present'],
  ]
  for (const mta of ['postfix', 'sendmail'] as const) {
    for (const [name, rules, transaction, added, result] of cases) {
      it(`${name} (${mta})`, async () => {
        const outcome = await deliver(bcc({ rules }), { mta, ...usual, ...transaction })
        assert.deepEqual(outcome.errors, [])
        assert.deepEqual(resultsIn(outcome.log), [result])
        assert.deepEqual([...outcome.recipients].sort(), ['b@example.net', ...added].sort())
        assert.equal(String(outcome.message), MESSAGE)
      })
    }
  }

  it('asks for no notice about the copy, if the server can say so', async () => {
    const { edits } = await deliver(bcc({ rules: { to: TO } }), usual)
    assert.match(JSON.stringify(edits), /NOTIFY=NEVER/)
    const filter = { actions: ['ADDRCPT', 'DELRCPT'] } as const
    const old = await deliver(bcc({ rules: { to: TO } }), { ...usual, filter })
    assert.deepEqual(old.recipients, ['b@example.net', TO])
  })

  it('adds nobody while it observes', async () => {
    const outcome = await deliver(bcc({ rules: { to: TO }, observe: true }), usual)
    assert.deepEqual(outcome.recipients, ['b@example.net'])
    assert.deepEqual(resultsIn(outcome.log), ['would be changed copied'])
  })
})

describe('bcc: messages that come through twice', () => {
  const filter = bcc({ rules: { to: TO }, markKeyFile: key })

  it('have one copy if the first hop has marked them', async () => {
    const first = await deliver(filter, usual)
    const second = { ...usual, message: first.message!, client: { address: '127.0.0.1' } }
    const outcome = await deliver(filter, second)
    assert.deepEqual(resultsIn(outcome.log), ['skipped marked'])
    assert.deepEqual(outcome.recipients, ['b@example.net'])
    const other = bcc({ rules: { to: TO }, markKeyFile: key, name: 'other' })
    assert.deepEqual(resultsIn((await deliver(other, second)).log), ['changed copied'])
  })

  it('have another if a stranger sends them again', async () => {
    const { message } = await deliver(filter, usual)
    const outcome = await deliver(filter, { ...usual, message: message! })
    assert.deepEqual(resultsIn(outcome.log), ['changed copied'])
  })
})

describe('bcc: mistakes', () => {
  const cases: [string, BccOptions, RegExp][] = [
    ['no rule', { rules: [] }, /at least one entry/],
    ['no recipient', { rules: {} } as never, /needs to/],
    ['no address', { rules: { to: 'audit' } }, /rules\.to takes an address/],
    ['two addresses in one', { rules: { to: 'a@x.example, b@x.example' } }, /an address/],
    ['a control character', { rules: { to: 'a\n@x.example' } }, /an address/],
    ['no key', { rules: { to: TO }, markKeyFile: '/nowhere' }, /markKeyFile.*ENOENT/],
  ]
  for (const [name, options, message] of cases) {
    it(name, () => {
      assert.throws(() => bcc(options), { code: 'INVALID_OPTION', message })
    })
  }

  it('a rule for all mail is told before mail comes', async () => {
    const found: string[] = []
    const rules = [{ to: [TO] }, { to: [TO], sender: ['example.org'] }]
    for await (const { path } of inspectBcc({ rules } as never)) found.push(path.join('.'))
    assert.deepEqual(found, ['rules.0'])
  })
})
