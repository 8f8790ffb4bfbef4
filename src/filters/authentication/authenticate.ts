/**
 * The ready-made filter that checks mail from outside: SPF, DKIM, DMARC and ARC, on the package mailauth. It judges the
 * message as it came: in a composition it stands first. Each message has a line in the log.
 */
import { channels, type FilterResult } from '../../diagnostics/channels.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { HeaderField } from '../../message/headers.ts'
import type { Mail } from '../../message/mail.ts'
import { parseNetwork } from '../../net/network.ts'
import { readShape } from '../../options/shape.ts'
import { replyLines } from '../../protocol/smtp-reply.ts'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { Networks } from '../../server/networks.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { DnsCache } from '../../toolkit/dns/dns-cache.ts'
import { DnsSession } from '../../toolkit/dns/dns-session.ts'
import { organizationalDomainByTreeWalk } from '../../toolkit/dns/tree-walk.ts'
import { directionOf } from '../direction.ts'
import { millisecondsSince } from '../milliseconds.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import type { AuthenticateOptions, AuthenticateSettings } from '../types.ts'
import { AUTHENTICATE } from './authenticate-options.ts'
import { authservIdOf } from './authserv-id.ts'
import { checkArc } from './check-arc.ts'
import { Signatures, type DkimResult } from './check-dkim.ts'
import { checkDmarc } from './check-dmarc.ts'
import { checkSpf, type SpfSubject } from './check-spf.ts'
import { KeyMemory } from './key-memory.ts'
import { loadMailauth, type HeaderRow, type Mailauth } from './mailauth.ts'
import { judge, type Judgement, type PolicyAction, type PolicyOptions } from './policy.ts'
import { RECEIVED_SPF, writeReceivedSpf } from './received-spf.ts'
import { methodResults, type Results } from './report.ts'
import { OwnIds, RESULTS_NAME, writeResultsField } from './results-field.ts'

/**
 * Makes the filter. The package mailauth is loaded now, so its absence shows at the start.
 *
 *     compose(authenticate({ policy: 'reject' }), externalTag)
 *
 * @throws UsageError INVALID_OPTION, MISSING_PACKAGE, WRONG_PACKAGE_VERSION
 */
export function authenticate(options: AuthenticateOptions = {}): MessageFilter {
  const given = readShape(AUTHENTICATE, options)
  const mailauth = loadMailauth()
  const settings: Settings = {
    ...given,
    mailauth,
    dns: given.dns ?? new DnsCache(),
    keys: new KeyMemory(),
    now: given.now ?? Date.now,
    local: new Networks('networks', given.networks),
    allowed: new Networks('allow', given.allow.filter(isNetwork)),
    ofLists: new Networks('lists', given.lists.filter(isNetwork)),
    rules: {
      policy: given.policy,
      badFrom: given.badFrom ?? given.policy,
      spfFail: given.spfFail,
      allow: new Set(given.allow),
      trustedSealers: new Set(given.trustedSealers),
      lists: new Set(given.lists),
    },
  }
  const { policy, badFrom, spfFail } = settings.rules
  const holds = [policy, badFrom, spfFail].some((mode) => mode !== 'observe')
  return readyMade(given, (log) => ({
    order: 'first',
    edits: holds ? ['headers', 'quarantine'] : ['headers'],
    message: (mail) => check(mail, settings, log),
  }))
}

const isNetwork = (entry: string): boolean => parseNetwork(entry) !== undefined

interface Settings extends AuthenticateSettings {
  readonly mailauth: Mailauth
  readonly dns: DnsCache
  readonly keys: KeyMemory
  readonly now: () => number
  /** the networks of `networks`, `allow` and `lists` */
  readonly local: Networks
  readonly allowed: Networks
  readonly ofLists: Networks
  readonly rules: PolicyOptions
}

async function check(
  mail: Mail,
  settings: Settings,
  log: ResultLog,
): Promise<Verdict<'reject' | 'tempfail'> | undefined> {
  const started = performance.now()
  const server = authservIdOf(mail, settings.authservId)
  const direction = directionOf(mail, settings.local)
  // What trusted servers have written is theirs to write, perhaps in our name.
  if (direction === 'local') {
    log.tell(mail, 'skipped', direction)
    return undefined
  }
  // As it came, before anything is removed.
  const rows = rowsOf(mail)
  const removed = removeForged(mail, settings, server)
  const { address } = mail.connection
  const isExempt = direction === 'authenticated' && !settings.checkAuthenticated
  if (isExempt || address === undefined) {
    log.tell(mail, 'skipped', direction, { ...(removed > 0 && { removed }) })
    return undefined
  }

  const session = new DnsSession(settings.dns, {
    maxQueries: settings.maxQueries,
    maxTime: settings.maxTime,
    signal: mail.signal,
  })
  const { helo } = mail.connection
  const subject: SpfSubject = { sender: mail.sender.address, helo, address, server }
  const results = await resultsOf(mail, rows, subject, session, settings)
  const judgement = judge(results, settings.rules, {
    allow: settings.allowed.has(address),
    list: settings.ofLists.has(address),
  })

  mail.headers.prepend(RECEIVED_SPF, encodeText(writeReceivedSpf(results.spf, subject)))
  const methods = methodResults(results, subject, judgement.override)
  mail.headers.prepend(RESULTS_NAME, encodeText(writeResultsField(server, methods)))
  const milliseconds = millisecondsSince(started)
  const costs = { removed, queries: session.queries, milliseconds }
  tell(log, mail, results, judgement, costs)
  return verdictOf(mail, judgement)
}

