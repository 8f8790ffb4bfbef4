import { constants } from 'node:fs'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

/** Linux: a file that never has a name (open(2)). Node has no word for it; the number is that of asm-generic. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY
/** Where the file system or the kernel has no such files, or the number means something else. */
const UNKNOWN = new Set(['EISDIR', 'EINVAL', 'ENOENT', 'ENOTSUP', 'EOPNOTSUPP'])

/**
 * A file that is gone when it is closed, however the process ends. Where there is no better way it has a
 * name for a moment, before anything is in it.
 */
export async function openUnlinked(directory: string): Promise<FileHandle> {
  if (process.platform === 'linux') {
    try {
      return await open(directory, O_TMPFILE | constants.O_RDWR, 0o600)
    } catch (error) {
      if (!UNKNOWN.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  const { randomUUID } = process.getBuiltinModule('node:crypto')
  const path = join(directory, `tsmilter-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  try {
    await unlink(path)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}
