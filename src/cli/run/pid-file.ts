import { codeOf } from '../../net/system-error.ts'
import { constants } from 'node:fs'
import { link, open, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { UsageError } from '../../errors.ts'
import { strangerIn } from '../../server/safe-directory.ts'

/**
 * Writes the process id, all at once. A file that is left over from a process that has ended is
 * replaced, and so is a link: what it leads to is neither read nor written.
 *
 * Who can write to the directory decides which process whoever reads the file will kill. So root writes only where
 * nobody else can, not even the user that the workers are.
 *
 * @returns removes the file, if it still is this process's
 * @throws UsageError INVALID_OPTION if another process that lives has it, or it cannot be written
 */
export async function writePidFile(path: string): Promise<() => Promise<void>> {
  const draft = `${path}.${process.pid}`
  try {
    const stranger = await strangerIn(dirname(path))
    if (stranger !== undefined) {
      throw new Error(
        `${stranger}, who could put another number in it; choose a directory that only root can write to`,
      )
    }
    // Whatever has this name is of nobody who lives; `wx` follows no link that comes in between.
    await rm(draft, { force: true })
    await writeFile(draft, `${process.pid}\n`, { flag: 'wx' })
    try {
      await link(draft, path)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      await refuseLive(path)
      await rm(path, { force: true })
      // Of two that replace the same old file only one succeeds.
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
    `the option pidFile: ${path} is of process ${pid}, which is running; stop it first, or remove the file if it is something else`,
  )
}

async function pidIn(path: string): Promise<number | undefined> {
  const text = await beginning(path).catch(() => '')
  return /^\d{1,10}\s*$/.test(text) ? Number(text) : undefined
}

/** Of a file only: a link may lead anywhere, and a pipe or a device keep who reads them. */
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
