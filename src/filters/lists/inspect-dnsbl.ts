/** Asks the lists of `dnsbl` for what each list must have and must not have (RFC 5782, section 5). */
import { DnsCache } from '../../toolkit/dns/dns-cache.ts'
import type { Finding } from '../inspection.ts'
import type { DnsblSettings } from '../types.ts'
import { listsOf } from './dnsbl.ts'

export async function* inspectDnsbl(settings: DnsblSettings): AsyncGenerator<Finding> {
  const checked = await listsOf(settings).selfCheck(settings.dns ?? new DnsCache())
  for (const { zone, state, why } of checked) {
    const path = ['zones', settings.zones.findIndex((one) => one.zone === zone), 'zone']
    if (state === 'working') yield { level: 'ok', path, text: `${zone} answers as a list does` }
    else {
      const text =
        state === 'broken'
          ? `${zone} is left out: ${why}; check the name, and whether the list answers your name server`
          : `${zone} could not be asked: ${why}`
      yield { level: 'warning', path, text }
    }
  }
}
