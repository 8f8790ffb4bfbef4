import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'node:test'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { openEmbeddedStore } from '../../src/store/index.ts'
import type { EmbeddedStoreOptions, Store } from '../../src/store/index.ts'
import { atEnd, killAtEnd, until } from '../support/resources.ts'
import { describeStore } from './suite.ts'

const DEADLINE = 60_000
const TTL = 3_600_000
/** How many tokens four processes take together. One million: TSMILTER_TAKES=1000000. */
const TAKES = Number(process.env['TSMILTER_TAKES'] ?? 20_000)
/** How often writers are killed. */
const KILLS = Number(process.env['TSMILTER_KILLS'] ?? 3)

describeStore('the embedded store', async () => {
  let now = Date.UTC(2026, 10, 30)
  const folder = mkdtempSync(join(tmpdir(), 'tsmilter-store-'))
  const open = () =>
    openEmbeddedStore({ path: join(folder, 'store'), clock: () => now, deadline: DEADLINE })
  return {
    store: await open(),
    again: open,
    pass: async (milliseconds) => void (now += milliseconds),
    release: () => rmSync(folder, { recursive: true, maxRetries: 10 }),
  }
})

/** A new place for a store. */
function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsmilter-store-'))
  // A keeper that was started for nothing may still have its socket there for a moment.
  atEnd(() => rmSync(folder, { recursive: true, maxRetries: 10 }))
  return join(folder, 'store')
}

async function opened(options: EmbeddedStoreOptions): Promise<Store> {
  const store = await openEmbeddedStore({ deadline: DEADLINE, ...options })
  atEnd(() => store.close())
  return store
}

/** Another process with the store. */
interface Other {
  readonly pid: number
  readonly kill: () => void
  readonly ended: () => boolean
  /** the lines that it has written, as they come */
  readonly lines: readonly string[]
  readonly closed: Promise<unknown>
}

function startOther(path: string, ...args: (string | number)[]): Other {
  const program = join(import.meta.dirname, 'fixtures', 'store-process.js')
  const child = killAtEnd(
    spawn(process.execPath, [program, path, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
  const lines: string[] = []
  createInterface(child.stdout).on('line', (line) => lines.push(line))
  return {
    pid: child.pid!,
    kill: () => child.kill('SIGKILL'),
    ended: () => child.exitCode !== null || child.signalCode !== null,
    lines,
    closed: once(child, 'close'),
  }
}

/** The processes that keep a store, or try to, by their command lines (proc(5)). */
function keepersOf(path: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
        return args[1]?.endsWith('/keeper-main.js') === true && args[2] === path
      } catch {
        return false
      }
    })
}

/** The keeper of a store that is open. Others that were started at the same time find it, and end. */
async function keeperOf(path: string): Promise<number> {
  let pids: readonly number[] = []
  await until(() => (pids = keepersOf(path)).length === 1)
  return pids[0]!
}

/** Stops the keeper, as a debugger does, until the test ends or `resume` is called. */
async function stopKeeper(path: string): Promise<{ readonly resume: () => void }> {
  const pid = await keeperOf(path)
  const resume = (): void => {
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // It has ended.
    }
  }
  process.kill(pid, 'SIGSTOP')
  atEnd(resume)
  return { resume }
}

