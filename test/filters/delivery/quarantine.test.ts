import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { main } from '../../../src/cli/main.ts'
import { QuarantineStore } from '../../../src/filters/delivery/quarantine-store.ts'
import { inspectQuarantine } from '../../../src/filters/delivery/inspect-delivery.ts'
import { attachments, quarantine, type QuarantineOptions } from '../../../src/filters/index.ts'
import { compose, defineFilter, shadow } from '../../../src/index.ts'
import { deliver, type TestTransaction } from '../../../src/testing/index.ts'
import { FakeSmtpServer, type Script } from '../../support/fake-smtp-server.ts'
import { resultsIn } from '../support.ts'

const folder = mkdtempSync(join(tmpdir(), 'quarantine-'))
after(() => rmSync(folder, { recursive: true }))
let count = 0
const newFolder = (): string => {
  const path = join(folder, String(++count))
  mkdirSync(path)
  return path
}

const MESSAGE = Buffer.from(
  'From: a@example.org\r\nSubject: \x1b[31mred\r\n\r\n.Hello\r\n\xff \n\r\n',
  'latin1',
)
const holds = defineFilter({
  name: 'holds',
  message: (mail) => {
    mail.headers.append('X-Held', 'yes')
    mail.quarantine('a \u202ereason')
  },
})
const usual: TestTransaction = {
  message: MESSAGE,
  from: 'a@example.org',
  to: ['b@example.net', { address: 'c@example.net', parameters: ['NOTIFY=NEVER'] }],
}
const keep = async (options: QuarantineOptions, transaction: TestTransaction = {}) =>
  await deliver(compose(holds, await quarantine(options)), { ...usual, ...transaction })
const messagesIn = async (directory: string) => await new QuarantineStore(directory).list()

describe('quarantine: what is kept', () => {
  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`what a filter before it wants held (${mta})`, async () => {
      const directory = newFolder()
      const outcome = await keep({ directory }, { mta })
      assert.deepEqual(outcome.errors, [])
      assert.equal(outcome.verdict, 'discard')
      assert.deepEqual(resultsIn(outcome.log), ['held kept'])
      const [held] = await messagesIn(directory)
      const store = new QuarantineStore(directory)
      const expected = MESSAGE.toString('latin1').replace('\r\n\r\n', '\r\nX-Held: yes\r\n\r\n')
      assert.equal((await store.message(held!)).toString('latin1'), expected)
      const { reason, sender, recipients } = await store.record(held!)
      assert.equal(reason, 'a \u202ereason')
      assert.equal(sender.address, 'a@example.org')
      assert.deepEqual(recipients[1], {
        address: 'c@example.net',
        parameters: ['NOTIFY=NEVER'],
      })
    })
  }

  const cases: [string, Partial<QuarantineOptions>, boolean, string, string][] = [
    ['nothing if nobody wants it', {}, false, 'accept', 'skipped not-held'],
    ['all, if you say so', { take: 'all' }, false, 'discard', 'held kept'],
    ['and refuses, if you say so', { answer: 'refuse' }, true, 'reject', 'held kept'],
    ['nothing while it observes', { observe: true }, true, 'quarantine', 'would be held kept'],
  ]
  for (const [name, options, isHeld, verdict, result] of cases) {
    it(name, async () => {
      const directory = newFolder()
      const filter = await quarantine({ directory, ...options })
      const outcome = await deliver(compose(isHeld ? holds : shadow(holds), filter), usual)
      assert.equal(outcome.verdict, verdict)
      assert.deepEqual(resultsIn(outcome.log), [result])
      assert.equal((await messagesIn(directory)).length, result === 'held kept' ? 1 : 0)
    })
  }

  it('what attachments finds', async () => {
    const directory = newFolder()
    const filter = compose(
      attachments({ action: 'quarantine' }),
      await quarantine({ directory }),
    )
    const message =
      'From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: application/x-msdownload; name=x.exe\r\n\r\nMZ\r\n'
    const outcome = await deliver(filter, { message })
    assert.equal(outcome.verdict, 'discard')
    assert.equal((await messagesIn(directory)).length, 1)
  })
})

