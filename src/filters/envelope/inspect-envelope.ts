/** Looks at the tables, the store and the server that the filters of the envelope name. */
import type { Finding, InspectionTools } from '../inspection.ts'
import { inspectTables } from '../sources/lookup.ts'
import { inspectStore } from '../store-option.ts'
import { parseHostAndPort } from '../../net/host-port.ts'
import type {
  RateLimitSettings,
  RecipientCheckSettings,
  RewriteSettings,
  SenderAclSettings,
} from '../types.ts'
import { askServer } from './ask-server.ts'

export async function* inspectSenderAcl({
  allowed,
  owners,
}: SenderAclSettings): AsyncGenerator<Finding> {
  yield* inspectTables(allowed, ['allowed'])
  yield* inspectTables(owners, ['owners'])
}

export async function* inspectRewrite({
  senders,
  recipients,
  srs,
}: RewriteSettings): AsyncGenerator<Finding> {
  yield* inspectTables(senders, ['senders'])
  yield* inspectTables(recipients, ['recipients'])
  yield* inspectTables(srs?.forwards, ['srs', 'forwards'])
}

export async function* inspectRateLimit(settings: RateLimitSettings): AsyncGenerator<Finding> {
  yield* inspectStore(settings)
  yield* inspectTables(settings.users, ['users'])
}

export async function* inspectRecipientCheck(
  { tables, callForward, domains }: RecipientCheckSettings,
  { signal }: InspectionTools,
): AsyncGenerator<Finding> {
  yield* inspectTables(tables, ['tables'])
  if (callForward === undefined) return
  for await (const finding of inspectStore(callForward)) {
    yield { ...finding, path: ['callForward', ...finding.path] }
  }
  const { host, port } = parseHostAndPort(callForward.server)!
  const domain = domains.find((one) => !one.startsWith('.'))
  if (domain === undefined) return
  const { protocol, helo, timeout } = callForward
  // Each server has to have this one (RFC 5321, section 4.5.1).
  const recipient = `postmaster@${domain}`
  const found = await askServer({ host, port, protocol, helo, timeout }, recipient, signal)
  const path = ['callForward', 'server']
  yield found.outcome === 'ok'
    ? { level: 'ok', path, text: `${callForward.server} takes mail for ${recipient}` }
    : {
        level: 'warning',
        path,
        text: `${callForward.server} does not take mail for ${recipient}: ${found.code} ${found.text}`,
      }
}
