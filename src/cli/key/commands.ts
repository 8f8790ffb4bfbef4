/** `tsmilter key` on the command line. What it does is loaded when it is called. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { time as timeKind } from '../../options/value-kinds.ts'
import type { KeyResult } from './key-command.ts'

interface Names {
  readonly domain: string
  readonly selector: string
}

interface Dns {
  readonly server?: string
  readonly timeout: number
}

const domain = ['--domain <name>', 'domain that signs, such as example.org'] as const
const selector = ['--selector <name>', 'name of the key within the domain, such as s1'] as const
const server = [
  '--server <address>',
  'name server to ask, such as 127.0.0.1 or 127.0.0.1:5353 (default: the first of /etc/resolv.conf)',
] as const
const keyFile = ['--key <file>', 'private key that the record should belong to'] as const
const json = ['--json', 'print the result as JSON'] as const
const timeout = [
  '-t, --timeout <seconds>',
  'time limit for each of two tries',
  seconds,
  3,
] as const

/** @param say prints a result, and decides the exit code */
export function addKeyCommands(program: Command, say: (result: KeyResult) => void): void {
  const key = program
    .command('key')
    .description('Makes keys for DKIM and ARC, and checks what is published in DNS.')

  key
    .command('make')
    .description(
      'Makes a private key and prints its DNS record. The file is for its owner only, and is never overwritten.',
    )
    .requiredOption(...domain)
    .requiredOption(...selector)
    .addOption(
      new Option('--type <type>', 'kind of key').choices(['rsa', 'ed25519']).default('rsa'),
    )
    .option('--bits <number>', 'size of an RSA key, 2048 to 4096', bits, 2048)
    .requiredOption('--out <file>', 'where the private key goes')
    .action(async (options: Names & { type: 'rsa' | 'ed25519'; bits: number; out: string }) => {
      const { makeKey } = await import('./key-command.ts')
      say(await makeKey(options, options.type, options.bits, options.out))
    })

  key
    .command('show')
    .description('Prints the DNS record of a private key.')
    .argument('<file>', 'private key in PEM')
    .option(...domain)
    .option(...selector)
    .action(async (file: string, options: Partial<Names>) => {
      const { showKey } = await import('./key-command.ts')
      say(await showKey(file, options))
    })

  key
    .command('check')
    .description(
      'Asks DNS for the record of a key and checks it. Exit codes: 0 it is in order, 1 it is not, 2 wrong usage.',
    )
    .requiredOption(...domain)
    .requiredOption(...selector)
    .option(...keyFile)
    .option(...server)
    .option(...timeout)
    .option(...json, false)
    .action(async (options: Names & Dns & { key?: string; json: boolean }) => {
      const { checkPublished } = await import('./key-command.ts')
      say(await checkPublished(await wire(options), options))
    })

  key
    .command('rotation')
    .description(
      'Tells when it is safe to sign with a new key: asks each server of the zone, and adds the time that caches keep an older answer. Exit codes: 0 it is safe, 1 it is not, 2 wrong usage.',
    )
    .requiredOption(...domain)
    .requiredOption('--selector <name>', 'name of the new key')
    .option('--old <selector>', 'name of the old key')
    .option(...keyFile)
    .option('--at <time>', 'when the change is planned, such as 2027-01-15T03:00:00Z', time)
    .option('--queue-days <number>', 'days that mail may wait in a queue', days, 5)
    .option(...server)
    .option(...timeout)
    .option(...json, false)
    .action(
      async (
        options: Names &
          Dns & {
            old?: string
            key?: string
            at?: number
            queueDays: number
            json: boolean
          },
      ) => {
        const { showRotation } = await import('./key-command.ts')
        say(await showRotation(await wire(options), { ...options, now: Date.now() }))
      },
    )
}

async function wire({ server: resolver, timeout: tries }: Dns) {
  const { WireDns } = await import('./key-dns.ts')
  return new WireDns({ resolver, timeout: tries * 1_000 })
}

function seconds(text: string): number {
  const value = Number(text)
  if (value > 0 && value <= 60) return value
  throw new InvalidArgumentError('It must be a number of seconds above 0 and up to 60.')
}

function bits(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 2048 && value <= 4096) return value
  throw new InvalidArgumentError('It must be a whole number from 2048 to 4096.')
}

function days(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0 && value <= 100) return value
  throw new InvalidArgumentError('It must be a whole number of days up to 100.')
}

function time(text: string): number {
  if (timeKind.wrong(text) === undefined) return timeKind.setting!(text) as number
  throw new InvalidArgumentError(
    'It must be a day or a time with its zone, such as 2027-01-15 or 2027-01-15T03:00:00Z.',
  )
}
