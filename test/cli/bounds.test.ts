// The table of bounds in docs/running.md, row by row: each is an option, and what it says of what lies
// above it is true.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { defaultText, flagOf } from '../../src/options/names.ts'
import { OPTIONS } from '../../src/options/table.ts'
import { sizeText } from '../../src/options/units.ts'
import { givenOptions, runSettings } from '../../src/cli/run/settings.ts'
import { ERROR_CODES } from '../../src/errors.ts'
import { defineFilter } from '../../src/message/define-filter.ts'
import { observe } from '../../src/diagnostics/channels.ts'
import type { FilterFactory } from '../../src/milter/filter-object.ts'
import { messageLimits } from '../../src/milter/message-limits.ts'
import { ALL_ACTIONS, ALL_STEPS, Command, Step } from '../../src/protocol/constants.ts'
import { encodeFrame } from '../../src/protocol/frame.ts'
import { MtaClient } from '../../src/mta/client.ts'
import { MilterServer } from '../../src/server/server.ts'
import { sourcePath } from '../conformance/support/program.ts'
import { atEnd, until } from '../support/resources.ts'
import {
  body,
  connect,
  eom,
  FULL_OFFER,
  header,
  helo,
  mail,
  rcpt,
  recordingLogger,
  Wire,
} from '../support/wire.ts'
import { project, send, start } from './support/command.ts'

const page = readFileSync(sourcePath('docs', 'running.md'), 'utf8')
const [, section] = /\n## Bounds\n([^]*?)\n### /.exec(page)!
const rows = section!
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', '')),
  )
  .map(([name, usual, , above, code]) => ({ name, usual, above, code }) as Row)
interface Row {
  readonly name: string
  readonly usual: string
  readonly above: string
  readonly code: string
}

type Options = Readonly<Record<string, string>>

/** What a worker of `tsmilter run` makes of its options. */
const settingsOf = (options: Options): ReturnType<typeof runSettings> =>
  runSettings(givenOptions(new Map(Object.entries(options)), {}), undefined, '')

/** A filter in memory, with options as they are on the command line. */
const wireWith = (options: Options, filter: FilterFactory, offer = FULL_OFFER): Wire =>
  Wire.negotiated(filter, settingsOf(options), offer)
/** Codes of errors that were logged. */
const codes = (wire: Wire): unknown[] =>
  wire.log
    .map(
      ({ fields }) => fields['code'] ?? (fields['err'] as { code?: string } | undefined)?.code,
    )
    .filter((code) => code !== undefined)

/** A server that listens, with options as they are on the command line. */
async function serverWith(options: Options, filter: FilterFactory): Promise<MilterServer> {
  const server = new MilterServer(filter, {
    ...settingsOf(options),
    tls: undefined,
    logger: recordingLogger([]),
  })
  await server.start(['inet:0@127.0.0.1'])
  atEnd(() => server.close({ deadline: 0 }))
  return server
}
async function client(server: MilterServer): Promise<MtaClient> {
  const made = await MtaClient.connect(server.addresses[0]!)
  atEnd(() => made.destroy())
  await made.negotiate()
  return made
}

const reads = defineFilter({
  name: 'reads',
  limits: {
    headers: 50,
    headerBytes: 50_000,
    recipients: 50,
    bodyMemory: 50_000,
    bodySize: 50_000,
  },
  message: async (mail) => void (await mail.raw()),
})
const filterOf =
  (eom: (ctx: EndOfMessage) => void): FilterFactory =>
  () => ({
    envfrom: () => {},
    eom: eom as never,
  })
interface EndOfMessage {
  addHeader(name: string, value: string): void
}

/** One message; gives the last answer. */
async function last(wire: Wire, ...more: Parameters<Wire['send']>): Promise<string> {
  wire.send(mail(), ...more, eom())
  await until(() => !wire.session.working)
  return wire.take().at(-1)!.type
}

