/** Looks at what `authenticate` rests on: a name that is its own, and a name server that answers. */
import { domainName } from '../../toolkit/dns/domain-name.ts'
import { DnsSession } from '../../toolkit/dns/dns-session.ts'
import type { Finding, InspectionTools } from '../inspection.ts'
import type { AuthenticateSettings } from '../types.ts'

/** A name that has an answer everywhere: DMARC asks for names like it. */
const ASKED = '_dmarc.com'

export async function* inspectAuthenticate(
  { authservId, dns }: AuthenticateSettings,
  tools: InspectionTools,
): AsyncGenerator<Finding> {
  yield* inspectAuthservId(authservId)
  const session = dns === undefined ? tools.dns : new DnsSession(dns, { signal: tools.signal })
  const { failed } = await session.resolve(ASKED, 'TXT')
  if (failed === undefined) {
    yield { level: 'ok', path: ['dns'], text: 'the name server answers' }
  } else {
    yield {
      level: 'warning',
      path: ['dns'],
      text: `the name server does not answer (${failed}), so mail that DMARC may refuse is deferred`,
    }
  }
}

/** The name in `Authentication-Results`. Without the option, it is that of the mail server. */
export function* inspectAuthservId(authservId: string | undefined): Generator<Finding> {
  const found = authservId === undefined ? undefined : problemOf(authservId)
  if (found !== undefined) yield { level: 'warning', path: ['authservId'], ...found }
}

/** Others have such a name as well, so it says nothing (RFC 8601, section 2.5). */
function problemOf(id: string): { text: string } | undefined {
  const name = domainName(id)
  if (name?.includes('.') === true && !/(?:^|\.)(?:localhost|localdomain)$/.test(name)) return
  return {
    text: `${id} is not a name of your own: write the full name of the server, such as mx.example.org`,
  }
}
