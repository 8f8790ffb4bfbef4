/** `tsmilter init`: a configuration, a unit and a key for a start, and what is left to do. Nothing is overwritten. */
import { existsSync, realpathSync } from 'node:fs'
import { mkdir, open, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { UsageError } from '../../errors.ts'
import { SigningKey } from '../../filters/signing/signing-key.ts'
import { zoneLine } from '../../filters/signing/key-record.ts'
import { parseListenAddress } from '../../net/listen-address.ts'
import { codeOf } from '../../net/system-error.ts'
import type { OptionalPackage } from '../../optional-package.ts'
import { didYouMean } from '../../options/nearest.ts'
import { show } from '../../options/show.ts'
import { dnsName, domain as domainKind } from '../../options/value-kinds.ts'
import { newKey, writeKeyFile } from '../key/key-file.ts'
import { configText, STARTERS, type ConfigFacts } from './config-text.ts'
import type { MailServerName } from './mail-server-lines.ts'
import { nextSteps } from './next-steps.ts'
import { SERVICE_USER, unitText } from './unit-text.ts'

/** What to write. What is undefined is asked or has a default. */
export interface InitFlags {
  readonly domain?: string | undefined
  readonly filters?: readonly string[] | undefined
  readonly mta?: MailServerName | undefined
  readonly listen?: string | undefined
  readonly selector?: string | undefined
  /** asks nothing */
  readonly yes: boolean
  /** writes nothing */
  readonly dryRun: boolean
}

export interface InitSurroundings {
  /** asks a question; undefined without a terminal */
  readonly ask: ((question: string, usual: string) => Promise<string>) | undefined
  /** whether an optional package is installed */
  readonly has: (name: OptionalPackage) => boolean
}

const STORE = `/var/lib/${SERVICE_USER}/store`

/** @returns what has been done, and what is left to do @throws UsageError INVALID_OPTION */
export async function init(
  directory: string,
  flags: InitFlags,
  { ask, has }: InitSurroundings,
): Promise<string> {
  const asks = flags.yes ? undefined : ask
  const folder = resolve(directory)
  const filters = await filtersOf(flags, asks, has)
  const signs = filters.some((name) => STARTERS[name]!.signs)
  const domain = signs ? await domainOf(flags, asks) : (flags.domain ?? '')
  const selector = checked('--selector', flags.selector ?? 's1', dnsName)
  const mta = await mtaOf(flags, asks)
  const listen = flags.listen ?? 'inet:8890@127.0.0.1'
  const address = parseListenAddress(listen)
  if (!/^[\w:/@.[\]-]+$/.test(listen))
    throw wrong(`--listen takes an address such as inet:8890@127.0.0.1; it got ${show(listen)}`)
  const stores = filters.some((name) => STARTERS[name]!.stores)
  const socketGroup = address.type === 'unix' && mta === 'postfix' ? 'postfix' : undefined
  const keyFile = `${domain}.${selector}.pem`
  const facts: ConfigFacts = {
    listen,
    socketGroup,
    filters,
    domain,
    selector,
    keyFile,
    store: stores && has('lmdb') ? STORE : undefined,
  }
  const config = join(folder, 'tsmilter.yaml')
  const unit = join(folder, 'tsmilter.service')
  const command = join(packageRoot(), 'bin', 'tsmilter.js')
  const template = await readFile(
    join(packageRoot(), 'contrib/systemd/tsmilter.service'),
    'utf8',
  )
  const texts = [
    [config, configText(facts)],
    [
      unit,
      unitText(template, { node: process.execPath, command, folder, config, socketGroup }),
    ],
  ] as const
  const key = signs ? join(folder, keyFile) : undefined
  for (const path of [...texts.map(([one]) => one), ...(key === undefined ? [] : [key])]) {
    if (existsSync(path))
      throw wrong(
        `${path} exists, and nothing is overwritten: remove it, or name another directory`,
      )
  }
  const done: string[] = []
  let record = `${selector}._domainkey.${domain}. IN TXT (the record of the key)`
  if (flags.dryRun) {
    for (const [path, text] of texts) done.push(`Would write ${path}:`, '', text)
    if (key !== undefined) done.push(`Would make a private key in ${key}.`)
  } else {
    await mkdir(folder, { recursive: true, mode: 0o755 }).catch((cause: unknown) => {
      throw wrong(`${folder} cannot be made (${codeOf(cause)})`)
    })
    if (key !== undefined) {
      const pem = await newKey('rsa', 2_048)
      await writeKeyFile(key, pem)
      done.push(`Wrote ${key}, the private key. Only you can read it.`)
      const signing = new SigningKey(domain, selector, pem)
      record = zoneLine(signing.record, signing.publishedRecord)
    }
    for (const [path, text] of texts) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- in the order that is told
      await writeNew(path, text)
      done.push(`Wrote ${path}.`)
    }
  }
  const needed = new Set(filters.map((name) => STARTERS[name]!.needs))
  const packages = [...needed, stores ? ('lmdb' as const) : undefined]
  const steps = nextSteps({
    mta,
    address,
    node: process.execPath,
    command,
    config,
    unit,
    missing: packages.filter((name) => name !== undefined).filter((name) => !has(name)),
    laterStore: stores && facts.store === undefined ? STORE : undefined,
    key: key === undefined ? undefined : { file: key, domain, selector, record },
  })
  return [...done, ...steps, ''].join('\n')
}

