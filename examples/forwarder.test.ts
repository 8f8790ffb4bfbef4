import assert from 'node:assert/strict'
import { it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import { Srs } from 'tsmilter/toolkit'
import { forwarder } from './forwarder.ts'

const filter = forwarder(
  new Srs({
    domain: 'srs.example.org',
    secrets: ['tops3cr3t'],
    localDomains: ['example.org'],
    now: () => Date.UTC(2020, 0, 1),
  }),
)

it('rewrites a sender of another domain, and not one of its own', async () => {
  const sent = await deliver(filter, { from: 'test@otherdomain.com' })
  assert.equal(sent.sender, 'SRS0=vmyz=2W=otherdomain.com=test@srs.example.org')
  assert.equal(
    (await deliver(filter, { from: 'alice@example.org' })).sender,
    'alice@example.org',
  )
  assert.equal((await deliver(filter, { from: '' })).sender, '')
})

it('sends a bounce on', async () => {
  const to = 'SRS0=vmyz=2W=otherdomain.com=test@srs.example.org'
  const { recipients } = await deliver(filter, { from: '', to })
  assert.deepEqual(recipients, ['test@otherdomain.com'])
})

it('refuses a forged one', async () => {
  const to = 'SRS0=aaaa=2W=otherdomain.com=test@srs.example.org'
  const { verdict, reply } = await deliver(filter, { from: '', to })
  assert.equal(verdict, 'reject')
  assert.match(reply, /^550 5\.1\.1 .*wrong-hash/)
})
