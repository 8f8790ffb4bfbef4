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

/** Whether a resolver, which may be anybody's code, gave what is a record of this type, by its shape. */
export function isRecordOf(type: RecordType, record: unknown): boolean {
  if (type !== 'MX' && type !== 'SRV') return typeof record === 'string'
  const { exchange, name, port, priority, weight } = (record ?? {}) as Record<string, unknown>
  return type === 'MX'
    ? typeof exchange === 'string' && isUint16(priority)
    : typeof name === 'string' && [port, priority, weight].every(isUint16)
}

const isUint16 = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff

/** Bytes that one record takes in memory, roughly. */
export function sizeOf(record: DnsRecords[RecordType]): number {
  if (typeof record === 'string') return OBJECT + 2 * record.length
  return OBJECT + 2 * ('exchange' in record ? record.exchange : record.name).length
}

const OBJECT = 64
