/**
 * The ready-made filter that refuses recipients that do not exist, each on its own at RCPT. A server that takes such mail has
 * to send a bounce later, to a sender that is often forged.
 */
import { StoreError, TableError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { RecipientStageContext } from '../../message/stage-context.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import { parseHostAndPort } from '../../net/host-port.ts'
import { readShape } from '../../options/shape.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { storedCallBacks } from '../../toolkit/bounces/call-back-cache.ts'
import { domainTest } from '../domain-test.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import { openTables } from '../sources/lookup.ts'
import { openStore, useName } from '../store-option.ts'
import type { RecipientCheckOptions, RecipientCheckSettings } from '../types.ts'
import { addressForms } from './address-forms.ts'
import { askServer } from './ask-server.ts'
import { RECIPIENT_CHECK } from './recipient-check-options.ts'

/**
 * What became of a recipient:
 *
 * - `exists`: it is in the tables, or the server takes it
 * - `postmaster`: always taken (RFC 5321, section 4.5.1)
 * - `unknown`: it does not exist; refused
 * - `other-domain`: not checked
 * - `failed`: nobody could say; `onFailure` decides
 */
export type RecipientCheckReason =
  'exists' | 'postmaster' | 'unknown' | 'other-domain' | 'failed'

/** Whether a recipient exists; a text says why nobody knows. */
type Existence = 'exists' | 'unknown' | { readonly failed: string }
type Ask = (recipient: EnvelopeAddress, ctx: RecipientStageContext) => Promise<Existence>

/**
 * Makes the filter.
 *
 *     await recipientCheck({ domains: 'example.org', tables: 'hash:/etc/postfix/virtual' })
 *
 * @throws UsageError INVALID_OPTION, MISSING_PACKAGE; StoreError
 */
export async function recipientCheck(options: RecipientCheckOptions): Promise<MessageFilter> {
  const given = readShape(RECIPIENT_CHECK, options)
  const ask = given.tables === undefined ? await byServer(given) : await byTables(given)
  const isOurs = domainTest(given.domains)
  return readyMade(given, (results) => ({
    recipient: async (recipient, ctx) => {
      const { domain } = recipient
      if (!isOurs(domain)) return results.tell(ctx, 'skipped', 'other-domain')
      return await judge(recipient, ctx, ask, given, results)
    },
  }))
}

async function judge(
  recipient: EnvelopeAddress,
  ctx: RecipientStageContext,
  ask: Ask,
  { onFailure }: RecipientCheckSettings,
  log: ResultLog,
): Promise<Verdict<'reject' | 'tempfail'> | undefined> {
  const facts = { recipient: recipient.address }
  if (recipient.local.toLowerCase() === 'postmaster') {
    return log.tell(ctx, 'passed', 'postmaster', facts)
  }
  const found = await ask(recipient, ctx)
  if (found === 'exists') return log.tell(ctx, 'passed', 'exists', facts)
  if (found === 'unknown') {
    log.tell(ctx, 'refused', 'unknown', facts)
    return reply(550, '5.1.1', 'This recipient does not exist here')
  }
  const why = { ...facts, why: found.failed }
  if (onFailure === 'pass') return log.tell(ctx, 'passed', 'failed', why, 'warn')
  log.tell(ctx, 'deferred', 'failed', why, 'warn')
  return reply(451, '4.3.0', 'The recipient cannot be checked now: try again later')
}

async function byTables({ tables, delimiter }: RecipientCheckSettings): Promise<Ask> {
  const lookup = await openTables('tables', tables!)
  return async (recipient, ctx) => {
    try {
      const found = await lookup(addressForms(recipient, delimiter), ctx)
      // access(5): 4xx and DEFER are for a while, 5xx and REJECT for good.
      if (found === undefined || /^(?:REJECT|5\d\d)\b/i.test(found.value)) return 'unknown'
      return /^(?:DEFER|4\d\d)\b/i.test(found.value) ? { failed: found.value } : 'exists'
    } catch (error) {
      if (!(error instanceof TableError)) throw error
      return { failed: error.message }
    }
  }
}

async function byServer({
  callForward,
  delimiter,
  name,
}: RecipientCheckSettings): Promise<Ask> {
  const { server, protocol, helo, timeout, keepValid, keepInvalid, ...of } = callForward!
  const cache = storedCallBacks({
    store: await openStore(of.store),
    name: useName(name),
    onFailure: of.onStoreFailure,
    ok: keepValid,
    refused: keepInvalid,
    other: 0,
  })
  const { host, port } = parseHostAndPort(server)!
  return async (recipient, { signal }) => {
    // An extension does not matter to the next server either, if it is one there.
    const key = addressForms(recipient, delimiter)[0]!
    try {
      const kept = await cache.get(key, { signal })
      const result =
        kept ??
        (await askServer({ host, port, protocol, helo, timeout }, recipient.address, signal))
      if (kept === undefined) await cache.set(key, result, { signal })
      if (result.outcome === 'ok') return 'exists'
      const final = result.outcome === 'refused' && result.step === 'rcpt' && result.code >= 500
      return final ? 'unknown' : { failed: `${host}:${port}: ${result.code} ${result.text}` }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      return { failed: error.message }
    }
  }
}
