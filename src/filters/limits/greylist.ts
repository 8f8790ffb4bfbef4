/**
 * The ready-made filter that greylists: a client that is not known yet has to try again after some minutes, which programs
 * that send unsolicited mail often do not do. Each recipient is answered on its own.
 */
import { StoreError, UsageError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import type { RecipientStageContext } from '../../message/stage-context.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import { textLogger } from '../../diagnostics/log.ts'
import { plainAddress } from '../../net/network.ts'
import { readShape } from '../../options/shape.ts'
import { Networks } from '../../server/networks.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { storeKey } from '../../store/store-key.ts'
import { DnsCache } from '../../toolkit/dns/dns-cache.ts'
import { DnsSession } from '../../toolkit/dns/dns-session.ts'
import { Greylist } from '../../toolkit/limits/greylist.ts'
import { serverNameOf } from '../authentication/authserv-id.ts'
import { checkSpf } from '../authentication/check-spf.ts'
import { loadMailauth, type Mailauth } from '../authentication/mailauth.ts'
import { directionOf } from '../direction.ts'
import { domainTest } from '../domain-test.ts'
import { addressList } from '../exempt-fields.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import { Renewed } from '../sources/renewed.ts'
import { openStore, useName } from '../store-option.ts'
import type { GreylistOptions, GreylistSettings } from '../types.ts'
import { GREYLIST } from './greylist-options.ts'
import { KnownHosts } from './known-hosts.ts'
import { ClientWhitelist, RecipientWhitelist } from './postgrey-lists.ts'

/**
 * Why a recipient was deferred or not:
 *
 * - `new`: the first try, or one that came too early; deferred
 * - `came-back`: it has waited; this is its first message that passes
 * - `seen`: it has passed before
 * - `known-host`: the client has come back often enough
 * - `known-domain`: SPF passes for one of `knownDomains`
 * - `whitelisted-client`, `whitelisted-recipient`: it is in one of the lists
 * - `authenticated`, `local`: nobody of these waits
 * - `store-failed`: the store has not answered; it passes, or is deferred with `closed`
 */
export type GreylistReason =
  | 'new'
  | 'came-back'
  | 'seen'
  | 'known-host'
  | 'known-domain'
  | 'whitelisted-client'
  | 'whitelisted-recipient'
  | 'authenticated'
  | 'local'
  | 'store-failed'

/**
 * Makes the filter. It opens the store and reads the lists now.
 *
 *     compose(await greylist({ store: { embedded: '/var/lib/tsmilter/store' } }), dkimSign({ ... }))
 *
 * @throws UsageError INVALID_OPTION, MISSING_PACKAGE; StoreError
 */
export async function greylist(options: GreylistOptions = {}): Promise<MessageFilter> {
  const given = readShape(GREYLIST, options)
  const settings = await open(given)
  return readyMade<MessageFacts>(given, (results) => ({
    state: () => ({ identity: undefined, waited: 0 }),
    recipient: async (recipient, ctx) => await judge(recipient, ctx, settings, results),
    ...(given.header && {
      reads: [],
      edits: ['headers'] as const,
      message: (mail: Mail<MessageFacts>) => addField(mail, settings),
    }),
  }))
}

/** What is known of one message. */
interface MessageFacts {
  /** who sends, asked once for all recipients */
  identity: Promise<Identity> | undefined
  /** the longest time that a recipient of it has waited, in milliseconds */
  waited: number
}

interface Identity {
  /** what stands for the client: `spf:example.org`, or its address */
  readonly key: string
  /** the domain that has passed SPF */
  readonly domain: string | undefined
}

interface Settings extends GreylistSettings {
  readonly list: Greylist
  readonly hosts: KnownHosts
  readonly mailauth: Mailauth | undefined
  readonly cache: DnsCache
  readonly local: Networks
  readonly clients: Renewed<ClientWhitelist>
  readonly recipientFiles: Renewed<RecipientWhitelist>
  readonly isExempt: ReturnType<typeof addressList>
  readonly isKnown: (domain: string) => boolean
}

async function open(given: GreylistSettings): Promise<Settings> {
  const { clock, onStoreFailure, delay, window, retention } = given
  const { whitelistClients, whitelistRecipients } = given
  const [clients, recipientFiles] = await Promise.all([
    Renewed.open(
      'whitelistClients',
      whitelistClients,
      async () => await ClientWhitelist.read(whitelistClients),
      clock,
    ),
    Renewed.open(
      'whitelistRecipients',
      whitelistRecipients,
      async () => await RecipientWhitelist.read(whitelistRecipients),
      clock,
    ),
  ])
  const store = await openStore(given.store)
  const name = useName(given.name)
  return {
    ...given,
    list: new Greylist({
      store,
      name,
      onFailure: onStoreFailure,
      delay,
      margin: 0,
      window,
      retention,
      network: { ipv4: given.ipv4Prefix, ipv6: given.ipv6Prefix },
      clock,
    }),
    hosts: new KnownHosts(store, name, given, given.autoWhitelist, retention),
    mailauth: given.spf ? mailauthIfThere(given.knownDomains.length > 0) : undefined,
    cache: given.dns ?? new DnsCache(),
    local: new Networks('networks', given.networks),
    clients,
    recipientFiles,
    isExempt: addressList(given.recipients),
    isKnown: domainTest(given.knownDomains),
  }
}

/** @param needed whether an option does nothing without it */
function mailauthIfThere(needed: boolean): Mailauth | undefined {
  try {
    return loadMailauth()
  } catch (error) {
    if (needed || !(error instanceof UsageError)) throw error
    textLogger('info').info(
      { reason: error.message },
      'greylist does not ask SPF: the address of the client counts',
    )
    return undefined
  }
}

async function judge(
  recipient: EnvelopeAddress,
  ctx: RecipientStageContext<MessageFacts>,
  settings: Settings,
  log: ResultLog,
): Promise<Verdict<'reject' | 'tempfail'> | undefined> {
  const passed = (reason: GreylistReason, facts: object = {}): undefined =>
    log.tell(ctx, 'passed', reason, { recipient: recipient.address, ...facts })
  const { address, hostname: host } = ctx.connection
  const direction = directionOf(ctx, settings.local)
  if (direction !== 'outside' || address === undefined) {
    return log.tell(ctx, 'skipped', direction === 'outside' ? 'local' : direction)
  }
  if (settings.isExempt(recipient) || settings.recipientFiles.current(ctx.log).has(recipient)) {
    return passed('whitelisted-recipient')
  }
  if (settings.clients.current(ctx.log).has(address, host)) return passed('whitelisted-client')

  const who = await (ctx.state.identity ??= identityOf(ctx, address, settings))
  if (who.domain !== undefined && settings.isKnown(who.domain)) return passed('known-domain')
  try {
    if (await settings.hosts.has(who.key, ctx.signal)) return passed('known-host')
    // Of a mailbox, so that another way to write it does not begin anew.
    const triple = {
      ip: who.key,
      sender: ctx.sender.mailbox.toLowerCase(),
      recipient: recipient.mailbox.toLowerCase(),
    }
    const { passed: may, count, wait, delayed } = await settings.list.check(triple, ctx)
    if (!may) {
      const seconds = Math.max(1, Math.ceil(wait / 1_000))
      log.tell(ctx, 'deferred', 'new', {
        recipient: recipient.address,
        identity: who.key,
        seconds,
      })
      return reply(451, '4.7.1', `Greylisted: try again in ${seconds} seconds`)
    }
    if (count === 0) return passed('store-failed')
    if (count > 1) return passed('seen')
    ctx.state.waited = Math.max(ctx.state.waited, delayed)
    const delivery = storeKey(who.key, triple.sender, triple.recipient)
    await settings.hosts.cameBack(who.key, delivery, ctx.signal)
    return passed('came-back', { seconds: Math.round(delayed / 1_000) })
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    log.tell(ctx, 'deferred', 'store-failed', { code: error.code })
    return reply(451, '4.3.0', 'Greylisting is not available now: try again later')
  }
}

/** SPF may take this long, in milliseconds; then the address counts. */
const SPF_TIME = 3_000
const SPF_QUERIES = 30

async function identityOf(
  ctx: RecipientStageContext<MessageFacts>,
  address: string,
  { mailauth, cache }: Settings,
): Promise<Identity> {
  const byAddress = { key: plainAddress(address), domain: undefined }
  if (mailauth === undefined) return byAddress
  const limits = { maxQueries: SPF_QUERIES, maxTime: SPF_TIME, signal: ctx.signal }
  const { result, domain } = await checkSpf(mailauth, new DnsSession(cache, limits), {
    sender: ctx.sender.address,
    helo: ctx.connection.helo,
    address,
    server: serverNameOf(ctx),
  })
  const name = domain.toLowerCase()
  return result === 'pass' && name !== '' ? { key: `spf:${name}`, domain: name } : byAddress
}

function addField(mail: Mail<MessageFacts>, { clock = Date.now }: Settings): void {
  const { waited } = mail.state
  if (waited === 0) return
  const server = serverNameOf(mail)
  const seconds = Math.round(waited / 1_000)
  const date = new Date(clock()).toUTCString().replace('GMT', '+0000')
  mail.headers.prepend(
    'X-Greylist',
    `delayed ${seconds} seconds by tsmilter at ${server}; ${date}`,
  )
}
