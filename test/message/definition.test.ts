import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defineFilter } from '../../src/message/define-filter.ts'
import { noReply, symlist } from '../../src/milter/marks.ts'

/** What JavaScript can give, and the types forbid. */
const define = (options: object): unknown =>
  defineFilter({ name: 'test', message() {}, ...options })

describe('a definition that would be ignored in part', () => {
  for (const [options, message] of [
    [{ deadlines: 5 }, /^the option deadlines takes an object with stages: .*; it got 5$/],
    [{ deadlines: null }, /^the option deadlines takes .*null$/],
    [{ deadlines: new Map([['message', 5]]) }, /^the option deadlines takes .*Map/],
    [{ deadlines: { message: Number.NaN } }, /^the option deadlines\.message takes .*NaN$/],
    [{ macros: new Map() }, /^the option macros takes an object with stages/],
    [{ macros: null }, /^the option macros takes/],
    [{ macros: { message: 'i' } }, /^the option macros\.message takes a list of names/],
    [{ macros: { message: 5 } }, /^the option macros\.message takes a list of names/],
    [{ macros: { mesage: ['i'] } }, /^the option macros takes stages: .*mean message\?/],
    [{ reads: null }, /^the option reads takes a list with headers, body; it got null$/],
    [{ reads: 'body' }, /^the option reads takes a list/],
    [{ edits: null }, /^the option edits takes a list with headers/],
    [{ edits: 'body' }, /^the option edits takes a list/],
    [{ edits: 5 }, /^the option edits takes a list/],
    [{ limits: new Map() }, /^the option limits takes/],
    [{ onError: null }, /^the option onError takes/],
  ] as const) {
    it(`is refused: ${JSON.stringify(options)}`, () => {
      assert.throws(() => define(options), { code: 'INVALID_OPTION', message })
    })
  }

  it('is refused for a mark on a stage', () => {
    for (const stage of [symlist('i')(() => {}), noReply(() => {})]) {
      assert.throws(() => define({ headers: stage }), {
        code: 'INVALID_HANDLER',
        message: /the stage headers of the filter "test" has a mark, which would do nothing/,
      })
    }
  })

  it('is not one where a field is undefined', () => {
    define({
      deadlines: { message: undefined },
      macros: { message: undefined },
      reads: undefined,
    })
  })
})
