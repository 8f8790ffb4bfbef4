/** A domain with records, keys and mail, for tests of `authenticate`. */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto'
import { createRequire } from 'node:module'
import { authenticate, type AuthenticateOptions } from '../../../src/filters/index.ts'
import { canonicalField } from '../../../src/filters/signing/canonicalization.ts'
import {
  parseResultsField,
  type MethodResult,
} from '../../../src/filters/authentication/results-field.ts'
import { DnsCache, type ResolverAnswer } from '../../../src/toolkit/index.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'
import { scriptedResolver, zone } from '../../toolkit/dns/scripted-resolver.ts'

export type Zone = Readonly<Record<string, ResolverAnswer | readonly string[]>>

export const KEYS = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  ed25519: generateKeyPairSync('ed25519').privateKey,
  small: generateKeyPairSync('rsa', { modulusLength: 1023 }).privateKey,
} as const

/** p= and k= of a key record. */
export function keyRecord(key: KeyObject, more = ''): string {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const [k, p] = key.asymmetricKeyType === 'rsa' ? ['rsa', der] : ['ed25519', der.subarray(-32)]
  return `v=DKIM1; k=${k}; ${more}p=${p.toString('base64')}`
}

/** example.org rejects what is not its own, and sends from 192.0.2.1. */
export const ZONE: Zone = {
  'TXT example.org': ['v=spf1 ip4:192.0.2.1 -all'],
  'TXT _dmarc.example.org': ['v=DMARC1; p=reject'],
  'TXT r._domainkey.example.org': [keyRecord(KEYS.rsa)],
  'TXT e._domainkey.example.org': [keyRecord(KEYS.ed25519)],
  'TXT r._domainkey.example.net': [keyRecord(KEYS.rsa)],
  'TXT example.net': ['v=spf1 ip4:192.0.2.1 -all'],
}

export const MESSAGE =
  'From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nHello\r\nWorld\r\n'

/** from the domain's own server, and from elsewhere */
export const OWN = '192.0.2.1'
export const ELSEWHERE = '192.0.2.99'

export interface SignOptions {
  readonly key?: KeyObject
  readonly selector?: string
  readonly domain?: string
  /** tags that are set, changed or, if undefined, left out */
  readonly tags?: Readonly<Record<string, string | undefined>>
  /** the bytes of the body that are signed */
  readonly length?: number
  readonly hash?: 'sha256' | 'sha1'
}

