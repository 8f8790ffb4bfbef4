import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedStore } from '../../src/store/index.ts'
import { describeStore } from './suite.ts'

describeStore('the embedded store', async () => {
  let now = Date.UTC(2026, 10, 30)
  const folder = mkdtempSync(join(tmpdir(), 'tsmilter-store-'))
  const open = () =>
    openEmbeddedStore({ path: join(folder, 'store'), clock: () => now, deadline: 60_000 })
  return {
    store: await open(),
    again: open,
    pass: async (milliseconds) => void (now += milliseconds),
    release: () => rmSync(folder, { recursive: true }),
  }
})
