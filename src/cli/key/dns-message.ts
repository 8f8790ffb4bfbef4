/**
 * Messages of DNS as `tsmilter key` needs them (RFC 1035, section 4): one question, and records with their time-to-live,
 * of which Node tells nothing for TXT.
 */
import { domainName } from '../../toolkit/dns/domain-name.ts'

export const QUERY_TYPES = { A: 1, NS: 2, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28 } as const
export type QueryType = keyof typeof QUERY_TYPES

export interface ResourceRecord {
  /** in lower case, without the dot at the end */
  readonly name: string
  readonly type: QueryType
  /** seconds */
  readonly ttl: number
  /**
   * An address, a name, or the strings of a TXT record, joined, as Latin-1. Of SOA, the seconds for which "there is no
   * such record" may be kept (RFC 2308, section 5: its minimum, or its own time-to-live if that is shorter)
   */
  readonly data: string
}

export interface DnsMessage {
  readonly id: number
  readonly isReply: boolean
  /** the server has the zone itself (AA) */
  readonly isAuthoritative: boolean
  /** it does not fit, so the question is asked again over TCP (TC) */
  readonly isTruncated: boolean
  /** 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED */
  readonly code: number
  readonly question: { readonly name: string; readonly type: number } | undefined
  readonly answers: readonly ResourceRecord[]
  readonly authority: readonly ResourceRecord[]
}

/** @param name as `domainName` gives it @param recursion whether the server shall ask others */
export function encodeQuery(
  id: number,
  name: string,
  type: QueryType,
  recursion: boolean,
): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(recursion ? 0x0100 : 0, 2)
  header.writeUInt16BE(1, 4)
  const labels = name
    .split('.')
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]))
  const end = Buffer.from([0, 0, QUERY_TYPES[type], 0, 1])
  return Buffer.concat([header, ...labels, end])
}

/** A reply. Records of other types are left out. @returns undefined for what cannot be read */
export function decodeReply(bytes: Buffer): DnsMessage | undefined {
  try {
    return new Reader(bytes).message()
  } catch (error) {
    // Reading past the end, or a name that is none.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** No reply with more is read. */
const MAX_RECORDS = 200
const MAX_POINTERS = 32

class Reader {
  readonly #bytes: Buffer
  #at = 12

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  message(): DnsMessage {
    const bytes = this.#bytes
    const flags = bytes.readUInt16BE(2)
    const [questions, answers, authority] = [4, 6, 8].map((at) => bytes.readUInt16BE(at))
    if (questions! > 1 || answers! + authority! > MAX_RECORDS) throw new RangeError('too many')
    const question = questions === 1 ? { name: this.#name(), type: this.#number(2) } : undefined
    if (question !== undefined) this.#number(2)
    return {
      id: bytes.readUInt16BE(0),
      isReply: (flags & 0x8000) !== 0,
      isAuthoritative: (flags & 0x0400) !== 0,
      isTruncated: (flags & 0x0200) !== 0,
      code: flags & 0xf,
      question,
      answers: this.#records(answers!),
      authority: this.#records(authority!),
    }
  }

  #records(count: number): ResourceRecord[] {
    const records: ResourceRecord[] = []
    for (let i = 0; i < count; i++) {
      const name = this.#name()
      const code = this.#number(2)
      const isInternet = this.#number(2) === 1
      const ttl = this.#number(4)
      const length = this.#number(2)
      const end = this.#at + length
      if (end > this.#bytes.length) throw new RangeError('cut off')
      const type = (Object.keys(QUERY_TYPES) as QueryType[]).find(
        (one) => QUERY_TYPES[one] === code,
      )
      // RFC 2181, section 8: with the highest bit it counts as 0.
      const seconds = ttl > 0x7fff_ffff ? 0 : ttl
      if (type !== undefined && isInternet) {
        records.push({ name, type, ttl: seconds, data: this.#data(type, end, seconds) })
      }
      this.#at = end
    }
    return records
  }

  #data(type: QueryType, end: number, ttl: number): string {
    const bytes = this.#bytes
    switch (type) {
      case 'A':
        return [...bytes.subarray(this.#at, this.#at + 4)].join('.')
      case 'AAAA':
        return Array.from({ length: 8 }, () => this.#number(2).toString(16)).join(':')
      case 'TXT': {
        let text = ''
        while (this.#at < end) {
          const size = this.#number(1)
          if (this.#at + size > end) throw new RangeError('cut off')
          text += bytes.toString('latin1', this.#at, this.#at + size)
          this.#at += size
        }
        return text
      }
      case 'SOA':
        this.#name()
        this.#name()
        this.#at += 16
        return String(Math.min(this.#number(4), ttl))
      default:
        return this.#name()
    }
  }

  #number(size: number): number {
    const value = this.#bytes.readUIntBE(this.#at, size)
    this.#at += size
    return value
  }

  /** Section 4.1.4: the rest of a name may stand elsewhere, at an earlier place. */
  #name(): string {
    const labels: string[] = []
    let at = this.#at
    let end: number | undefined
    for (let pointers = 0; ;) {
      const size = this.#bytes.readUInt8(at)
      if (size === 0) break
      if ((size & 0xc0) === 0xc0) {
        end ??= at + 2
        at = this.#bytes.readUInt16BE(at) & 0x3fff
        if (++pointers > MAX_POINTERS) throw new RangeError('pointers in a circle')
        continue
      }
      if (size > 63 || at + 1 + size > this.#bytes.length) throw new RangeError('no label')
      labels.push(this.#bytes.toString('latin1', at + 1, at + 1 + size))
      at += 1 + size
      if (labels.length > 127) throw new RangeError('too many labels')
    }
    this.#at = end ?? at + 1
    if (labels.length === 0) return ''
    const name = domainName(labels.join('.'))
    if (name === undefined) throw new RangeError('no name')
    return name
  }
}
