import assert from 'node:assert/strict'
import { it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import { functionTable } from 'tsmilter/toolkit'
import filter, { senderAccess } from './sender-access.ts'

for (const [from, verdict] of [
  ['x@bad.example', 'reject'],
  ['x@Mail.Bad.example', 'reject'],
  ['good@bad.example', 'accept'],
  ['x@example.org', 'accept'],
  ['', 'accept'],
] as const) {
  it(`${verdict}s mail from <${from}>`, async () => {
    assert.equal((await deliver(filter, { from })).verdict, verdict)
  })
}

it('defers mail while the table cannot be asked', async () => {
  const broken = functionTable(() => Promise.reject(new Error('connection refused')))
  const { verdict, errors } = await deliver(senderAccess(broken), { from: 'x@bad.example' })
  assert.equal(verdict, 'tempfail')
  assert.match(String(errors[0]), /could not be asked: connection refused/)
})
