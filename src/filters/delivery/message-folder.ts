/**
 * Files in a directory that are whole or not there: each is written under another name, brought to the disk, and then
 * gets its own.
 */
import { constants } from 'node:fs'
import { access, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { FileError, MilterError, UsageError } from '../../errors.ts'
import { codeOf } from '../../net/system-error.ts'
import { uniqueId } from '../../toolkit/unique-id.ts'

/** Bytes in pieces, from the start for each call. */
export type Content = () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>

export interface NewFile {
  /** below the root, with `/` between folders */
  readonly path: string
  readonly content: Content
}

/** Where files are until they are whole. A place of its own, so that nobody who reads the others sees them. */
const UNFINISHED = 'tmp'
/** A process that was killed leaves a file behind. No message takes this long, in milliseconds. */
const LEFT_BEHIND = 86_400_000
/** File systems without hard links, such as FAT and some of networks. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

export class MessageFolder {
  readonly root: string
  readonly #mode: number

  private constructor(root: string, mode: number) {
    this.root = root
    this.#mode = mode
  }

  /**
   * The root has to be there: it may be a file system that is not mounted.
   *
   * @param option the filter and the option, for the error
   * @param mode of the files; those who may read them may search their folders
   * @throws UsageError INVALID_OPTION
   */
  static async open(option: string, root: string, mode: number): Promise<MessageFolder> {
    const folder = new MessageFolder(root, mode)
    try {
      await access(root, constants.R_OK | constants.W_OK | constants.X_OK)
      await mkdir(join(root, UNFINISHED), { mode: folder.#folderMode, recursive: true })
      await folder.#removeLeftBehind()
    } catch (cause) {
      const why =
        codeOf(cause) === 'ENOENT'
          ? 'is not there; create it'
          : `cannot be written (${codeOf(cause)}); this process needs to read, write and search it`
      throw new UsageError('INVALID_OPTION', `${option}: the directory ${root} ${why}`, {
        cause,
      })
    }
    return folder
  }

  get #folderMode(): number {
    return 0o700 | this.#mode | ((this.#mode & 0o044) >> 2)
  }

  /**
   * Writes files that belong together. The last one appears last, so if it is there, the others are.
   *
   * @returns false if the last one was there already. Then nothing has changed, or a file that was missing was added
   * @throws FileError FILE_FAILED; the reason of `signal`; what `content` throws
   */
  async write(files: readonly NewFile[], signal: AbortSignal): Promise<boolean> {
    const unfinished: string[] = []
    let isNew = true
    try {
      for (const { content } of files) {
        const path = join(this.root, UNFINISHED, uniqueId())
        unfinished.push(path)
        // oxlint-disable-next-line eslint/no-await-in-loop -- one stream at a time
        await this.#writeOne(path, content, signal)
      }
      for (const [i, { path }] of files.entries()) {
        const target = join(this.root, path)
        // oxlint-disable-next-line eslint/no-await-in-loop -- in their order
        await this.#makeFolder(dirname(target))
        signal.throwIfAborted()
        // oxlint-disable-next-line eslint/no-await-in-loop -- in their order
        isNew = await give(unfinished[i]!, target)
        // oxlint-disable-next-line eslint/no-await-in-loop -- the name has to be on the disk before the next one
        await syncFolder(dirname(target))
      }
      return isNew
    } catch (error) {
      // Not of the file system: what the content has thrown.
      if (signal.aborted || codeOf(error) === '' || error instanceof MilterError) throw error
      throw failed(this.root, error)
    } finally {
      await Promise.allSettled(unfinished.map((path) => unlink(path)))
    }
  }

  async #writeOne(path: string, content: Content, signal: AbortSignal): Promise<void> {
    const handle = await open(path, 'wx', 0o600)
    try {
      for await (const piece of content()) {
        signal.throwIfAborted()
        await handle.writeFile(piece)
      }
      // Without the umask.
      await handle.chmod(this.#mode)
      await handle.sync()
    } finally {
      await handle.close()
    }
  }

  /** Makes the folders below the root, and brings their names to the disk. */
  async #makeFolder(path: string): Promise<void> {
    const first = await mkdir(path, { recursive: true, mode: this.#folderMode })
    if (first === undefined) return
    for (let made = path; made.length >= first.length; made = dirname(made)) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- seldom more than three
      await syncFolder(dirname(made))
    }
  }

  async #removeLeftBehind(): Promise<void> {
    const folder = join(this.root, UNFINISHED)
    for (const name of await readdir(folder)) {
      const path = join(folder, name)
      // oxlint-disable-next-line eslint/no-await-in-loop -- at the start, and few
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }))
      if (Date.now() - mtimeMs > LEFT_BEHIND) {
        // oxlint-disable-next-line eslint/no-await-in-loop -- as above
        await unlink(path).catch(() => {})
      }
    }
  }
}

/** Gives a file its name, unless there is one of that name. @returns whether it got it */
async function give(path: string, target: string): Promise<boolean> {
  try {
    await link(path, target)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    if (!NO_LINKS.has(codeOf(error))) throw error
    await rename(path, target)
    return true
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const failed = (root: string, cause: unknown): FileError =>
  new FileError('FILE_FAILED', `${root} cannot be written: ${(cause as Error).message}`, {
    cause,
  })
