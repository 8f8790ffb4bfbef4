import { after, before, it } from 'node:test'
import { fc } from '../support/property.ts'
import {
  encodeFrame,
  encodeReply,
  NO_REPLY_STEPS,
  Reply,
  Step,
  type EditMessage,
} from '../../src/protocol/index.ts'
import { BothSides } from './support/both-sides.ts'
import { eachServer, message } from './support/stack.ts'
import { SEED } from '../support/seed.ts'

/** How many cases; TSMILTER_NEGOTIATION_CASES asks for more, `all` for 1,000 with each version Postfix can offer. */
const ASKED = process.env['TSMILTER_NEGOTIATION_CASES'] ?? '60'
const CASES = ASKED === 'all' ? 1_000 : Number(ASKED)

const SHORT = message(['X-A: b', 'X-Two:  v'], 'line\r\n')

/** What Postfix offers by its milter_protocol; Sendmail has no such setting. */
const OFFERS: Readonly<Record<number, number>> = { 2: 0x7f, 3: 0x17f, 4: 0x37f, 6: 0x1fffff }
const VERSIONS = [2, 3, 4, 6] as const

interface Answer {
  readonly version: number
  readonly actions: number
  readonly steps: number
  /** what stands behind the twelve bytes */
  readonly tail: Buffer
}

const u32 = (...numbers: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * numbers.length)
  numbers.forEach((number, i) => bytes.writeUInt32BE(number >>> 0, 4 * i))
  return bytes
}

const bits = (mask: number): fc.Arbitrary<number> => {
  const single = Array.from({ length: 32 }, (_, i) => (1 << i) >>> 0).filter(
    (bit) => (bit & mask) !== 0,
  )
  return fc
    .subarray(single, { maxLength: 4 })
    .map((some) => some.reduce((all, bit) => (all | bit) >>> 0, 0))
}
/** Mostly what was offered, sometimes what was not. */
const mostly = (mask: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 12, arbitrary: bits(mask) },
    { weight: 1, arbitrary: fc.tuple(bits(mask), bits(~mask)).map(([a, b]) => (a | b) >>> 0) },
  )

const NAMES = ['i', 'j', '_', 'v', '{daemon_name}', '{mail_addr}', '{rcpt_addr}', '{auth_type}']
const list = fc
  .tuple(
    fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 0, max: 6 }) },
      fc.constantFrom(7, 99, 2 ** 31),
    ),
    fc.array(fc.constantFrom(...NAMES), { maxLength: 4 }),
    fc.constantFrom(' ', ',', ', ', '  '),
  )
  .map(([stage, names, between]) =>
    Buffer.concat([u32(stage), Buffer.from(`${names.join(between)}\0`)]),
  )
const JUNK = ['x', '\0', '\0\0\0', '\0\0\0\x02']
/** A list without its NUL; Sendmail reads on in whatever lies behind it in its memory. */
const UNENDED = '\0\0\0\x02i j'
const tailOf = (junk: readonly string[]): fc.Arbitrary<Buffer> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(Buffer.alloc(0)) },
    {
      weight: 4,
      arbitrary: fc
        .array(list, { minLength: 1, maxLength: 4 })
        .map((all) => Buffer.concat(all)),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(list, fc.constantFrom(...junk))
        .map(([first, rest]) => Buffer.concat([first, Buffer.from(rest)])),
    },
  )

const answerTo = (kind: string): fc.Arbitrary<Answer> =>
  fc.record({
    version: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(2, 3, 4, 5, 6) },
      fc.constantFrom(0, 1, 7, 0x0100_0001, 0x0100_0002, 2 ** 31, 2 ** 32 - 1),
    ),
    actions: mostly(0x1ff),
    steps: mostly(0x1fffff),
    tail: tailOf(kind === 'postfix' ? [...JUNK, UNENDED] : JUNK),
  })

const EDITS: readonly EditMessage[] = [
  { type: 'addheader', name: 'X-New', value: 'v' },
  { type: 'insheader', index: 0, name: 'X-New', value: ' v' },
  { type: 'chgheader', index: 1, name: 'X-A', value: 'c' },
  { type: 'replbody', chunk: Buffer.from('new\r\n') },
  { type: 'addrcpt', address: '<dora@example.test>' },
  { type: 'delrcpt', address: '<bob@example.test>' },
]
const VERDICTS = ['continue', 'continue', 'accept', 'reject', 'tempfail', 'discard'] as const
type Verdict = (typeof VERDICTS)[number]

const edits = fc.subarray([...EDITS], { maxLength: 2 })

/**
 * Any answer to the offer, right or wrong: what the server then sends, and what it makes of edits that the
 * answer did not ask for, is the same from the real server and from the model.
 */
eachServer('random negotiation', (kind) => {
  const versions =
    kind.name === 'sendmail' ? [6] : ASKED === 'all' ? VERSIONS : [6, VERSIONS[SEED % 3]!]
  for (const version of versions) {
    let sides: BothSides
    before(async () => {
      sides =
        kind.name === 'sendmail' || version === 6
          ? await BothSides.start(kind)
          : await BothSides.start(
              kind,
              { offer: { version, steps: OFFERS[version]! } },
              { milterProtocol: version as 2 },
            )
    })
    after(() => sides.stop())

    it(`version ${version}: ${CASES} cases, seed ${SEED}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          answerTo(kind.name),
          edits,
          fc.boolean(),
          fc.constantFrom(...VERDICTS),
          async ({ version, actions, steps, tail }, edits, unknown, last) => {
            await sides.same({
              negotiation: encodeFrame(Reply.OPTNEG, u32(version, actions, steps), tail),
              silent: steps & NO_REPLY_STEPS,
              steps: 0,
              edits,
              answers: {
                E: encodeReply({ type: last }),
                ...((steps & Step.SKIP) !== 0 && { B: encodeReply({ type: 'skip' }) }),
              },
              original: SHORT,
              unknown: unknown ? ['XFOO bar'] : [],
            })
          },
        ),
        { numRuns: CASES, seed: SEED, reporter },
      )
    })
  }
})

type Case = [Answer, EditMessage[], boolean, Verdict]

/** The smallest case that fails, as it stands on the wire. */
function reporter(run: fc.RunDetails<Case>): void {
  if (!run.failed) return
  const [{ version, actions, steps, tail }, ...rest] = run.counterexample!
  const answer = `version ${version}, actions 0x${actions.toString(16)}, steps 0x${steps.toString(16)}, ${JSON.stringify(tail.toString('latin1'))}`
  const cause = run.errorInstance instanceof Error ? run.errorInstance.message : ''
  throw new Error(
    `seed ${run.seed}, path ${run.counterexamplePath}: ${answer}, ${JSON.stringify(rest)}\n${cause}`,
  )
}
