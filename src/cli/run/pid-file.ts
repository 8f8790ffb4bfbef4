import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { UsageError } from '../../errors.ts'
import { codeOf } from '../../server/unix-socket.ts'

/**
 * Writes the process id, all at once. A file that is left over from a process that has ended is
 * replaced.
 *
 * @returns removes the file, if it still is this process's
 * @throws UsageError INVALID_OPTION if another process that lives has it, or it cannot be written
 */
export async function writePidFile(path: string): Promise<() => Promise<void>> {
  const draft = `${path}.${process.pid}`
  try {
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
  const text = await readFile(path, 'utf8').catch(() => '')
  return /^\d{1,10}\s*$/.test(text) ? Number(text) : undefined
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}