/** Signs as it is told, right or wrong: relaxed/simple. */
export function signed(message: string, options: SignOptions = {}): string {
  const { key = KEYS.rsa, selector = 'r', domain = 'example.org', hash = 'sha256' } = options
  const split = message.indexOf('\r\n\r\n')
  const header = message.slice(0, split + 2)
  const body = message.slice(split + 4).replace(/(?:\r\n)*$/, '\r\n')
  const covered = Buffer.from(body, 'latin1').subarray(0, options.length)
  const names = ['from', 'subject']
  const tags: Record<string, string | undefined> = {
    v: '1',
    a: `${key.asymmetricKeyType}-${hash}`,
    c: 'relaxed/simple',
    d: domain,
    s: selector,
    h: names.join(':'),
    bh: createHash(hash).update(covered).digest('base64'),
    ...(options.length !== undefined && { l: String(options.length) }),
    ...options.tags,
  }
  const unsigned = `${Object.entries(tags)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${value};`)
    .join('')} b=`
  const fields = header
    .split(/\r\n(?![ \t])/)
    .filter((line) => line !== '')
    .map(
      (line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as const,
    )
  const form = (name: string, value: string): Buffer =>
    canonicalField(Buffer.from(name), Buffer.from(value, 'latin1'), 'relaxed')
  const used = (tags['h'] ?? names.join(':'))
    .split(':')
    .map((name) => name.trim().toLowerCase())
  const lines = used.flatMap((name) => {
    const field = fields.findLast(([one]) => one.trim().toLowerCase() === name)
    return field === undefined ? [] : [form(...field)]
  })
  const own = form('DKIM-Signature', unsigned)
  const data = Buffer.concat([...lines, own.subarray(0, -2)])
  const made =
    key.asymmetricKeyType === 'rsa'
      ? sign(hash, data, key)
      : sign(null, createHash('sha256').update(data).digest(), key)
  return `DKIM-Signature:${unsigned}${made.toString('base64')}\r\n${message}`
}

export interface Checked {
  readonly outcome: TestOutcome
  /** `accept`, `reject`, `tempfail` or `held` */
  readonly end: string
  /** our field, by method; the results of a method with spaces between them */
  readonly results: Readonly<Record<string, string>>
  readonly methods: readonly MethodResult[]
  /** the line of the log */
  readonly line: Readonly<Record<string, unknown>>
  readonly asked: readonly string[]
  /** the header, unfolded */
  readonly header: readonly string[]
}

export interface Delivery extends Partial<TestTransaction> {
  readonly options?: AuthenticateOptions
  readonly zone?: Zone
  readonly answers?: (question: string) => ResolverAnswer | Promise<ResolverAnswer>
}

/** Delivers a message of alice@example.org from elsewhere, with `policy: 'reject'`. */
export async function checked({
  options,
  zone: records = ZONE,
  answers = zone(records),
  ...delivery
}: Delivery = {}): Promise<Checked> {
  const resolver = scriptedResolver(answers)
  const dns = new DnsCache({ resolver, timeout: 200 })
  const outcome = await deliver(authenticate({ policy: 'reject', dns, ...options }), {
    message: MESSAGE,
    from: 'alice@example.org',
    helo: 'mail.example.org',
    client: { address: ELSEWHERE, hostname: 'mail.example.org' },
    ...delivery,
  })
  if (outcome.failure !== undefined || outcome.errors.length > 0) {
    throw new Error(String(outcome.failure ?? outcome.errors[0]), { cause: outcome.errors[0] })
  }
  const header = headerOf(outcome.message)
  const field = header.find((line) =>
    line.startsWith('Authentication-Results: mx.example.net;'),
  )
  const methods = parseResultsField(field?.slice(field.indexOf(':') + 1) ?? '')?.results ?? []
  const results: Record<string, string> = {}
  for (const { method, result } of methods) {
    results[method] = results[method] === undefined ? result : `${results[method]} ${result}`
  }
  const line =
    outcome.log.find(({ fields }) => fields['filter'] === 'authenticate')?.fields ?? {}
  const end = outcome.quarantine === undefined ? outcome.verdict : 'held'
  return { outcome, end, results, methods, line, asked: resolver.asked, header }
}

const headerOf = (message: Uint8Array | undefined): string[] =>
  Buffer.from(message ?? [])
    .toString('latin1')
    .split('\r\n\r\n', 1)[0]!
    .replaceAll(/\r\n(?=[ \t])/g, '')
    .replaceAll('\t', ' ')
    .split('\r\n')

const seal = createRequire(import.meta.url)('mailauth/lib/arc/index.js') as {
  sealMessage(message: Buffer, options: object): Promise<Buffer>
}

/** A message with an ARC set of a server that has found something. */
export async function sealed(
  message: string,
  {
    domain,
    results,
    cv = 'none',
    i = 1,
  }: { domain: string; results: string; cv?: string; i?: number },
): Promise<string> {
  const header = await seal.sealMessage(Buffer.from(message, 'latin1'), {
    i,
    cv,
    signingDomain: domain,
    selector: 'r',
    privateKey: KEYS.rsa.export({ type: 'pkcs8', format: 'pem' }),
    authResults: `${domain}; ${results}`,
    signTime: new Date(),
  })
  return `${header.toString('latin1').replace(/(?:\r\n)*$/, '\r\n')}${message}`
}