/** By option, in the order of the table: what happens above it, with its error. */
const ABOVE: Readonly<Record<string, () => unknown>> = {
  maxConnections: async () => {
    const server = await serverWith({ maxConnections: '1' }, () => ({ connect: () => {} }))
    await client(server)
    assert.deepEqual(await (await client(server)).command(connect()), { type: 'tempfail' })
    await assert.rejects(client(server), { code: 'DISCONNECTED' })
  },
  maxMemory: async () => {
    const spilled: string[] = []
    atEnd(observe({ 'tsmilter:spill': ({ reason }) => void spilled.push(reason) }))
    const options = { maxMemory: '1M', 'limits.headerBytes': '4M', 'limits.bodyMemory': '10M' }
    const wire = wireWith({ ...options, 'limits.bodySize': '10M' }, reads)
    const chunk = body(Buffer.alloc(60_000))
    assert.equal(await last(wire, ...Array<typeof chunk>(20).fill(chunk)), 'continue')
    assert.deepEqual(spilled, ['memory'])
    const field = header('X', ' x'.repeat(25_000))
    assert.equal(await last(wire, ...Array<typeof field>(20).fill(field)), 'continue')
    assert.equal(await last(wire, ...Array<typeof field>(25).fill(field)), 'tempfail')
    assert.deepEqual(codes(wire), ['MEMORY_EXHAUSTED'])
    const accepts = wireWith({ ...options, overload: 'accept', onError: 'reject' }, reads)
    assert.equal(await last(accepts, ...Array<typeof field>(25).fill(field)), 'accept')
  },
  'limits.headers': async () => {
    const wire = wireWith({ 'limits.headers': '1', onError: 'reject' }, reads)
    assert.equal(await last(wire, header()), 'continue')
    assert.equal(await last(wire, header(), header()), 'reject')
    assert.deepEqual(codes(wire), ['MESSAGE_TOO_LARGE'])
  },
  'limits.headerBytes': async () => {
    const wire = wireWith({ 'limits.headerBytes': '1K' }, reads)
    assert.equal(await last(wire, header('A', ' x'.repeat(500))), 'continue')
    assert.equal(await last(wire, header('A', ' x'.repeat(600))), 'tempfail')
    assert.deepEqual(codes(wire), ['MESSAGE_TOO_LARGE'])
  },
  'limits.recipients': async () => {
    const wire = wireWith({ 'limits.recipients': '1' }, reads)
    assert.equal(await last(wire, rcpt()), 'continue')
    assert.equal(await last(wire, rcpt(), rcpt()), 'tempfail')
    assert.deepEqual(codes(wire), ['MESSAGE_TOO_LARGE'])
    const asks = defineFilter({ name: 'asks', recipient: () => {} })
    const answers = wireWith({ 'limits.recipients': '1' }, asks)
    answers.send(mail(), rcpt(), rcpt())
    const [first, second] = answers.take()
    assert.deepEqual(first, { type: 'continue' })
    assert.match(JSON.stringify(second), /replycode.*452/)
  },
  'limits.bodyMemory': async () => {
    const spilled: number[] = []
    atEnd(observe({ 'tsmilter:spill': ({ bytes }) => void spilled.push(bytes) }))
    const wire = wireWith({ 'limits.bodyMemory': '1K' }, reads)
    assert.equal(await last(wire, body('x'.repeat(1_024))), 'continue')
    assert.deepEqual(spilled, [])
    assert.equal(await last(wire, body('x'.repeat(1_025))), 'continue')
    assert.deepEqual(spilled, [1_025])
    const directory = mkdtempSync(join(tmpdir(), 'tsmilter-'))
    rmSync(directory, { recursive: true })
    const nowhere = { 'limits.bodyMemory': '0', 'limits.temporaryDirectory': directory }
    const fails = wireWith(nowhere, reads)
    assert.equal(await last(fails, body()), 'tempfail')
    assert.deepEqual(codes(fails), ['SPILL_FAILED'])
  },
  'limits.bodySize': async () => {
    const grows = defineFilter({
      name: 'grows',
      message: (mail) => void (mail.body.size > 500 && mail.body.replace('x'.repeat(1_100))),
    })
    for (const [filter, size] of [
      [reads, 1_025],
      [grows, 600],
    ] as const) {
      const wire = wireWith({ 'limits.bodySize': '1K' }, filter)
      assert.equal(await last(wire, body('x'.repeat(500))), 'continue')
      assert.equal(await last(wire, body('x'.repeat(size))), 'tempfail')
      assert.deepEqual(codes(wire), ['MESSAGE_TOO_LARGE'])
    }
  },
  maxFrameSize: () => {
    const wire = wireWith({ maxFrameSize: '65535' }, () => ({ envfrom: () => {} }))
    wire.send(mail(), body(Buffer.alloc(65_535)))
    assert.equal(wire.transport.closed, false)
    wire.raw(encodeFrame(Command.BODY, Buffer.alloc(65_536)))
    assert.equal(wire.transport.closed, true)
    assert.deepEqual(codes(wire), ['FRAME_TOO_LARGE'])
  },
  maxPending: async () => {
    let done = (): void => {}
    const wire = wireWith({ maxPending: '1K' }, () => ({
      envfrom: () => new Promise<void>((resolve) => (done = resolve)),
    }))
    wire.send(mail()).send(body(Buffer.alloc(1_000)))
    assert.equal(wire.transport.paused, false)
    wire.send(body(Buffer.alloc(100)))
    assert.equal(wire.transport.paused, true)
    done()
    await wire.settle()
    assert.equal(wire.transport.paused, false)
  },
  maxEdits: async () => {
    const adds = (count: number): FilterFactory =>
      filterOf((ctx) => {
        for (let i = 0; i < count; i++) ctx.addHeader('X', 'y')
      })
    assert.equal(await last(wireWith({ maxEdits: '2' }, adds(2))), 'continue')
    const wire = wireWith({ maxEdits: '2' }, adds(3))
    assert.equal(await last(wire), 'tempfail')
    assert.deepEqual(codes(wire), ['TOO_MANY_EDITS'])
  },
  dataSize: async () => {
    const offer = { version: 6, actions: ALL_ACTIONS, steps: ALL_STEPS | Step.MDS_256K }
    const long = filterOf((ctx) => ctx.addHeader('X', 'x'.repeat(70_000)))
    const wire = wireWith({ dataSize: '64K' }, long, offer)
    assert.equal(await last(wire), 'tempfail')
    assert.deepEqual(codes(wire), ['TOO_LONG'])
    assert.equal(await last(wireWith({ dataSize: '256K' }, long, offer)), 'continue')
  },
  actions: async () => {
    const adds = filterOf((ctx) => ctx.addHeader('X', 'y'))
    assert.equal(await last(wireWith({ actions: 'addhdrs, chgbody' }, adds)), 'continue')
    for (const actions of ['CHGBODY', 'none']) {
      const wire = wireWith({ actions }, adds)
      assert.equal(await last(wire), 'tempfail')
      assert.deepEqual(codes(wire), ['ACTION_NOT_NEGOTIATED'])
    }
  },
  requiredActions: () => {
    const offer = { version: 6, actions: 0x1, steps: ALL_STEPS }
    const filter = (): object => ({ envfrom: () => {} })
    assert.equal(
      wireWith({ requiredActions: 'ADDHDRS' }, filter, offer).transport.closed,
      false,
    )
    const wire = wireWith({ requiredActions: 'ADDHDRS,CHGFROM' }, filter, offer)
    assert.equal(wire.transport.closed, true)
    assert.deepEqual(codes(wire), ['ACTIONS_NOT_OFFERED'])
  },
  deadlines: async () => {
    const wire = wireWith({ deadlines: '10ms' }, () => ({
      envfrom: () => new Promise<never>(() => {}),
    }))
    wire.send(mail())
    await until(() => wire.transport.sent.length > 0)
    assert.equal(wire.answers(), 'tempfail')
    assert.deepEqual(codes(wire), ['DEADLINE_EXCEEDED'])
  },
  'timeouts.idle': async () => {
    const server = await serverWith({ 'timeouts.idle': '50ms' }, () => ({}))
    await assert.rejects((await client(server)).reply(), { code: 'DISCONNECTED' })
  },
  'timeouts.frame': async () => {
    const server = await serverWith({ 'timeouts.frame': '50ms' }, () => ({}))
    const mta = await client(server)
    mta.write(Buffer.from([0, 0, 0, 9, 0x48]))
    await assert.rejects(mta.reply(), { code: 'DISCONNECTED' })
  },
  'stop.deadline': async () => {
    const server = await serverWith({}, () => ({ helo: () => new Promise<never>(() => {}) }))
    const answer = (await client(server)).command(helo())
    const { deadline } = settingsOf({ 'stop.deadline': '50ms' }).stop
    let handled = false
    atEnd(
      observe({
        'tsmilter:handler:error': ({ code }) => void (handled = code === 'SHUTTING_DOWN'),
      }),
    )
    await server.close({ deadline })
    assert.deepEqual(await answer, { type: 'tempfail' })
    assert.ok(handled)
  },
  'stop.quiet': async () => {
    const server = await serverWith({}, () => ({}))
    const mta = await client(server)
    const { deadline, quiet } = settingsOf({ 'stop.deadline': '1h', 'stop.quiet': '50ms' }).stop
    await server.close({ deadline, quiet })
    await assert.rejects(mta.reply(), { code: 'DISCONNECTED' })
  },
  'reload.deadline': async () => {
    const directory = project({
      'filter.mjs': `export default () => ({
        helo: () => new Promise(() => {}),
        eom: (ctx) => ctx.addHeader('X-Pid', String(process.pid)),
      })`,
    })
    const args = ['filter.mjs', '--listen', 'inet:0@127.0.0.1', '--reload-deadline', '50ms']
    await using running = await start(args, directory)
    await using mta = await MtaClient.connect(running.address)
    await mta.negotiate()
    const answer = mta.command(helo())
    running.signal('SIGHUP')
    assert.deepEqual(await answer, { type: 'tempfail' })
    await running.says(/code=SHUTTING_DOWN/)
  },
}

