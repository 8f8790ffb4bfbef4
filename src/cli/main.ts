import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { MilterError } from '../errors.ts'
import type { ClientTls } from '../mta/channel.ts'
import { addKeyCommands } from './key/commands.ts'
import { askHealth, checkMilter } from './check.ts'
import { addImportCommand } from './import/commands.ts'
import { addInitCommand } from './init/commands.ts'
import { installedVersion } from './installed-code.ts'
import { flagOf, helpOf } from '../options/names.ts'
import { OPTIONS } from '../options/table.ts'
import { readPemFiles } from '../net/pem-files.ts'
import { addQuarantineCommands } from './quarantine/commands.ts'
import type { ExplainOptions } from './trial/explain.ts'
import { FILTERS_VARIABLE, words } from './run/unknown-variables.ts'

/** Where a command writes. Tests have their own. */
export interface Output {
  out(text: string): void
  err(text: string): void
}

const STANDARD: Output = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
}

/** Exit codes: success, failure, a mistake on the command line. */
const OK = 0
const FAILED = 1
const MISUSED = 2

/** Runs the command `tsmilter` and returns its exit code. */
export async function main(
  args: readonly string[],
  output: Output = STANDARD,
): Promise<number> {
  let code = OK
  const program = new Command('tsmilter')
    .description('Mail filters (milters) for Postfix and Sendmail.')
    .version(installedVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.out(text),
      writeErr: (text) => output.err(text),
    })
    .showHelpAfterError('(see tsmilter --help)')

  program
    .command('check')
    .description(
      'Connects to a milter and negotiates the protocol, as a health check. The milter can be written in any language.',
    )
    .argument(
      '<address>',
      'inet:PORT@HOST, inet6:PORT@HOST, unix:PATH, or inet:HOST:PORT as in Postfix',
    )
    .option(
      '-t, --timeout <seconds>',
      'time limit for the connection, and again for each answer',
      seconds,
      5,
    )
    .option('--tls', 'use TLS, on any kind of socket', false)
    .option('--tls-ca <path>', 'CA that signed the certificate of the milter; implies --tls')
    .option('--tls-cert <path>', 'client certificate; implies --tls')
    .option('--tls-key <path>', 'private key of the client certificate; implies --tls')
    .option(
      '--tls-name <name>',
      'name in the certificate of the milter, if it is not the host of the address; implies --tls',
    )
    .option(
      '--healthz',
      'ask /healthz at TSMILTER_TELEMETRY first, and the address only if there is no answer',
      false,
    )
    .option(
      '-q, --quiet',
      'print nothing; exit codes: 0 the milter is well, 1 it is not, 2 wrong usage',
      false,
    )
    .action(async (address: string, options: CheckFlags) => {
      const timeout = options.timeout * 1_000
      const { healthy, line } =
        (options.healthz
          ? await askHealth(process.env['TSMILTER_TELEMETRY'], timeout)
          : undefined) ?? (await checkMilter(address, timeout, await clientTls(options)))
      if (!options.quiet) output[healthy ? 'out' : 'err'](`${line}\n`)
      if (!healthy) code = FAILED
    })

  addKeyCommands(program, ({ isGood, text, isData }) => {
    output[isGood || isData === true ? 'out' : 'err'](text)
    if (!isGood) code = FAILED
  })

  addInitCommand(program, (text) => output.out(text))

  addImportCommand(program, (text) => output.out(text))

  const run = program
    .command('run')
    .description(
      'Runs filters behind a mail server. Restarts workers that fail, and reloads filters at SIGHUP without losing mail.',
    )
    .argument(
      '[filter...]',
      `modules whose default export is a filter, or one configuration: a text file such as tsmilter.yaml, or a module with defineConfig (default: those in ${FILTERS_VARIABLE})`,
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
    // Loaded here, so that `check` does not load what only `run` needs.
    const { runFilters } = await import('./run/run.ts')
    const named = filters.length > 0 ? filters : words(process.env[FILTERS_VARIABLE])
    if (named.length === 0) run.error("error: missing required argument 'filter'")
    const result = await runFilters(named, flags)
    if (result.ended === 'stopped') return
    output.err(`${result.reason}\n`)
    code = result.ended === 'failed' ? FAILED : MISUSED
  })

  program
    .command('check-config')
    .description(
      'Reads a configuration, makes its filters, looks at what they name (keys, tables, records in DNS), plays messages through them in memory, and says what each does. It sends nothing.',
    )
    .argument('<file>', 'a text file such as tsmilter.yaml, or a module with defineConfig')
    .option('--strict', 'a warning counts as an error', false)
    .option(
      '--json',
      'print JSON; exit codes: 0 it is well, 1 mail would suffer, 2 it has mistakes',
      false,
    )
    .action(async (file: string, options: { strict: boolean; json: boolean }) => {
      const { checkConfig } = await import('./trial/check-config.ts')
      const result = await withStores(async () => await checkConfig(file, options))
      output[result.code === 0 || options.json ? 'out' : 'err'](`${result.text}\n`)
      code = result.code
    })

  program
    .command('explain')
    .description(
      'Plays a message through the filters of a configuration, in memory, and says what each of them does with it, by which rule, and what changes, behind Postfix and behind Sendmail.',
    )
    .argument('<file>', 'a text file such as tsmilter.yaml, or a module with defineConfig')
    .argument('<message>', 'a file with the message')
    .option('--from <address>', 'sender of the envelope; by default the null sender')
    .option('--to <address>', 'recipient; you can give it more than once', several)
    .option(
      '--client <address>',
      'address of the client; none for mail that the server makes itself',
    )
    .option('--helo <name>', 'name in HELO')
    .option('--auth <login>', 'login of the client')
    .addOption(
      new Option('--mta <server>', 'only behind this mail server').choices([
        'postfix',
        'sendmail',
      ]),
    )
    .option('--json', 'print JSON', false)
    .action(async (file: string, message: string, options: ExplainOptions) => {
      const { explain } = await import('./trial/explain.ts')
      const text = await withStores(async () => await explain(file, message, options))
      output.out(`${text}\n`)
    })

  addQuarantineCommands(program, ({ text, ok }) => {
    output[ok ? 'out' : 'err'](`${text}\n`)
    if (!ok) code = FAILED
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

/** @throws UsageError INVALID_OPTION if a file cannot be read */
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

/** The name that commander has for `--stop-deadline`. */
const camelCase = (name: string): string =>
  name.replaceAll(/\.([a-z])/g, (_, letter: string) => letter.toUpperCase())

function seconds(text: string): number {
  const value = Number(text)
  if (!(value > 0 && value <= 3_600)) {
    throw new InvalidArgumentError('It must be a number of seconds above 0 and up to 3600.')
  }
  return value
}

/** Closes the stores that filters have opened: a connection to one keeps a process alive. */
async function withStores<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work()
  } finally {
    const { closeStores } = await import('../filters/store-option.ts')
    await closeStores()
  }
}
