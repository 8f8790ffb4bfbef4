/** `tsmilter init` on the command line. What it does is loaded when it is called. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { InitFlags } from './init.ts'

/** @param say prints a result */
export function addInitCommand(program: Command, say: (text: string) => void): void {
  program
    .command('init')
    .description(
      'Writes a configuration, a unit of systemd and a key, and prints the DNS records, the lines for the mail server and the next steps. It asks on a terminal, and never overwrites a file.',
    )
    .argument('[directory]', 'where the files go', '/etc/tsmilter')
    .option('--domain <name>', 'domain that signs, such as example.org')
    .option('--filters <names>', 'filters, with commas: externalTag,dkimSign', names)
    .addOption(new Option('--mta <server>', 'mail server').choices(['postfix', 'sendmail']))
    .option('--listen <address>', 'address of the filter (default: inet:8890@127.0.0.1)')
    .option('--selector <name>', 'name of the key within the domain (default: s1)')
    .option('-y, --yes', 'ask nothing', false)
    .option('--dry-run', 'print the files, and write nothing', false)
    .action(async (directory: string, flags: InitFlags) => {
      const { init, isInstalled } = await import('./init.ts')
      const { withTerminal } = await import('./terminal.ts')
      const text = await withTerminal(
        async (ask) => await init(directory, flags, { ask, has: isInstalled }),
      )
      say(text)
    })
}

function names(text: string): string[] {
  const found = text.split(',').map((name) => name.trim())
  if (found.every((name) => /^\w+$/.test(name))) return found
  throw new InvalidArgumentError('It must be names of filters with commas between them.')
}
