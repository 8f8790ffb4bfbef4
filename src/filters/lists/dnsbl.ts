/** The ready-made filter that asks lists in DNS about clients. Lists are asked once for a message, at its first recipient. */
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import type { RecipientStageContext, StageContext } from '../../message/stage-context.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import { plainAddress } from '../../net/network.ts'
import { readShape } from '../../options/shape.ts'
import { replyLines } from '../../protocol/smtp-reply.ts'
import { Networks } from '../../server/networks.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { DnsCache } from '../../toolkit/dns/dns-cache.ts'
import { DnsSession } from '../../toolkit/dns/dns-session.ts'
import { Dnsbl, type DnsblResult, type ListResult } from '../../toolkit/dns/dnsbl.ts'
import { directionOf } from '../direction.ts'
import { addressList } from '../exempt-fields.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { DnsblOptions, DnsblSettings } from '../types.ts'
import { DNSBL } from './dnsbl-options.ts'

/**
 * What became of a recipient or a message:
 *
 * - `listed`: the score has reached `refuse` (refused) or `tag` (changed)
 * - `not-listed`: it has not
 * - `incomplete`: it has not, and a list has not answered
 * - `exempt-recipient`: the client is listed, and mail to this recipient passes
 * - `authenticated`, `local`: not looked up
 */
export type DnsblReason =
  'listed' | 'not-listed' | 'incomplete' | 'exempt-recipient' | 'authenticated' | 'local'

/**
 * Makes the filter.
 *
 *     dnsbl({ zones: [{ zone: 'bl.example.org', weight: 2 }, { zone: 'other.example' }], refuse: 2 })
 *
 * @throws UsageError INVALID_OPTION
 */
export function dnsbl(options: DnsblOptions): MessageFilter {
  const given = readShape(DNSBL, options)
  const settings: Settings = {
    ...given,
    lists: listsOf(given),
    cache: given.dns ?? new DnsCache(),
    local: new Networks('networks', given.networks),
    isExempt: addressList(given.recipients),
  }
  return readyMade<Asked>(given, (results) => ({
    state: () => ({ result: undefined }),
    reads: given.removeForeign ? ['headers'] : [],
    edits: ['headers'],
    recipient: async (recipient, ctx) => await judge(recipient, ctx, settings, results),
    message: async (mail) => await tag(mail, settings, results),
  }))
}

/** @throws UsageError INVALID_OPTION */
export const listsOf = ({ zones, now }: DnsblSettings): Dnsbl =>
  new Dnsbl(
    zones.map(({ zone, weight, answers }) => ({ zone, weight, ...(answers && { answers }) })),
    now === undefined ? {} : { now },
  )

interface Asked {
  result: Promise<DnsblResult> | undefined
}

interface Settings extends DnsblSettings {
  readonly lists: Dnsbl
  readonly cache: DnsCache
  readonly local: Networks
  readonly isExempt: ReturnType<typeof addressList>
}

/** What the lists say; undefined if the client is not looked up. */
async function ask(
  ctx: StageContext & { readonly state: Asked },
  { lists, cache, timeout, zones, local }: Settings,
): Promise<DnsblResult | undefined> {
  const { address } = ctx.connection
  if (directionOf(ctx, local) !== 'outside' || address === undefined) return undefined
  // The signal ends with its stage, and the answer is for all stages.
  ctx.state.result ??= lists.check(
    new DnsSession(cache, { maxTime: timeout, maxQueries: 4 * zones.length + 4 }),
    plainAddress(address),
  )
  return await ctx.state.result
}

type Listed = Extract<ListResult, { state: 'listed' }>
const listedIn = ({ lists }: DnsblResult): readonly Listed[] =>
  lists.filter((one) => one.state === 'listed')
const zonesIn = (result: DnsblResult): string =>
  listedIn(result)
    .map(({ zone }) => zone)
    .join(' ')

function factsOf(result: DnsblResult): object {
  const failed = result.lists.flatMap((one) =>
    one.state === 'failed'
      ? [`${one.zone}: ${one.failed}`]
      : one.state === 'left-out'
        ? [`${one.zone}: ${one.why}`]
        : [],
  )
  return {
    score: result.score,
    ...(zonesIn(result) !== '' && { zones: zonesIn(result) }),
    ...(failed.length > 0 && { failed: failed.join('; ') }),
  }
}

async function judge(
  recipient: EnvelopeAddress,
  ctx: RecipientStageContext<Asked>,
  settings: Settings,
  log: ResultLog,
): Promise<Verdict<'reject' | 'tempfail'> | undefined> {
  if (settings.refuse === undefined) return undefined
  const result = await ask(ctx, settings)
  if (result === undefined || result.score < settings.refuse) return undefined
  const facts = { recipient: recipient.address, ...factsOf(result) }
  if (settings.isExempt(recipient)) {
    return log.tell(ctx, 'passed', 'exempt-recipient', facts)
  }
  log.tell(ctx, 'refused', 'listed', facts)
  return reply(550, '5.7.1', ...replyLines(textOf(result, ctx.connection.address!, settings)))
}

/** The list with the largest weight decides what the client is told. */
function textOf(result: DnsblResult, address: string, { zones }: Settings): string {
  const [first] = listedIn(result).toSorted((a, b) => b.weight - a.weight)
  const { zone = '', reason } = first ?? {}
  const ip = plainAddress(address)
  const text = zones.find((one) => one.zone === zone)?.text
  if (text === undefined) {
    return `${ip} is listed in ${zone}${reason === undefined ? '' : `: ${reason}`}`
  }
  const values: Record<string, string> = { '%a': ip, '%r': reason ?? '', '%%': '%' }
  return text.replaceAll(/%[ar%]/g, (mark) => values[mark]!)
}

async function tag(mail: Mail<Asked>, settings: Settings, log: ResultLog): Promise<void> {
  const direction = directionOf(mail, settings.local)
  const result = await ask(mail, settings)
  if (result === undefined) {
    return log.tell(mail, 'skipped', direction === 'outside' ? 'local' : direction)
  }
  const { field } = settings
  if (settings.removeForeign && mail.headers.has(field)) mail.headers.delete(field)
  const facts = factsOf(result)
  if (result.score < settings.tag) {
    const reason: DnsblReason = result.complete ? 'not-listed' : 'incomplete'
    return log.tell(mail, 'passed', reason, facts)
  }
  mail.headers.prepend(field, `score=${result.score} ${zonesIn(result)}`)
  log.tell(mail, 'changed', 'listed', facts)
}
