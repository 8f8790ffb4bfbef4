import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { after, beforeEach, describe, it } from 'node:test'
import { FileLock, updateFile } from '../../../src/toolkit/index.ts'

const root = mkdtempSync(join(tmpdir(), 'tsmilter-files-'))
after(() => rmSync(root, { recursive: true }))
let number = 0
let directory = ''
let file = ''
beforeEach(() => {
  directory = join(root, String(number++))
  mkdirSync(directory)
  file = join(directory, 'list')
})
const mode = (path: string): number => statSync(path).mode & 0o777

/** How a lock file names where its process is. */
async function machine(): Promise<string> {
  const lock = await FileLock.acquire(join(directory, 'other'))
  const [, , where] = readFileSync(lock.path, 'utf8').trim().split(' ')
  await lock.release()
  return where!
}

describe('FileLock', () => {
  for (const options of [
    { timeout: Number.NaN },
    { timeout: -1 },
    { staleAfter: Number.NaN },
  ]) {
    it(`refuses ${inspect(options)}`, async () => {
      await assert.rejects(FileLock.acquire(file, options), { code: 'INVALID_OPTION' })
    })
  }

  it('is NAME.lock with the mode of the file, or 0660', async () => {
    const lock = await FileLock.acquire(file)
    assert.equal(lock.path, `${file}.lock`)
    assert.equal(mode(lock.path), 0o660)
    await lock.release()
    assert.deepEqual(readdirSync(directory), [])
    writeFileSync(file, '')
    chmodSync(file, 0o640)
    const second = await FileLock.acquire(file)
    assert.equal(mode(second.path), 0o640)
    await second[Symbol.asyncDispose]()
    await second.release()
    assert.deepEqual(readdirSync(directory), ['list'])
  })

  it('waits for the one before it', async () => {
    const order: number[] = []
    await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        const lock = await FileLock.acquire(file)
        order.push(i)
        await new Promise(setImmediate)
        order.push(i)
        await lock.release()
      }),
    )
    for (let i = 0; i < order.length; i += 2) assert.equal(order[i], order[i + 1])
  })

  it('says which process has it, after the timeout', async () => {
    const lock = await FileLock.acquire(file)
    await assert.rejects(FileLock.acquire(file, { timeout: 20 }), {
      name: 'FileError',
      code: 'FILE_LOCKED',
      message: `${file}.lock was held by process ${process.pid} on ${hostname()} for 20 ms; if that process is gone, remove the file`,
    })
    await lock.release()
    writeFileSync(`${file}.lock`, 'half of a file that pymilter writes')
    await assert.rejects(FileLock.acquire(file, { timeout: 1 }), /held by another process/)
    const stop = new AbortController()
    const reason = new Error('gone')
    const waiting = assert.rejects(FileLock.acquire(file, stop), reason)
    stop.abort(reason)
    await waiting
    await assert.rejects(FileLock.acquire(join(directory, 'no', 'file')), {
      code: 'FILE_FAILED',
    })
  })

  it('does not wait for a process that is gone, or for very long', async () => {
    const child = fork(join(directory, 'none'), { stdio: 'ignore' })
    const gone = child.pid!
    await new Promise((resolve) => child.once('exit', resolve))
    const left = [
      `${gone} 1 ${await machine()}\n`,
      // Another process has the number now.
      `${process.pid} 1 ${await machine()}\n`,
    ]
    for (const text of left) {
      writeFileSync(`${file}.lock`, text)
      // oxlint-disable-next-line eslint/no-await-in-loop -- in turn
      await (await FileLock.acquire(file, { timeout: 1_000 })).release()
    }
    // In another container with the name of this machine, the number may be that of a running process.
    const elsewhere = `${gone} 1 ${hostname()}[1]\n`
    for (const text of ['', `${gone} 1 another.example\n`, elsewhere]) {
      writeFileSync(`${file}.lock`, text)
      // oxlint-disable-next-line eslint/no-await-in-loop -- in turn
      await assert.rejects(FileLock.acquire(file, { timeout: 1 }), { code: 'FILE_LOCKED' })
      utimesSync(`${file}.lock`, 1, 1)
      // oxlint-disable-next-line eslint/no-await-in-loop -- in turn
      await (await FileLock.acquire(file, { timeout: 1_000 })).release()
    }
    // A process that was killed while it removed a lock.
    writeFileSync(`${file}.lock`, left[0]!)
    writeFileSync(`${file}.lock.break`, '')
    utimesSync(`${file}.lock.break`, 1, 1)
    await (await FileLock.acquire(file, { timeout: 1_000 })).release()
    assert.deepEqual(readdirSync(directory), [])
  })

  it('is given to one at a time when one was left behind', async () => {
    const child = fork(join(directory, 'none'), { stdio: 'ignore' })
    await new Promise((resolve) => child.once('exit', resolve))
    writeFileSync(`${file}.lock`, `${child.pid} 1 ${await machine()}\n`)
    let holders = 0
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const lock = await FileLock.acquire(file)
        assert.equal(++holders, 1)
        await new Promise(setImmediate)
        holders--
        await lock.release()
      }),
    )
    assert.deepEqual(readdirSync(directory), [])
  })

  it('is not taken away by an old holder', async () => {
    const lock = await FileLock.acquire(file)
    rmSync(lock.path)
    writeFileSync(join(directory, 'other'), '')
    writeFileSync(lock.path, 'of another')
    await lock.release()
    assert.equal(readFileSync(lock.path, 'utf8'), 'of another')
  })
})

