import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openMemoryStore } from '../../../src/store/index.ts'
import { Srs, StoredSrs } from '../../../src/toolkit/index.ts'

const LONG = `${'bounces+12345-'.repeat(4)}user=example.com@mail.news.example`
const DAY = 86_400_000

describe('StoredSrs', () => {
  it('keeps what is too long, and embeds what is not', async () => {
    const store = openMemoryStore()
    const srs = new StoredSrs(new Srs({ domain: 'srs.example', secrets: ['s'] }), store)
    const short = await srs.forward('<user@other.example>')
    assert.match(short.address ?? '', /^SRS0=....=..=other\.example=user@srs\.example$/)
    const long = await srs.forward(LONG)
    assert.match(long.address ?? '', /^SRS0=....=..=1=[0-9A-V]{32}@srs\.example$/)
    assert.deepEqual(await srs.reverse(long.address!), { address: LONG })
    // Servers may change its case.
    assert.deepEqual(await srs.reverse(long.address!.toLowerCase()), { address: LONG })
    assert.deepEqual(await srs.reverse(short.address!), { address: 'user@other.example' })
  })

  it('always, if it is told so', async () => {
    const store = openMemoryStore()
    const srs = new Srs({ domain: 'srs.example', secrets: ['s'] })
    const stored = new StoredSrs(srs, store, { always: true })
    const { address } = await stored.forward('caf\udce9@other.example')
    assert.match(address ?? '', /^SRS0=....=..=1=[0-9A-V]{32}@/)
    assert.deepEqual(await stored.reverse(address!), { address: 'caf\udce9@other.example' })
    const rewritten = await stored.forward('SRS0=abcd=AB=origin.example=user@first.example')
    assert.match(rewritten.address ?? '', /^SRS1=/)
    assert.deepEqual(await stored.forward(''), { address: undefined, reason: 'null-sender' })
  })

  it('keeps it as long as its newest address is valid', async () => {
    let now = Date.UTC(2026, 10, 30)
    const store = openMemoryStore({ clock: () => now })
    const srs = new StoredSrs(
      new Srs({ domain: 'srs.example', secrets: ['s'], now: () => now }),
      store,
    )
    const first = (await srs.forward(LONG)).address!
    now += 15 * DAY
    const second = (await srs.forward(LONG)).address!
    now += 10 * DAY
    assert.deepEqual(await srs.reverse(first), { address: undefined, reason: 'expired' })
    assert.deepEqual(await srs.reverse(second), { address: LONG })
  })

  it('says when the alias is not known here', async () => {
    const srs = new Srs({ domain: 'srs.example', secrets: ['s'] })
    const { address } = await new StoredSrs(srs, openMemoryStore()).forward(LONG)
    const { address: none, ...rest } = await new StoredSrs(srs, openMemoryStore()).reverse(
      address!,
    )
    assert.equal(none, undefined)
    assert.deepEqual(rest, {
      reason: 'alias',
      alias: `${/=1=(.*)@/.exec(address!)![1]!}@1`,
    })
  })
})
