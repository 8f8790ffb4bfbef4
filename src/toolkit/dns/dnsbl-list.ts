/** One list in DNS: what it may be asked, and what its answers mean (RFC 5782). */
import { isIP, isIPv4 } from 'node:net'
import { parseNetwork, plainAddress } from '../../net/network.ts'
import { invalidOption } from '../../options/invalid-option.ts'
import { Networks } from '../../server/networks.ts'
import { domainName } from './domain-name.ts'
import { reverseLabels } from './reverse-name.ts'

/** What a list can have entries for. */
export type DnsblSubject = 'ipv4' | 'ipv6' | 'domain'

/** A list, as you describe it. The same zone may come several times, with other `answers` and another weight. */
export interface DnsblList {
  /** the domain of the list, such as `bl.example.org` */
  readonly zone: string
  /** what an entry adds to the score; 1 by default, negative for a list of good senders */
  readonly weight?: number
  /**
   * the answers that count: addresses and networks in 127.0.0.0/8, or a function, for lists whose answers are bits. All of
   * 127.0.0.0/8 by default
   */
  readonly answers?: readonly string[] | ((address: string) => boolean)
  /** what the list is asked about; addresses (`['ipv4', 'ipv6']`) by default */
  readonly of?: readonly DnsblSubject[]
  /**
   * what the self-check asks for: an entry that the list has, and one that it does not have. By RFC 5782, section 5, these
   * are 127.0.0.2 and 127.0.0.1, `::ffff:7f00:2` and `::ffff:7f00:1` of lists that have only IPv6, and `test` and
   * `invalid` of lists of domains
   */
  readonly test?: { readonly listed: string; readonly notListed: string }
}

/**
 * What the addresses of an answer are.
 *
 * - `entry`: all are in 127.0.0.0/8
 * - `list-error`: one is in 127.255.255.0/24, where lists say that they do not answer your name server
 * - `bad-answer`: one is outside 127.0.0.0/8, as when the domain of the list was sold
 */
export type AnswerMeaning = 'entry' | 'list-error' | 'bad-answer'

export function meaningOf(addresses: readonly string[]): AnswerMeaning {
  if (!addresses.every((address) => isIPv4(address) && address.startsWith('127.'))) {
    return 'bad-answer'
  }
  const refused = addresses.some((address) => address.startsWith('127.255.255.'))
  return refused ? 'list-error' : 'entry'
}

/** A list with its checked options. */
export interface CheckedList {
  readonly zone: string
  readonly weight: number
  readonly of: ReadonlySet<DnsblSubject>
  readonly counts: (address: string) => boolean
  readonly test: { readonly listed: string; readonly notListed: string }
}

/** @throws UsageError INVALID_OPTION */
export function checkedList(list: DnsblList): CheckedList {
  const zone = domainName(list.zone)
  if (zone === undefined) throw invalidOption('zone', list.zone, 'a domain name')
  const { weight = 1, of = ['ipv4', 'ipv6'] } = list
  if (!Number.isFinite(weight)) throw invalidOption('weight', weight, 'a number')
  if (of.length === 0 || !of.every((subject) => SUBJECTS.includes(subject))) {
    throw invalidOption('of', of, `a list of ${SUBJECTS.join(', ')}`)
  }
  const test = list.test ?? usualTest(of)
  return {
    zone,
    weight,
    of: new Set(of),
    counts: counting(list.answers),
    test: { listed: testLabels(test.listed, of), notListed: testLabels(test.notListed, of) },
  }
}

const SUBJECTS: readonly DnsblSubject[] = ['ipv4', 'ipv6', 'domain']

const usualTest = (of: readonly DnsblSubject[]): { listed: string; notListed: string } => {
  if (of.includes('ipv4')) return { listed: '127.0.0.2', notListed: '127.0.0.1' }
  return of.includes('ipv6')
    ? { listed: '::ffff:7f00:2', notListed: '::ffff:7f00:1' }
    : { listed: 'test', notListed: 'invalid' }
}

/** `::ffff:127.0.0.2` and `::ffff:127.0.0.1` stand for IPv4 everywhere else. */
const IPV6_TEST = /^::ffff:(?:7f00:|127\.0\.0\.)([12])$/i

function testLabels(subject: string, of: readonly DnsblSubject[]): string {
  const last = IPV6_TEST.exec(subject)?.[1]
  if (last !== undefined && !of.includes('ipv4')) {
    return Array.from(`${'0'.repeat(20)}ffff7f00000${last}`)
      .reverse()
      .join('.')
  }
  const labels = reverseLabels(subject) ?? domainName(subject)
  if (labels === undefined)
    throw invalidOption('test', subject, 'an IP address or a domain name')
  return labels
}

function counting(answers: DnsblList['answers']): (address: string) => boolean {
  if (answers === undefined) return () => true
  if (typeof answers === 'function') return answers
  const form = 'addresses and networks in 127.0.0.0/8'
  for (const answer of answers) {
    const network = parseNetwork(answer)
    const inside = network?.address.startsWith('127.') === true && network.prefix >= 8
    if (!inside) throw invalidOption('answers', answer, form)
  }
  const networks = new Networks('answers', answers)
  return (address) => networks.has(address)
}

/** What is asked about, and the labels that stand before the zone. Undefined for what is neither address nor name. */
export function subjectOf(text: string): { kind: DnsblSubject; labels: string } | undefined {
  if (isIP(text) !== 0) {
    const kind = isIPv4(plainAddress(text)) ? 'ipv4' : 'ipv6'
    return { kind, labels: reverseLabels(text)! }
  }
  const labels = domainName(text)
  // Lists of domains take a name of digits for an address, and answer with an error.
  if (labels === undefined || /(?:^|\.)\d+$/.test(labels)) return undefined
  return { kind: 'domain', labels }
}
