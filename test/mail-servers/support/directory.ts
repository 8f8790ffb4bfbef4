import { chmodSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** Makes the directory of one server, which every user of the machine may enter. */
export function makeDirectory(name: string): string {
  const parent = realpathSync(tmpdir())
  // Both servers cut configuration values at spaces.
  if (/\s/.test(parent)) throw new Error(`no spaces allowed in the path ${parent}`)
  for (let path = parent; path !== '/'; path = dirname(path)) {
    // The servers give up root; not to reach their own queue is a failure that is hard to read.
    if ((statSync(path).mode & 0o001) === 0) {
      throw new Error(`other users cannot enter ${path}: set TMPDIR to an open directory`)
    }
  }
  const directory = mkdtempSync(join(parent, `tsmilter-${name}-`))
  chmodSync(directory, 0o755)
  return directory
}

/** Removes it, unless somebody wants to look into it. */
export function removeDirectory(directory: string): void {
  if (process.env['KEEP_MTA'] === '1') console.error(`kept: ${directory}`)
  else rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
}