describe('quarantine: bounds', () => {
  const large = { message: Buffer.alloc(600_000, 'From: a@example.org\r\n') }
  for (const [whenFull, verdict, result, left] of [
    ['tempfail', 'tempfail', 'deferred full', 1],
    ['hold', 'quarantine', 'held full', 1],
    ['oldest', 'discard', 'held kept', 1],
  ] as const) {
    it(`full: ${whenFull}`, async () => {
      const directory = newFolder()
      const filter = compose(
        holds,
        await quarantine({ directory, maxBytes: 1_000_000, whenFull }),
      )
      const filterLimits = { filter: { limits: { headers: 100_000, headerBytes: 1_000_000 } } }
      const body = { ...usual, ...large, ...filterLimits }
      await deliver(filter, body)
      const [first] = await messagesIn(directory)
      const outcome = await deliver(filter, body)
      assert.equal(outcome.verdict, verdict, JSON.stringify(outcome.log))
      assert.deepEqual(resultsIn(outcome.log), [result])
      const [now] = await messagesIn(directory)
      assert.equal((await messagesIn(directory)).length, left)
      assert.equal(now!.id === first!.id, whenFull !== 'oldest')
    })
  }

  it('deletes what is too old', async () => {
    const directory = newFolder()
    const time = { now: Date.now() }
    const options = { directory, maxAge: 3_600_000, clock: () => time.now }
    const filter = compose(holds, await quarantine(options))
    await deliver(filter, usual)
    time.now += 3_000_000
    await deliver(filter, usual)
    assert.equal((await messagesIn(directory)).length, 2)
    time.now += 4_000_000
    await deliver(filter, usual)
    assert.equal((await messagesIn(directory)).length, 1)
  })

  for (const [onFailure, verdict, result] of [
    ['tempfail', 'tempfail', 'deferred failed'],
    ['hold', 'quarantine', 'held failed'],
  ] as const) {
    it(`a directory that is gone: ${onFailure}`, async () => {
      const directory = newFolder()
      const filter = compose(holds, await quarantine({ directory, onFailure }))
      rmSync(directory, { recursive: true })
      const outcome = await deliver(filter, usual)
      assert.equal(outcome.verdict, verdict)
      assert.deepEqual(resultsIn(outcome.log), [result])
      assert.equal(outcome.quarantine !== undefined, onFailure === 'hold')
    })
  }

  for (const [name, options, message] of [
    ['no directory', { directory: join(folder, 'none') }, /none is not there/],
    ['a relative directory', { directory: 'x' }, /absolute path/],
    ['too small', { directory: folder, maxBytes: 1 }, /maxBytes takes/],
  ] as [string, QuarantineOptions, RegExp][]) {
    it(`mistakes: ${name}`, async () => {
      await assert.rejects(quarantine(options), { code: 'INVALID_OPTION', message })
    })
  }

  it('are looked at before mail comes', async () => {
    const found: string[] = []
    const settings = { directory: newFolder(), whenFull: 'oldest' } as never
    for await (const { level } of inspectQuarantine(settings)) found.push(level)
    assert.deepEqual(found, ['ok', 'warning'])
  })
})

