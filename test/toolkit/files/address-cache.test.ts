/** pymilter's AddrCache: its values, and its defect D23 shown absent. */
import assert from 'node:assert/strict'
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { after, beforeEach, describe, it } from 'node:test'
import { AddressCache, FileLock } from '../../../src/toolkit/index.ts'

const root = mkdtempSync(join(tmpdir(), 'tsmilter-cache-'))
after(() => rmSync(root, { recursive: true }))
const DAY = 86_400_000
let number = 0
let file = ''
let time = 0
const now = (): number => time
beforeEach(() => {
  file = join(root, String(number++))
  time = Date.UTC(2026, 10, 23, 7, 36, 23)
})
const text = (): string => readFileSync(file, 'utf8')

describe('AddressCache', () => {
  it('finds each address again that it has taken', async () => {
    const cache = await AddressCache.open(file, { now })
    const taken: string[] = []
    for (const one of [
      '\u2028',
      '\u2029',
      '\u0085',
      '\u00a0',
      '\ufeff',
      '\udcff',
      '"a b"',
      "'",
      '%',
    ]) {
      for (const address of [`a${one}b@c.d`, `${one}@c.d`, `a@c.d${one}`]) {
        try {
          await cache.add(address)
          taken.push(address)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'INVALID_ENTRY')
        }
      }
    }
    const again = await AddressCache.open(file, { now })
    assert.deepEqual(again.problems, [])
    for (const address of taken) assert.ok(again.has(address, { precise: true }), address)
    assert.ok(taken.length > 10)
  })

  it('takes the lock of the file that a symbolic link names', async () => {
    writeFileSync(file, '')
    const link = `${file}.link`
    symlinkSync(file, link)
    const cache = await AddressCache.open(link, { now })
    const lock = await FileLock.acquire(file)
    const added = cache.add('a@b.c')
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(text(), '')
    await lock.release()
    await added
    assert.equal(text(), 'a@b.c 2026Nov23 07:36:23 UTC\n')
  })

  for (const options of [
    { days: Number.NaN },
    { days: 0 },
    { maxEntries: 0 },
    { maxEntries: 1.5 },
  ]) {
    it(`refuses ${inspect(options)}`, async () => {
      await assert.rejects(AddressCache.open(file, options), { code: 'INVALID_OPTION' })
    })
  }

  it('writes what pymilter writes', async () => {
    const cache = await AddressCache.open(file, { now })
    assert.equal(existsSync(file), false)
    await cache.add('Foo@bar.com')
    await cache.addPermanent('baz@bar.com')
    cache.note('temp@bar.com', 'x')
    assert.equal(text(), 'Foo@bar.com 2026Nov23 07:36:23 UTC\nbaz@bar.com\n')
    assert.equal(cache.get('temp@bar.com')?.note, 'x')
    await cache.add('temp@bar.com')
    assert.deepEqual(cache.get('TEMP@bar.com'), {
      address: 'temp@bar.com',
      expires: time + 7 * DAY,
      note: undefined,
    })
    assert.equal(cache.has('foo@BAR.com'), true)
    assert.equal(cache.size, 3)
    assert.equal(cache.get('baz@bar.com')?.expires, undefined)
  })

  it('knows an address by its domain, unless asked for the address only', async () => {
    const cache = await AddressCache.open(file, { now })
    await cache.add('dom.com')
    assert.equal(cache.has('x@Dom.com'), true)
    assert.equal(cache.has('x@dom.com', { precise: true }), false)
    assert.equal(cache.has('x@sub.dom.com'), false)
    assert.equal(cache.has('dom.com', { precise: true }), true)
    // D23: a KeyError in pymilter.
    await cache.addPermanent('x@dom.com')
    assert.equal(cache.has('x@dom.com', { precise: true }), true)
  })

  it('forgets what is old when it is loaded, and says what is wrong', async () => {
    const old = [
      '# ours',
      'spam.com',
      'Old@x.com 2001Jan01 00:00:00 UTC',
      'today@x.com 2026Nov23 01:00:00 UTC',
      'garbage@x.com 2026Nov99 01:00:00 UTC',
      'two words',
      'future@x.com 2036Nov23 01:00:00 UTC',
      '"a b"@x.com 2026Nov22 01:00:00 EST',
      '',
    ].join('\n')
    writeFileSync(file, old)
    const cache = await AddressCache.open(file, { now, days: 30 })
    assert.equal(
      text(),
      '# ours\nspam.com\ntoday@x.com 2026Nov23 01:00:00 UTC\n"a b"@x.com 2026Nov22 01:00:00 EST\n',
    )
    assert.equal(readFileSync(`${file}.old`, 'utf8'), old)
    assert.deepEqual(cache.problems, [
      `${file}:5: "garbage@x.com 2026Nov99 01:00:00 UTC" was left out: its time is not of the form 2026Nov23 07:36:23 UTC`,
      `${file}:6: "two words" was left out: after the address is no time`,
      `${file}:7: "future@x.com 2036Nov23 01:00:00 UTC" was left out: its time is in the future`,
    ])
    assert.deepEqual(
      ['spam.com', 'old@x.com', 'today@x.com', '"a b"@x.com'].map((one) => cache.has(one)),
      [true, false, true, true],
    )
    rmSync(`${file}.old`)
    await cache.load()
    assert.equal(existsSync(`${file}.old`), false, 'nothing to write')
  })

  it('keeps what stays, however old it is', async () => {
    writeFileSync(file, 'perm.com\ntemp.com 2026Nov23 07:36:23 UTC\n')
    const cache = await AddressCache.open(file, { now, days: 7 })
    // D23: in pymilter, it gets the time of the load.
    time += 7 * DAY - 1
    assert.deepEqual([cache.has('perm.com'), cache.has('temp.com')], [true, true])
    time += 1
    assert.deepEqual([cache.has('perm.com'), cache.has('temp.com')], [true, false])
    await cache.add('perm.com')
    await cache.load()
    time += 700 * DAY
    assert.equal(cache.has('perm.com'), true)
    assert.equal(text(), 'perm.com\n')
  })

  it('gets a new line once a day', async () => {
    const cache = await AddressCache.open(file, { now, days: 7 })
    await cache.add('a@b.c')
    time += DAY - 1
    await cache.add('a@b.c')
    assert.equal(text().split('\n').length, 2)
    time += 1
    await cache.add('a@b.c')
    assert.equal(text().split('\n').length, 3)
    time += 6 * DAY
    await cache.load()
    assert.equal(text(), 'a@b.c 2026Nov24 07:36:23 UTC\n')
  })

  it('takes a note of what stays, and what stays stays', async () => {
    const cache = await AddressCache.open(file, { now })
    await cache.addPermanent('a@b.c')
    cache.note('a@b.c', 'seen')
    assert.equal(cache.get('a@b.c')?.note, 'seen')
    time += 8 * DAY
    assert.deepEqual(cache.get('a@b.c'), {
      address: 'a@b.c',
      expires: undefined,
      note: undefined,
    })
    cache.note('other@b.c', 'x')
    await cache.load()
    assert.equal(cache.get('other@b.c')?.note, 'x')
  })

  it('sees what others added after a load, and loses none of it', async () => {
    const [one, other] = await Promise.all([
      AddressCache.open(file, { now }),
      AddressCache.open(file, { now }),
    ])
    const names = Array.from({ length: 40 }, (_, i) => `u${i}@example.org`)
    await Promise.all(
      names.map((name, i) => (i % 7 === 3 ? one.load() : undefined) ?? one.add(name)),
    )
    await Promise.all(names.map((name) => other.addPermanent(`x${name}`)))
    await Promise.all([one.load(), other.load()])
    for (const cache of [one, other]) {
      for (const [i, name] of names.entries()) {
        assert.equal(cache.has(name), i % 7 !== 3, name)
        assert.equal(cache.has(`x${name}`), true)
      }
    }
  })

  it('does not lose an address that is added during a load', async () => {
    const cache = await AddressCache.open(file, { now })
    const loaded = cache.load()
    const added = cache.add('a@b.c')
    await loaded
    assert.equal(cache.has('a@b.c'), true)
    await added
    assert.equal(cache.has('a@b.c'), true)
    assert.match(text(), /^a@b\.c /)
  })

  it('begins a new line after one that was cut off', async () => {
    const cache = await AddressCache.open(file, { now })
    await cache.addPermanent('a@b.c')
    appendFileSync(file, 'cut@off.com 2026N')
    await cache.addPermanent('d@e.f')
    assert.equal(text(), 'a@b.c\ncut@off.com 2026N\nd@e.f\n')
  })

  it('writes later what could not be written', async () => {
    const cache = await AddressCache.open(join(file, 'list'), { now }).catch(() => {})
    assert.equal(cache, undefined)
    const other = await AddressCache.open(file, { now })
    writeFileSync(`${file}.lock`, '')
    rmSync(`${file}.lock`)
    const { mkdirSync } = await import('node:fs')
    mkdirSync(file)
    await assert.rejects(other.add('a@b.c'), { code: 'FILE_FAILED' })
    assert.equal(other.has('a@b.c'), true)
    rmSync(file, { recursive: true })
    await other.add('d@e.f')
    assert.equal(text(), 'a@b.c 2026Nov23 07:36:23 UTC\nd@e.f 2026Nov23 07:36:23 UTC\n')
  })

  it('is bounded: the oldest is forgotten, and the file does not grow for ever', async () => {
    const cache = await AddressCache.open(file, { now, maxEntries: 3 })
    await cache.addPermanent('stays.com')
    for (const name of ['a.com', 'b.com', 'c.com', 'd.com']) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- in their order
      await cache.add(name)
    }
    assert.equal(cache.size, 3)
    assert.deepEqual(
      ['stays.com', 'a.com', 'b.com', 'c.com', 'd.com'].map((one) => cache.has(one)),
      [true, false, false, true, true],
    )
    assert.ok(text().split('\n').length <= 5)
  })

  const wrong = [
    '',
    ' a@b.c',
    'a@b.c\nd@e.f',
    'a b@c',
    '#a@b.c',
    'a@b.c 2026Nov23 07:36:23 UTC',
  ]
  for (const address of wrong) {
    it(`refuses ${JSON.stringify(address)}`, async () => {
      const cache = await AddressCache.open(file, { now })
      await assert.rejects(cache.add(address), { code: 'INVALID_ENTRY' })
      await assert.rejects(cache.addPermanent(address), { code: 'INVALID_ENTRY' })
      assert.throws(() => cache.note(address, 'x'), { code: 'INVALID_ENTRY' })
      assert.equal(existsSync(file), false)
    })
  }
})
