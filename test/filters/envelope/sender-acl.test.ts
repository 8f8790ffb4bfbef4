import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { senderAcl, type SenderAclOptions } from '../../../src/filters/index.ts'
import { deliver, type TestOutcome } from '../../../src/testing/index.ts'
import { functionTable } from '../../../src/toolkit/index.ts'
import { files, resultsIn } from '../support.ts'

const file = files()
const allowed = `texthash:${file(
  'allowed',
  'alice@example.org sales@example.org, boss@example.org\nbob @shop.example @.lists.example\ngate *\n@team.example team@example.org\n',
)}`
const owners = `texthash:${file(
  'owners',
  'info@example.org alice@example.org, bob\n@bulk.example alice@example.org\n',
)}`

interface Sent {
  readonly login?: string | undefined
  readonly sender?: string
  readonly from?: string
}

async function sent(
  options: SenderAclOptions,
  { login = 'alice@example.org', sender = 'alice@example.org', from = `<${sender}>` }: Sent,
  more: { mta?: 'postfix' | 'sendmail'; authenticated?: undefined } = {},
): Promise<TestOutcome & { results: string[] }> {
  const outcome = await deliver(await senderAcl(options), {
    message: `From: ${from}\r\nTo: x@example.net\r\nSubject: x\r\n\r\nHello\r\n`,
    from: sender,
    to: ['x@example.net'],
    authenticated: login,
    ...more,
  })
  assert.deepEqual(outcome.errors, [])
  return { ...outcome, results: resultsIn(outcome.log) }
}

describe('senderAcl', () => {
  const cases: [string, SenderAclOptions, Sent, string][] = [
    ['their own address', {}, {}, 'passed own'],
    ['in another case', {}, { sender: 'Alice@Example.ORG' }, 'passed own'],
    ['with an extension', {}, { sender: 'alice+news@example.org' }, 'passed own'],
    [
      'with an extension that does not count',
      { delimiter: '' },
      { sender: 'alice+news@example.org' },
      'refused not-own-envelope',
    ],
    ['somebody else', {}, { sender: 'boss@example.org' }, 'refused not-own-envelope'],
    ['somebody else in From', {}, { from: 'Boss <boss@example.org>' }, 'refused not-own-from'],
    [
      'somebody else among authors',
      {},
      { from: 'alice@example.org, boss@example.org' },
      'refused not-own-from',
    ],
    ['no From', {}, { from: '' }, 'refused no-from'],
    [
      'two From',
      {},
      { from: 'alice@example.org\r\nFrom: boss@example.org' },
      'refused no-from',
    ],
    ['From not checked', { check: 'envelope' }, { from: 'boss@example.org' }, 'passed own'],
    [
      'the envelope not checked',
      { check: 'from' },
      { sender: 'b@example.com', from: 'alice@example.org' },
      'passed own',
    ],
    ['send-as by the table', { allowed }, { sender: 'sales@example.org' }, 'passed own'],
    ['send-as with an extension', { allowed }, { sender: 'sales+x@example.org' }, 'passed own'],
    [
      'another one than the table has',
      { allowed },
      { sender: 'ceo@example.org' },
      'refused not-own-envelope',
    ],
    [
      'all of a domain',
      { allowed },
      { login: 'bob', sender: 'any@shop.example' },
      'passed own',
    ],
    [
      'not below that domain',
      { allowed },
      { login: 'bob', sender: 'any@x.shop.example' },
      'refused not-own-envelope',
    ],
    [
      'below a domain: VERP of a list',
      { allowed },
      { login: 'bob', sender: 'l-bounces+a=b.example@x.lists.example' },
      'passed own',
    ],
    ['everybody', { allowed }, { login: 'gate', sender: 'any@where.example' }, 'passed own'],
    [
      'all logins of a domain',
      { allowed },
      { login: 'x@team.example', sender: 'team@example.org' },
      'passed own',
    ],
    ['the owner', { owners }, { login: 'bob', sender: 'info@example.org' }, 'passed own'],
    ['the owner of a domain', { owners }, { sender: 'x@bulk.example' }, 'passed own'],
    [
      'not the owner',
      { owners },
      { login: 'eve', sender: 'info@example.org' },
      'refused not-own-envelope',
    ],
    ['a login without a domain', {}, { login: 'alice' }, 'refused not-own-envelope'],
    ['a login that gets one', { loginDomain: 'example.org' }, { login: 'alice' }, 'passed own'],
    ['not even themselves', { own: false, owners }, {}, 'refused not-own-envelope'],
    ['the null sender', {}, { sender: '', from: 'alice@example.org' }, 'passed own'],
    [
      'the null sender, forbidden',
      { nullSender: false },
      { sender: '', from: 'alice@example.org' },
      'refused null-sender',
    ],
    [
      'the null sender with another From',
      {},
      { sender: '', from: 'boss@example.org' },
      'refused not-own-from',
    ],
    [
      'an exempt login',
      { exempt: 'Gateway' },
      { login: 'gateway', sender: 'x@example.com' },
      'skipped exempt',
    ],
    [
      'a look-alike with a name',
      {},
      { from: '"boss@example.org" <alice@example.org>' },
      'passed own',
    ],
  ]
  for (const [name, options, message, expected] of cases) {
    it(name, async () => {
      assert.deepEqual((await sent(options, message)).results, [expected])
    })
  }

  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`says who may not send as whom, behind ${mta}`, async () => {
      const { verdict, reply } = await sent({}, { sender: 'boss@example.org' }, { mta })
      assert.equal(verdict, 'reject')
      assert.match(
        reply,
        /^553 5\.7\.1 .*You have logged in as alice@example\.org, which may not send as boss@example\.org$/,
      )
    })
  }

  it('leaves mail without a login alone', async () => {
    const { results } = await sent(
      {},
      { sender: 'x@example.com' },
      { authenticated: undefined },
    )
    assert.deepEqual(results, ['skipped not-authenticated'])
  })

  it('checks the field Sender if you say so', async () => {
    const from = 'alice@example.org\r\nSender: boss@example.org'
    assert.deepEqual((await sent({}, { from })).results, ['passed own'])
    const check = ['from', 'sender-field'] as const
    assert.deepEqual((await sent({ check }, { from })).results, [
      'refused not-own-sender-field',
    ])
  })

  for (const [onFailure, expected] of [
    ['defer', ['deferred failed']],
    ['pass', ['passed failed', 'passed failed', 'passed own']],
  ] as const) {
    it(`${onFailure} if the database is down`, async () => {
      const down = functionTable(() => {
        throw new Error('no connection')
      })
      const { results } = await sent(
        { allowed: down, onFailure },
        { sender: 'sales@example.org' },
      )
      assert.deepEqual(results, expected)
    })
  }

  it('only observes', async () => {
    const { results, verdict } = await sent({ observe: true }, { sender: 'boss@example.org' })
    assert.equal(verdict, 'accept')
    assert.deepEqual(results, ['would be refused not-own-envelope'])
  })

  it('refuses a missing table, and options that let nobody send', async () => {
    await assert.rejects(async () => await senderAcl({ allowed: 'hash:/nowhere/a' }), {
      code: 'INVALID_OPTION',
      message: /allowed: .*nowhere/,
    })
    await assert.rejects(async () => await senderAcl({ own: false }), {
      code: 'INVALID_OPTION',
    })
  })
})