describe('the embedded store of several processes', () => {
  it(`admits ${TAKES} takes of four processes as often as there are tokens`, async () => {
    const path = newPath()
    const tokens = Math.floor(0.618 * TAKES)
    const others = Array.from({ length: 4 }, () => startOther(path, 'take', TAKES / 4, tokens))
    for (const { closed } of others) assert.deepEqual(await closed, [0, null])
    const taken = others.map(({ lines }) => Number(lines[0]))
    assert.equal(
      taken.reduce((sum, each) => sum + each, 0),
      tokens,
      taken.join(' + '),
    )
  })

  for (const [title, victims] of [
    ['a writer', ['writers']],
    ['the keeper', ['keeper']],
    ['everybody', ['keeper', 'writers']],
  ] as const) {
    it(`loses nothing that was acknowledged if ${title} is killed`, async () => {
      const path = newPath()
      const writers = new Map<number, Other>()
      const counts: number[] = []
      for (let round = 0; round < KILLS; round++) {
        for (const i of [0, 1]) {
          const writer = 2 * round + i
          if (title !== 'the keeper' || round === 0) {
            writers.set(writer, startOther(path, 'write', writer))
          }
        }
        const enough = [...writers.values()].map(({ lines }) => lines.length + 10)
        // Each line has waited for the disk, which may be slow.
        while ([...writers.values()].some(({ lines }, i) => lines.length < enough[i]!)) {
          for (const { ended } of writers.values()) assert.equal(ended(), false)
          await sleep(2)
        }
        for (const victim of victims) {
          if (victim === 'keeper') process.kill(await keeperOf(path), 'SIGKILL')
          else for (const { kill } of writers.values()) kill()
        }
        if (title === 'the keeper') continue
        for (const [writer, { closed, lines }] of writers) {
          await closed
          counts[writer] = lines.length
        }
        writers.clear()
      }
      for (const [writer, { kill, closed, lines }] of writers) {
        kill()
        await closed
        counts[writer] = lines.length
      }
      const store = await opened({ path })
      for (const [writer, count] of counts.entries()) {
        for (let i = 0; i < count; i++) {
          assert.equal((await store.get(`w${writer}:${i}`))?.value, String(i), `${writer} ${i}`)
        }
        const made = Number((await store.get(`count${writer}`))?.value)
        // Steps have ids, so a repeated one counts once.
        assert.ok(made === count || made === count + 1, `${made} of ${count}`)
      }
      assert.equal(await store.setIfAbsent('after', 'all', { ttl: TTL }), 'all')
    })
  }

  it('has one keeper, which ends with the last of them', async () => {
    const path = newPath()
    const stores = await Promise.all(Array.from({ length: 5 }, () => opened({ path })))
    const [first, ...others] = stores
    const keeper = await keeperOf(path)
    for (const other of others) await other.close()
    assert.equal(await first!.setIfAbsent('a', 'b', { ttl: TTL }), 'b')
    assert.equal(await keeperOf(path), keeper)
    await first!.close()
    await until(() => keepersOf(path).length === 0)
  })

  it('has another keeper if the first one is killed', async () => {
    const path = newPath()
    const [first, second] = [await opened({ path }), await opened({ path })]
    await first.setIfAbsent('a', 'b', { ttl: TTL })
    await stopKeeper(path)
    const call = first.increment('n', { ttl: TTL })
    process.kill(await keeperOf(path), 'SIGKILL')
    await assert.rejects(call, { code: 'STORE_UNAVAILABLE' })
    // The second one may see the end of the connection only with its next call.
    await until(() => keepersOf(path).length === 0)
    const results = await Promise.allSettled([first, second].map((store) => store.get('a')))
    for (const result of results) {
      if (result.status === 'rejected') assert.equal(result.reason.code, 'STORE_UNAVAILABLE')
    }
    for (const store of [first, second]) assert.equal((await store.get('a'))?.value, 'b')
    await until(() => keepersOf(path).length === 1)
  })

  it('survives signals that are for the processes that use it', async () => {
    const path = newPath()
    const store = await opened({ path })
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
      process.kill(await keeperOf(path), signal)
    assert.equal(await store.setIfAbsent('a', 'b', { ttl: TTL }), 'b')
  })

  it('costs a call its deadline if the keeper is stopped, and then goes on', async () => {
    const path = newPath()
    const patient = await opened({ path })
    const store = await opened({ path, deadline: 100 })
    const { resume } = await stopKeeper(path)
    const calls = Array.from({ length: 20 }, () => store.increment('n', { ttl: TTL }))
    for (const call of [...calls, store.get('a')]) {
      await assert.rejects(call, { code: 'STORE_TIMEOUT' })
    }
    const signal = AbortSignal.timeout(1)
    await assert.rejects(store.get('n', { signal }), { name: 'TimeoutError' })
    const last = patient.increment('n', { ttl: TTL })
    resume()
    // The calls that had timed out were not made.
    assert.equal((await last).value, 1)
  })

  it('can neither be opened nor hold the end while the keeper is stopped', async () => {
    const path = newPath()
    const store = await opened({ path, deadline: 50 })
    await stopKeeper(path)
    const call = store.increment('n', { ttl: TTL })
    await Promise.all([assert.rejects(call, { code: 'STORE_CLOSED' }), store.close()])
    await assert.rejects(openEmbeddedStore({ path, deadline: 1 }), { code: 'STORE_TIMEOUT' })
  })

  it('bounds what waits', async () => {
    const store = await opened({ path: newPath() })
    const calls = Array.from({ length: 10_500 }, () => store.increment('n', { ttl: TTL }))
    const results = await Promise.allSettled(calls)
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 10_000)
    for (const result of results) {
      if (result.status === 'rejected') assert.equal(result.reason.code, 'STORE_UNAVAILABLE')
    }
  })
})

