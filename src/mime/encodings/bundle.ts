import { UsageError } from '../../errors.ts'

/**
 * Bundlers that write ES modules leave the `require` of CommonJS packages without a meaning unless they
 * are told otherwise (esbuild: "Dynamic require of "buffer" is not supported"). These packages are
 * loaded when a message first needs one, so the mistake would show in somebody's mail. In a bundle one
 * of them is loaded at once, and the program ends if that fails.
 *
 * @param url of the module that loads the package; undefined in a bundle of CommonJS, where `require` works
 * @param file the path of that module in this package
 */
export function checkBundle(
  url: string | undefined,
  file: string,
  load: () => Promise<unknown>,
): void {
  if (url === undefined || new RegExp(`/${file}\\.[jt]s$`).test(url)) return
  load().catch((cause: unknown) => {
    // Nobody waits for it: an unhandled rejection ends the program.
    throw new UsageError(
      'BAD_BUNDLE',
      `this bundle cannot load iconv-lite: ${(cause as Error).message}. Leave packages out of it (esbuild: --packages=external), or define require in its banner: import { createRequire as from } from 'node:module'; const require = from(import.meta.url)`,
      { cause },
    )
  })
}
