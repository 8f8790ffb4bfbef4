/** Whether the record of a key can be seen, and is right. */
import type { SigningKey } from '../../filters/signing/signing-key.ts'
import type { DnsMessage, ResourceRecord } from './dns-message.ts'
import type { KeyDns, KeyReply } from './key-dns.ts'
import { checkRecord, error, note, type KeyFinding } from '../../filters/signing/key-record.ts'

export interface KeyCheck {
  /** where it was looked for: `s1._domainkey.example.org` */
  readonly name: string
  /** the records that were found */
  readonly records: readonly string[]
  /** seconds for which the record may be kept; undefined if there is none */
  readonly ttl: number | undefined
  readonly findings: readonly KeyFinding[]
}

export const isGood = ({ findings }: KeyCheck): boolean =>
  findings.every(({ level }) => level !== 'error')

/**
 * Looks a record up and checks it.
 *
 * @param server as of {@link KeyDns}; without it, the resolver is asked
 * @param key the private key that the record should belong to
 */
export async function checkKey(
  dns: KeyDns,
  name: string,
  key?: SigningKey,
  server?: string,
): Promise<KeyCheck> {
  const reply = await dns.ask(name, 'TXT', server)
  return checkReply(reply, name, key)
}

/** What a reply says of a key. */
export function checkReply(reply: KeyReply, name: string, key?: SigningKey): KeyCheck {
  const nothing = { name, records: [], ttl: undefined }
  if ('failed' in reply) {
    const text = `nobody knows whether ${name} is published: ${reply.failed}`
    return { ...nothing, findings: [error('no-answer', text)] }
  }
  const { target, aliases } = targetOf(reply, name)
  const found = reply.answers.filter((one) => one.type === 'TXT' && one.name === target)
  const findings: KeyFinding[] = []
  if (target !== name) findings.push(note('alias', `${name} is an alias (CNAME) of ${target}`))
  if (found.length === 0) {
    const why = reply.code === 3 ? 'no such name' : 'no TXT record'
    findings.push(error('not-published', `${target} is not published: ${why}`))
  } else if (found.length > 1) {
    // RFC 6376, section 3.6.2.2: what verifiers do with them is undefined.
    const text = `${target} has ${found.length} TXT records. Leave only the one of the key`
    findings.push(error('several-records', text))
  } else findings.push(...checkRecord(found[0]!.data, key))
  const ttl = Math.min(...[...aliases, ...found].map((one) => one.ttl))
  return {
    name,
    records: found.map(({ data }) => data),
    ttl: found.length === 0 ? undefined : ttl,
    findings,
  }
}

const MAX_ALIASES = 10

/** The name at the end of the aliases that a reply has. */
export function targetOf(
  { answers }: DnsMessage,
  name: string,
): { target: string; aliases: readonly ResourceRecord[] } {
  const aliases: ResourceRecord[] = []
  let target = name
  while (aliases.length < MAX_ALIASES) {
    const alias = answers.find((one) => one.type === 'CNAME' && one.name === target)
    if (alias === undefined) break
    aliases.push(alias)
    target = alias.data
  }
  return { target, aliases }
}
