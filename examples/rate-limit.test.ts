import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openMemoryStore } from 'tsmilter/store'
import { deliver } from 'tsmilter/testing'
import { rateLimit } from './rate-limit.ts'

const three = ['a@example.net', 'b@example.net', 'c@example.net']

it('lets each user send to ten recipients a minute', async () => {
  let now = Date.now()
  const filter = rateLimit(openMemoryStore({ clock: () => now }))
  let message = 0
  const send = async (user: string | undefined, to = three) => {
    const macros = { i: `queue${++message}`, ...(user && { auth_authen: user }) }
    return deliver(filter, { to, macros, message: 'Subject: x\n\nhello\n' })
  }
  for (let i = 0; i < 3; i++) assert.equal((await send('alice')).verdict, 'accept')
  const refused = await send('alice')
  assert.equal(refused.reply, '450 4.7.1 More than 10/60s, try again later')
  // It took nothing, so one recipient is left.
  assert.equal((await send('alice', ['a@example.net'])).verdict, 'accept')
  assert.equal((await send('alice', ['a@example.net'])).verdict, 'tempfail')
  assert.equal((await send('bob')).verdict, 'accept')
  assert.equal((await send(undefined)).verdict, 'accept')
  now += 60_000
  assert.equal((await send('alice')).verdict, 'accept')
})
