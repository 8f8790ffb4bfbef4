import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import { FieldRecord } from '../../../src/message/field-record.ts'
import { planHeaders, type HeaderEdit } from '../../../src/message/plan/header-plan.ts'
import type { MailServerKind } from '../../../src/milter/mail-server/mail-server.ts'
import type { Field } from '../../../src/mta/message.ts'
import type { EditMessage } from '../../../src/protocol/index.ts'
import {
  apply,
  fields,
  headerMessage,
  MODEL_NAMES,
  moved,
  moves,
  queue,
  recordsOf,
  textOf,
  type ModelName,
} from './support.ts'

/** Where a plan for a kind of server has to be right. */
const MODELS_OF: Readonly<Record<MailServerKind, readonly ModelName[]>> = {
  postfix: ['postfix'],
  sendmail: ['sendmail'],
  unknown: MODEL_NAMES,
}
const KINDS = Object.keys(MODELS_OF) as MailServerKind[]

/** What the server has after a plan, as the next filter would be shown it. */
function shownAfter(
  model: ModelName,
  received: readonly Field[],
  plan: readonly HeaderEdit[],
): string[] {
  return recordsOf(apply(queue(model, received), plan.map(headerMessage))).map(textOf)
}

describe('a plan for a header', () => {
  for (const kind of KINDS) {
    for (const model of MODELS_OF[kind]) {
      it(`${kind}: makes it what it is to be, on ${model}`, () => {
        fc.assert(
          fc.property(fields(8), moves(8), (received, edits) => {
            const before = recordsOf(queue(model, received))
            const after = moved(before, edits)
            const plan = planHeaders(before, after, kind)
            assert.deepEqual(shownAfter(model, received, plan), after.map(textOf))
          }),
          { numRuns: 2_000 },
        )
      })
    }

    it(`${kind}: is empty where nothing has changed`, () => {
      fc.assert(
        fc.property(fields(8), (received) => {
          const before = recordsOf(queue('postfix', received))
          const same = before.map(({ name, value }) => FieldRecord.of(name, value))
          assert.deepEqual(planHeaders(before, same, kind), [])
        }),
      )
    })

    it(`${kind}: never takes more edits than it was edited`, () => {
      fc.assert(
        fc.property(
          fields(8, ['X-A', 'X-B', 'Subject']),
          moves(6, ['X-A', 'X-B', 'Subject']),
          (received, edits) => {
            // Only what every server can do in one edit; for an unknown one that is top and end.
            const simple = edits.filter(
              ({ type, at }) =>
                type !== 'move' && (kind !== 'unknown' || type !== 'insert' || at === 0),
            )
            const before = recordsOf(queue('postfix', received))
            const plan = planHeaders(before, moved(before, simple), kind)
            assert.ok(plan.length <= simple.length, `${plan.length} for ${simple.length}`)
          },
        ),
      )
    })
  }
})

describe('the shortest plan, found by trying them all', () => {
  const names = ['X-A', 'X-B']
  const values = [' 1', ' 2']
  for (const kind of KINDS) {
    it(`${kind}: is not shorter`, () => {
      fc.assert(
        fc.property(fields(3, names, values), moves(3, names, values), (received, edits) => {
          check(kind, received, edits)
        }),
        { numRuns: 400 },
      )
    })
    it(`${kind}: nor with fields the server would write itself, and names spelt otherwise`, () => {
      const odd = ['Date', 'X-A', 'x-a']
      fc.assert(
        fc.property(fields(2, odd, values), moves(2, odd, values), (received, edits) => {
          check(kind, received, edits)
        }),
        { numRuns: 300 },
      )
    })
  }

  function check(
    kind: MailServerKind,
    received: readonly Field[],
    edits: Parameters<typeof moved>[1],
  ): void {
    const models = MODELS_OF[kind]
    const before = recordsOf(queue(models[0]!, received))
    const after = moved(before, edits)
    const plan = planHeaders(before, after, kind)
    const goals = models.map((model) => written(model, received, plan.map(headerMessage)))
    const steps = candidates(before, after)
    const shorter = search(models, received, goals, steps, Math.min(plan.length - 1, 2))
    assert.equal(
      shorter,
      undefined,
      `${JSON.stringify(shorter)} instead of ${JSON.stringify(plan.map(headerMessage))}`,
    )
  }

  function written(
    model: ModelName,
    received: readonly Field[],
    edits: readonly EditMessage[],
  ): string {
    return apply(queue(model, received), edits).result().message.toString('latin1')
  }

  /** Every edit that could be part of it: no value but those that are wanted can help. */
  function candidates(
    before: readonly FieldRecord[],
    after: readonly FieldRecord[],
  ): EditMessage[] {
    const all: EditMessage[] = []
    const wanted = [...new Map(after.map((field) => [textOf(field), field])).values()]
    const indexes = [...Array.from({ length: before.length + 14 }, (_, i) => i), 1000]
    for (const { name, value } of wanted) {
      all.push({ type: 'addheader', name, value })
      for (const index of indexes) all.push({ type: 'insheader', index, name, value })
      for (let index = 1; index <= before.length; index++) {
        all.push({ type: 'chgheader', index, name, value })
      }
    }
    for (const key of new Set([...before, ...after].map((field) => field.key))) {
      for (let index = 1; index <= before.length + 1; index++) {
        all.push({ type: 'chgheader', index, name: key, value: '' })
      }
    }
    return all
  }

  /** A list of `length` edits or fewer with the same result on every model. */
  function search(
    models: readonly ModelName[],
    received: readonly Field[],
    goals: readonly string[],
    steps: readonly EditMessage[],
    length: number,
  ): readonly EditMessage[] | undefined {
    const right = (edits: readonly EditMessage[]): boolean =>
      models.every((model, i) => written(model, received, edits) === goals[i])
    let lists: EditMessage[][] = [[]]
    for (let n = 0; n <= length; n++) {
      const found = lists.find(right)
      if (found !== undefined) return found
      if (n < length) lists = lists.flatMap((list) => steps.map((step) => [...list, step]))
    }
    return undefined
  }
})

describe('a plan for a header of many fields', () => {
  const many = (count: number): FieldRecord[] =>
    Array.from({ length: count }, (_, i) =>
      FieldRecord.of(Buffer.from(`X-${i % 7}`), Buffer.from(` ${i}`)),
    )

  for (const kind of KINDS) {
    it(`${kind}: has one edit for each of ten thousand changes`, () => {
      const before = many(10_000)
      const after = before.map((field) =>
        FieldRecord.of(field.name, Buffer.concat([field.value, Buffer.from('!')]), field),
      )
      assert.equal(planHeaders(before, after, kind).length, 10_000)
    })

    it(`${kind}: has three edits for three among ten thousand`, () => {
      const before = many(10_000)
      const after = [...before]
      after[5_000] = FieldRecord.of(after[5_000]!.name, Buffer.from(' new'), after[5_000])
      after.splice(2_000, 1)
      after.push(FieldRecord.of(Buffer.from('X-End'), Buffer.from(' end')))
      assert.deepEqual(
        planHeaders(before, after, kind).map((edit) => [
          edit.type,
          'index' in edit ? edit.index : undefined,
        ]),
        [
          ['change', 715],
          ['delete', 286],
          ['insert', 0x7fffffff],
        ],
      )
    })
  }
})
