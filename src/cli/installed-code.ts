/** The code of this package on the disk. An update can replace it while the primary process of `tsmilter run` goes on. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface InstalledCode {
  /** of package.json; `unknown` if there is none, as in a bundle */
  readonly version: string
  /** when the newest of its files was changed, Unix milliseconds */
  readonly changed: number
}

/** Version and time of the files as they are now. */
export const installedCode = (): InstalledCode => ({
  version: installedVersion(),
  changed: newestIn(CODE),
})

/** The folder of the code: the one that has `cli/`. */
const CODE = dirname(import.meta.dirname)

export function installedVersion(): string {
  for (let folder = CODE; folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const text = readFileSync(join(folder, 'package.json'), 'utf8')
      const { name, version } = JSON.parse(text) as { name?: unknown; version?: unknown }
      if (name === 'tsmilter') return String(version)
    } catch {
      // There is none in this folder, or it is being replaced.
    }
  }
  return 'unknown'
}

/** Whether files were replaced since then, in words; undefined if they are the same. */
export function replacedSince(
  { version, changed }: InstalledCode,
  now: InstalledCode = installedCode(),
): string | undefined {
  if (now.version !== version) return `version ${now.version} is installed`
  if (now.changed > changed) return `files of version ${version} have changed`
  return undefined
}

function newestIn(folder: string): number {
  let newest = 0
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js')) continue
    // A file that an update has just removed.
    newest = Math.max(
      newest,
      statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
    )
  }
  return newest
}
