import assert from 'node:assert/strict'
import { it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import forgedName from './forged-name.ts'

for (const [from, forged] of [
  ['"boss@example.org" <x@evil.example>', true],
  ['=?utf-8?q?boss=40example.org?= <x@evil.example>', true],
  ['"boss@Example.org" <boss@example.org>', false],
  ['Boss <boss@example.org>', false],
  ['boss@example.org', false],
  ['', false],
] as const) {
  it(`${forged ? 'marks' : 'leaves'} ${from}`, async () => {
    const { message } = await deliver(forgedName, { message: `From: ${from}\n\nhello\n` })
    assert.equal(message!.toString().includes('X-Forged-Name: yes'), forged)
  })
}
