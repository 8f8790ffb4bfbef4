import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openMemoryStore } from 'tsmilter/store'
import { deliver } from 'tsmilter/testing'
import { greylisting } from './greylist.ts'

it('defers the first try, and lets the next one pass', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 30) })
  const filter = greylisting(openMemoryStore())
  const to = ['bob@example.net']
  const client = (address: string) => ({ to, client: { address } })
  const first = await deliver(filter, client('192.0.2.1'))
  assert.match(first.refused[0]!.reply, /^451 4\.7\.1 .*Greylisted, try again later$/)
  t.mock.timers.tick(605_000)
  // From another address of the same network.
  assert.equal((await deliver(filter, client('192.0.2.77'))).verdict, 'accept')
  assert.equal((await deliver(filter, client('198.51.100.1'))).refused.length, 1)
  const own = await deliver(filter, {
    ...client('198.51.100.1'),
    macros: { auth_authen: 'alice' },
  })
  assert.equal(own.verdict, 'accept')
})
