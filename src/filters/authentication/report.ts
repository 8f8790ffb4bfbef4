/** Results as `Authentication-Results` has them: methods and properties of RFC 8601, section 2.7. */
import type { ArcCheck } from './check-arc.ts'
import type { DkimCheck } from './check-dkim.ts'
import type { DmarcCheck } from './check-dmarc.ts'
import type { SpfCheck, SpfSubject } from './check-spf.ts'
import type { MethodResult, ResultProperty } from './results-field.ts'

/** What was found out about a message. */
export interface Results {
  readonly spf: SpfCheck
  readonly dkim: readonly DkimCheck[]
  /** signatures above `maxSignatures` */
  readonly notLookedAt: number
  readonly dmarc: DmarcCheck
  readonly arc: ArcCheck
}

/** @param override why a message passes that fails */
export function methodResults(
  { spf, dkim, notLookedAt, dmarc, arc }: Results,
  { sender, helo, address }: SpfSubject,
  override?: string,
): MethodResult[] {
  const found: MethodResult[] = [
    {
      method: 'spf',
      result: spf.result,
      reason: spf.reason,
      properties: properties([
        spf.identity === 'helo' ? ['smtp', 'helo', helo] : ['smtp', 'mailfrom', sender],
      ]),
    },
    ...dkim.map(signature),
  ]
  if (notLookedAt > 0) {
    found.push({
      method: 'dkim',
      result: 'policy',
      reason: `${notLookedAt} more signatures not looked at`,
      properties: [],
    })
  }
  found.push(
    {
      method: 'dmarc',
      result: dmarc.result,
      reason: dmarc.reason,
      ...(override !== undefined && { comment: `override: ${override}` }),
      properties: properties([
        // RFC 9989, section 9.1: the policy that applies, where a record was found.
        ['policy', 'dmarc', dmarc.result === 'temperror' ? undefined : dmarc.policy],
        ['header', 'from', dmarc.domain],
      ]),
    },
    {
      method: 'arc',
      result: arc.result,
      reason: arc.reason,
      // RFC 8617, section 6.
      properties: properties([['smtp', 'remote-ip', address]]),
    },
  )
  return found
}

const signature = (check: DkimCheck): MethodResult => ({
  method: 'dkim',
  result: check.result,
  reason: check.reason,
  properties: properties([
    ['header', 'd', check.domain],
    ['header', 'i', check.identity],
    ['header', 's', check.selector],
    ['header', 'a', check.algorithm],
    ['header', 'b', check.signature],
  ]),
})

const properties = (
  list: readonly (readonly [string, string, string | undefined])[],
): ResultProperty[] =>
  list.flatMap(([type, name, value]) => (value === undefined ? [] : [{ type, name, value }]))
