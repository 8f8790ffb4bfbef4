import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import {
  ACCEPT,
  CONTINUE,
  DISCARD,
  REJECT,
  reply,
  serve,
  silentLogger,
  SKIP,
  TEMPFAIL,
  type Handlers,
} from '../../src/index.ts'
import { MtaClient, type Transaction } from '../../src/mta/index.ts'
import { NO_REPLY_STEPS, Step } from '../../src/protocol/index.ts'
import { difference } from '../../src/testing/index.ts'
import { atEnd } from '../support/resources.ts'
import {
  available,
  run,
  sourcePath,
  startFilter,
  temporaryDirectory,
} from './support/program.ts'
import { SEED } from '../support/seed.ts'

/** The same as fixtures/libmilter_filter.c. */
const filter = (steps: number) => (): Handlers => {
  let sender = '<-----'
  const verdict = (letter: string | undefined, silent = 0) => {
    if ((steps & silent) !== 0) return CONTINUE
    switch (letter) {
      case 'r':
        return REJECT
      case 't':
        return TEMPFAIL
      case 'd':
        return DISCARD
      case 'a':
        return ACCEPT
      case 's':
        return SKIP
      case 'y':
        return reply(550, '5.7.1', 'my own words')
      default:
        return CONTINUE
    }
  }
  // A verdict that a stage does not have is not offered by the generator below.
  return {
    // Only what can be had, as libmilter wants it; an offer of nothing is shown as that of version 1.
    negotiate: (_ctx, offer) => ({
      actions: offer.actions & 0xff,
      steps: steps & (offer.steps | NO_REPLY_STEPS),
    }),
    connect: (_ctx, host) => verdict(host[0], Step.NR_CONN),
    helo: (_ctx, name) => verdict(name[0], Step.NR_HELO),
    envfrom(_ctx, from) {
      sender = from
      return verdict(from[1], Step.NR_MAIL)
    },
    envrcpt: (_ctx, to) => verdict(to[1], Step.NR_RCPT),
    data: () => verdict(sender[2], Step.NR_DATA),
    header: (_ctx, name) => verdict(name[0], Step.NR_HDR),
    eoh: () => verdict(sender[3], Step.NR_EOH),
    body: (_ctx, chunk) => verdict(String.fromCharCode(chunk[0]!), Step.NR_BODY),
    eom(ctx) {
      if (sender[5] === 'e') {
        const can = (edit: () => void): void => {
          try {
            edit()
          } catch {
            // libmilter's functions fail where the action was not agreed on; the filter goes on.
          }
        }
        can(() => ctx.progress())
        can(() => ctx.addHeader('X-Added', 'first\n\tsecond'))
        can(() => ctx.insertHeader(1, 'X-Inserted', 'value'))
        can(() => ctx.changeHeader('Subject', 1, 'changed'))
        can(() => ctx.deleteHeader('X-Gone', 2))
        can(() => ctx.addRecipient('<added@example.net>'))
        can(() => ctx.addRecipient('<par@example.net>', 'NOTIFY=NEVER'))
        can(() => ctx.deleteRecipient('<bob@example.net>'))
        can(() => ctx.changeFrom('<changed@example.org>'))
        can(() => ctx.quarantine('held'))
        can(() => ctx.replaceBody('new\r\n'))
      }
      return verdict(sender[4])
    },
    unknown: (_ctx, line) => verdict(line[0], Step.NR_UNKN),
  } as Handlers
}

const word = (letters: string, length = 1): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom(...letters.split('')), { minLength: length, maxLength: length })
    .map((all) => all.join(''))

/** Mostly no verdict, so that most messages come to their end. */
const VERDICTS = 'ccccccccccrtday'
const SESSION_VERDICTS = 'ccccccccccccrtay'

const transaction = (body: string): fc.Arbitrary<Transaction> =>
  fc.record({
    client: fc.record({ hostname: word(SESSION_VERDICTS).map((one) => `${one}.example.org`) }),
    helo: word(SESSION_VERDICTS).map((one) => `${one}.example.org`),
    from: fc
      .tuple(word(VERDICTS, 4), fc.constantFrom('e', '-'))
      .map(([verdicts, edits]) => `${verdicts}${edits}@example.org`),
    to: fc.array(
      word(VERDICTS).map((one) => `${one}ob@example.net`),
      { minLength: 1, maxLength: 3 },
    ),
    unknown: fc.array(
      word('XXXXrt').map((one) => `${one}FOO bar`),
      { maxLength: 2 },
    ),
    message: fc
      .tuple(
        fc.array(
          word(VERDICTS.replaceAll('c', 'ccccc')).map((one) => `${one}-Field: value`),
          { maxLength: 4 },
        ),
        word(body),
        fc.constantFrom(0, 10, 70_000),
      )
      .map(([fields, first, size]) => {
        const text = size === 0 ? '' : `${first}${'-'.repeat(size)}\r\n`
        return `${['From: A <a@example.org>', 'Subject: x', ...fields].join('\r\n')}\r\n\r\n${text}`
      }),
  })

