/** The records that can be asked for. */

export interface MxRecord {
  /** name of the mail server; `''` means that the domain takes no mail (RFC 7505) */
  readonly exchange: string
  /** 0 to 65535; the smallest is tried first */
  readonly priority: number
}

export interface SrvRecord {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** What one record of each type is. Names are as the server sent them, without the dot at the end. */
export interface DnsRecords {
  /** an IPv4 address */
  A: string
  /** an IPv6 address */
  AAAA: string
  MX: MxRecord
  /** the strings of the record, joined. Bytes that are not UTF-8 are kept as everywhere: `encodeText` gives them back */
  TXT: string
  PTR: string
  NS: string
  CNAME: string
  SRV: SrvRecord
}

export type RecordType = keyof DnsRecords

/** Bytes that one record takes in memory, roughly. */
export function sizeOf(record: DnsRecords[RecordType]): number {
  if (typeof record === 'string') return OBJECT + 2 * record.length
  return OBJECT + 2 * ('exchange' in record ? record.exchange : record.name).length
}

const OBJECT = 64
