/** Loads modules that the command line or a configuration names, and says in one line why one does not load. */
import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MilterError, UsageError } from '../../errors.ts'

/** Node strips types itself since 22.18. @types/node 20 does not have this feature. */
const stripsTypes = Boolean((process.features as { typescript?: unknown }).typescript)

/** The default export of a module. @throws UsageError, LoadError */
export async function defaultExport(path: string): Promise<unknown> {
  const file = resolve(path)
  if (!existsSync(file)) throw invalid(`${path}: there is no such file`)
  try {
    return (await load(file)).default
  } catch (error) {
    throw new LoadError(`${path} does not load: ${explain(error)}${moduleHint(error, file)}`, {
      cause: error,
    })
  }
}

/** jiti loads TypeScript if Node does not strip types. */
async function load(file: string): Promise<{ readonly default?: unknown }> {
  if (!/\.[cm]?ts$/.test(file) || stripsTypes) {
    return (await import(pathToFileURL(file).href)) as { default?: unknown }
  }
  const { createJiti } = await import('jiti')
  // No file cache: the user who runs filters may not be allowed to write beside them. Node loads the package itself, so
  // that there is only one copy of it in the process.
  const jiti = createJiti(import.meta.url, {
    fsCache: false,
    interopDefault: false,
    nativeModules: ['tsmilter'],
  })
  return await jiti.import<{ default?: unknown }>(file)
}

/** A module threw while it was loaded, or has a syntax error. */
class LoadError extends Error {}

/** Says in one line why filters cannot run. */
export function oneLine(error: unknown): string {
  if (error instanceof MilterError && error.code === 'FACTORY_FAILED')
    return explain(error.cause)
  return error instanceof LoadError || error instanceof UsageError
    ? flat(error.message)
    : explain(error)
}

/** Says what was thrown and where. A SyntaxError has no place. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return flat(`it threw ${String(error)}`)
  const frame = /^ +at .*?(file:\/\/[^\s()]+?:\d+|(?<=[ (])\/[^\s()]+?:\d+):\d+\)?$/m
  const place = frame.exec(error.stack ?? '')?.[1]
  const where = place?.startsWith('file:') ? fileURLToPath(place) : place
  const hint =
    (error as { code?: unknown }).code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' ? ERASABLE : ''
  return flat(
    `${error.name}: ${error.message}${hint}${where === undefined ? '' : ` (${where})`}`,
  )
}

/** Node reads a file as CommonJS if package.json says so. Since npm 11, the one that `npm init` writes does. */
function moduleHint(error: unknown, file: string): string {
  if (!(error instanceof SyntaxError) || /\.[cm][jt]s$/.test(file)) return ''
  if (!/^Cannot use import statement|^Unexpected token 'export'/.test(error.message)) return ''
  const name = basename(file).replace(/([jt]s)$/, 'm$1')
  return `; package.json says that it is CommonJS, but it is an ES module: run "npm pkg set type=module" in its folder, or name it ${name}`
}

const ERASABLE = `; Node ${process.versions.node} only strips the types of TypeScript, so it does not support enums, namespaces and parameter properties: write an object with "as const", or compile the filter ("erasableSyntaxOnly" in tsconfig.json finds them)`

const flat = (text: string): string => text.replaceAll(/\s+/g, ' ').trim().slice(0, 1_000)

const invalid = (message: string): UsageError => new UsageError('INVALID_OPTION', message)
