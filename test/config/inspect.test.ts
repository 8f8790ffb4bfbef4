import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect, type Inspected } from '../../src/cli/trial/inspect.ts'
import type { Subject } from '../../src/cli/trial/subject.ts'
import type { Finding, InspectionTools } from '../../src/filters/inspection.ts'
import type { ReadyFilter } from '../../src/filters/registry.ts'
import { defineFilter } from '../../src/index.ts'

const place = (line: number): { file: string; line: number; column: number } => ({
  file: 'f.yaml',
  line,
  column: 1,
})
const OPTIONS = {
  type: 'map',
  place: place(2),
  size: 2,
  entries: [
    {
      key: 'file',
      place: place(3),
      value: { type: 'scalar', value: 'x', place: place(3), size: 1 },
    },
  ],
} as const

function inspected(
  ready: Partial<ReadyFilter> | undefined,
  { own = false, deadline = 1_000 } = {},
): Promise<Inspected & { readonly calls: number }> {
  let calls = 0
  const filter = defineFilter({ name: 'x', message: () => void calls++ })
  const subject: Subject = {
    name: 'x',
    place: 'f.yaml:2',
    filter: filter as never,
    options: OPTIONS,
    entry: {
      place: place(2),
      name: 'x',
      ready: ready as ReadyFilter | undefined,
      options: {},
      optionsNode: OPTIONS,
      when: undefined,
    },
  }
  const trial = {
    path: 'f.yaml',
    subjects: [subject],
    filterOptions: {},
    listen: [],
    secrets: [],
  }
  return inspect(trial, { own, deadline }).then((found) => ({ ...found, calls }))
}
const looking =
  (
    look: (tools: InspectionTools) => AsyncGenerator<Finding>,
  ): NonNullable<ReadyFilter['inspect']> =>
  () =>
    Promise.resolve((_, tools) => look(tools))

describe('inspect', () => {
  it('gives findings the places of their options', async () => {
    const { findings } = await inspected({
      inspect: looking(async function* () {
        yield { level: 'error', text: 'it is gone', path: ['file'] }
        yield { level: 'ok', text: 'all is there', path: [] }
      }),
    })
    assert.deepEqual(findings, [
      { level: 'error', place: 'f.yaml:3', text: 'x: it is gone' },
      { level: 'ok', place: 'f.yaml:2', text: 'x: all is there' },
    ])
  })

  it('keeps what was found when the rest takes too long, or throws', async () => {
    const first: Finding = { level: 'ok', text: 'one', path: [] }
    const slow = await inspected(
      {
        inspect: looking(async function* () {
          yield first
          await new Promise(() => {})
        }),
      },
      { deadline: 20 },
    )
    assert.deepEqual(
      slow.findings.map(({ text }) => text),
      ['x: one', 'x: not all was looked at: there was no answer within 20 ms'],
    )
    const broken = await inspected({
      inspect: looking(async function* () {
        yield first
        throw new TypeError('broken')
      }),
    })
    assert.equal(broken.findings.length, 2)
    assert.match(broken.findings[1]!.text, /not all was looked at: broken/)
  })

  it('plays messages through ready-made filters, but not through those that do more than filter', async () => {
    assert.ok((await inspected({})).calls > 0)
    const { calls, samples } = await inspected({ effect: 'writes each message to a disk' })
    assert.equal(calls, 0)
    assert.equal(
      samples[0]!.filters[0]!.skipped,
      'not called here: it writes each message to a disk',
    )
  })

  it('plays them through own filters only if it is asked to', async () => {
    assert.equal((await inspected(undefined)).calls, 0)
    assert.ok((await inspected(undefined, { own: true })).calls > 0)
  })
})