describe('tsmilter quarantine', () => {
  const run = async (...args: string[]) => {
    let out = ''
    let err = ''
    const output = {
      out: (text: string) => (out += text),
      err: (text: string) => (err += text),
    }
    return { code: await main(['quarantine', ...args], output as never), out, err }
  }
  const held = async (): Promise<{ directory: string; id: string; bytes: Buffer }> => {
    const directory = newFolder()
    await keep({ directory })
    const [message] = await messagesIn(directory)
    const bytes = await new QuarantineStore(directory).message(message!)
    return { directory, id: message!.id, bytes }
  }

  it('lists and shows, without control characters', async () => {
    const { directory, id } = await held()
    const listed = await run('list', directory)
    assert.equal(listed.code, 0)
    assert.match(
      listed.out,
      new RegExp(`^${id}  \\S+Z  \\d+  <a@example.org> to <b@example.net> and 1 more: a `),
    )
    const shown = await run('show', directory, id)
    assert.match(shown.out, /^file: .*\.eml$/m)
    assert.match(shown.out, /^Subject: \\u001b\[31mred$/m)
    for (const { out } of [listed, shown]) {
      // oxlint-disable-next-line eslint/no-control-regex -- they are what must not be there
      assert.doesNotMatch(out, /[\x1b\u202e]/)
    }
    const json = await run('list', directory, '--json')
    assert.equal((JSON.parse(json.out) as { id: string }[])[0]!.id, id)
    assert.match((await run('list', newFolder())).out, /no messages/)
  })

  it('deletes', async () => {
    const { directory, id } = await held()
    const deleted = await run('delete', directory, id, 'other')
    assert.equal(deleted.code, 1)
    assert.match(deleted.err, /deleted\nother: there is no such message/)
    assert.deepEqual(readdirSync(directory), ['tmp'])
  })

  it('releases the exact bytes and the envelope', async () => {
    const { directory, id, bytes } = await held()
    await using server = await FakeSmtpServer.start({
      EHLO: '250-fake.test\r\n250-DSN\r\n250 8BITMIME',
    })
    const released = await run('release', directory, id, '--server', `127.0.0.1:${server.port}`)
    assert.equal(released.code, 0, released.err)
    assert.ok(server.messages[0]!.equals(bytes), server.messages[0]!.toString('latin1'))
    assert.ok(
      server.commands.some((line) => /^RCPT TO:<c@example.net> NOTIFY=NEVER/.test(line)),
    )
    assert.deepEqual(await messagesIn(directory), [])
  })

  const failures: [string, Script, string[], number][] = [
    [
      'one recipient is refused',
      { RCPT: (line) => (line.includes('<b@') ? '550 5.1.1 unknown' : '250 ok') },
      ['b@example.net'],
      1,
    ],
    ['all are refused', { MAIL: '451 later' }, ['b@example.net', 'c@example.net'], 1],
  ]
  for (const [name, script, left, code] of failures) {
    it(`keeps what was not accepted: ${name}`, async () => {
      const { directory, id } = await held()
      const EHLO = '250-fake.test\r\n250-DSN\r\n250 8BITMIME'
      await using server = await FakeSmtpServer.start({ EHLO, ...script })
      const done = await run('release', directory, id, '--server', `127.0.0.1:${server.port}`)
      assert.equal(done.code, code)
      assert.match(done.err, /was refused: (?:550|451)/)
      const [message] = await messagesIn(directory)
      const { recipients } = await new QuarantineStore(directory).record(message!)
      assert.deepEqual(
        recipients.map(({ address }) => address),
        left,
      )
    })
  }

  it('keeps what goes to somebody else, or with --keep', async () => {
    const { directory, id } = await held()
    await using server = await FakeSmtpServer.start({ EHLO: '250-fake.test\r\n250 8BITMIME' })
    const to = ['--server', `127.0.0.1:${server.port}`]
    await run('release', directory, id, ...to, '--to', 'x@example.org', '--to', 'y@example.org')
    await run('release', directory, id, ...to, '--keep')
    assert.equal(server.messages.length, 2)
    assert.ok(server.commands.some((line) => line.startsWith('RCPT TO:<y@example.org>')))
    assert.equal((await messagesIn(directory)).length, 1)
  })

  it('says what is wrong', async () => {
    const { directory, id } = await held()
    const cases: [string[], number, RegExp][] = [
      [['list', join(directory, 'none')], 2, /none cannot be read/],
      [['release', directory, id], 2, /--server/],
      [
        ['release', directory, id, '--server', 'mail.example.org:25'],
        2,
        /an IP address with a port/,
      ],
      [['release', directory, id, '--server', '127.0.0.1:1'], 1, /failed/],
      [['show', directory, 'x'], 2, /no such message/],
    ]
    for (const [args, code, text] of cases) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other
      const done = await run(...args)
      assert.equal(done.code, code, args.join(' '))
      assert.match(done.err, text)
    }
    const [name = ''] = readdirSync(directory).filter((one) => one.endsWith('.json'))
    writeFileSync(join(directory, name), '{"version":2}')
    assert.match((await run('list', directory)).out, /its record cannot be read/)
    assert.match((await run('show', directory, id)).err, /another version/)
    assert.ok(readFileSync(join(directory, name)).length > 0)
  })
})
