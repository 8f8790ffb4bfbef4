import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { BodyStore } from '../../src/message/body-store.ts'
import {
  compose,
  defineFilter,
  shadow,
  type MessageFilter,
} from '../../src/message/define-filter.ts'
import type { Mail } from '../../src/message/mail.ts'
import { observe } from '../../src/diagnostics/channels.ts'
import type {
  BodySpilled,
  MessageDone,
  MessageOverload,
} from '../../src/diagnostics/channels.ts'
import { messageLimits } from '../../src/milter/message-limits.ts'
import {
  filterSettings,
  type FilterOptions,
  type FilterSettings,
} from '../../src/milter/options.ts'
import type { OverloadAnswer } from '../../src/options/types.ts'
import type { CommandMessage } from '../../src/protocol/commands.ts'
import { encodeCommand } from '../../src/protocol/commands.ts'
import { Command } from '../../src/protocol/constants.ts'
import { MemoryBudget } from '../../src/session/memory-budget.ts'
import { ACCEPT, CONTINUE, DISCARD, REJECT, TEMPFAIL } from '../../src/session/verdict.ts'
import { openSession } from '../../src/testing/deliver.ts'
import { openFilesIn } from '../support/open-files.ts'
import { atEnd, until } from '../support/resources.ts'
import {
  abort,
  body,
  connect,
  eoh,
  eom,
  FULL_OFFER,
  header,
  helo,
  macros,
  mail,
  quit,
  quitNc,
  rcpt,
  recordingLogger,
  Wire,
  type LogLine,
} from '../support/wire.ts'

