/** What tests of ready-made filters share. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { StoreError } from '../../src/errors.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import type { LogLine } from '../../src/testing/recording.ts'

/** A folder for the files of a test file, which is removed at the end. */
export function files(): (name: string, text: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'filters-'))
  after(() => rmSync(folder, { recursive: true }))
  return (name, text) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
}

const RESULTS = /^(?:would be )?(?:passed|changed|refused|deferred|skipped|held)$/

/** The results of a filter in the log: `deferred new`. */
export const resultsIn = (log: readonly LogLine[]): string[] =>
  log
    .filter(({ message, fields }) => RESULTS.test(message) && 'reason' in fields)
    .map(({ message, fields }) => `${message} ${String(fields['reason'])}`)

/** A store that fails when a test says so: at once, or never with an answer but that of its deadline. */
export function brokenStore(): { store: Store; fails: boolean; calls: number } {
  const working = openMemoryStore()
  const state = { fails: false, calls: 0, store: working }
  state.store = new Proxy(working, {
    get(target, name: keyof Store) {
      const value = target[name] as unknown
      if (typeof value !== 'function') return value
      return (...given: never[]): unknown => {
        state.calls++
        if (state.fails) {
          return Promise.reject(new StoreError('STORE_UNAVAILABLE', 'a test says so'))
        }
        return (value as (...args: never[]) => unknown).apply(target, given)
      }
    },
  })
  return state
}
