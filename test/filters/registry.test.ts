import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as filters from '../../src/filters/index.ts'
import { CONDITION } from '../../src/filters/condition-options.ts'
import { READY_FILTERS } from '../../src/filters/registry.ts'
import { OPTIONS } from '../../src/options/table.ts'
import { shapesIn } from '../../src/options/part-kinds.ts'
import { readValue, type AnyShape } from '../../src/options/shape.ts'

const rows = Object.entries(READY_FILTERS)
const within = (shape: AnyShape): AnyShape[] => [
  shape,
  ...Object.values(shape.fields).flatMap(({ kind }) => shapesIn(kind)),
]

describe('the registry of ready-made filters', () => {
  it('has the functions that tsmilter/filters exports, by their names', async () => {
    for (const [name, { shape, load }] of rows) {
      assert.equal(shape.name, name)
      assert.equal(await load(), (filters as Readonly<Record<string, unknown>>)[name])
    }
  })

  it('has no name that means something else in a text file', () => {
    const others = ['use', 'include', 'when', 'options', ...OPTIONS.map(({ name }) => name)]
    for (const [name] of rows) assert.ok(!others.includes(name), name)
  })

  it('gives each filter a name for the log, and observe', () => {
    for (const [name, { shape }] of rows) {
      assert.ok('name' in shape.fields && 'observe' in shape.fields, name)
    }
  })

  for (const shape of [
    ...rows.map(([, row]) => row.shape),
    CONDITION as unknown as AnyShape,
  ].flatMap(within)) {
    it(`${shape.type} says what each option is, and has defaults that its kinds take`, () => {
      assert.match(shape.text, /^[a-z].*[^.]$/)
      for (const [name, field] of Object.entries(shape.fields)) {
        assert.match(field.text, /^[a-zA-Z].*[^.]$/, name)
        assert.ok(field.text.length <= 110, name)
        assert.ok(!(field.required && field.default !== undefined), name)
        if (field.default === undefined) continue
        readValue(field.kind, field.default, [], {
          report: ({ text }) => assert.fail(`${name} ${text}`),
        })
      }
      for (const name of shape.oneOf ?? []) assert.ok(name in shape.fields, name)
    })
  }
})
