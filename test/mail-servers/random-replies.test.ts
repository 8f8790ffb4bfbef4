import { after, before, it } from 'node:test'
import { fc } from '../support/property.ts'
import { encodeFrame, Reply } from '../../src/protocol/index.ts'
import { BothSides } from './support/both-sides.ts'
import { eachServer, message } from './support/stack.ts'
import { SEED } from '../support/seed.ts'

/** How many cases; TSMILTER_REPLY_CASES asks for more, `all` for each code at each stage. */
const CASES = process.env['TSMILTER_REPLY_CASES'] ?? '100'

const SHORT = message(['X-A: b'], 'line\r\n')
const UNKNOWN = ['XFOO bar']

/** Where a filter answers, by the letter of the command; `U` is a command the server does not know. */
const STAGES = ['C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E', 'U'] as const

/** What stands behind the code: nothing, an enhanced code or none, one line or more. */
const TEXTS: readonly ((code: number) => string)[] = [
  (code) => `${code} later`,
  (code) => `${code} ${classOf(code)}.7.1 some text`,
  (code) => `${code} ${classOf(code)}.7.1`,
  (code) => `${code}-${classOf(code)}.7.1 first\r\n${code} ${classOf(code)}.7.1 second`,
  (code) => `${code}-first\r\n${code} second`,
  (code) => `${code} 3 strikes`,
]
const classOf = (code: number): string => String(code)[0]!

/** Every code that a filter can answer with, wherever it can: to the client it is the same. */
eachServer('random replies', (kind) => {
  let sides: BothSides
  before(async () => {
    sides = await BothSides.start(kind)
  })
  after(() => sides.stop())

  const same = async (stage: string, text: string): Promise<void> => {
    const frame = encodeFrame(Reply.REPLYCODE, Buffer.from(`${text}\0`, 'latin1'))
    try {
      await sides.same({
        answers: { [stage]: frame },
        original: SHORT,
        unknown: stage === 'U' ? UNKNOWN : [],
        // After 421 there is no session for a second one. Postfix does not take "421 3 ...", which looks like an
        // enhanced code of another class: its session goes on, in the middle of the first message.
        messages: /^421(?! 3)/.test(text) ? 2 : 1,
      })
    } catch (error) {
      throw new Error(
        `${JSON.stringify(text)} in answer to ${stage}: ${(error as Error).message}`,
        { cause: error },
      )
    }
  }

  if (CASES === 'all') {
    for (const stage of STAGES) {
      it(`every code in answer to ${stage}`, async () => {
        const wrong: string[] = []
        for (let code = 400; code < 600; code++) {
          const text = TEXTS[code % TEXTS.length]!(code)
          await same(stage, text).catch((error: Error) => wrong.push(error.message))
        }
        if (wrong.length > 0) throw new Error(`${wrong.length} of 200:\n${wrong.join('\n')}`)
      })
    }
    return
  }
  it(`${CASES} cases, seed ${SEED}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...STAGES),
        // 421 ends the session, and 521 that of Postfix; 450, 550 and 553 are shown otherwise by Sendmail.
        fc.oneof(
          { weight: 2, arbitrary: fc.integer({ min: 400, max: 599 }) },
          fc.constantFrom(421, 450, 521, 550, 553),
        ),
        fc.constantFrom(...TEXTS),
        (stage, code, text) => same(stage, text(code)),
      ),
      { numRuns: Number(CASES), seed: SEED },
    )
  })
})
