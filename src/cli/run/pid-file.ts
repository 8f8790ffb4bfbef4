import { codeOf } from '../../net/system-error.ts'
import { constants } from 'node:fs'
import { link, open, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { UsageError } from '../../errors.ts'
import { strangerIn } from '../../server/safe-directory.ts'

/**
 * Writes the process id atomically. A file of a process that has ended is replaced. A symbolic link is also replaced:
 * its target is neither read nor written.
 *
 * A user who can write to the directory decides which process is killed by a program that reads the file. So root
 * writes the file only to a directory that no other user can write to, not even the user of the workers.
 *
 * @returns a function that removes the file, if it is still that of this process
 * @throws UsageError INVALID_OPTION if the file is that of another running process, or cannot be written
 */
export async function writePidFile(path: string): Promise<() => Promise<void>> {
  const draft = `${path}.${process.pid}`
  try {
    const stranger = await strangerIn(dirname(path))
    if (stranger !== undefined) {
      throw new Error(
        `${stranger}, so another user could change the process id; choose a directory that only root can write to`,
      )
    }
    // A file of this name is not of a running process. `wx` does not follow a link that appears in between.
    await rm(draft, { force: true })
    await writeFile(draft, `${process.pid}\n`, { flag: 'wx' })
    try {
      await link(draft, path)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      await refuseLive(path)
      await rm(path, { force: true })
      // If two processes replace the same old file, only one succeeds.
      await link(draft, path)
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(
      'INVALID_OPTION',
      `the option pidFile: cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  } finally {
    await rm(draft, { force: true }).catch(() => {})
  }
  return async () => {
    if ((await pidIn(path)) === process.pid) await rm(path, { force: true }).catch(() => {})
  }
}

async function refuseLive(path: string): Promise<void> {
  const pid = await pidIn(path)
  if (pid === undefined || pid === process.pid || !alive(pid)) return
  throw new UsageError(
    'INVALID_OPTION',
    `the option pidFile: ${path} holds process id ${pid}, which is running; stop that process first, or remove the file if it is another program`,
  )
}

async function pidIn(path: string): Promise<number | undefined> {
  const text = await beginning(path).catch(() => '')
  return /^\d{1,10}\s*$/.test(text) ? Number(text) : undefined
}

/** Reads regular files only. A link can lead anywhere, and a read from a pipe or a device can block. */
async function beginning(path: string): Promise<string> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  try {
    if (!(await file.stat()).isFile()) return ''
    const { buffer, bytesRead } = await file.read(Buffer.alloc(32), 0, 32, 0)
    return buffer.toString('latin1', 0, bytesRead)
  } finally {
    await file.close()
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}
