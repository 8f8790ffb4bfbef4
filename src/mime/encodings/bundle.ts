import { UsageError } from '../../errors.ts'

/**
 * Bundlers that write ES modules break the `require` of CommonJS packages, unless you configure them otherwise
 * (esbuild: "Dynamic require of "buffer" is not supported"). These packages are loaded when a message first needs one,
 * so the mistake would show only when mail arrives. Therefore a bundle loads one of them at once, and the program ends
 * if that fails.
 *
 * @param url of the module that loads the package; undefined in a CommonJS bundle, where `require` works
 * @param file the path of that module in this package
 */
export function checkBundle(
  url: string | undefined,
  file: string,
  load: () => Promise<unknown>,
): void {
  if (url === undefined || new RegExp(`/${file}\\.[jt]s$`).test(url)) return
  load().catch((cause: unknown) => {
    // No code waits for this promise, so the unhandled rejection ends the program.
    throw new UsageError(
      'BAD_BUNDLE',
      `this bundle cannot load iconv-lite: ${(cause as Error).message}. Leave packages out of it (esbuild: --packages=external), or define require in its banner: import { createRequire as from } from 'node:module'; const require = from(import.meta.url)`,
      { cause },
    )
  })
}
