import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { ProtocolError } from '../../src/errors.ts'
import { Action, ALL_ACTIONS, ALL_STEPS, DataSize, Step } from '../../src/protocol/constants.ts'
import { agree, type Wishes } from '../../src/session/terms.ts'

const wishes = (given: Partial<Wishes> = {}): Wishes => ({
  actions: ALL_ACTIONS,
  required: 0,
  steps: 0,
  macros: new Map(),
  dataSize: DataSize.K64,
  ...given,
})
const u32 = fc.nat(0xffffffff)
const anyWishes = fc.record({
  actions: fc.nat(ALL_ACTIONS),
  required: fc.constant(0),
  steps: fc.nat(ALL_STEPS),
  macros: fc.constantFrom(new Map(), new Map([[0 as const, ['j']]])),
  dataSize: fc.constantFrom(DataSize.K64, DataSize.K256, DataSize.M1),
})

describe('agreeing on terms', () => {
  it('answers any offer with something legal: never a bit that was not offered', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 2 ** 32 - 1 }),
        u32,
        u32,
        anyWishes,
        (version, actions, steps, want) => {
          const terms = agree({ version, actions, steps }, want)
          assert.ok(terms.version >= 2 && terms.version <= 6 && terms.version <= version)
          assert.equal(terms.actions & ~(actions || 0x0f), 0)
          assert.equal(terms.steps & ~(steps || 0x3f), 0)
          assert.equal(terms.actions & ~ALL_ACTIONS, 0)
          const sizes =
            Number((terms.steps & Step.MDS_256K) !== 0) +
            Number((terms.steps & Step.MDS_1M) !== 0)
          assert.ok(sizes <= 1)
          if (terms.macros.size > 0)
            assert.ok((terms.actions & Action.SETSYMLIST) !== 0 && version >= 6)
          // What was wished for and offered is granted.
          assert.equal(terms.steps & ALL_STEPS, want.steps & (steps || 0x3f) & ALL_STEPS)
        },
      ),
    )
  })

  it('reads an offer of nothing as the bits of version 1 (FT4)', () => {
    const terms = agree({ version: 2, actions: 0, steps: 0 }, wishes({ steps: ALL_STEPS }))
    assert.deepEqual([terms.actions, terms.steps], [0x0f, 0x3f])
  })

  it('lowers versions above 6', () => {
    assert.equal(agree({ version: 99, actions: 1, steps: 1 }, wishes()).version, 6)
  })

  it('refuses versions below 2 (FT6)', () => {
    for (const version of [0, 1]) {
      assert.throws(
        () => agree({ version, actions: 1, steps: 1 }, wishes()),
        (error) => error instanceof ProtocolError && error.code === 'VERSION_TOO_OLD',
      )
    }
  })

  it('refuses a mail server that lacks a required action, and names it', () => {
    assert.throws(
      () =>
        agree({ version: 6, actions: 0x3f, steps: 1 }, wishes({ required: Action.CHGFROM })),
      /requires CHGFROM/,
    )
    const terms = agree(
      { version: 6, actions: 0x3f, steps: 1 },
      wishes({ actions: 0, required: 1 }),
    )
    assert.equal(terms.actions, 1)
  })

  const sizes = [
    { offered: 0, wished: DataSize.M1, size: DataSize.K64 },
    { offered: Step.MDS_256K, wished: DataSize.M1, size: DataSize.K256 },
    { offered: Step.MDS_1M, wished: DataSize.M1, size: DataSize.M1 },
    { offered: Step.MDS_256K | Step.MDS_1M, wished: DataSize.M1, size: DataSize.M1 },
    { offered: Step.MDS_256K | Step.MDS_1M, wished: DataSize.K256, size: DataSize.K256 },
    { offered: Step.MDS_1M, wished: DataSize.K256, size: DataSize.K64 },
    { offered: Step.MDS_256K | Step.MDS_1M, wished: DataSize.K64, size: DataSize.K64 },
  ]
  for (const { offered, wished, size } of sizes) {
    it(`agrees on ${size} bytes when 0x${offered.toString(16)} is offered and ${wished} wished for`, () => {
      const terms = agree(
        { version: 6, actions: 1, steps: 1 | offered },
        wishes({ dataSize: wished }),
      )
      assert.equal(terms.dataSize, size)
      assert.equal(terms.steps & 0x70000000 & ~offered, 0)
    })
  }

  it('asks for macros only where that was offered', () => {
    const macros = new Map([[0 as const, ['j']]])
    assert.equal(
      agree({ version: 6, actions: 0xff, steps: 1 }, wishes({ macros })).macros.size,
      0,
    )
    assert.equal(
      agree({ version: 4, actions: 0x1ff, steps: 1 }, wishes({ macros })).macros.size,
      0,
    )
    const terms = agree(
      { version: 6, actions: 0x1ff, steps: 1 },
      wishes({ macros, actions: 0 }),
    )
    assert.equal(terms.macros.size, 1)
    assert.equal(terms.actions, Action.SETSYMLIST)
  })
})