const KIB = 1_024
const directory = mkdtempSync(join(tmpdir(), 'tsmilter-budget-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const openFiles = (): number => openFilesIn(directory)

interface Server {
  readonly memory: MemoryBudget
  readonly settings: FilterSettings
  readonly log: LogLine[]
  readonly open: (filter: MessageFilter) => Wire
}

/** What the connections of one server share. */
function serverOf(limit: number, options: FilterOptions = {}): Server {
  const log: LogLine[] = []
  const memory = new MemoryBudget(limit)
  const settings: FilterSettings = {
    ...filterSettings({
      logger: recordingLogger(log),
      ...options,
      limits: { temporaryDirectory: directory, ...options.limits },
    }),
    memory,
  }
  const open = (filter: MessageFilter): Wire =>
    Wire.negotiated(filter, {}, FULL_OFFER, settings)
  return { memory, settings, log, open }
}

/** A filter that tells what it has got, and waits for a word. */
function reader(): { filter: MessageFilter; got: string[]; go: () => void } {
  const waiting: (() => void)[] = []
  const got: string[] = []
  const filter = defineFilter({
    name: 'reader',
    async message(mail) {
      got.push(String(await mail.raw()))
      await new Promise<void>((resolve) => waiting.push(resolve))
      mail.headers.append('X-Size', String(mail.body.size))
    },
  })
  return { filter, got, go: () => waiting.splice(0).forEach((resolve) => resolve()) }
}
const message = (text: string | Buffer, subject = ' s'): CommandMessage[] => [
  mail(),
  rcpt(),
  header('Subject', subject),
  body(text),
]

describe('bodies and the budget', () => {
  it('one that has no room goes to a file at once, however small', async () => {
    const { memory, open } = serverOf(100 * KIB)
    const spilled: BodySpilled[] = []
    atEnd(observe({ 'tsmilter:spill': (event) => void spilled.push(event) }))
    const { filter, got, go } = reader()
    const first = open(filter).send(...message(Buffer.alloc(40 * KIB, 'a')))
    assert.equal(spilled.length, 0)
    const second = open(filter).send(...message(Buffer.alloc(30 * KIB, 'b')))
    await until(() => spilled.length === 1)
    assert.equal(spilled[0]!.reason, 'memory')
    // More of it goes there too, though there might be room for it.
    second.send(body('c'))
    for (const wire of [first, second]) wire.send(eom())
    await until(() => got.length === 2)
    const found = got.map((text) => text.slice(text.indexOf('\r\n\r\n') + 4))
    assert.deepEqual(found.toSorted(), ['a'.repeat(40 * KIB), `${'b'.repeat(30 * KIB)}c`])
    go()
    await until(() => memory.used === 0)
    assert.deepEqual(
      [first, second].map((wire) => wire.answers()),
      ['insheader continue', 'insheader continue'],
    )
    assert.equal(spilled.length, 1)
    await until(() => openFiles() === 0)
  })

  it('those that filters make are counted as well', async () => {
    const { memory, open } = serverOf(100 * KIB)
    const held: number[] = []
    const filter = defineFilter({
      name: 'replaces',
      message(mail) {
        held.push(memory.used)
        mail.body.replace(Buffer.alloc(20 * KIB, 'x'))
        held.push(memory.used)
      },
    })
    const wire = open(filter).send(...message('a'), eom())
    await until(() => memory.used === 0)
    assert.ok(held[1]! - held[0]! >= 20 * KIB && held[1]! - held[0]! < 21 * KIB)
    assert.equal(wire.answers(), 'replbody continue')
  })

  const store = (memory: MemoryBudget, bodyMemory = 1_048_576): BodyStore => {
    const made = new BodyStore(
      messageLimits({ temporaryDirectory: directory, bodyMemory }),
      memory,
    )
    atEnd(() => made.dispose())
    return made
  }

  it('a view of something large is copied, and what is held is counted', () => {
    const memory = new MemoryBudget(1_000 * KIB)
    const large = Buffer.alloc(128 * KIB)
    const small = store(memory)
    void small.add(large.subarray(5, 5 + 8 * KIB))
    assert.equal(memory.used, 8 * KIB)
    // Half of it: what is held is no more than what is counted.
    void small.add(large.subarray(5, 5 + 64 * KIB))
    assert.equal(memory.used, 8 * KIB + 128 * KIB)
    void small.add(Buffer.from('pooled'))
    assert.equal(memory.used, 8 * KIB + 128 * KIB + 6)
  })

  it('many small pieces are put together, in few objects', async () => {
    const memory = new MemoryBudget(1_000 * KIB)
    const of = store(memory)
    const bytes = Buffer.from(Array.from({ length: 20_000 }, (_, i) => i % 251))
    for (let at = 0; at < bytes.length;) {
      const size = 1 + (at % 3)
      void of.add(bytes.subarray(at, at + size))
      at += size
    }
    void of.add(Buffer.alloc(5_000, 1))
    void of.add(Buffer.from('end'))
    assert.ok(memory.used >= 25_003 && memory.used < 60_000, String(memory.used))
    let pieces = 0
    for await (const piece of of) pieces += piece.length > 0 ? 1 : 0
    assert.ok(pieces < 30, String(pieces))
    const whole = Buffer.concat([bytes, Buffer.alloc(5_000, 1), Buffer.from('end')])
    assert.ok((await of.bytes()).equals(whole))
    void of.add(Buffer.from('!'))
    assert.equal(String((await of.bytes()).subarray(-4)), 'end!')
  })

  it('in whatever pieces, in memory and in files, the bytes are the same', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 9_000 }), { maxLength: 20 }),
        fc.integer({ min: 0, max: 100_000 }),
        fc.integer({ min: 0, max: 100_000 }),
        async (pieces, limit, bodyMemory) => {
          const memory = new MemoryBudget(limit)
          const of = store(memory, bodyMemory)
          for (const piece of pieces) await of.add(Buffer.from(piece))
          assert.ok(memory.used <= (limit * 3) / 4)
          assert.ok((await of.bytes()).equals(Buffer.concat(pieces)))
          await of.dispose()
          assert.equal(memory.used, 0)
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('a message there is no memory for', () => {
  const passes = defineFilter({
    name: 'passes',
    message: (mail) => void mail.headers.append('X-Seen', 'yes'),
  })
  /** Room for two usual headers. */
  const LIMIT = 48 * KIB
  const LARGE = ` ${'x'.repeat(50 * KIB)}`

  it('is deferred; the others, and the next one, are not', async () => {
    const { memory, open, log } = serverOf(LIMIT)
    const { filter, got, go } = reader()
    const one = open(filter).send(...message('one'), eom())
    await until(() => got.length === 1)
    const held = memory.used
    const two = open(filter).send(...message('two', LARGE), eom())
    assert.equal(two.answers(), 'tempfail')
    assert.equal(memory.used, held)
    two.send(...message('three'), eom())
    await until(() => got.length === 2)
    go()
    await until(() => memory.used === 0)
    assert.equal(one.answers(), 'insheader continue')
    assert.equal(two.answers(), 'insheader continue')
    assert.ok(got[0]!.endsWith('one') && got[1]!.endsWith('three'))
    const warnings = log.filter(({ level }) => level === 'warn')
    assert.deepEqual(
      warnings.map(({ message: text }) => text),
      ['no memory for a message: try again later'],
    )
    assert.equal(warnings[0]!.fields['code'], 'MEMORY_EXHAUSTED')
  })

  it('passes unfiltered where that is wanted', () => {
    const { memory, open, log } = serverOf(LIMIT, { overload: 'accept', onError: 'reject' })
    const wire = open(passes).send(...message('a', LARGE), body('b'), eom())
    assert.equal(wire.answers(), 'accept')
    assert.equal(memory.used, 0)
    assert.match(log.at(-1)!.message, /passes unfiltered/)
    assert.equal(wire.send(...message('a'), eom()).answers(), 'insheader continue')
  })

  it('is no failure of a filter: onError does not matter', () => {
    const rejects = defineFilter({ name: 'r', onError: 'reject', message: () => {} })
    const wire = serverOf(LIMIT, { onError: 'reject' }).open(rejects)
    assert.equal(wire.send(...message('a', LARGE), eom()).answers(), 'tempfail')
  })

  it('is answered at the first event that gets a reply', () => {
    const stages = defineFilter({
      name: 'all',
      sender: () => {},
      recipient: () => {},
      headers: () => {},
      message: () => {},
    })
    const { memory, open } = serverOf(LIMIT)
    const wire = open(stages)
    wire.send(mail(), rcpt(), header('Subject', LARGE))
    assert.equal(wire.answers(), 'continue continue')
    wire.send(eoh)
    assert.equal(wire.answers(), 'tempfail')
    wire.send(abort, mail())
    assert.equal(wire.answers(), 'continue')
    const fill = (): void => assert.ok(memory.reserve(LIMIT - memory.used))
    fill()
    // For this recipient, as any refusal there; no more of the message is kept.
    wire.send(rcpt())
    assert.equal(wire.answers(), 'tempfail')
    wire.send(header(), eoh)
    assert.equal(wire.answers(), 'tempfail')
    fill()
    wire.send(abort, mail())
    assert.equal(wire.answers(), 'tempfail')
    memory.release(memory.used)
    wire.send(abort, mail(), rcpt(), header(), eoh, body(), eom())
    assert.equal(wire.answers(), 'continue continue continue continue')
    assert.equal(memory.used, 0)
  })

  it('many recipients are counted, but not those that were refused', () => {
    const picky = defineFilter({
      name: 'picky',
      recipient: ({ address }) => (address.startsWith('x') ? REJECT : undefined),
    })
    const { memory, open } = serverOf(LIMIT)
    const wire = open(picky).send(mail())
    const held = memory.used
    for (let i = 0; i < 1_000; i++) wire.send(rcpt(`<x${i}@example.net>`))
    assert.equal(memory.used, held)
    wire.take()
    for (let i = 0; i < 1_000; i++) wire.send(rcpt(`<a${i}@example.net>`))
    const answers = wire.take().map(({ type }) => type)
    assert.ok(answers.filter((type) => type === 'continue').length > 50)
    assert.equal(answers.at(-1), 'tempfail')
    // What was refused is let go, and its answer stays the same to the end.
    assert.equal(memory.used, 0)
    wire.send(abort)
    assert.equal(memory.used, 0)
  })

  it('is reported to listeners', () => {
    const told: MessageOverload[] = []
    const done: MessageDone[] = []
    atEnd(
      observe({
        'tsmilter:message:overload': (event) => void told.push(event),
        'tsmilter:message': (event) => void done.push(event),
      }),
    )
    const wire = serverOf(LIMIT).open(passes)
    wire.send(macros(Command.MAIL, { i: 'Q1' }), ...message('a', LARGE), eom())
    assert.deepEqual(told, [
      { connection: wire.conversation.id, queueId: 'Q1', maxMemory: LIMIT, answer: 'tempfail' },
    ])
    assert.deepEqual([done[0]!.verdict, done[0]!.reason], ['tempfail', 'MEMORY_EXHAUSTED'])
  })

  it('is not reported of messages that no filter wants', () => {
    const told: unknown[] = []
    const done: MessageDone[] = []
    atEnd(
      observe({
        'tsmilter:message:overload': (event) => void told.push(event),
        'tsmilter:message': (event) => void done.push(event),
      }),
    )
    const { memory, open } = serverOf(LIMIT)
    memory.reserve(LIMIT)
    open(defineFilter({ name: 'greets', connect: () => {} })).send(mail(), rcpt(), quit)
    assert.deepEqual(told, [])
    assert.deepEqual(
      done.map(({ reason }) => reason),
      [undefined],
    )
  })

  it('is logged once a minute at most', () => {
    const { open, log } = serverOf(LIMIT)
    for (let i = 0; i < 10; i++) {
      assert.equal(
        open(passes)
          .send(...message('a', LARGE), eom())
          .answers(),
        'tempfail',
      )
    }
    assert.equal(log.filter(({ level }) => level === 'warn').length, 1)
  })

  it('is no matter of shadows, and of filters that are done with it', () => {
    const { open, log } = serverOf(LIMIT)
    const looks = shadow(passes)
    assert.equal(
      open(looks)
        .send(...message('a', LARGE), eom())
        .answers(),
      'continue',
    )
    const accepts = defineFilter({ name: 'a', sender: () => ACCEPT, message: () => REJECT })
    const both = compose(accepts, looks)
    assert.equal(
      open(both)
        .send(...message('a', LARGE), eom())
        .answers(),
      'continue continue',
    )
    assert.equal(log.filter(({ level }) => level === 'warn').length, 0)
  })
})

describe('limits of the server', () => {
  const small = defineFilter({
    name: 'small',
    limits: { headers: 1, bodySize: 1, recipients: 1 },
    message: () => {},
  })
  const two = { message: 'A: 1\r\nB: 2\r\n\r\nbody\r\n', to: ['a@x.example', 'b@x.example'] }

  it('go before those of a filter, and only those that are given', async () => {
    const outcomeWith = async (limits: FilterOptions['limits']): Promise<string> => {
      await using session = await openSession(small, { filter: { limits } })
      const { verdict, errors } = await session.deliver(two)
      return `${verdict} ${errors.map((error) => (error as Error).message).join()}`
    }
    assert.match(await outcomeWith(undefined), /^tempfail .*\(limits\.recipients\)/)
    assert.match(await outcomeWith({ recipients: 2 }), /^tempfail .*\(limits\.headers\)/)
    const others = { recipients: 2, headers: 20 }
    assert.match(await outcomeWith(others), /^tempfail .*\(limits\.bodySize\)/)
    assert.equal(await outcomeWith({ ...others, bodySize: 100 }), 'accept ')
    assert.match(await outcomeWith({ ...others, bodySize: 5 }), /^tempfail .* 5 bytes/)
  })

  it('are for all filters of a composition', async () => {
    const large = defineFilter({
      name: 'large',
      limits: { bodySize: 1_000 },
      message: () => {},
    })
    const filter = { limits: { recipients: 2, headers: 20, bodySize: 3 } }
    await using session = await openSession(compose(small, large), { filter })
    assert.equal((await session.deliver(two)).verdict, 'tempfail')
  })
})

describe('the budget after random conversations', () => {
  type End = 'returns' | 'throws' | 'hangs' | 'waits'
  interface Plan {
    readonly end: End
    readonly verdict:
      typeof CONTINUE | typeof ACCEPT | typeof REJECT | typeof TEMPFAIL | typeof DISCARD
    readonly edit: 'none' | 'header' | 'body' | 'stream' | 'mime'
  }
  const plan = fc.record<Plan>({
    end: fc.constantFrom<End>(
      'returns',
      'returns',
      'returns',
      'waits',
      'waits',
      'throws',
      'hangs',
    ),
    verdict: fc.constantFrom<Plan['verdict']>(
      CONTINUE,
      CONTINUE,
      CONTINUE,
      ACCEPT,
      REJECT,
      TEMPFAIL,
      DISCARD,
    ),
    edit: fc.constantFrom<Plan['edit']>('none', 'header', 'body', 'stream', 'mime'),
  })
  const COMMANDS: readonly CommandMessage[] = [
    connect(),
    helo(),
    mail(),
    mail(),
    rcpt(),
    rcpt(`<${'r'.repeat(3_000)}@example.net>`),
    header(),
    header('X-Large', ` ${'h'.repeat(20_000)}`),
    eoh,
    eoh,
    body(),
    body('b'.repeat(10_000)),
    body(Buffer.alloc(60_000, 'c')),
    eom(),
    eom('tail'),
    abort,
    quitNc,
    macros(Command.MAIL, { i: 'q' }),
    macros(Command.RCPT, { long: 'm'.repeat(7_000) }),
  ]
  const whole: CommandMessage[] = [
    mail(),
    rcpt(),
    header(),
    eoh,
    body('b'.repeat(5_000)),
    eom(),
  ]
  const conversation = fc
    .array(
      fc.oneof(
        fc.constantFrom(...COMMANDS).map((one) => [one]),
        fc.constant(whole),
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.flat())

  async function act(mail: Mail, plans: Plan): Promise<Plan['verdict']> {
    const { edit, end, verdict } = plans
    if (edit === 'header') mail.headers.append('X-More', 'y')
    if (edit === 'body') mail.body.replace('z'.repeat(30_000))
    if (edit === 'stream') {
      await mail.body.replace(
        (async function* () {
          for (let i = 0; i < 5; i++) yield 'line\n'.repeat(500)
        })(),
      )
    }
    if (edit === 'mime') (await mail.mime()).headers.append('X-Tree', '1')
    if (end === 'hangs') await new Promise(() => {})
    if (end === 'waits') await new Promise((resolve) => setImmediate(resolve))
    if (end === 'throws') throw new Error('on purpose')
    return verdict
  }

  function filterOf(plans: readonly Plan[]): MessageFilter {
    const filters = plans.map((one, i) =>
      defineFilter({
        name: `f${i}`,
        ...(i === 0 ? { recipient: () => undefined } : {}),
        ...(i === 1 ? { headers: () => undefined } : {}),
        message: (mail) =>
          one.end === 'returns' && (one.edit === 'none' || one.edit === 'header')
            ? (one.edit === 'header' && mail.headers.append('X-More', 'y'),
              one.verdict as never)
            : (act(mail, one) as never),
      }),
    )
    return compose(...filters)
  }

  it('is as it was, whatever has become of the messages', { timeout: 120_000 }, async () => {
    let refused = 0
    let spilled = 0
    atEnd(
      observe({
        'tsmilter:message:overload': () => void refused++,
        'tsmilter:spill': ({ reason }) => void (spilled += reason === 'memory' ? 1 : 0),
      }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(plan, { minLength: 1, maxLength: 3 }),
        fc.array(fc.tuple(conversation, fc.constantFrom('eof', 'shutdown', 'quit', 'cut')), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.constantFrom(30_000, 80_000, 200_000, 10_000_000),
        fc.constantFrom<OverloadAnswer>('tempfail', 'accept'),
        async (plans, connections, limit, overload) => {
          const { memory, open } = serverOf(limit, {
            overload,
            deadlines: 10,
            limits: { bodyMemory: 50_000 },
          })
          const filter = filterOf(plans)
          const wires = connections.map(() => open(filter))
          const longest = Math.max(...connections.map(([commands]) => commands.length))
          const maximum = limit + wires.length * 400_000
          for (let i = 0; i < longest; i++) {
            for (const [n, [commands]] of connections.entries()) {
              const command = commands[i]
              if (command !== undefined) wires[n]!.send(command)
              assert.ok(memory.used >= 0 && memory.used <= maximum, String(memory.used))
            }
            if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
          }
          for (const [n, [, how]] of connections.entries()) {
            const { session } = wires[n]!
            if (how === 'quit') wires[n]!.send(quit)
            else if (how === 'cut') {
              session.receive(encodeCommand(body('x'.repeat(9_000))).subarray(0, 5_000))
            }
            session.end(how === 'shutdown' ? 'shutdown' : 'eof')
          }
          await until(() => wires.every(({ session }) => session.closed))
          await until(() => memory.used === 0)
          await until(() => openFiles() === 0)
          assert.equal(memory.used, 0)
        },
      ),
      { numRuns: 150, endOnFailure: true },
    )
    assert.ok(refused > 0 && spilled > 0)
  })
})