/** Those that other tests show: where, and a piece of what it says there. */
const ELSEWHERE: Readonly<Record<string, readonly [file: string, text: string]>> = {
  'timeouts.write': ['test/server/server.test.ts', 'a peer that asks and never reads'],
  // The system's: given to listen(), and not to be seen from outside.
  backlog: ['test/server/server.test.ts', '{ backlog: 0 }'],
  startTimeout: [
    'test/cli/run.test.ts',
    "'--start-timeout', '0.3s'], 1, /did not load within 300 ms/",
  ],
  hangTimeout: ['test/cli/run-workers.test.ts', 'that hang are replaced'],
}

describe('the bounds', () => {
  it('are those of the documentation', () => {
    const shown = [...Object.keys(ABOVE), ...Object.keys(ELSEWHERE)]
    assert.deepEqual(rows.map(({ name }) => name).toSorted(), shown.toSorted())
  })

  for (const { name, usual, above, code } of rows) {
    it(`${name}: ${above}`, async () => {
      const row = OPTIONS.find((one) => one.name === name)
      assert.ok(row !== undefined, 'an option')
      // Where the default is that of filters, the help has it in brackets.
      const text = defaultText(row)
      if (text !== '') assert.equal(usual, text)
      else
        assert.ok(row.text.includes(`(${usual.replaceAll('eom', 'at end of message')}`), usual)
      if (code !== '') {
        assert.ok(code in ERROR_CODES, code)
        const errors = readFileSync(sourcePath('docs', 'errors.md'), 'utf8')
        assert.ok(errors.includes(`### ${code}\n`), code)
      }
      const elsewhere = ELSEWHERE[name]
      if (elsewhere === undefined) {
        const shows = ABOVE[name]!
        if (code !== '') assert.ok(String(shows).includes(code), `${code} is shown`)
        await shows()
      } else {
        const [file, title] = elsewhere
        assert.ok(readFileSync(sourcePath(file), 'utf8').includes(title), `${title} in ${file}`)
      }
    })
  }

  it('of messages have the defaults that are written there', () => {
    const limits = messageLimits() as unknown as Record<string, number>
    for (const { name, usual } of rows.filter((row) => row.name.startsWith('limits.'))) {
      const value = limits[name.slice('limits.'.length)]!
      assert.ok([String(value), sizeText(value)].includes(usual), name)
    }
  })

  it('can be asked for on the command line of a real one', async () => {
    const directory = project({
      'filter.mjs': `
        import { defineFilter } from 'tsmilter'
        export default defineFilter({
          name: 'x', limits: { bodySize: 1 },
          message: (mail) => { mail.headers.append('X-Seen', 'yes') },
        })`,
    })
    const given = [
      '--limits-body-size',
      '1K',
      '--actions',
      'ADDHDRS,CHGHDRS',
      '--data-size',
      '64K',
    ]
    const args = ['filter.mjs', '--listen', 'inet:0@127.0.0.1', ...given]
    for (const flag of given.filter((word) => word.startsWith('--'))) {
      assert.ok(OPTIONS.some((row) => flagOf(row) === flag))
    }
    await using running = await start(args, directory, {
      env: { TSMILTER_LIMITS_HEADERS: '3' },
    })
    assert.equal((await send(running.address, 'A: 1\n\nhello\n')).verdict, 'accept')
    const large = await send(running.address, `A: 1\n\n${'x'.repeat(2_000)}\n`)
    assert.equal(large.verdict, 'tempfail')
    await running.says(/limits\.bodySize/)
    const long = await send(running.address, 'A: 1\nB: 2\nC: 3\nD: 4\n\nhello\n')
    assert.equal(long.verdict, 'tempfail')
    await running.says(/limits\.headers/)
  })
})
