import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Command } from '../../src/protocol/constants.ts'
import { isLastWord, MessageLife } from '../../src/session/message-life.ts'
import type { MessagePhase } from '../../src/session/message-state.ts'
import {
  ACCEPT,
  CONTINUE,
  DISCARD,
  REJECT,
  SKIP,
  TEMPFAIL,
  type Verdict,
} from '../../src/session/verdict.ts'

const { CONNECT, HELO, MAIL, RCPT, DATA, HEADER, EOH, BODY, EOM, UNKNOWN } = Command
const IN_MESSAGE = [MAIL, RCPT, DATA, HEADER, EOH, BODY, EOM]

/** What leads to a phase. */
const PHASES: Readonly<Record<MessagePhase, (life: MessageLife) => void>> = {
  none: () => {},
  open: (life) => void life.begin(),
  settled: (life) => {
    life.begin()
    life.settle(REJECT)
  },
  cut: (life) => {
    life.begin()
    life.cut(REJECT)
  },
}

function lifeAt(phase: MessagePhase): MessageLife {
  const life = new MessageLife()
  PHASES[phase](life)
  assert.equal(life.phase, phase)
  return life
}

describe('the life of a message', () => {
  it('takes commands in their order, and may leave some out', () => {
    for (const [i, first] of IN_MESSAGE.entries()) {
      for (const [j, second] of IN_MESSAGE.entries()) {
        const life = lifeAt('open')
        assert.equal(life.advance(first), true)
        const again = first === second && [RCPT, HEADER, BODY].includes(first as never)
        assert.equal(life.advance(second), j > i || again, `${i} ${j}`)
      }
    }
  })

  it('is at its end from end of message on, if nothing was said before', () => {
    for (const [phase, ending] of [
      ['open', true],
      ['settled', false],
      ['cut', false],
    ] as const) {
      const life = lifeAt(phase)
      assert.equal(life.ending, false)
      life.advance(EOM)
      assert.equal(life.ending, ending, phase)
    }
  })

  it('repeats its last word, and "continue" for "accept"', () => {
    for (const say of ['settle', 'cut'] as const) {
      for (const [verdict, repeated] of [
        [ACCEPT, CONTINUE],
        [REJECT, REJECT],
        [TEMPFAIL, TEMPFAIL],
        [DISCARD, DISCARD],
      ] as const) {
        const life = lifeAt('open')
        life[say](verdict)
        assert.equal(life.settled, repeated)
      }
    }
  })

  it('leaves nothing to the next message', () => {
    for (const phase of ['open', 'settled', 'cut'] as const) {
      const life = lifeAt(phase)
      life.advance(EOM)
      life.skip()
      life.end()
      assert.equal(life.phase, 'none')
      assert.equal(life.begin(), undefined)
      assert.equal(life.skipping, false)
      assert.equal(life.ending, false)
      assert.equal(life.advance(MAIL), true)
    }
  })

  it('settles one message for a failure, but all of the session for one at CONNECT', () => {
    const rows: [number, MessagePhase, boolean, (Verdict | undefined)[]][] = [
      [HELO, 'none', false, [TEMPFAIL, undefined]],
      [UNKNOWN, 'none', false, [TEMPFAIL, undefined]],
      [UNKNOWN, 'open', true, [undefined, undefined]],
      [UNKNOWN, 'settled', false, [undefined, undefined]],
      [UNKNOWN, 'cut', false, [undefined, undefined]],
      [CONNECT, 'none', false, [TEMPFAIL, TEMPFAIL]],
    ]
    for (const [command, phase, now, later] of rows) {
      const life = lifeAt(phase)
      assert.equal(life.settleAhead(command, TEMPFAIL), now, phase)
      life.end()
      const paid = later.map(() => {
        const ahead = life.begin()
        life.end()
        return ahead
      })
      assert.deepEqual(paid, later, phase)
      life.settleAhead(command, TEMPFAIL)
      life.forget()
      assert.equal(life.begin(), undefined)
    }
  })
})

describe('the last word', () => {
  it('is any verdict that ends the message; a refusal said at RCPT is for one recipient', () => {
    for (const command of IN_MESSAGE) {
      for (const unsaid of [false, true]) {
        const last = [CONTINUE, SKIP, ACCEPT, REJECT, TEMPFAIL, DISCARD].filter((verdict) =>
          isLastWord(command, verdict, unsaid),
        )
        const expected =
          command === RCPT && !unsaid ? [ACCEPT, DISCARD] : [ACCEPT, REJECT, TEMPFAIL, DISCARD]
        assert.deepEqual(last, expected)
      }
    }
  })
})
