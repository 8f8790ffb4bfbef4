import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rewrite, type RewriteOptions } from '../../../src/filters/index.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'
import { functionTable, Srs } from '../../../src/toolkit/index.ts'
import { files, resultsIn } from '../support.ts'

const MESSAGE = 'From: a@example.org\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nHello\r\n'
const NOW = Date.UTC(2026, 10, 30)
const file = files()

async function sent(
  options: RewriteOptions,
  delivery: Partial<TestTransaction> = {},
): Promise<TestOutcome & { results: string[] }> {
  const outcome = await deliver(await rewrite({ now: () => NOW, ...options }), {
    message: MESSAGE,
    from: 'a@other.example',
    to: ['bob@example.net'],
    ...delivery,
  })
  assert.deepEqual(outcome.errors, [])
  return { ...outcome, results: resultsIn(outcome.log) }
}

describe('rewrite by tables', () => {
  const table = `texthash:${file(
    'table',
    'bob@example.net robert@example.com\nall@example.net a@example.net, b@example.net\n@old.example @new.example\nx+y@example.net z@example.com\nbad@example.net nothing\n',
  )}`
  const pattern = `regexp:${file('pattern', '/^(.*)-list@example\\.net$/ $1@lists.example\n')}`
  const cases: [string, RewriteOptions, string, string[]][] = [
    ['an address', { recipients: table }, 'bob@example.net', ['robert@example.com']],
    ['in another case', { recipients: table }, 'Bob@EXAMPLE.net', ['robert@example.com']],
    [
      'with an extension, which stays',
      { recipients: table },
      'bob+News@example.net',
      ['robert+News@example.com'],
    ],
    [
      'an extension that the table has',
      { recipients: table },
      'x+y@example.net',
      ['z@example.com'],
    ],
    [
      'several addresses',
      { recipients: table },
      'all@example.net',
      ['a@example.net', 'b@example.net'],
    ],
    ['a domain', { recipients: table }, 'Any+one@old.example', ['Any+one@new.example']],
    ['a quoted local part', { recipients: table }, '"a b"@old.example', ['"a b"@new.example']],
    ['a pattern', { recipients: pattern }, 'news-list@example.net', ['news@lists.example']],
    [
      'not what is not there',
      { recipients: table },
      'carol@example.net',
      ['carol@example.net'],
    ],
    [
      'not to what is no address',
      { recipients: table },
      'bad@example.net',
      ['bad@example.net'],
    ],
  ]
  for (const mta of ['postfix', 'sendmail'] as const) {
    for (const [name, options, to, expected] of cases) {
      it(`${name}, behind ${mta}`, async () => {
        const { recipients, sender } = await sent(options, { mta, to: [to] })
        assert.deepEqual(recipients.toSorted(), expected)
        assert.equal(sender, 'a@other.example')
      })
    }
  }

  it('senders, and not the null sender', async () => {
    const { sender, results } = await sent({ senders: table }, { from: 'me@old.example' })
    assert.equal(sender, 'me@new.example')
    assert.deepEqual(results, ['changed sender'])
    assert.equal((await sent({ senders: table }, { from: '' })).sender, '')
  })

  it('keeps what the client said about notifications', async () => {
    const { envelope } = await sent(
      { recipients: table },
      { to: [{ address: 'bob@example.net', parameters: ['NOTIFY=NEVER'] }] as never },
    )
    assert.match(JSON.stringify(envelope.recipients), /NOTIFY=NEVER/)
  })

  it('all or nothing, if the database is down', async () => {
    const down = functionTable((key) => {
      if (key.startsWith('b@')) throw new Error('no connection')
      return 'new@example.com'
    })
    const to = ['a@example.net', 'b@example.net']
    const deferred = await sent({ recipients: down }, { to })
    assert.match(deferred.reply, /^451 4\.3\.0/)
    assert.deepEqual(deferred.results, ['deferred failed'])
    const passed = await sent({ recipients: down, onFailure: 'pass' }, { to })
    assert.deepEqual(passed.recipients, to)
  })
})