type Ask = InitSurroundings['ask']

/** All that can be made here, if nobody says which. */
async function filtersOf(
  { filters: given }: InitFlags,
  ask: Ask,
  has: InitSurroundings['has'],
): Promise<readonly string[]> {
  const usual = Object.entries(STARTERS)
    .filter(([name, { needs }]) => name !== 'arcSeal' && (needs === undefined || has(needs)))
    .map(([name]) => name)
  const names =
    given ?? (ask === undefined ? usual : list(await ask('Which filters?', usual.join(','))))
  const known = Object.keys(STARTERS)
  for (const name of names) {
    if (known.includes(name)) continue
    throw wrong(
      `--filters does not know ${show(name)}${didYouMean(name, known) || '.'} There are: ${known.join(', ')}. Other filters need decisions of yours: write them into the file`,
    )
  }
  if (names.length === 0) throw wrong(`--filters takes at least one of ${known.join(', ')}`)
  return names
}

async function domainOf({ domain }: InitFlags, ask: Ask): Promise<string> {
  const given =
    domain ?? (await ask?.('Which domain signs your mail, such as example.org?', ''))
  if (given === undefined || given === '') {
    throw wrong(
      '--domain is missing: name the domain that signs your mail, such as --domain example.org',
    )
  }
  return checked('--domain', given, domainKind).toLowerCase()
}

async function mtaOf({ mta }: InitFlags, ask: Ask): Promise<MailServerName> {
  const usual =
    !existsSync('/etc/postfix/main.cf') && existsSync('/etc/mail/sendmail.mc')
      ? 'sendmail'
      : 'postfix'
  const answer = mta ?? (await ask?.('Which mail server, postfix or sendmail?', usual)) ?? usual
  if (answer === 'postfix' || answer === 'sendmail') return answer
  throw wrong(`--mta takes postfix or sendmail; it got ${show(answer)}`)
}

function checked(flag: string, value: string, kind: typeof dnsName): string {
  if (kind.wrong(value) === undefined) return value
  throw wrong(`${flag} takes ${kind.takesText}; it got ${show(value)}`)
}

/** A new file. @throws UsageError INVALID_OPTION */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o644)
    try {
      await file.writeFile(text)
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw wrong(`${path} cannot be written (${codeOf(cause)})`)
  }
}

/** The folder of this package, where contrib/ and bin/ are. */
function packageRoot(): string {
  for (let folder = realpathSync(import.meta.dirname); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'contrib', 'systemd'))) return folder
    if (folder === dirname(folder))
      throw wrong('the folder contrib of this package is missing: install it again')
  }
}

export function isInstalled(name: OptionalPackage): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch (error) {
    // A package for import only is there, too.
    return codeOf(error) === 'ERR_PACKAGE_PATH_NOT_EXPORTED'
  }
}

const list = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '')

const wrong = (text: string): UsageError => new UsageError('INVALID_OPTION', text)
