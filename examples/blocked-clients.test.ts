import assert from 'node:assert/strict'
import { it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import filter from './blocked-clients.ts'

for (const [address, verdict] of [
  ['192.0.2.7', 'reject'],
  ['198.51.100.7', 'reject'],
  ['2001:db8:bad::1', 'reject'],
  ['203.0.113.7', 'accept'],
  ['2001:db8::1', 'accept'],
] as const) {
  it(`${verdict}s mail from ${address}`, async () => {
    const client = { address }
    assert.equal((await deliver(filter, { client })).verdict, verdict)
  })
}
