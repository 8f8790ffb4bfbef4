import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { openTables } from '../../src/filters/sources/lookup.ts'
import { Renewed } from '../../src/filters/sources/renewed.ts'
import { silentLogger, type Logger } from '../../src/index.ts'
import { functionTable } from '../../src/toolkit/index.ts'
import { files } from './support.ts'

const file = files()

/** Waits for a look at the files, which nobody waits for otherwise. */
async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; !holds() && i < 500; i++) {
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.ok(holds())
}

describe('what was read from files', () => {
  it('is read again when it changes, and stays if it has a mistake then', async () => {
    const path = file('numbers', '1')
    const clock = { now: 0 }
    const lines: string[] = []
    const log = {
      ...silentLogger(),
      info: (_: object, text: string) => void lines.push(text),
      warn: (fields: object) => void lines.push(String((fields as { reason?: string }).reason)),
    } as unknown as Logger
    const read = (): Promise<number> => {
      const number = Number(readFileSync(path, 'utf8'))
      return Number.isNaN(number)
        ? Promise.reject(new Error('no number'))
        : Promise.resolve(number)
    }
    const renewed = await Renewed.open('numbers', [path], read, () => clock.now)
    writeFileSync(path, '22')
    assert.equal(renewed.current(log), 1)
    clock.now += 10_000
    await until(() => renewed.current(log) === 22)
    assert.deepEqual(lines.splice(0), ['files have changed and were read again'])

    writeFileSync(path, 'three')
    clock.now += 10_000
    await until(() => renewed.current(log) === 22 && lines.length > 0)
    // Told once for one version.
    clock.now += 10_000
    renewed.current(log)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(lines.splice(0), ['no number'])

    writeFileSync(`${path}.new`, '4444')
    renameSync(`${path}.new`, path)
    clock.now += 10_000
    await until(() => renewed.current(log) === 4444)
  })
})

describe('a look-up in tables', () => {
  const ctx = { signal: new AbortController().signal, log: silentLogger() }

  it('goes by keys first and tables second, and asks patterns for the first key only', async () => {
    const lookup = await openTables('tables', [
      `texthash:${file('one', 'b in-one\nc in-one\n')}`,
      `regexp:${file('two', '/^b$/ pattern\n/^a.$/ pattern\n')}`,
      'inline:{ a=in-three, b=in-three }',
    ])
    assert.deepEqual(await lookup(['a', 'b'], ctx), { key: 'a', value: 'in-three' })
    assert.deepEqual(await lookup(['x', 'b'], ctx), { key: 'b', value: 'in-one' })
    assert.deepEqual(await lookup(['aa', 'a'], ctx), { key: 'aa', value: 'pattern' })
    assert.equal(await lookup(['x', 'y'], ctx), undefined)
  })

  it('ends with the signal', async () => {
    const never = functionTable(async () => await new Promise<string>(() => {}))
    const lookup = await openTables('tables', [never])
    const stop = new AbortController()
    const looked = lookup(['a'], { ...ctx, signal: stop.signal })
    stop.abort(new Error('the client is gone'))
    await assert.rejects(looked, /the client is gone/)
  })
})
