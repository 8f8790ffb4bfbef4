/** What `tsmilter key` prints. */
import { UsageError } from '../../errors.ts'
import { SigningKey } from '../../filters/signing/signing-key.ts'
import { domainName } from '../../toolkit/dns/domain-name.ts'
import { checkKey, isGood, type KeyCheck } from './check-key.ts'
import type { KeyDns } from './key-dns.ts'
import { newKey, readKeyText, writeKeyFile, type KeyType } from './key-file.ts'
import { zoneLine, type KeyFinding } from '../../filters/signing/key-record.ts'
import { LATE_DAYS, rotationOf, type Rotation } from './rotation.ts'

/** What a command says, and whether all is well. */
export interface KeyResult {
  readonly isGood: boolean
  readonly text: string
  /** for a program, so it goes to standard output in any case */
  readonly isData?: boolean
}

export interface KeyName {
  readonly domain: string
  readonly selector: string
}

/** Makes a key and its record. @throws UsageError INVALID_OPTION */
export async function makeKey(
  { domain, selector }: KeyName,
  type: KeyType,
  bits: number,
  path: string,
): Promise<KeyResult> {
  const pem = await newKey(type, bits)
  const key = new SigningKey(domain, selector, pem)
  await writeKeyFile(path, pem)
  const text = [
    `The private key is in ${path}. Only you can read it: give it to the user of the filter (chown).`,
    '',
    ...described(key),
    '',
    'Then see whether it is published:',
    `tsmilter key check --domain ${key.domain} --selector ${key.selector} --key ${path}`,
  ]
  return { isGood: true, text: lines(text) }
}

/** The record of a key. @throws UsageError INVALID_OPTION */
export async function showKey(path: string, name: Partial<KeyName>): Promise<KeyResult> {
  const { domain = 'example.org', selector = 'selector' } = name
  const key = new SigningKey(domain, selector, await readKeyText(path), path)
  const isExample = name.domain === undefined || name.selector === undefined
  const hint = 'The name is an example. Give yours with --domain and --selector.'
  return {
    isGood: true,
    text: lines([...described(key), ...(isExample ? ['', hint] : [])]),
  }
}

const described = (key: SigningKey): string[] => [
  ...(key.weakness === undefined ? [] : [`Warning: ${key.weakness}.`, '']),
  'The record for a zone file:',
  '',
  zoneLine(key.record, key.publishedRecord),
  '',
  `The same for a form: a TXT record with the name ${key.record} and the value`,
  '',
  key.publishedRecord,
]

export interface CheckFlags extends KeyName {
  /** path of the private key */
  readonly key?: string | undefined
  readonly json: boolean
}

/** Whether a key is published. @throws UsageError INVALID_OPTION */
export async function checkPublished(dns: KeyDns, flags: CheckFlags): Promise<KeyResult> {
  const key = await keyOf(flags)
  const check = await checkKey(dns, nameOf(flags), key)
  const good = isGood(check)
  if (flags.json) return { isGood: good, text: json({ good, ...check }), isData: true }
  const verdict = good
    ? `${check.name} is published${key === undefined ? '' : ', and is of this key'} (time-to-live ${check.ttl} s)`
    : `${check.name} is not in order`
  return { isGood: good, text: lines([verdict, ...shown(check)]) }
}

export interface RotationFlags extends CheckFlags {
  /** the old selector */
  readonly old?: string | undefined
  /** when the change is planned, Unix milliseconds */
  readonly at?: number | undefined
  readonly queueDays: number
  readonly now: number
}

/** When a rotation is safe. @throws UsageError INVALID_OPTION */
export async function showRotation(dns: KeyDns, flags: RotationFlags): Promise<KeyResult> {
  const { domain, old, now, queueDays } = flags
  const next = nameOf(flags)
  const rotation = await rotationOf(dns, {
    next,
    old: old === undefined ? undefined : nameOf({ domain, selector: old }),
    key: await keyOf(flags),
    planned: flags.at,
    now,
    queueDays,
  })
  const { safeAt, keepOldUntil } = rotation
  const good = safeAt !== undefined && (flags.at === undefined || flags.at >= safeAt)
  if (flags.json) {
    const dates = {
      safeAt: safeAt === undefined ? undefined : date(safeAt),
      keepOldUntil: keepOldUntil === undefined ? undefined : date(keepOldUntil),
    }
    return {
      isGood: good,
      text: json({ good, name: next, ...rotation, ...dates }),
      isData: true,
    }
  }
  return { isGood: good, text: lines([...seenBy(rotation), ...advice(rotation, flags)]) }
}

function seenBy({ zone, servers, findings }: Rotation): string[] {
  const heads = servers.flatMap((check) => [
    `${check.server}: ${isGood(check) ? `published (time-to-live ${check.ttl} s)` : 'not in order'}`,
    ...shown(check),
  ])
  return [
    ...(zone === undefined ? [] : [`Servers of ${zone}:`]),
    ...heads,
    ...findings.map(line),
  ]
}

function advice(rotation: Rotation, { at, queueDays, old }: RotationFlags): string[] {
  const { safeAt, keepOldUntil, cacheSeconds } = rotation
  if (safeAt === undefined || keepOldUntil === undefined) {
    return ['', 'Not safe: do not sign with the new key yet. Ask again when this is mended.']
  }
  const early = at !== undefined && at < safeAt
  return [
    '',
    `Safe from ${date(safeAt)} on: by then no cache has an older answer (${cacheSeconds} s from now).`,
    early
      ? `Not safe at ${date(at)}: that is too early.`
      : `Write notBefore: '${date(at ?? safeAt)}' for the new key.`,
    `Leave the old record${old === undefined ? '' : ` of ${old}`} published until ${date(keepOldUntil)}: mail waits for up to ${queueDays} days in queues, and may be checked ${LATE_DAYS} days later.`,
  ]
}

const shown = ({ findings, records }: KeyCheck): string[] => [
  ...findings.map(line),
  ...(records.length > 1 ? records.map((record) => `  record: ${JSON.stringify(record)}`) : []),
]
const line = ({ level, text }: KeyFinding): string =>
  `  ${level}: ${text.replaceAll(/\s+/g, ' ')}`

const keyOf = async ({ key, domain, selector }: CheckFlags): Promise<SigningKey | undefined> =>
  key === undefined ? undefined : new SigningKey(domain, selector, await readKeyText(key), key)

/** @throws UsageError INVALID_OPTION */
function nameOf({ domain, selector }: KeyName): string {
  const name = domainName(`${selector}._domainkey.${domain}`)
  if (name !== undefined) return name
  throw new UsageError(
    'INVALID_OPTION',
    `the selector ${JSON.stringify(selector)} of ${JSON.stringify(domain)} is not a name that DNS can have. Write --domain example.org --selector s1`,
  )
}

/** Without milliseconds. */
const date = (time: number): string =>
  new Date(Math.ceil(time / 1_000) * 1_000).toISOString().replace('.000', '')
/** Records are what others have written: no control character may reach the terminal. */
const lines = (texts: readonly string[]): string =>
  texts.map((text) => text.replaceAll(CONTROL, '?')).join('\n') + '\n'
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f]/g
const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`
