import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

/**
 * Whether a module is the program that was started. It is false if another module imports it, as `tsmilter run` does.
 *
 *     if (isMain(import.meta)) await runMilter('tag', { factory: tag, listen: 'inet:8890@localhost' })
 *
 * It returns `import.meta.main` of Node 24.2 and later, and also works on older versions. In a thread
 * (`node:worker_threads`) it is false, where Node 26 has true for the file of the thread. Do not compare the name of
 * the file with `process.argv[1]`. That fails behind a symbolic link, and the program ends silently.
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

/** Node loads the target of a link, or the link itself with --preserve-symlinks-main. So both paths are resolved. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    // The code is not from a file: `--eval` or standard input.
    return undefined
  }
}
