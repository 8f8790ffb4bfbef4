/** What the walk over the hosts of a domain needs to ask DNS. A `DnsSession` has it. */

/** An answer: records, the knowledge that there are none, or a failure to find out. */
export interface MxAnswer<Record> {
  readonly found?: readonly Record[] | undefined
  readonly none?: string | undefined
  /** why nobody knows */
  readonly failed?: string | undefined
}

interface MxRecords {
  MX: { readonly exchange: string; readonly priority: number }
  A: string
  AAAA: string
}

/** Asks DNS. A `DnsSession` of this package is one. */
export interface MxResolver {
  /** the records of a name; rejects only if it is cut off */
  resolve<Type extends keyof MxRecords>(
    name: string,
    type: Type,
  ): Promise<MxAnswer<MxRecords[Type]>>
}
