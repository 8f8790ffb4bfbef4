import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defineFilter, REJECT } from '../../src/index.ts'
import { when, type Condition } from '../../src/filters/index.ts'
import { deliver, type TestTransaction } from '../../src/testing/index.ts'

const LOCAL = { client: { address: '127.0.0.1' } }
const OUTSIDE = { client: { address: '192.0.2.7' } }

/** The stages of a filter that are called. */
async function called(condition: Condition, transaction: TestTransaction): Promise<string[]> {
  const stages: string[] = []
  const filter = defineFilter({
    name: 'spy',
    connect: () => void stages.push('connect'),
    helo: () => void stages.push('helo'),
    sender: () => void stages.push('sender'),
    recipient: ({ domain }) => void stages.push(`recipient ${domain}`),
    headers: () => void stages.push('headers'),
    message: () => void stages.push('message'),
  })
  const outcome = await deliver(when(condition, filter), transaction)
  assert.equal(outcome.failure, undefined)
  return stages
}

const OF_MAIL = ['sender', 'recipient example.net', 'headers', 'message']

describe('when', () => {
  const cases: [string, Condition, TestTransaction, string[]][] = [
    [
      'of those who have logged in',
      { direction: 'authenticated' },
      { authenticated: 'a' },
      OF_MAIL,
    ],
    ['not of others', { direction: 'authenticated' }, LOCAL, []],
    ['of the machine itself', { direction: 'local' }, LOCAL, OF_MAIL],
    ['of sendmail(1)', { direction: 'local' }, { client: null }, OF_MAIL],
    ['of networks', { direction: 'local', networks: '192.0.2.0/24' }, OUTSIDE, OF_MAIL],
    [
      'a login from a network is a login',
      { direction: 'local' },
      { ...LOCAL, authenticated: 'a' },
      [],
    ],
    ['from outside', { direction: 'outside' }, OUTSIDE, OF_MAIL],
    [
      'a login from outside is none',
      { direction: 'outside' },
      { ...OUTSIDE, authenticated: 'a' },
      [],
    ],
    ['of two directions', { direction: ['local', 'authenticated'] }, LOCAL, OF_MAIL],
    ['not: the others', { not: { direction: 'outside' } }, LOCAL, OF_MAIL],
    ['not: these', { not: { direction: 'outside' } }, OUTSIDE, []],
    ['of a sender', { senderDomain: 'Example.ORG' }, {}, OF_MAIL],
    [
      'of a sender, not below',
      { senderDomain: 'example.org' },
      { from: 'a@b.example.org' },
      [],
    ],
    [
      'of a sender below',
      { senderDomain: '.example.org' },
      { from: 'a@b.example.org' },
      OF_MAIL,
    ],
    ['of a sender, only below', { senderDomain: '.example.org' }, {}, []],
    ['of no sender', { senderDomain: 'example.org' }, { from: '' }, []],
    ['not of a sender', { not: { senderDomain: 'example.org' } }, { from: '' }, OF_MAIL],
    [
      'of all that is given',
      {
        direction: 'outside',
        senderDomain: 'example.org',
        not: { recipientDomain: 'example.com' },
      },
      OUTSIDE,
      ['recipient example.net', 'headers', 'message'],
    ],
    [
      'for recipients: each by itself, the message for one of them',
      { recipientDomain: 'example.com' },
      { to: ['a@example.net', 'b@example.com'] },
      ['recipient example.com', 'headers', 'message'],
    ],
    ['for no recipient', { recipientDomain: 'example.com' }, {}, []],
  ]
  for (const [name, condition, transaction, stages] of cases) {
    it(name, async () => {
      assert.deepEqual(await called(condition, transaction), stages)
    })
  }

  it('without a condition: wherever there is a message', async () => {
    assert.deepEqual(await called({}, {}), ['connect', 'helo', ...OF_MAIL])
  })

  it('keeps what the filter says', async () => {
    const no = when(
      { senderDomain: 'example.org' },
      defineFilter({ name: 'no', sender: () => REJECT }),
    )
    assert.equal((await deliver(no)).verdict, 'reject')
    assert.equal((await deliver(no, { from: 'a@example.com' })).verdict, 'accept')
    assert.equal(no.name, 'no')
  })

  it('refuses what it does not know', () => {
    const filter = defineFilter({ name: 'x' })
    for (const [condition, message] of [
      [{ direction: 'inside' }, /direction takes authenticated, local or outside/],
      [{ sender: 'x' }, /senderDomain/],
      [{ not: { not: {} } }, /not an option of not/],
    ] as const) {
      assert.throws(() => when(condition as never, filter), { code: 'INVALID_OPTION', message })
    }
    assert.throws(() => when({}, (() => ({})) as never), { code: 'INVALID_OPTION' })
  })
})
