import { UsageError } from './errors.ts'

/**
 * The packages that a plain install leaves out, with the version to install: `peerDependencies` of package.json,
 * marked as optional there. docs/decisions/packages.md says which packages these are, and why.
 */
export const OPTIONAL_PACKAGES = {
  ioredis: '6',
  lmdb: '3',
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
    throw new UsageError(
      'MISSING_PACKAGE',
      `${purpose} needs the package ${name}, which is not installed: npm install ${name}@${OPTIONAL_PACKAGES[name]}`,
      { cause },
    )
  }
}

/** The package itself, not one that it needs: that is a broken install. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return code === 'ERR_MODULE_NOT_FOUND' && String(message).includes(`package '${name}'`)
}
