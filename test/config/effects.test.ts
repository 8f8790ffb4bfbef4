import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FilterEntry } from '../../src/cli/config/filter-list.ts'
import { inspect } from '../../src/cli/trial/inspect.ts'
import { READY_FILTERS } from '../../src/filters/registry.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { shapesIn } from '../../src/options/part-kinds.ts'
import { DnsCache, type DnsResolver } from '../../src/toolkit/index.ts'

/** Options with which each filter that has a store would write into it for the messages of a trial. */
const OPTIONS: Readonly<Record<string, (store: Store) => object>> = {
  greylist: (store) => ({ store, spf: false }),
  rateLimit: (store) => ({
    store,
    ...Object.fromEntries(
      ['login', 'sender', 'domain', 'client'].map((name) => [name, { messages: '100/h' }]),
    ),
  }),
  recipientCheck: (store) => ({
    domains: ['example.net'],
    callForward: { server: '127.0.0.1:1', store },
  }),
}

/** Calls that only read. */
const READS = new Set(['get', 'scan', 'close'])

/** A store that tells of each call that writes. */
function told(writes: string[]): Store {
  const store = openMemoryStore()
  return new Proxy(store, {
    get: (of, name: keyof Store) => {
      if (!READS.has(name)) writes.push(name)
      const member = of[name] as unknown
      return typeof member === 'function' ? member.bind(of) : member
    },
  })
}

const dns = new DnsCache({
  resolver: { resolve: () => Promise.resolve({ failed: 'timeout' }) } as unknown as DnsResolver,
})
const place = { file: 'f.yaml', line: 1, column: 1 }
const node = { type: 'map', place, size: 1, entries: [] } as const

async function writesOf(name: string, withRow: boolean): Promise<string[]> {
  const row = READY_FILTERS[name]!
  const make = await row.load()
  const writes: string[] = []
  const options = OPTIONS[name]!(told(writes))
  const filter = await make(options as never)
  writes.length = 0
  const ready = withRow ? row : { ...row, effect: undefined as never }
  const entry: FilterEntry = { place, name, ready, options, optionsNode: node, when: undefined }
  const subject = {
    name,
    place: 'f.yaml:1',
    filter: filter as never,
    entry,
    options: undefined,
  }
  const trial = {
    path: 'f.yaml',
    subjects: [subject],
    filterOptions: {},
    listen: [],
    secrets: [],
  }
  await inspect(trial, { deadline: 1_000, own: true, dns })
  return writes
}

describe('a trial leaves the state of filters as it is', () => {
  it('knows all filters that have a store', () => {
    const withStore = Object.entries(READY_FILTERS)
      .filter(([, { shape }]) =>
        [shape, ...Object.values(shape.fields).flatMap(({ kind }) => shapesIn(kind))].some(
          ({ fields }) => 'store' in fields,
        ),
      )
      .map(([name]) => name)
    assert.deepEqual(withStore, Object.keys(OPTIONS))
  })

  for (const name of Object.keys(OPTIONS)) {
    it(`${name} writes nothing into its store`, async () => {
      assert.deepEqual(await writesOf(name, true), [])
    })
  }

  // Otherwise the test above would show nothing.
  for (const name of ['greylist', 'rateLimit']) {
    it(`${name} would write if it were called`, async () => {
      assert.notDeepEqual(await writesOf(name, false), [])
    })
  }
})
