import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

/**
 * Whether a module is the program that was started, and not one that another imports, such as `tsmilter run`:
 *
 *     if (isMain(import.meta)) await runMilter('tag', { factory: tag, listen: 'inet:8890@localhost' })
 *
 * It is `import.meta.main` of Node 24.2 and later, and works on older versions too. In a thread
 * (`node:worker_threads`) it is false; Node 26 says true for the file of the thread. Do not compare the name of the
 * file with `process.argv[1]`: that fails behind a symbolic link, and the program ends without a word.
 */
export function isMain(meta: { readonly url: string }): boolean {
  if (!isMainThread) return false
  const { main } = meta as { readonly main?: unknown }
  if (typeof main === 'boolean') return main
  const [, started] = process.argv
  if (started === undefined) return false
  const path = realPath(started)
  return path !== undefined && path === realPath(fileURLToPath(meta.url))
}

/** Node loads the file that links lead to, or with --preserve-symlinks-main the link; so both are resolved. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    // Code that came from elsewhere: `--eval`, standard input.
    return undefined
  }
}
