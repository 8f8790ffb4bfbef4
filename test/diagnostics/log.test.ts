import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { guardedLogger, textLogger, type Logger } from '../../src/diagnostics/log.ts'
import { defineFilter } from '../../src/message/define-filter.ts'
import { noReply } from '../../src/milter/marks.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import { body, eom, header, mail, quit, rcpt, Wire } from '../support/wire.ts'

describe('textLogger', () => {
  it('lets no text start a line, colour a terminal or turn its direction', () => {
    const lines: string[] = []
    const logger = textLogger('info', (line) => lines.push(line))
    const bad = 'a\n\r\u001b\u007f\u009b\u2028\u2029\u202e\u2066b'
    logger.info({ [bad]: bad, error: new Error(bad), list: [bad], 'two words': 1 }, bad)
    logger.warn(bad)
    assert.equal(lines.length, 2)
    for (const line of lines) {
      assert.match(line, /^[\x20-\x7e]+\n$/)
    }
    assert.ok(lines[0]!.includes('"two words"=1'), lines[0])
    assert.equal(
      lines[1],
      `warn a\\u000a\\u000d\\u001b\\u007f\\u009b\\u2028\\u2029\\u202e\\u2066b\n`,
    )
  })
})

/** Loggers that fail, each in its own way. */
const BROKEN: Readonly<Record<string, () => Logger>> = {
  'throws in each line': () => logger(() => thrown()),
  'throws what cannot be looked at': () =>
    logger(() => {
      throw revoked()
    }),
  'rejects each line': () => logger(() => Promise.reject(new Error('no disk'))),
  'throws in child': () => ({ ...logger(() => {}), child: thrown }),
  'has children that throw': () => ({
    ...logger(() => {}),
    child: () => logger(() => thrown()),
  }),
  'has no methods': () => ({}) as Logger,
}

const thrown = (): never => {
  throw new Error('no disk')
}
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
function logger(write: () => unknown): Logger {
  const line = (): void => write() as void
  return { debug: line, info: line, warn: line, error: line }
}

describe('a logger that fails', () => {
  const events = (): Handlers => ({
    connect: thrown,
    envfrom: async () => thrown(),
    header: noReply(() => thrown()),
    body(ctx) {
      ctx.log.info('a line of the filter')
    },
    eom: () => 'nonsense' as never,
    abort: thrown,
    close: async () => thrown(),
  })
  const whole = defineFilter({ name: 'whole', message: thrown, close: thrown })

  for (const [what, make] of Object.entries(BROKEN)) {
    it(`and ${what}, leaves no command unanswered`, async () => {
      for (const [factory, onError] of [
        [events, 'tempfail'],
        [events, 'continue'],
        [whole, 'tempfail'],
      ] as const) {
        const wire = Wire.negotiated(factory, { logger: make(), onError })
        wire.send(mail(), rcpt(), header(), body(), eom(), rcpt(), mail(), quit)
        await wire.settle()
        const answers = wire.answers().split(' ')
        assert.ok(answers.includes(onError), answers.join(' '))
        assert.equal(wire.transport.closed, true)
      }
    })
  }

  it('is reported once, as a warning of the process', async () => {
    const warnings: Error[] = []
    const listen = (warning: Error): void => void warnings.push(warning)
    process.on('warning', listen)
    const guarded = guardedLogger(logger(thrown))
    for (let i = 0; i < 5; i++) guarded.child!({ i }).info('a line')
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    assert.deepEqual(
      warnings.map(({ message }) => message),
      ['the logger failed, lines are lost: no disk'],
    )
  })

  it('passes on what it is given, as often as needed', () => {
    const lines: unknown[][] = []
    const line = (...given: unknown[]): void => void lines.push(given)
    const own: Logger = { debug: line, info: line, warn: line, error: line }
    const { info } = guardedLogger(own)
    info('alone')
    info({ a: 1 }, 'with fields')
    assert.deepEqual(lines, [['alone'], [{ a: 1 }, 'with fields']])
  })
})
