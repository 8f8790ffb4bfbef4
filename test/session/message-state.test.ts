import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Command } from '../../src/protocol/constants.ts'
import { NO_MESSAGE, next, Turn, type MessageState } from '../../src/session/message-state.ts'

const { MAIL, RCPT, DATA, HEADER, EOH, BODY, EOM } = Command
const { BEGIN, SKIP, LAST_WORD, KEEP_ACCEPT, CUT_OFF, OVER, SETTLE_NEXT, SETTLE_ALL, FORGET } =
  Turn

/** A state in words: `open 2`, `settled 1 kept`, `none settles all`. */
function inWords(state: MessageState | undefined): string {
  if (state === undefined) return 'out of order'
  const { phase, order, skipping, kept, settles } = state
  const words: (string | number)[] = [phase]
  if (phase !== 'none') words.push(order)
  if (skipping) words.push('skipping')
  if (kept) words.push('kept')
  if (settles !== 'nothing') words.push(`settles ${settles}`)
  return words.join(' ')
}

const after = (...inputs: readonly number[]): MessageState | undefined =>
  inputs.reduce<MessageState | undefined>(
    (state, input) => state && next(state, input),
    NO_MESSAGE,
  )

const ALL = [MAIL, RCPT, DATA, HEADER, EOH, BODY, EOM, ...Object.values(Turn)]

describe('the states of a message', () => {
  const TABLE: readonly (readonly [inputs: readonly number[], state: string])[] = [
    // order
    [[], 'none'],
    [[MAIL], 'open 1'],
    [[MAIL, RCPT], 'open 2'],
    [[MAIL, RCPT, RCPT], 'open 2'],
    [[MAIL, RCPT, DATA], 'open 3'],
    [[MAIL, RCPT, DATA, HEADER, HEADER], 'open 4'],
    [[MAIL, RCPT, DATA, HEADER, EOH], 'open 5'],
    [[MAIL, RCPT, DATA, HEADER, EOH, BODY, BODY], 'open 6'],
    [[MAIL, RCPT, DATA, HEADER, EOH, BODY, EOM], 'open 7'],
    [[MAIL, EOM], 'open 7'],
    [[MAIL, MAIL], 'out of order'],
    [[MAIL, DATA, DATA], 'out of order'],
    [[MAIL, DATA, RCPT], 'out of order'],
    [[MAIL, EOM, EOM], 'out of order'],
    // without MAIL
    ...[RCPT, DATA, HEADER, EOH, BODY, EOM].map((command): [number[], string] => [
      [command],
      'out of order',
    ]),
    [[BEGIN], 'open 0'],
    [[BEGIN, MAIL], 'open 1'],
    [[BEGIN, HEADER], 'open 4'],
    [[BEGIN, EOM], 'open 7'],
    // what the filter says
    [[MAIL, LAST_WORD], 'settled 1'],
    [[MAIL, LAST_WORD, RCPT], 'settled 2'],
    [[MAIL, LAST_WORD, RCPT, EOM], 'settled 7'],
    [[MAIL, RCPT, LAST_WORD, MAIL], 'out of order'],
    [[MAIL, LAST_WORD, KEEP_ACCEPT], 'settled 1 kept'],
    [[MAIL, LAST_WORD, KEEP_ACCEPT, BODY], 'settled 6 kept'],
    [[MAIL, BODY, SKIP], 'open 6 skipping'],
    [[MAIL, BODY, SKIP, BODY], 'open 6 skipping'],
    [[MAIL, BODY, SKIP, EOM], 'open 7 skipping'],
    [[MAIL, BODY, SKIP, EOM, LAST_WORD], 'settled 7 skipping'],
    [[MAIL, CUT_OFF], 'cut 1'],
    [[MAIL, CUT_OFF, KEEP_ACCEPT], 'cut 1 kept'],
    [[MAIL, CUT_OFF, RCPT], 'cut 2'],
    [[MAIL, CUT_OFF, EOM], 'cut 7'],
    // its end leaves nothing
    [[MAIL, OVER], 'none'],
    [[MAIL, BODY, SKIP, OVER], 'none'],
    [[MAIL, LAST_WORD, KEEP_ACCEPT, OVER], 'none'],
    [[MAIL, CUT_OFF, OVER, MAIL], 'open 1'],
    // settled ahead
    [[SETTLE_NEXT], 'none settles next'],
    [[SETTLE_NEXT, MAIL], 'settled 1'],
    [[SETTLE_NEXT, BEGIN], 'settled 0'],
    [[SETTLE_NEXT, BEGIN, OVER, BEGIN], 'open 0'],
    [[SETTLE_NEXT, FORGET], 'none'],
    [[MAIL, SETTLE_NEXT], 'settled 1'],
    [[MAIL, SETTLE_NEXT, OVER], 'none'],
    [[MAIL, LAST_WORD, SETTLE_NEXT], 'settled 1'],
    [[MAIL, CUT_OFF, SETTLE_NEXT], 'cut 1'],
    [[SETTLE_ALL], 'none settles all'],
    [[SETTLE_ALL, SETTLE_NEXT], 'none settles all'],
    [[SETTLE_NEXT, SETTLE_ALL], 'none settles all'],
    [[SETTLE_ALL, MAIL], 'settled 1 settles all'],
    [[SETTLE_ALL, MAIL, EOM, OVER], 'none settles all'],
    [[SETTLE_ALL, MAIL, OVER, MAIL], 'settled 1 settles all'],
    [[SETTLE_ALL, FORGET, MAIL], 'open 1'],
  ]
  const NAMES = new Map<number, string>(
    [Command, Turn].flatMap((table) => Object.entries(table)).map(([name, n]) => [n, name]),
  )
  for (const [inputs, expected] of TABLE) {
    it(`${inputs.map((input) => NAMES.get(input)).join(', ') || 'nothing'}: ${expected}`, () => {
      assert.equal(inWords(after(...inputs)), expected)
    })
  }

  it('are shared: no command makes an object', () => {
    const seen = new Set([NO_MESSAGE])
    for (const state of seen) {
      assert.ok(Object.isFrozen(state))
      for (const input of ALL) {
        const then = next(state, input)
        assert.equal(next(state, input), then)
        if (then !== undefined) seen.add(then)
      }
    }
    assert.ok(seen.size > 20)
  })

  it('have an order in a message only, and begin with nothing said', () => {
    const seen = new Set([NO_MESSAGE])
    for (const state of seen) {
      const { phase, order, skipping, kept } = state
      if (phase === 'none') assert.deepEqual([order, skipping, kept], [0, false, false])
      for (const input of ALL) {
        const then = next(state, input)
        if (then !== undefined) seen.add(then)
      }
    }
  })
})
