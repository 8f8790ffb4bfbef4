/**
 * Lock files, by the rule that pymilter and others have: whoever creates NAME.lock may write NAME. Filters in Python and
 * here can share a file.
 */
import { open, readFile, readlink, stat, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileError } from '../../errors.ts'
import { wholeNumber } from '../../options/validate.ts'
import { fileFailed } from '../entry.ts'

export interface FileLockOptions {
  /** milliseconds to wait for the lock; 10,000 by default */
  readonly timeout?: number
  /** ends the wait */
  readonly signal?: AbortSignal | undefined
  /**
   * Milliseconds after which a lock counts as left behind, if it does not say which process of this machine made it;
   * 600,000 by default. A lock of a process that is gone counts as left behind at once, and one of a running process never.
   */
  readonly staleAfter?: number
}

const FIRST_RETRY = 5
const LAST_RETRY = 200
/** How long a process may need to remove one file. */
const BREAKING = 60_000

/**
 * The lock of a file: `NAME.lock`, created exclusively. It has the mode of the file, or 0660, and says which process has
 * it.
 *
 *     await using lock = await FileLock.acquire('/var/lib/filter/addresses')
 *
 * `await using` needs a compiler for it. Without one, call `release` in a `finally`.
 */
export class FileLock {
  /** of the lock file */
  readonly path: string
  readonly #inode: bigint

  private constructor(path: string, inode: bigint) {
    this.path = path
    this.#inode = inode
  }

  /**
   * Waits for the lock.
   *
   * @param file what is locked; it need not exist
   * @throws UsageError INVALID_OPTION; FileError FILE_LOCKED after `timeout`, FILE_FAILED if the lock cannot be created; the reason of `signal`
   */
  static async acquire(file: string, options: FileLockOptions = {}): Promise<FileLock> {
    const { signal } = options
    const timeout = wholeNumber('timeout', options.timeout ?? 10_000, 0)
    const staleAfter = wholeNumber('staleAfter', options.staleAfter ?? 600_000, 0)
    const path = `${file}.lock`
    const end = performance.now() + timeout
    for (let wait = FIRST_RETRY; ; wait = Math.min(2 * wait, LAST_RETRY)) {
      signal?.throwIfAborted()
      // oxlint-disable-next-line eslint/no-await-in-loop -- a loop of tries
      const inode = await create(path, await modeOf(file))
      if (inode !== undefined) return new FileLock(path, inode)
      // oxlint-disable-next-line eslint/no-await-in-loop -- a loop of tries
      if (await removeStale(path, staleAfter)) continue
      const left = end - performance.now()
      if (left <= 0) {
        // oxlint-disable-next-line eslint/no-await-in-loop -- the last one
        throw await locked(path, timeout)
      }
      // Several processes that wait do not try at the same time.
      const pause = Math.min(left, wait * (0.5 + Math.random() / 2))
      // oxlint-disable-next-line eslint/no-await-in-loop -- a loop of tries
      await sleep(pause, undefined, { signal }).catch(() => signal?.throwIfAborted())
    }
  }

  /** Removes the lock file, unless it is no longer the one of this lock. */
  async release(): Promise<void> {
    try {
      const { ino } = await stat(this.path, { bigint: true })
      if (ino === this.#inode) await unlink(this.path)
    } catch (error) {
      if (!isMissing(error)) throw fileFailed(this.path, 'cannot be removed', error)
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }
}

/** @internal */
export const isMissing = (error: unknown): boolean =>
  (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'

/** The mode of a file; 0660 if there is none. */
export async function modeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).mode & 0o777
  } catch {
    return 0o660
  }
}

/** The inode of a new file; undefined if there is a file. */
async function create(path: string, mode: number): Promise<bigint | undefined> {
  let handle
  try {
    handle = await open(path, 'wx', mode)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw fileFailed(path, 'cannot be created', error)
  }
  try {
    // Without the umask, so that the other processes of a group can read whose it is.
    await handle.chmod(mode)
    await handle.writeFile(`${process.pid} ${await startOf(process.pid)} ${await machine()}\n`)
    return (await handle.stat({ bigint: true })).ino
  } catch (error) {
    await unlink(path).catch(() => {})
    throw fileFailed(path, 'cannot be written', error)
  } finally {
    await handle.close()
  }
}

interface Owner {
  readonly pid: number
  readonly start: string
  /** the name of its machine, and where it has one the namespace of its number */
  readonly host: string
}

/**
 * Where the number of a process means the same: on a machine, in a namespace (pid_namespaces(7)). Containers can have the
 * host name of their machine, and their processes cannot be seen from each other.
 */
async function machine(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  return `${hostname()}${namespace.replace(/^pid:/, '')}`
}

/** What a lock file says of its process. Undefined for one of another program, or one that was not written yet. */
async function ownerOf(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, 'utf8')
  const [, pid, start, host] = /^(\d+) (\S+) (\S+)\n$/.exec(text.slice(0, 1_000)) ?? []
  return host === undefined ? undefined : { pid: Number(pid), start: start!, host }
}

/** When a process began, so that another one with its number is not taken for it; `-` where the system does not tell. */
async function startOf(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8')
    // proc(5): field 22. The name of the program may have spaces and brackets in it.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '-'
  } catch {
    return '-'
  }
}

async function isGone({ pid, start }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  const now = await startOf(pid)
  return start !== '-' && now !== '-' && start !== now
}

async function isStale(path: string, staleAfter: number): Promise<boolean> {
  try {
    const owner = await ownerOf(path)
    if (owner !== undefined && owner.host === (await machine())) return await isGone(owner)
    return Date.now() - (await stat(path)).mtimeMs >= staleAfter
  } catch {
    // It is gone, or belongs to somebody whose files cannot be read.
    return false
  }
}

/**
 * Removes a lock that was left behind. Two processes must not do that at the same time: the second one would remove the
 * new lock of the first. So the check is made again under a lock for it.
 */
async function removeStale(path: string, staleAfter: number): Promise<boolean> {
  if (!(await isStale(path, staleAfter))) return false
  const breaking = `${path}.break`
  try {
    await writeFile(breaking, '', { flag: 'wx', mode: 0o660 })
  } catch {
    if (await isOlder(breaking, BREAKING)) await unlink(breaking).catch(() => {})
    return false
  }
  try {
    if (!(await isStale(path, staleAfter))) return false
    await unlink(path)
    return true
  } catch {
    return false
  } finally {
    await unlink(breaking).catch(() => {})
  }
}

async function isOlder(path: string, age: number): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > age
  } catch {
    return false
  }
}

async function locked(path: string, timeout: number): Promise<FileError> {
  const owner = await ownerOf(path).catch(() => {})
  const by =
    owner === undefined
      ? 'another process'
      : `process ${owner.pid} on ${owner.host.replace(/\[\d+\]$/, '')}`
  return new FileError(
    'FILE_LOCKED',
    `${path} was held by ${by} for ${timeout} ms; if that process is gone, remove the file`,
  )
}
