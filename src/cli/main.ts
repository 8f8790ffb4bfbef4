import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { MilterError } from '../errors.ts'
import type { ClientTls } from '../mta/channel.ts'
import { askHealth, checkMilter } from './check.ts'
import { flagOf, helpOf } from '../options/names.ts'
import { OPTIONS } from '../options/table.ts'
import { readPemFiles } from './pem-files.ts'
import { FILTERS_VARIABLE, words } from './run/unknown-variables.ts'

/** Where a command writes; tests have their own. */
export interface Output {
  out(text: string): void
  err(text: string): void
}

const STANDARD: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
}

/** What the process ends with: all is well, it is not, the command was not understood. */
const OK = 0
const FAILED = 1
const MISUSED = 2

/** The command `tsmilter`; gives the exit code. */
export async function main(
  args: readonly string[],
  output: Output = STANDARD,
): Promise<number> {
  let code = OK
  const program = new Command('tsmilter')
    .description('Mail filters (milters) for Postfix and Sendmail.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.out(text),
      writeErr: (text) => output.err(text),
    })
    .showHelpAfterError('(tsmilter --help has all there is)')

  program
    .command('check')
    .description(
      'Asks a milter, in whatever language, whether it is there and speaks the protocol: for health checks.',
    )
    .argument(
      '<address>',
      'inet:PORT@HOST, inet6:PORT@HOST, unix:PATH, or as Postfix writes it',
    )
    .option('-t, --timeout <seconds>', 'for the connection, and for the answer', seconds, 5)
    .option('--tls', 'speak TLS, on any kind of socket', false)
    .option('--tls-ca <path>', 'who has signed the certificate of the milter; implies --tls')
    .option('--tls-cert <path>', 'certificate to show to the milter; implies --tls')
    .option('--tls-key <path>', 'its private key; implies --tls')
    .option(
      '--tls-name <name>',
      'what the certificate of the milter is for, if not the host of the address; implies --tls',
    )
    .option(
      '--healthz',
      'ask /healthz at TSMILTER_TELEMETRY first, and the address only if nobody answers there',
      false,
    )
    .option('-q, --quiet', 'only the exit code: 0 it answers, 1 it does not, 2 misused', false)
    .action(async (address: string, options: CheckFlags) => {
      const timeout = options.timeout * 1_000
      const { healthy, line } =
        (options.healthz
          ? await askHealth(process.env['TSMILTER_TELEMETRY'], timeout)
          : undefined) ?? (await checkMilter(address, timeout, await clientTls(options)))
      if (!options.quiet) output[healthy ? 'out' : 'err'](`${line}\n`)
      if (!healthy) code = FAILED
    })

  const run = program
    .command('run')
    .description(
      'Runs filters behind a mail server: supervised, and reloaded without loss at SIGHUP.',
    )
    .argument(
      '[filter...]',
      `modules with a filter as default export; or one with defineConfig (default: those of ${FILTERS_VARIABLE})`,
    )
  const several = (value: string, before: readonly string[] = []): string[] => [
    ...before,
    value,
  ]
  for (const option of OPTIONS) {
    const { kind } = option
    const flag = new Option(`${flagOf(option)} <${kind.placeholder}>`, helpOf(option))
    if (kind.list) flag.argParser(several)
    run.addOption(flag)
  }
  run.action(async (filters: string[], options: Record<string, unknown>) => {
    const flags = new Map(OPTIONS.map(({ name }) => [name, options[camelCase(name)]]))
    // With all it needs only where it is needed.
    const { runFilters } = await import('./run/run.ts')
    const named = filters.length > 0 ? filters : words(process.env[FILTERS_VARIABLE])
    if (named.length === 0) run.error("error: missing required argument 'filter'")
    const result = await runFilters(named, flags)
    if (result.ended === 'stopped') return
    output.err(`${result.reason}\n`)
    code = result.ended === 'failed' ? FAILED : MISUSED
  })

  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? OK : MISUSED
    if (!(error instanceof MilterError)) throw error
    output.err(`${error.message}\n`)
    return MISUSED
  }
  return code
}

interface CheckFlags {
  readonly timeout: number
  readonly quiet: boolean
  readonly healthz: boolean
  readonly tls: boolean
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsName?: string
}

/** @throws UsageError INVALID_OPTION for files that cannot be read */
async function clientTls({
  tls,
  tlsCa: ca,
  tlsCert: cert,
  tlsKey: key,
  tlsName: name,
}: CheckFlags): Promise<ClientTls | undefined> {
  const given = { ca, cert, key, name }
  if (!tls && Object.values(given).every((value) => value === undefined)) return undefined
  return { ...(await readPemFiles(given)), name }
}

/** As commander calls `--stop-deadline`. */
const camelCase = (name: string): string =>
  name.replaceAll(/\.([a-z])/g, (_, letter: string) => letter.toUpperCase())

function seconds(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 3_600)) {
    throw new InvalidArgumentError('It takes seconds, more than 0 and up to 3600.')
  }
  return value
}