describe('updateFile', () => {
  it('replaces the file, and keeps the old one if asked to', async () => {
    assert.equal(await updateFile(file, (old) => (assert.equal(old, undefined), 'one')), true)
    assert.equal(readFileSync(file, 'utf8'), 'one')
    assert.equal(mode(file), 0o660)
    chmodSync(file, 0o604)
    await updateFile(file, (old) => `${old!.toString()} two`, { backup: true })
    assert.equal(readFileSync(file, 'utf8'), 'one two')
    assert.equal(readFileSync(`${file}.old`, 'utf8'), 'one')
    assert.equal(mode(file), 0o604)
    await updateFile(file, () => Promise.resolve(Buffer.from('three')), { backup: true })
    assert.equal(readFileSync(`${file}.old`, 'utf8'), 'one two')
    assert.equal(await updateFile(file, () => undefined), false)
    assert.deepEqual(readdirSync(directory).sort(), ['list', 'list.old'])
  })

  it('leaves the file as it was after an error', async () => {
    writeFileSync(file, 'one')
    const error = new Error('no')
    await assert.rejects(
      updateFile(file, () => {
        throw error
      }),
      error,
    )
    mkdirSync(`${file}.new`)
    await assert.rejects(
      updateFile(file, () => 'two'),
      { code: 'FILE_FAILED' },
    )
    assert.equal(readFileSync(file, 'utf8'), 'one')
    assert.equal(existsSync(`${file}.lock`), false)
  })

  it('writes over what a killed process left, and not through a link', async () => {
    writeFileSync(join(directory, 'victim'), 'mine')
    symlinkSync(join(directory, 'victim'), `${file}.new`)
    await updateFile(file, () => 'new')
    assert.equal(readFileSync(join(directory, 'victim'), 'utf8'), 'mine')
    assert.equal(readFileSync(file, 'utf8'), 'new')
  })

  it('keeps a symbolic link', async () => {
    writeFileSync(file, 'one')
    symlinkSync(file, join(directory, 'link'))
    await updateFile(join(directory, 'link'), () => 'two')
    assert.equal(readFileSync(file, 'utf8'), 'two')
    assert.deepEqual(readdirSync(directory).sort(), ['link', 'list'])
  })

  it('loses nothing of four processes', async () => {
    const script = join(directory, 'count.mjs')
    const toolkit = new URL('../../../src/toolkit/index.js', import.meta.url).href
    writeFileSync(
      script,
      `import { updateFile } from ${JSON.stringify(toolkit)}
       for (let i = 0; i < 25; i++) await updateFile(${JSON.stringify(file)}, (old) => String(Number(old ?? 0) + 1), { timeout: 60_000 })`,
    )
    const codes = await Promise.all(
      Array.from(
        { length: 4 },
        () => new Promise((resolve) => fork(script).once('exit', resolve)),
      ),
    )
    assert.deepEqual(codes, [0, 0, 0, 0])
    assert.equal(readFileSync(file, 'utf8'), '100')
  })
})
