/** `tsmilter import` on the command line. What it does is loaded when it is called. */
import { Argument, type Command } from 'commander'
import type { ImportKind } from './import.ts'

const KINDS: readonly ImportKind[] = [
  'opendkim',
  'postgrey',
  'postsrsd',
  'header_checks',
  'milter-greylist',
  'policyd-rate-limit',
]

/** @param say prints a result */
export function addImportCommand(program: Command, say: (text: string) => void): void {
  program
    .command('import')
    .description(
      'Makes a piece of tsmilter.yaml of the configuration of another program, and prints it. Comments say what was not taken over, with line and reason.',
    )
    .addArgument(new Argument('<kind>', 'whose configuration it is').choices(KINDS))
    .argument(
      '<file...>',
      'its files; of header_checks with their kind: pcre:FILE, regexp:FILE',
    )
    .action(async (kind: ImportKind, files: readonly string[]) => {
      const { importFiles } = await import('./import.ts')
      say(importFiles(kind, files))
    })
}
