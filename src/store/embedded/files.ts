/** The files of an embedded store, before LMDB opens them. */
import { mkdir, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { StoreError, UsageError } from '../../errors.ts'
import { codeOf, reasonOf } from '../../net/system-error.ts'

/**
 * Makes the directory, if it is missing. What another user writes into it would be read as memory.
 *
 * @throws UsageError INVALID_OPTION
 * @throws StoreError STORE_UNAVAILABLE
 */
export async function safeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw unavailable(path, error)
  }
  const { uid, mode } = await stat(path)
  const own = process.geteuid?.() ?? uid
  if (uid !== own) {
    throw new UsageError(
      'INVALID_OPTION',
      `the store ${path} belongs to user ${uid}, and this process runs as user ${own}: chown it, or run as that user`,
    )
  }
  if ((mode & 0o022) !== 0) {
    throw new UsageError(
      'INVALID_OPTION',
      `the store ${path} can be written by other users (mode ${(mode & 0o777).toString(8)}): chmod go-w ${path}`,
    )
  }
}

/** LMDB's `MDB_MAGIC` and `MDB_DATA_VERSION`, as the first page has them behind its 24 bytes of header. */
const BEGINNING = 'dec0efbe02000000'
const BEGINNING_AT = 24
const TWO_PAGES = 8_192

/**
 * Looks at the beginning of the file. lmdb 3.5.6 ends the process with a signal if it is not a file of LMDB.
 *
 * @throws StoreError STORE_UNAVAILABLE
 */
export async function checkFile(path: string): Promise<void> {
  try {
    await using file = await open(join(path, 'data.mdb'))
    const { size } = await file.stat()
    const bytes = Buffer.alloc(BEGINNING.length / 2)
    await file.read(bytes, 0, bytes.length, BEGINNING_AT)
    // Another process has just made it.
    if (size === 0) return
    if (size < TWO_PAGES || bytes.toString('hex') !== BEGINNING) {
      throw new StoreError(
        'STORE_UNAVAILABLE',
        `${join(path, 'data.mdb')} is not a file of LMDB, or of another version: move it away`,
      )
    }
  } catch (error) {
    if (error instanceof StoreError) throw error
    if (codeOf(error) !== 'ENOENT') throw unavailable(path, error)
  }
}

export function unavailable(path: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const reason = error instanceof Error ? reasonOf(error) : String(error)
  return codeOf(error) === 'ENOSPC' || /no space left/i.test(reason)
    ? new StoreError('STORE_FULL', `the disk of the store ${path} is full: ${reason}`, {
        cause: error,
      })
    : new StoreError('STORE_UNAVAILABLE', `the store ${path} has failed: ${reason}`, {
        cause: error,
      })
}
