/** The organisational domain by the DNS tree walk of DMARC (RFC 9989, section 4.10). */
import { failed, none, type Failed, type None } from './answer.ts'
import { domainName } from './domain-name.ts'
import type { DnsSession } from './dns-session.ts'

/** A record that the walk found. */
export interface DmarcRecord {
  /** the domain that has it, without `_dmarc` */
  readonly domain: string
  readonly text: string
  /** whether the domain says that it is a public suffix: `y` yes, `n` no, `u` by the walk */
  readonly psd: 'y' | 'n' | 'u'
}

/**
 * Why a domain is the organisational one:
 *
 * - `psd=n`: its record says so
 * - `below psd=y`: it is one label below a domain whose record says that it is a public suffix
 * - `fewest labels`: of all records that were found, its name is the shortest
 * - `no record`: none was found, so it is the domain that was asked about
 */
export type TreeWalkReason = 'psd=n' | 'below psd=y' | 'fewest labels' | 'no record'

export interface TreeWalkResult {
  /** the organisational domain */
  readonly found: string
  readonly why: TreeWalkReason
  /** all records on the way, the longest name first */
  readonly records: readonly DmarcRecord[]
  readonly none?: undefined
  readonly failed?: undefined
}

/** Labels of a name after the first step, so that no walk has more than eight questions. */
const MAX_LABELS = 7

/**
 * Finds the organisational domain as DMARC does since RFC 9989: by asking for `_dmarc` records from the domain up to its
 * last label, at most eight times. The owner of a domain can so say where it ends. Two domains belong together if they have
 * the same organisational domain.
 *
 * The result is `none` for a text that is not a name. It is `failed` if one of the questions could not be asked, because
 * the organisational domain may depend on it.
 *
 *     const { found } = await organizationalDomainByTreeWalk(session, 'news.example.org') // 'example.org'
 *
 * @throws the reason of the session's signal, when it is aborted; nothing else
 */
export async function organizationalDomainByTreeWalk(
  session: DnsSession,
  domain: string,
): Promise<TreeWalkResult | None | (Failed & { readonly at: string })> {
  const start = domainName(domain)
  if (start === undefined) return none('no-domain')
  const records: DmarcRecord[] = []
  for (const name of namesOnTheWay(start)) {
    const answer = await session.resolve(`_dmarc.${name}`, 'TXT')
    if (answer.failed !== undefined) return { ...failed(answer.failed, answer.cause), at: name }
    const record = theRecord(name, answer.found ?? [])
    if (record === undefined) continue
    records.push(record)
    if (record.psd !== 'u') break
  }
  return { ...chosen(start, records), records }
}

/** The domain itself, then its parents; of a long name only those with at most seven labels. */
function namesOnTheWay(start: string): string[] {
  const labels = start.split('.')
  const names = [start]
  for (let count = Math.min(labels.length - 1, MAX_LABELS); count > 0; count--) {
    names.push(labels.slice(-count).join('.'))
  }
  return names
}

/** The record of a domain. Several are as good as none (section 4.10, steps 2 and 6). */
function theRecord(domain: string, texts: readonly string[]): DmarcRecord | undefined {
  const [text, more] = texts.filter((one) => VERSION.test(one))
  if (text === undefined || more !== undefined) return undefined
  const tags = new Map<string, string>()
  for (const tag of text.split(';')) {
    const equals = tag.indexOf('=')
    const name = tag.slice(0, equals).trim()
    if (equals === -1 || !NAME.test(name)) continue
    const value = tag.slice(equals + 1).trim()
    // A list of tags in which one comes twice is not valid (RFC 6376, section 3.2).
    if (tags.has(name)) return undefined
    tags.set(name, value)
  }
  const psd = tags.get('psd')?.toLowerCase()
  return { domain, text, psd: psd === 'y' || psd === 'n' ? psd : 'u' }
}

/** Section 4.8: the version is the first tag, and its value is case-sensitive. */
const VERSION = /^[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/
const NAME = /^[A-Za-z]\w*$/

/** Section 4.10.2. */
function chosen(
  start: string,
  records: readonly DmarcRecord[],
): { found: string; why: TreeWalkReason } {
  for (const { domain, psd } of records) {
    if (psd === 'n') return { found: domain, why: 'psd=n' }
    if (psd === 'y' && domain !== start) {
      const labels = domain.split('.').length + 1
      return { found: start.split('.').slice(-labels).join('.'), why: 'below psd=y' }
    }
  }
  const shortest = records.at(-1)
  return shortest === undefined
    ? { found: start, why: 'no record' }
    : { found: shortest.domain, why: 'fewest labels' }
}