describe('the room of the embedded store', () => {
  const maxSize = 4_194_304
  const sizeOf = (path: string): number => statSync(join(path, 'data.mdb')).size
  /** Writes values until there is no room for any more, and gives their number. */
  async function fill(
    store: Store,
    size: number,
    prefix: string,
    ttl: number,
  ): Promise<number> {
    const AT_A_TIME = 200
    for (let count = 0; ; count += AT_A_TIME) {
      const value = 'v'.repeat(size)
      const results = await Promise.allSettled(
        Array.from({ length: AT_A_TIME }, (_, i) =>
          store.setIfAbsent(`${prefix}:${count + i}`, value, { ttl }),
        ),
      )
      const failed = results.findIndex(({ status }) => status === 'rejected')
      for (const result of results) {
        if (result.status === 'rejected') assert.equal(result.reason.code, 'STORE_FULL')
      }
      if (failed !== -1) return count + failed
    }
  }

  for (const size of [10, 700, 1_500, 5_000, 65_536]) {
    it(`ends with STORE_FULL for values of ${size} bytes, and comes back`, async () => {
      let now = Date.UTC(2026, 10, 30)
      const path = newPath()
      const store = await opened({ path, maxSize, clock: () => now })
      const count = await fill(store, size, 'a', 1_000)
      assert.ok(count * size > 0.1 * maxSize || size < 100, `${count} values`)
      assert.ok(sizeOf(path) <= maxSize, `${sizeOf(path)} bytes`)
      // What is there stays, and can be read, changed and deleted.
      for (let i = 0; i < count; i++) {
        assert.equal((await store.get(`a:${i}`))?.value.length, size)
      }
      const value = 'v'.repeat(size)
      assert.equal(
        await store.compareAndSet('a:0', value, `w${value.slice(1)}`, { ttl: 1_000 }),
        true,
      )
      assert.equal(await store.compareAndSet('a:1', value, undefined, { ttl: 1_000 }), true)
      assert.equal(await store.get('a:1'), undefined)
      // What has expired makes room, over and over, and the file does not grow.
      for (let round = 0; round < 5; round++) {
        now += 1_000
        const again = await fill(store, size, `b${round}`, 1_000)
        assert.ok(again >= 0.8 * count, `${again} of ${count}`)
        assert.ok(sizeOf(path) <= maxSize, `${sizeOf(path)} bytes`)
      }
    })
  }

  it('is not used up by ids of steps', async () => {
    let now = Date.UTC(2026, 10, 30)
    const path = newPath()
    const store = await opened({ path, maxSize, clock: () => now })
    for (let i = 0; i < 20_000; i += 500) {
      now += 600_000 / 8
      await Promise.all(
        Array.from({ length: 500 }, (_, k) =>
          store.take([{ key: 'a', capacity: 1_000_000, fillTime: 1_000 }], { id: `${i + k}` }),
        ),
      )
    }
    assert.ok(sizeOf(path) <= maxSize, `${sizeOf(path)} bytes`)
  })

  it('is that of the disk, if this is smaller', async (t) => {
    const path = newPath()
    mkdirSync(path, { mode: 0o700 })
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=600k,mode=700', 'none', path])
    if (mount.status !== 0) return t.skip('only root can mount a small file system')
    const store = await openEmbeddedStore({ path, deadline: DEADLINE })
    atEnd(async () => {
      await store.close()
      // The keeper ends a moment after its last user.
      await until(() => spawnSync('umount', [path]).status === 0)
    })
    let count = 0
    const full = async (): Promise<boolean> => {
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) =>
          store.setIfAbsent(`k${count + i}`, 'v'.repeat(500), { ttl: TTL }),
        ),
      )
      const failed = results.find(({ status }) => status === 'rejected')
      if (failed === undefined) count += results.length
      else assert.equal((failed as PromiseRejectedResult).reason.code, 'STORE_FULL')
      return failed !== undefined
    }
    while (!(await full()));
    assert.ok(count > 100)
    for (let i = 0; i < count; i++) {
      assert.equal((await store.get(`k${i}`))?.value.length, 500)
    }
    const room = spawnSync('mount', ['-o', 'remount,size=16m', path])
    assert.equal(room.status, 0, String(room.stderr))
    assert.equal(await full(), false)
  })

  it('is cleaned in small steps', async () => {
    let now = Date.UTC(2026, 10, 30)
    const path = newPath()
    const store = await opened({ path, clock: () => now })
    await Promise.all(
      Array.from({ length: 5_000 }, (_, i) => store.setIfAbsent(`k${i}`, 'v', { ttl: 1_000 })),
    )
    now += 1_000
    // One call begins, the rest goes on by itself.
    await store.increment('n', { ttl: TTL })
    const before = Date.UTC(2026, 10, 30)
    const past = await opened({ path, clock: () => before })
    let left: string[] = []
    while (left.length !== 1) {
      left = []
      for await (const { key } of past.scan('')) left.push(key)
      await setImmediate()
    }
    assert.deepEqual(left, ['n'])
  })
})

