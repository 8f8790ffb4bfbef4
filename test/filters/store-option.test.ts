import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  closeStores,
  openStore,
  inspectStore,
  storeFields,
  useName,
} from '../../src/filters/store-option.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { readValue } from '../../src/options/shape.ts'
import type { Mistake } from '../../src/options/mistake.ts'

const { store: field } = storeFields('open')
const read = (given: unknown) => {
  const mistakes: Mistake[] = []
  const value = readValue(field.kind, given, ['store'], {
    report: (mistake) => void mistakes.push(mistake),
  })
  return { value: value as never, mistakes }
}

const folder = mkdtempSync(join(tmpdir(), 'store-option-'))
after(async () => {
  await closeStores()
  rmSync(folder, { recursive: true })
})

describe('the option store', () => {
  const wrong: [string, unknown, RegExp][] = [
    ['another word', 'disk', /memory, or an object with embedded or redis/],
    ['two places', { embedded: '/a', redis: 'redis://a' }, /cannot stand beside/],
    ['no place', { deadline: '1s' }, /embedded or redis/],
    ['a password of a directory', { embedded: '/a', username: 'me' }, /is only for redis/],
  ]
  for (const [name, given, text] of wrong) {
    it(`refuses ${name}`, () => {
      const { mistakes } = read(given)
      assert.equal(mistakes.length, 1)
      assert.match(mistakes[0]!.text, text)
    })
  }

  it('shows no address of Redis, which may have a password in it', () => {
    const { mistakes } = read({ redis: 17 })
    assert.ok(mistakes.every(({ got }) => got === undefined))
  })

  it('gives filters that name the same store the same one', async () => {
    const place = { embedded: join(folder, 'shared') }
    const [one, other] = await Promise.all([
      openStore(read(place).value),
      openStore(read({ ...place }).value),
    ])
    assert.equal(one, other)
    assert.equal(one.kind, 'embedded')
    await one.setIfAbsent('a', '1', { ttl: 1_000 })
    await closeStores()
    await assert.rejects(one.get('a'), { code: 'STORE_CLOSED' })
    const again = await openStore(read(place).value)
    assert.equal((await again.get('a'))?.value, '1')
  })

  it('takes a store that a program has opened, and does not close it', async () => {
    const own = openMemoryStore()
    const { value, mistakes } = read(own)
    assert.deepEqual(mistakes, [])
    assert.equal(await openStore(value), own)
    await closeStores()
    assert.equal(await own.get('a'), undefined)
  })

  it('keeps none that could not be opened', async () => {
    const place = read({ embedded: '/dev/null/store' }).value
    await assert.rejects(openStore(place))
    await assert.rejects(openStore(place))
  })

  it('is looked at before it is used', async () => {
    const levels = async (store: unknown): Promise<string[]> => {
      const found = []
      const settings = { store: read(store).value, onStoreFailure: 'open' } as const
      for await (const { level } of inspectStore(settings)) found.push(level)
      return found
    }
    assert.deepEqual(await levels('memory'), ['warning'])
    assert.deepEqual(await levels({ embedded: join(folder, 'inspected') }), ['ok'])
    assert.deepEqual(await levels({ embedded: '/dev/null/store' }), ['error'])
    // Nobody listens there.
    assert.deepEqual(await levels({ redis: 'redis://127.0.0.1:1', deadline: '50ms' }), [
      'error',
    ])
  })

  it('names its use after the filter', () => {
    assert.equal(useName('Greylist (outside)'), 'greylist-outside-')
    assert.equal(useName('x'.repeat(50)).length, 32)
  })
})