/** Shares of the questions of a message. The rest is left for DMARC, so that a sender cannot use up what it needs. */
const SPF_SHARE = 0.5
const KEYS_SHARE = 0.2

async function resultsOf(
  mail: Mail,
  rows: readonly HeaderRow[],
  subject: SpfSubject,
  session: DnsSession,
  settings: Settings,
): Promise<Results> {
  const { mailauth, maxQueries, maxTime } = settings
  const share = (part: number): DnsSession =>
    new DnsSession(session, { maxQueries: Math.floor(part * maxQueries), maxTime })
  const keys = share(KEYS_SHARE)
  const now = new Date(settings.now())
  const utf8 = mail.sender.parameters.has('SMTPUTF8')
  const signatures = await Signatures.read(mailauth, keys, rows, settings, now, utf8)
  const { author } = signatures
  const [spf, { checks: dkim, notLookedAt }] = await Promise.all([
    checkSpf(mailauth, share(SPF_SHARE), subject),
    signatures.check(mail.body),
    // The record of the author is asked for at once. Its answers are for checkDmarc.
    author.domain !== undefined && organizationalDomainByTreeWalk(session, author.domain),
  ])
  const [arc, dmarc] = await Promise.all([
    checkArc(mailauth, keys, signatures.arc, settings, subject.address),
    checkDmarc(mailauth, session, author, spf, dkim),
  ])
  // mailauth takes the end of all waiting for a failure of DNS.
  mail.signal.throwIfAborted()
  return { spf, dkim, notLookedAt, dmarc, arc }
}

/** The header as mailauth has it. */
function rowsOf(mail: Mail): HeaderRow[] {
  return mail.headers.fields().map(({ name, raw }) => {
    const casedKey = name.trim()
    return {
      key: casedKey.toLowerCase(),
      casedKey,
      line: Buffer.concat([encodeText(`${name}:`), raw]),
    }
  })
}

/** Removes fields that claim to be ours, however they are written. Returns how many. */
function removeForged(mail: Mail, settings: Settings, server: string): number {
  const ids = new OwnIds([server, ...settings.removeIds])
  const isForged = (field: HeaderField): boolean => {
    const name = field.name.trim().toLowerCase()
    if (name === 'received-spf') return settings.removeReceivedSpf
    if (name !== 'authentication-results' && name !== 'x-authentication-results') return false
    return ids.isClaimedBy(decodeText(field.raw))
  }
  let removed = 0
  for (const field of mail.headers) {
    if (isForged(field)) removed += mail.headers.delete(field)
  }
  return removed
}

const OUTCOMES: Readonly<Record<PolicyAction, FilterResult>> = {
  accept: 'changed',
  quarantine: 'held',
  reject: 'refused',
  defer: 'deferred',
}

interface Costs {
  readonly removed: number
  readonly queries: number
  readonly milliseconds: number
}

function tell(
  log: ResultLog,
  mail: Mail,
  results: Results,
  judgement: Judgement,
  { removed, queries, milliseconds }: Costs,
): void {
  const { spf, dkim, notLookedAt, dmarc, arc } = results
  const { action, wanted, reason, override, text } = judgement
  log.tell(mail, OUTCOMES[action], reason ?? `dmarc-${dmarc.result}`, {
    spf: spf.result,
    dkim: dkim.map(({ result, domain }) =>
      domain === undefined ? result : `${result} ${domain}`,
    ),
    dmarc: dmarc.result,
    arc: arc.result,
    from: dmarc.domain ?? dmarc.problem,
    ...(dmarc.policy !== undefined && { policy: dmarc.policy }),
    ...(wanted !== action && { wanted }),
    ...(override !== undefined && { override }),
    ...(text !== undefined && { text }),
    ...(notLookedAt > 0 && { notLookedAt }),
    ...(removed > 0 && { removed }),
    queries,
    milliseconds,
  })
  if (!channels.authentication.hasSubscribers) return
  channels.authentication.publish({
    connection: mail.id,
    spf: spf.result,
    dkim: bestOf(dkim.map(({ result }) => result)),
    dmarc: dmarc.result,
    arc: arc.result,
    action,
    reason,
    override,
    queries,
    milliseconds,
  })
}

const BEST: readonly DkimResult[] = [
  'pass',
  'temperror',
  'policy',
  'neutral',
  'fail',
  'permerror',
]
const bestOf = (results: readonly DkimResult[]): DkimResult =>
  BEST.find((result) => results.includes(result)) ?? 'none'

function verdictOf(
  mail: Mail,
  { action, text = '', code }: Judgement,
): Verdict<'reject' | 'tempfail'> | undefined {
  if (action === 'quarantine') mail.quarantine(text)
  if (code === undefined || (action !== 'reject' && action !== 'defer')) return undefined
  return reply(...code, ...replyLines(text))
}