describe('the files of the embedded store', () => {
  it('are for their owner only', async () => {
    const path = newPath()
    await opened({ path: join(path, 'deep', 'store') })
    const mode = (...parts: string[]) =>
      (statSync(join(path, 'deep', 'store', ...parts)).mode & 0o777).toString(8)
    assert.equal(mode(), '700')
    for (const name of readdirSync(join(path, 'deep', 'store'))) assert.equal(mode(name), '600')
  })

  it('are refused where others can write', async () => {
    const path = newPath()
    mkdirSync(path)
    chmodSync(path, 0o777)
    await assert.rejects(openEmbeddedStore({ path }), {
      code: 'INVALID_OPTION',
      message: /can be written by other users \(mode 777\): chmod go-w /,
    })
  })

  it('are refused if they are something else', async () => {
    const path = newPath()
    mkdirSync(path, { mode: 0o700 })
    writeFileSync(join(path, 'data.mdb'), 'x'.repeat(10_000))
    await assert.rejects(openEmbeddedStore({ path }), { code: 'STORE_UNAVAILABLE' })
    const file = join(newPath(), 'file')
    mkdirSync(join(file, '..'))
    writeFileSync(file, '')
    await assert.rejects(openEmbeddedStore({ path: file }), { code: 'STORE_UNAVAILABLE' })
  })

  it('are found again', async () => {
    const path = newPath()
    const first = await openEmbeddedStore({ path })
    await first.setIfAbsent('a', 'b', { ttl: TTL })
    await first.close()
    const second = await opened({ path })
    assert.equal((await second.get('a'))?.value, 'b')
  })

  for (const options of [
    {},
    { path: '' },
    { path: '/x', maxSize: 1 },
    { path: '/x', deadline: 0 },
    { path: '/x', mapSize: 1 },
  ]) {
    it(`${JSON.stringify(options)} is refused`, async () => {
      await assert.rejects(openEmbeddedStore(options as never), { code: 'INVALID_OPTION' })
    })
  }
})