describe('rewrite by SRS', () => {
  const secretsFile = file('secret', 'new secret\nold secret\n')
  const srs = {
    domain: 'srs.example.org',
    secretsFile,
    localDomains: ['example.org', '.example.org'],
  }
  const own = (secret: string, now = NOW): Srs =>
    new Srs({ domain: 'srs.example.org', secrets: [secret], now: () => now })
  const forwards = `texthash:${file('virtual', 'away@example.org me@gmail.example\nhere@example.org there@example.org\n')}`
  const local = 'bob@example.org'
  const cases: [string, RewriteOptions, Partial<TestTransaction>, boolean, string][] = [
    ['mail that leaves', { srs }, { to: ['x@gmail.example'] }, true, 'changed srs-sender'],
    [
      'mail of which a part leaves',
      { srs },
      { to: [local, 'x@gmail.example'] },
      true,
      'changed srs-sender',
    ],
    [
      'not local mail',
      { srs },
      { to: [local, 'c@sub.example.org'] },
      false,
      'passed unchanged',
    ],
    [
      'not our senders',
      { srs },
      { from: 'a@example.org', to: ['x@gmail.example'] },
      false,
      'passed unchanged',
    ],
    [
      'not the null sender',
      { srs },
      { from: '', to: ['x@gmail.example'] },
      false,
      'passed unchanged',
    ],
    [
      'what an alias forwards',
      { srs: { ...srs, forwards } },
      { to: ['away@example.org'] },
      true,
      'changed srs-sender',
    ],
    [
      'not what an alias keeps',
      { srs: { ...srs, forwards } },
      { to: ['here@example.org'] },
      false,
      'passed unchanged',
    ],
  ]
  for (const [name, options, delivery, changes, expected] of cases) {
    it(name, async () => {
      const { sender, results } = await sent(options, delivery)
      assert.deepEqual(results, [expected])
      const before = delivery.from ?? 'a@other.example'
      assert.equal(
        sender,
        changes ? own('new secret').forward('a@other.example').address : before,
      )
    })
  }

  it('after its own tables', async () => {
    const recipients = 'inline:{ { bob@example.org = x@gmail.example } }'
    const { sender, recipients: to } = await sent({ srs, recipients }, { to: [local] })
    assert.match(sender, /^SRS0=/)
    assert.deepEqual(to, ['x@gmail.example'])
  })

  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`bounces find their way back, also with an old secret, behind ${mta}`, async () => {
      for (const secret of ['new secret', 'old secret']) {
        const to = [own(secret, NOW - 5 * 86_400_000).forward('a@other.example').address!]
        const { recipients, results, sender } = await sent({ srs }, { mta, from: '', to })
        assert.deepEqual(recipients, ['a@other.example'])
        assert.deepEqual(results, ['changed srs-recipient'])
        assert.equal(sender, '')
      }
    })
  }

  it('refuses a forged and an expired address, or leaves them as they are', async () => {
    const forged = own('not ours').forward('a@other.example').address!
    const expired = own('new secret', NOW - 30 * 86_400_000).forward('a@other.example').address!
    for (const to of [forged, expired]) {
      const { refused, results } = await sent({ srs }, { from: '', to: [to] })
      assert.match(refused[0]!.reply, /^550 5\.1\.1/)
      assert.deepEqual(results, ['refused srs-invalid'])
      const left = await sent({ srs: { ...srs, invalid: 'pass' } }, { from: '', to: [to] })
      assert.deepEqual(left.recipients, [to])
      assert.deepEqual(left.results, ['skipped srs-invalid', 'passed unchanged'])
    }
  })
})

describe('rewrite: mistakes at the start', () => {
  const cases: [string, RewriteOptions, RegExp][] = [
    ['nothing to do', {}, /needs senders, recipients or srs/],
    ['a missing table', { senders: 'hash:/nowhere/s' }, /senders: .*nowhere/],
    [
      'missing secrets',
      { srs: { domain: 'a.example', secretsFile: '/nowhere/s', localDomains: 'b.example' } },
      /srs\.secretsFile: .*nowhere/,
    ],
    [
      'empty secrets',
      {
        srs: {
          domain: 'a.example',
          secretsFile: file('none', '\n'),
          localDomains: 'b.example',
        },
      },
      /has no secrets/,
    ],
    [
      'a short hash that is believed',
      {
        srs: {
          domain: 'a.example',
          secretsFile: file('one', 's\n'),
          localDomains: 'b.example',
          minHashLength: 5,
        },
      },
      /minHashLength/,
    ],
  ]
  for (const [name, options, message] of cases) {
    it(name, async () => {
      await assert.rejects(async () => await rewrite(options), {
        code: 'INVALID_OPTION',
        message,
      })
    })
  }
})
