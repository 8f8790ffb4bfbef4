/**
 * When it is safe to sign with a new key, and to take the old one out of DNS. Caches are of no use for that: each server
 * of the zone is asked itself.
 */
import type { SigningKey } from '../../filters/signing/signing-key.ts'
import { checkReply, isGood, targetOf, type KeyCheck } from './check-key.ts'
import type { QueryType } from './dns-message.ts'
import type { KeyDns } from './key-dns.ts'
import { error, type KeyFinding } from '../../filters/signing/key-record.ts'

export interface RotationOptions {
  /** where the new key is published: `s2._domainkey.example.org` */
  readonly next: string
  /** where the old key is published, if there is one */
  readonly old?: string | undefined
  /** the new private key */
  readonly key?: SigningKey | undefined
  /** when the change is planned, Unix time in milliseconds; as soon as it is safe by default */
  readonly planned?: number | undefined
  /** Unix time in milliseconds */
  readonly now: number
  /** days for which mail may wait in a queue; 5 by default in Postfix and Sendmail */
  readonly queueDays: number
}

/** What one server of the zone says. */
export interface ServerCheck extends KeyCheck {
  /** `ns1.example.org 192.0.2.1` */
  readonly server: string
}

export interface Rotation {
  /** undefined if no zone was found */
  readonly zone: string | undefined
  readonly servers: readonly ServerCheck[]
  readonly findings: readonly KeyFinding[]
  /** seconds for which a cache may have the record as it was, or know that there was none */
  readonly cacheSeconds: number
  /** from when on the new key can sign, Unix milliseconds; undefined if it is not safe yet */
  readonly safeAt: number | undefined
  /** until when the old record has to stay, Unix milliseconds */
  readonly keepOldUntil: number | undefined
}

/** A mail may be checked late, as by a program that fetches it. */
export const LATE_DAYS = 7
const DAY = 86_400_000
/** As many as the root has, with both kinds of addresses. */
const MAX_SERVERS = 26

export async function rotationOf(dns: KeyDns, options: RotationOptions): Promise<Rotation> {
  const { next, key, old, now } = options
  const findings: KeyFinding[] = []
  const failed = (code: string, text: string): Rotation => ({
    zone: undefined,
    servers: [],
    findings: [error(code, text)],
    cacheSeconds: 0,
    safeAt: undefined,
    keepOldUntil: undefined,
  })
  const seen = await dns.ask(next, 'TXT')
  if ('failed' in seen) return failed('no-answer', `the resolver was asked, but ${seen.failed}`)
  // The record of an alias is on the servers of its target.
  const { target, aliases } = targetOf(seen, next)
  const zone = await zoneOf(dns, target)
  if (zone === undefined) return failed('no-zone', `the zone of ${target} cannot be found`)
  const places = await placesOf(dns, zone, findings)
  const servers = await Promise.all(
    places.map(async ({ name, address }): Promise<ServerCheck> => {
      const reply = await dns.ask(target, 'TXT', address)
      const check = checkReply(reply, target, key)
      const isLame = !('failed' in reply) && !reply.isAuthoritative
      const lame = error('not-authoritative', `it does not have the zone ${zone} itself`)
      return {
        ...check,
        findings: isLame ? [lame, ...check.findings] : check.findings,
        server: `${name} ${address}`,
      }
    }),
  )
  if (servers.length === 0) {
    findings.push(error('no-servers', `no address of a server of ${zone} is known`))
  }
  const records = new Set(servers.flatMap((one) => one.records))
  if (records.size > 1 && servers.every(isGood)) {
    findings.push(error('different-records', `the servers of ${zone} have different records`))
  }
  if (old !== undefined) findings.push(...(await oldFindings(dns, old)))
  const negative = await negativeSeconds(dns, zone, places)
  const cacheSeconds = Math.max(
    negative,
    ...aliases.map(({ ttl }) => ttl),
    ...servers.map(({ ttl }) => ttl ?? 0),
  )
  const isSafe =
    servers.length > 0 &&
    servers.every(isGood) &&
    findings.every(({ level }) => level !== 'error')
  const safeAt = isSafe ? now + cacheSeconds * 1_000 : undefined
  const change = safeAt === undefined ? undefined : Math.max(safeAt, options.planned ?? safeAt)
  return {
    zone,
    servers,
    findings,
    cacheSeconds,
    safeAt,
    keepOldUntil:
      change === undefined ? undefined : change + (options.queueDays + LATE_DAYS) * DAY,
  }
}

/** The nearest name with an SOA record, at the name or above it. */
async function zoneOf(dns: KeyDns, name: string): Promise<string | undefined> {
  for (let zone = name; zone !== ''; zone = zone.split('.').slice(1).join('.')) {
    const reply = await dns.ask(zone, 'SOA')
    if ('failed' in reply) return undefined
    if (reply.answers.some((one) => one.type === 'SOA' && one.name === zone)) return zone
  }
  return undefined
}

interface ServerPlace {
  readonly name: string
  readonly address: string
}

/** The addresses of all servers of a zone. */
async function placesOf(
  dns: KeyDns,
  zone: string,
  findings: KeyFinding[],
): Promise<readonly ServerPlace[]> {
  const names = await dataOf(dns, zone, 'NS')
  if (names === undefined) return []
  const lists = await Promise.all(
    [...new Set(names)].map(async (name) => {
      const [four, six] = await Promise.all([dataOf(dns, name, 'A'), dataOf(dns, name, 'AAAA')])
      const addresses = [...(four ?? []), ...(six ?? [])]
      if (addresses.length === 0) {
        findings.push(error('no-address', `the server ${name} of ${zone} has no address`))
      }
      return addresses.map((address) => ({ name, address }))
    }),
  )
  const places = lists.flat()
  if (places.length > MAX_SERVERS) {
    const text = `${zone} has ${places.length} servers; only ${MAX_SERVERS} were asked`
    findings.push(error('too-many-servers', text))
  }
  return places.slice(0, MAX_SERVERS)
}

async function dataOf(
  dns: KeyDns,
  name: string,
  type: QueryType,
): Promise<readonly string[] | undefined> {
  const reply = await dns.ask(name, type)
  if ('failed' in reply) return undefined
  const { target } = targetOf(reply, name)
  return reply.answers
    .filter((one) => one.type === type && one.name === target)
    .map(({ data }) => data)
}

/** For how long a cache may know that there is no record: the longest that a server says. */
async function negativeSeconds(
  dns: KeyDns,
  zone: string,
  places: readonly ServerPlace[],
): Promise<number> {
  const replies = await Promise.all(places.map(({ address }) => dns.ask(zone, 'SOA', address)))
  const seconds = replies.flatMap((reply) =>
    'failed' in reply
      ? []
      : reply.answers.filter(({ type }) => type === 'SOA').map(({ data }) => Number(data)),
  )
  return Math.max(0, ...seconds)
}

/** Mail that is on its way has signatures of the old key. */
async function oldFindings(dns: KeyDns, old: string): Promise<KeyFinding[]> {
  const { findings } = checkReply(await dns.ask(old, 'TXT'), old)
  return findings
    .filter(({ level }) => level === 'error')
    .map(({ code, text }) => error(`old-${code}`, `the old key: ${text}`))
}
