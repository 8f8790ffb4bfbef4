import { openMemoryStore } from '../../src/store/index.ts'
import { describeStore } from './suite.ts'

describeStore('the memory store', async () => {
  let now = Date.UTC(2026, 10, 30)
  return {
    store: openMemoryStore({ clock: () => now }),
    pass: async (milliseconds) => void (now += milliseconds),
  }
})
