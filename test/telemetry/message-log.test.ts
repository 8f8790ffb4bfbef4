import assert from 'node:assert/strict'
import { fstatSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { defineFilter } from '../../src/message/define-filter.ts'
import { CONTINUE, REJECT, reply } from '../../src/session/verdict.ts'
import { createLogger, formatOf } from '../../src/telemetry/logger.ts'
import { readableLine } from '../../src/telemetry/log-line.ts'
import { logMessages } from '../../src/telemetry/message-log.ts'
import { deliver } from '../../src/testing/deliver.ts'
import { atEnd } from '../support/resources.ts'
import { recordingLogger, type LogLine } from '../support/wire.ts'

describe('the line of a message', () => {
  it('has what is known, and is the same whatever the verdict', async () => {
    const log: LogLine[] = []
    atEnd(logMessages(recordingLogger(log)))
    const filter = defineFilter({
      name: 'lottery',
      message(mail) {
        mail.log.info('seen')
        mail.headers.append('X-Seen', 'yes')
        if (mail.sender.address === 'luck@example.org')
          return reply(550, '5.7.1', 'No lotteries')
        return undefined
      },
    })
    const passed = await deliver(filter, {
      authenticated: 'alice',
      to: ['a@example.net', 'b@example.net'],
    })
    await deliver(filter, { from: 'luck@example.org' })
    assert.deepEqual(
      log.map(({ level, message }) => [level, message]),
      [
        ['info', 'message accepted'],
        ['info', 'message rejected'],
      ],
    )
    const { connection, queueId, ms, handlerMs, edits, ...first } = log[0]!.fields
    const own = passed.log.find(({ message }) => message === 'seen')!.fields
    assert.deepEqual([own['connection'], own['queueId']], [connection, queueId])
    assert.ok(typeof ms === 'number' && typeof handlerMs === 'number')
    assert.equal(Object.values(edits as object).length, 1)
    assert.deepEqual(first, {
      client: 'mail.example.org',
      address: '192.0.2.10',
      user: 'alice',
      sender: 'alice@example.org',
      recipients: 2,
      verdict: 'accept',
      stage: 'eom',
      bodyBytes: 7,
    })
    const second = log[1]!.fields
    assert.deepEqual(
      ['filter', 'verdict', 'code', 'enhanced', 'reason'].map((name) => second[name]),
      ['lottery', 'reject', 550, '5.7.1', 'No lotteries'],
    )
    assert.equal('edits' in second, false)
  })

  it('says quarantined, and why, and leaves out the recipients nobody told it of', async () => {
    const log: LogLine[] = []
    atEnd(logMessages(recordingLogger(log)))
    await deliver(() => ({ eom: (ctx) => ctx.quarantine('looks like a lottery') }))
    await deliver(() => ({ envrcpt: () => {}, eom: () => REJECT }))
    assert.deepEqual(
      log.map(({ message, fields }) => [message, fields['quarantine'], fields['recipients']]),
      [
        ['message quarantined', 'looks like a lottery', undefined],
        ['message rejected', undefined, 1],
      ],
    )
  })

  it('holds nothing of the content and no recipient', async () => {
    const log: LogLine[] = []
    atEnd(logMessages(recordingLogger(log)))
    await deliver(() => ({ header: () => {}, body: () => {}, eom: () => {} }), {
      to: 'secret-recipient@example.net',
      message: 'Subject: secret-subject\r\nX-Secret: secret-field\r\n\r\nsecret-body\r\n',
    })
    assert.equal(log.length, 1)
    assert.doesNotMatch(JSON.stringify(log), /secret/i)
  })

  it('holds the content that is asked for, as a person reads it', async () => {
    const log: LogLine[] = []
    const stop = logMessages(recordingLogger(log), {
      content: ['recipients', 'SUBJECT', 'x-none'],
    })
    const to = ['a@example.net', 'b@example.net', '=?utf-8?q?c?=@example.net']
    const message =
      'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n  from me\r\nRecipients: forged@example.org\r\nSubject: again\r\n\r\nsecret\r\n'
    const reads = defineFilter({
      name: 'reads',
      recipient: ({ address }) =>
        address.startsWith('b') ? reply(550, 'not here') : undefined,
      message: (mail) => void mail.headers.append('X-Seen', 'yes'),
    })
    await deliver(reads, { to, message })
    await deliver(
      () => ({
        envrcpt: (_, address) => (address.startsWith('<b') ? REJECT : CONTINUE),
        header: () => {},
      }),
      { to, message },
    )
    const told = log.splice(0).map(({ fields }) => fields['content'])
    const expected = {
      recipients: ['a@example.net', '=?utf-8?q?c?=@example.net'],
      subject: ['Grüße  from me', 'again'],
      'x-none': [],
    }
    assert.deepEqual(told, [expected, expected])

    stop()
    atEnd(logMessages(recordingLogger(log)))
    await deliver(() => ({ header: () => {} }), { message })
    assert.equal('content' in log[0]!.fields, false)
  })

  it('bounds that content', async () => {
    const log: LogLine[] = []
    atEnd(logMessages(recordingLogger(log), { content: ['recipients', 'x'] }))
    const to = Array.from({ length: 50 }, (_, i) => `a${i}@example.net`)
    const message = `X:${'y'.repeat(30_000)}\r\n`.repeat(30)
    await deliver(() => ({ envrcpt: () => {}, header: () => {} }), { to, message })
    const { recipients, x } = log[0]!.fields['content'] as Record<string, string[]>
    assert.deepEqual(recipients, to.slice(0, 20))
    assert.deepEqual(x, Array(20).fill('y'.repeat(1_000)))
    assert.throws(() => logMessages(recordingLogger(log), { content: ['a b'] }), {
      code: 'INVALID_OPTION',
      message: /recipients, or the name of a header field; it got "a b"$/,
    })
  })

  it('logs clients that are refused before any message', async () => {
    const log: LogLine[] = []
    atEnd(logMessages(recordingLogger(log)))
    await deliver(() => ({ connect: () => reply(554, '5.7.1', 'blocked') }))
    assert.deepEqual(
      log.map(({ message, fields }) => [message, fields['code'], fields['address']]),
      [['client rejected', 554, '192.0.2.10']],
    )
  })
})

describe('a logger', () => {
  const lines: string[] = []
  const make = async (
    format: 'json' | 'text' | 'journal',
    level: 'debug' | 'info' | 'warn' | 'error' = 'info',
    colors = false,
  ) => {
    lines.length = 0
    return createLogger({ format, level, colors, write: (line) => lines.push(line) })
  }

  it('writes JSON with level and time in words', async () => {
    const log = await make('json')
    log.child!({ connection: 1 }).info({ queueId: 'ABC' }, 'hello')
    log.debug('not this')
    const { time, ...rest } = JSON.parse(lines[0]!) as Record<string, unknown>
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.deepEqual(rest, { level: 'info', connection: 1, queueId: 'ABC', msg: 'hello' })
    assert.equal(lines.length, 1)
  })

  it('writes priorities for the journal, and no time', async () => {
    const log = await make('journal', 'debug')
    log.debug('d')
    log.info('i')
    log.warn('w')
    log.error({ err: new Error('two\nlines') }, 'e')
    assert.deepEqual(
      lines.map((line) => line.slice(0, 3)),
      ['<7>', '<6>', '<4>', '<3>'],
    )
    for (const line of lines) {
      assert.equal(line.indexOf('\n'), line.length - 1)
      assert.equal('time' in (JSON.parse(line.slice(3)) as object), false)
    }
  })

  it('writes for people', async () => {
    const log = await make('text')
    log.warn({ queueId: 'ABC', edits: { addHeader: 1 }, reason: 'no way' }, 'message rejected')
    assert.match(
      lines[0]!,
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}message rejected queueId=ABC edits=\{ addHeader: 1 \} reason="no way"\n$/,
    )
    log.error({ err: Object.assign(new Error('broken'), { code: 'EX' }) }, 'a handler failed')
    assert.match(
      lines[1]!,
      /ERROR a handler failed\n {4}Error: broken\n( {4}.*\n)+ {4}code: EX\n$/,
    )
  })

  it('colours only if asked to', async () => {
    const esc = String.fromCharCode(27)
    ;(await make('text', 'info', true)).info({ a: 1 }, 'x')
    assert.ok(lines[0]!.includes(esc))
    ;(await make('text')).info({ a: 1 }, 'x')
    assert.ok(!lines[0]!.includes(esc))
  })

  it('lets no text of the network start a line or colour a terminal', async () => {
    const log = await make('text')
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        (key, value) => {
          lines.length = 0
          log.info({ [`k${key}`]: value, nested: { value } }, value)
          const [line] = lines
          // oxlint-disable-next-line no-control-regex
          assert.doesNotMatch(line!.slice(0, -1), /[\0-\x1f\x7f-\x9f\u2028\u2029\u202e]/)
          assert.ok(line!.endsWith('\n'))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('leaves a line alone that is no JSON', () => {
    assert.equal(readableLine('what is this\n', false), 'what is this\n')
  })

  it('chooses its format by what the output is', () => {
    const { dev, ino } = fstatSync(1)
    const here = { JOURNAL_STREAM: `${dev}:${ino}` }
    assert.equal(formatOf({ isTTY: true, fd: 1 }, here), 'text')
    assert.equal(formatOf({ fd: 1 }, here), 'journal')
    assert.equal(formatOf({ fd: 1 }, { JOURNAL_STREAM: '1:2' }), 'json')
    assert.equal(formatOf({ fd: 1 }, {}), 'json')
    assert.equal(formatOf({ fd: 99_999 }, here), 'json')
  })

  it('refuses options it does not know', async () => {
    await assert.rejects(createLogger({ level: 'loud' as 'info' }), { code: 'INVALID_OPTION' })
    await assert.rejects(createLogger({ format: 'xml' as 'json' }), { code: 'INVALID_OPTION' })
  })
})
