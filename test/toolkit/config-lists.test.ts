/** The lists of pymilter's MilterConfigParser. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { readAddressDict, readAddressSet, readList } from '../../src/toolkit/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsmilter-config-'))
after(() => rmSync(directory, { recursive: true }))
writeFileSync(join(directory, 'c.net'), 'u1 u2\nu3\n')
writeFileSync(join(directory, 'lst'), 'p@q\nr@s\n')

describe('lists of a configuration', () => {
  it('have commas', () => {
    assert.deepEqual(readList(' a, b ,c'), ['a', 'b', 'c'])
    assert.deepEqual(readList(undefined), [])
    assert.deepEqual(readList(''), [''])
  })

  it('of addresses are sets by domain', async () => {
    const set = await readAddressSet('joe@A.com, ann@A.com, bob@b.org, file:C.net', {
      directory,
    })
    assert.deepEqual(Object.fromEntries(set), {
      'a.com': ['joe', 'ann'],
      'b.org': ['bob'],
      'c.net': ['u1', 'u2', 'u3'],
    })
    const path = join(directory, 'c.net')
    assert.deepEqual(
      [...(await readAddressSet(`x@c.net, file:${path}`))],
      [['c.net', ['x', 'u1', 'u2', 'u3']]],
    )
    assert.deepEqual([...(await readAddressSet(undefined))], [])
    await assert.rejects(readAddressSet('joe', { name: 'the option users' }), {
      code: 'INVALID_ENTRY',
      message: 'the option users: "joe" is not an address; write user@domain or file:domain',
    })
    await assert.rejects(readAddressSet('file:Absent', { directory }), { code: 'FILE_FAILED' })
  })

  it('of many addresses are read in time of their number', async () => {
    const text = Array.from({ length: 30_000 }, (_, i) => `user${i}@example.org`).join()
    assert.equal((await readAddressSet(text)).get('example.org')?.length, 30_000)
  })

  it('of options are a dictionary of addresses', async () => {
    const options: Record<string, string> = { w1: 'a@b, c@d', w2: 'file:lst' }
    const { addresses, missing } = await readAddressDict(
      'w1, w2, nope',
      (name) => options[name],
      {
        directory,
      },
    )
    assert.deepEqual(Object.fromEntries(addresses), {
      'a@b': 'w1',
      'c@d': 'w1',
      'p@q': 'w2',
      'r@s': 'w2',
    })
    assert.deepEqual(missing, ['nope'])
  })
})
