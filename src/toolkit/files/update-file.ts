import { link, open, readFile, realpath, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { FileError } from '../../errors.ts'
import { encodeText, type TextOrBytes } from '../../protocol/text.ts'
import { fileFailed } from '../entry.ts'
import { FileLock, isMissing, modeOf, type FileLockOptions } from './file-lock.ts'

export interface UpdateOptions extends FileLockOptions {
  /** whether the old file is kept as `NAME.old`; false by default */
  readonly backup?: boolean
}

/**
 * Replaces a file under its lock (see {@link FileLock}). Readers see the old file or the new one, never a part: the new
 * one is written as `NAME.new`, brought to the disk, and renamed. It has the mode and the group of the old one, or 0660. A
 * symbolic link stays, and the file that it names is replaced.
 *
 *     await updateFile('/var/lib/filter/count', (old) => `${Number(old ?? 0) + 1}\n`)
 *
 * @param update gets the old content, undefined if there is no file; undefined leaves the file as it is
 * @returns whether the file was replaced
 * @throws FileError FILE_LOCKED, FILE_FAILED, and then the old file is still there; what `update` throws; the reason of
 *   `signal`
 */
export async function updateFile(
  path: string,
  update: (
    old: Buffer | undefined,
  ) => TextOrBytes | undefined | Promise<TextOrBytes | undefined>,
  options: UpdateOptions = {},
): Promise<boolean> {
  const file = await targetOf(path)
  const lock = await FileLock.acquire(file, options)
  try {
    const content = await update(await contentOf(file))
    if (content === undefined) return false
    options.signal?.throwIfAborted()
    await replace(file, encodeText(content), options.backup === true)
    return true
  } finally {
    await lock.release()
  }
}

/** The file that a symbolic link names: all have to take the same lock. */
export const targetOf = (path: string): Promise<string> => realpath(path).catch(() => path)

async function contentOf(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw fileFailed(path, 'cannot be read', error)
  }
}

/** Only under the lock. */
async function replace(path: string, content: Buffer, backup: boolean): Promise<void> {
  const next = `${path}.new`
  try {
    // Of a process that was killed. Created anew, so that it is no link to somewhere else.
    await removed(next)
    await writeNew(next, path, content)
    if (backup) {
      await removed(`${path}.old`)
      await link(path, `${path}.old`).catch(unlessMissing)
    }
    await rename(next, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await removed(next).catch(() => {})
    throw error instanceof FileError ? error : fileFailed(path, 'cannot be replaced', error)
  }
}

async function writeNew(next: string, old: string, content: Buffer): Promise<void> {
  const handle = await open(next, 'wx', 0o600)
  try {
    await handle.writeFile(content)
    const stats = await stat(old).catch(() => {})
    // A process without rights keeps its own group.
    if (stats !== undefined) await handle.chown(-1, stats.gid).catch(() => {})
    if (stats !== undefined && process.getuid?.() === 0)
      await handle.chown(stats.uid, stats.gid)
    await handle.chmod(await modeOf(old))
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const unlessMissing = (error: unknown): void => {
  if (!isMissing(error)) throw error
}

const removed = (path: string): Promise<void> => unlink(path).catch(unlessMissing)

/** So that the new name survives a crash. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
