/** The option `dns`: answers of DNS, which filters of a program can share. */
import type { Kind } from '../options/kinds.ts'
import type { Field } from '../options/shape.ts'
import { code } from '../options/value-kinds.ts'
import { DnsCache } from '../toolkit/dns/dns-cache.ts'

const DNS_CACHE: Kind = {
  ...code('DnsCache'),
  takes: 'a DnsCache of tsmilter/toolkit',
  takesText: 'a DnsCache, which only a module can give',
  wrong: (value) => (value instanceof DnsCache ? undefined : {}),
}

export const DNS_FIELD: Field = {
  kind: DNS_CACHE,
  text: 'answers of DNS that messages share; by default a new one, which asks the servers of the machine',
}
