/** `tsmilter quarantine` on the command line. */
import type { Command } from 'commander'
import type { Done } from './quarantine.ts'

/** @param told gets what a command has done */
export function addQuarantineCommands(program: Command, told: (done: Done) => void): void {
  const quarantine = program
    .command('quarantine')
    .description(
      'Lists, shows, releases and deletes messages that the filter quarantine keeps.',
    )

  quarantine
    .command('list')
    .description('Prints a line for each message: id, time, bytes, envelope, reason.')
    .argument('<directory>', 'the option directory of the filter')
    .option('--json', 'print JSON, with all that is known of each', false)
    .action(async (directory: string, { json }: { json: boolean }) => {
      const { list } = await import('./quarantine.ts')
      told(await list(directory, json))
    })

  quarantine
    .command('show')
    .description('Prints the envelope and the header of a message, and the path of its file.')
    .argument('<directory>', 'the option directory of the filter')
    .argument('<id>', 'its id, from the list')
    .action(async (directory: string, id: string) => {
      const { show } = await import('./quarantine.ts')
      told(await show(directory, id))
    })

  quarantine
    .command('release')
    .description(
      'Sends messages to their recipients, with the bytes and the envelope they have, and deletes those that were accepted.',
    )
    .argument('<directory>', 'the option directory of the filter')
    .argument('<id...>', 'their ids, from the list')
    .requiredOption(
      '--server <host:port>',
      'a port of the mail server that does not call this filter',
    )
    .option(
      '--to <address>',
      'a recipient instead of those of the message, which stays; you can give it more than once',
      (value: string, before?: readonly string[]) => [...(before ?? []), value],
    )
    .option('--keep', 'do not delete them', false)
    .action(
      async (
        directory: string,
        ids: string[],
        options: { server: string; to?: string[]; keep: boolean },
      ) => {
        const { release } = await import('./quarantine.ts')
        told(await release(directory, ids, options))
      },
    )

  quarantine
    .command('delete')
    .description('Deletes messages.')
    .argument('<directory>', 'the option directory of the filter')
    .argument('<id...>', 'their ids, from the list')
    .action(async (directory: string, ids: string[]) => {
      const { remove } = await import('./quarantine.ts')
      told(await remove(directory, ids))
    })
}
