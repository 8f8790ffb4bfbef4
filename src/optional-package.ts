import { createRequire } from 'node:module'
import { UsageError } from './errors.ts'

/**
 * The packages that a plain install leaves out, with the version to install: `peerDependencies` of package.json,
 * marked as optional there. docs/decisions/packages.md says which packages these are, and why.
 */
export const OPTIONAL_PACKAGES = {
  ioredis: '6',
  lmdb: '3',
  mailauth: '7.1.0',
  'prom-client': '15',
  tldts: '7',
} as const

export type OptionalPackage = keyof typeof OPTIONAL_PACKAGES

/**
 * Loads a package that may not be installed.
 *
 * @param purpose what needs it, the subject of a sentence
 * @throws UsageError MISSING_PACKAGE with the line that installs it
 */
export async function loadOptional<Module>(
  name: OptionalPackage,
  purpose: string,
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load()
  } catch (cause) {
    if (!isMissing(cause, name)) throw cause
    throw missing(name, purpose, cause)
  }
}

/**
 * Loads modules of a package that may not be installed, synchronously. Only for CommonJS packages whose version counts.
 *
 * @param purpose what needs it, the subject of a sentence
 * @param load as `require`; another one for tests
 * @returns loads a module by its path inside the package
 * @throws UsageError MISSING_PACKAGE, or WRONG_PACKAGE_VERSION for any other version than that of the table
 */
export function requireOptional(
  name: OptionalPackage,
  purpose: string,
  load: (path: string) => unknown = createRequire(import.meta.url),
): (path: string) => unknown {
  const wanted = OPTIONAL_PACKAGES[name]
  let version
  try {
    version = (load(`${name}/package.json`) as { version: string }).version
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'MODULE_NOT_FOUND') throw cause
    throw missing(name, purpose, cause)
  }
  if (version !== wanted) {
    throw new UsageError(
      'WRONG_PACKAGE_VERSION',
      `${purpose} needs the package ${name} in version ${wanted}, and ${version} is installed: npm install --save-exact ${name}@${wanted}`,
    )
  }
  return (path) => load(`${name}/${path}`)
}

const missing = (name: OptionalPackage, purpose: string, cause: unknown): UsageError =>
  new UsageError(
    'MISSING_PACKAGE',
    `${purpose} needs the package ${name}, which is not installed: npm install ${name}@${OPTIONAL_PACKAGES[name]}`,
    { cause },
  )

/** The package itself, not one that it needs: that is a broken install. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return code === 'ERR_MODULE_NOT_FOUND' && String(message).includes(`package '${name}'`)
}