/** What versions of the protocol know (libmilter mfdef.h). */
const STEPS_OF: Readonly<Record<number, number>> = {
  2: 0x7f,
  3: 0x17f,
  4: 0x37f,
  5: 0x37f,
  6: 0x1fffff,
}
const offer = fc
  .record({
    version: fc.constantFrom(2, 3, 4, 5, 6, 6, 6, 6),
    actions: fc.oneof(
      { weight: 4, arbitrary: fc.constant(0x1ff) },
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 0x1ff }) },
      fc.constant(0),
    ),
    less: fc.oneof(
      { weight: 4, arbitrary: fc.constant(0) },
      { weight: 4, arbitrary: fc.integer({ min: 0, max: 0x1fffff }) },
      fc.constant(0x1fffff),
    ),
  })
  .map(({ version, actions, less }) => ({
    version,
    actions,
    steps: STEPS_OF[version]! & ~less,
  }))

const NR = Step.NR_CONN | Step.NR_HELO | Step.NR_MAIL | Step.NR_RCPT | Step.NR_DATA
const VARIANTS: Readonly<Record<string, number>> = {
  'no steps': 0,
  'the leading space': Step.HDR_LEADSPC,
  'no replies to the content': Step.NR_HDR | Step.NR_EOH | Step.NR_BODY,
  'no replies to the envelope': NR | Step.NR_UNKN,
  'no header and no body': Step.NOHDRS | Step.NOBODY,
  'refused recipients': Step.RCPT_REJ | Step.NOCONNECT | Step.NOHELO,
  skip: Step.SKIP,
}

/** Versions without defects that are worked around here, and not by libmilter. */
const FAULTLESS = { postfix: 'Postfix 3.11.6', sendmail: '8.18.1' } as const

const CASES = Number(process.env['TSMILTER_CONVERSATIONS'] ?? 150)

/** libmilter sends edits as they are made; here none are sent for a message that is not to pass. */
const withoutMootEdits = (trace: string): string =>
  trace.replaceAll(
    /(?:^< (?:addheader|insheader|chgheader|addrcpt|addrcpt_par|delrcpt|chgfrom|quarantine|replbody) .*\n)+(?=< (?:reject|tempfail|discard|replycode))/gm,
    '',
  )

function reporter<T>(run: fc.RunDetails<T>): void {
  if (!run.failed) return
  const cause = run.errorInstance instanceof Error ? run.errorInstance.message : ''
  throw new Error(`seed ${run.seed}, path ${run.counterexamplePath}:\n${cause}`)
}

describe('libmilter and this package', () => {
  if (
    !available(
      'gcc',
      ['-E', '-include', 'libmilter/mfapi.h', '-x', 'c', '/dev/null'],
      'gcc with libmilter-dev',
    )
  )
    return
  for (const [what, steps] of Object.entries(VARIANTS)) {
    it(`answer alike, frame by frame: ${what}, seed ${SEED}`, async () => {
      const directory = temporaryDirectory()
      const program = join(directory, 'filter')
      const source = sourcePath('test', 'conformance', 'fixtures', 'libmilter_filter.c')
      run('gcc', ['-O1', '-o', program, source, '-lmilter', '-lpthread'])
      const socket = join(directory, 'filter.sock')
      await startFilter(program, [socket, steps.toString(16)], socket)
      const server = await serve(filter(steps), {
        listen: 'inet:0@127.0.0.1',
        logger: silentLogger(),
      })
      atEnd(() => server.close({ deadline: 0 }))
      const [ours] = server.addresses as [string]
      const skip = steps === Step.SKIP
      await fc.assert(
        fc.asyncProperty(
          skip ? fc.constant({ version: 6, actions: 0x1ff, steps: 0x1fffff }) : offer,
          fc.array(transaction(skip ? 'ccs' : 'cccccrtday'), { minLength: 1, maxLength: 3 }),
          fc.constantFrom('postfix' as const, 'sendmail' as const),
          async (offered, transactions, mta) => {
            const play = async (address: string): Promise<string> => {
              const client = await MtaClient.connect(address, {
                mta,
                offer: offered,
                timeouts: 2_000,
              })
              const lines: string[] = []
              const macros = { i: 'ID', v: FAULTLESS[mta] }
              for (const one of transactions) {
                const outcome = await client.deliver({ ...one, macros })
                lines.push(
                  outcome.trace.toString(),
                  `= ${outcome.verdict} ${outcome.failure?.code}`,
                )
              }
              await client.quit()
              return lines.join('\n').replaceAll(/\{msg_id\}="[^"]*"/g, '{msg_id}')
            }
            const here = await play(ours)
            const there = withoutMootEdits(await play(`unix:${socket}`))
            if (here !== there) throw new Error(difference(there, here))
          },
        ),
        { numRuns: CASES, seed: SEED, reporter },
      )
    })
  }
})
