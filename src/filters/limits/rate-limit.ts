/**
 * The ready-made filter that limits how much is sent. A message is counted at its end, when all recipients are known. All of
 * its limits allow it, or nothing is counted. If it is refused or aborted after that, what was counted is given back.
 */
import { randomUUID } from 'node:crypto'
import { StoreError, TableError } from '../../errors.ts'
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import { parseNetwork } from '../../net/network.ts'
import { readShape } from '../../options/shape.ts'
import { Networks } from '../../server/networks.ts'
import { reply, type Verdict } from '../../session/verdict.ts'
import { addressParts } from '../../toolkit/addresses/address-parts.ts'
import { networkOf } from '../../toolkit/limits/network-of.ts'
import { RateLimiter, type Subjects } from '../../toolkit/limits/rate-limiter.ts'
import { directionOf, type Direction } from '../direction.ts'
import { addressList } from '../exempt-fields.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import { openTables, type Lookup } from '../sources/lookup.ts'
import { openStore, useName } from '../store-option.ts'
import type { RateLimitOptions, RateLimitSettings } from '../types.ts'
import { LimitNotices } from './limit-notice.ts'
import { limitsIn, UNITS, type Unit, type UnitLimits } from './limit-text.ts'
import { RATE_LIMIT } from './rate-limit-options.ts'
import { followMessages, whenSettled } from './settled-messages.ts'

/**
 * Why a message passed or not:
 *
 * - `within`: all limits allow it
 * - `above`: a limit is used up; deferred, or refused with `action: refuse`
 * - `never`: it is larger than a limit will ever allow; refused
 * - `given-back`: it was counted, then refused or aborted
 * - `local`, `exempt-recipient`, `no-limit`: it is not counted
 * - `store-failed`: the store has not answered; it passes, or is deferred with `closed`
 */
export type RateLimitReason =
  | 'within'
  | 'above'
  | 'never'
  | 'given-back'
  | 'local'
  | 'exempt-recipient'
  | 'no-limit'
  | 'store-failed'

/**
 * Makes the filter. It opens the store and the tables now.
 *
 *     await rateLimit({ login: { messages: ['10/60s', '150/d'], recipients: '500/d' } })
 *
 * @throws UsageError INVALID_OPTION, MISSING_PACKAGE; StoreError
 */
export async function rateLimit(options: RateLimitOptions): Promise<MessageFilter> {
  const given = readShape(RATE_LIMIT, options)
  const settings = await open(given)
  const countsBytes =
    given.users !== undefined ||
    [...limitsOf(given).keys()].some((name) => name.endsWith(' bytes'))
  followMessages()
  return readyMade(given, (results) => ({
    edits: [],
    // Without limits of bytes, the content is not needed.
    reads: countsBytes ? ['headers', 'body'] : [],
    message: async (mail) => await count(mail, settings, results, countsBytes),
  }))
}

/** Whose limits: a kind of subject. */
type Who = 'login' | 'sender' | 'domain' | 'client'
const WHO: readonly Who[] = ['login', 'sender', 'domain', 'client']
type Subject = `${Who} ${Unit}`

interface Settings extends RateLimitSettings {
  readonly limiter: RateLimiter<Subject>
  readonly base: ReadonlyMap<Subject, readonly string[]>
  readonly ofUser: Lookup | undefined
  readonly notices: LimitNotices
  readonly local: Networks
  readonly isExempt: ReturnType<typeof addressList>
}

/** Limits of the options, by what they count; none of these lists is empty. */
function limitsOf(given: RateLimitSettings): Map<Subject, readonly string[]> {
  const found = new Map<Subject, readonly string[]>()
  for (const who of WHO) {
    for (const unit of UNITS) {
      const limits = given[who]?.[unit] ?? []
      if (limits.length > 0) found.set(`${who} ${unit}`, limits)
    }
  }
  return found
}

/** Has to be there, and is never used: a limiter has limits for each subject, and tables may have more. */
const UNUSED = '1/d'

async function open(given: RateLimitSettings): Promise<Settings> {
  const ofUser = given.users === undefined ? undefined : await openTables('users', given.users)
  const store = await openStore(given.store)
  const name = useName(given.name)
  const base = limitsOf(given)
  const limits = Object.fromEntries(
    WHO.flatMap((who) =>
      UNITS.map((unit) => {
        const subject: Subject = `${who} ${unit}`
        return [subject, base.get(subject) ?? UNUSED] as const
      }),
    ),
  ) as Record<Subject, readonly string[]>
  const { onStoreFailure: onFailure, noticeEvery: every, notice } = given
  return {
    ...given,
    base,
    ofUser,
    limiter: new RateLimiter({ store, limits, name, onFailure }),
    notices: new LimitNotices(store, { name, every, notice }),
    local: new Networks('networks', given.networks),
    isExempt: addressList(given.recipients),
  }
}

async function count(
  mail: Mail,
  settings: Settings,
  log: ResultLog,
  countsBytes: boolean,
): Promise<Verdict<'reject' | 'tempfail'> | undefined> {
  const direction = directionOf(mail, settings.local)
  if (direction === 'local') return log.tell(mail, 'skipped', 'local')
  const recipients = [...mail.recipients]
  if (recipients.length > 0 && recipients.every(settings.isExempt)) {
    return log.tell(mail, 'skipped', 'exempt-recipient')
  }
  const { subjects, limits } = await subjectsOf(mail, direction, settings)
  if (Object.keys(subjects).length === 0) return log.tell(mail, 'skipped', 'no-limit')

  const amounts: Record<Unit, number> = {
    messages: 1,
    recipients: recipients.length,
    bytes: countsBytes ? mail.rawHeader().length + mail.body.size : 0,
  }
  const tokens = Object.fromEntries(
    Object.keys(subjects).map((subject) => [subject, amounts[unitOf(subject as Subject)]]),
  ) as Record<Subject, number>
  const id = randomUUID()
  let isCounted = true
  whenSettled(mail.id, (verdict) => {
    if (!isCounted || verdict === 'accept' || verdict === 'discard') return
    log.tell(mail, 'skipped', 'given-back', { verdict })
    void settings.limiter.giveBack(subjects, { id, limits })
  })
  try {
    const answer = await settings.limiter.take(subjects, {
      id,
      tokens,
      limits,
      signal: mail.signal,
    })
    if (answer.allowed) {
      const failed = Object.keys(answer.left).length === 0
      return log.tell(mail, 'passed', failed ? 'store-failed' : 'within')
    }
    isCounted = false
    return await above(mail, answer, subjects, amounts, settings, log)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    // What a step that was late has counted, the limiter gives back itself.
    isCounted = false
    log.tell(mail, 'deferred', 'store-failed', { code: error.code })
    return reply(451, '4.3.0', 'Limits cannot be checked now: try again later')
  }
}

const unitOf = (subject: Subject): Unit => subject.slice(subject.indexOf(' ') + 1) as Unit

interface Above {
  readonly subject: Subject
  readonly limit: string
  readonly wait: number
}

async function above(
  mail: Mail,
  { subject, limit, wait }: Above,
  subjects: Subjects<Subject>,
  amounts: Readonly<Record<Unit, number>>,
  settings: Settings,
  log: ResultLog,
): Promise<Verdict<'reject' | 'tempfail'>> {
  const unit = unitOf(subject)
  const [kind] = subject.split(' ') as [Who]
  const who = `${kind} ${subjects[subject]}`
  const facts = { who, unit, limit, amount: amounts[unit] }
  if (wait === Infinity) {
    log.tell(mail, 'refused', 'never', facts)
    return reply(550, '5.7.1', `This message has too many ${unit} for the limit of ${limit}`)
  }
  await settings.notices.tell(mail, { who, limit: `${unit} ${limit}` })
  const seconds = Math.max(1, Math.ceil(wait / 1_000))
  const text = `Too many ${unit}: the limit of this ${kind} is ${limit}`
  if (settings.action === 'refuse') {
    log.tell(mail, 'refused', 'above', { ...facts, seconds })
    return reply(550, '5.7.1', text)
  }
  log.tell(mail, 'deferred', 'above', { ...facts, seconds })
  return reply(451, '4.7.1', `${text}; try again in ${seconds} seconds`)
}

interface Counted {
  readonly subjects: Subjects<Subject>
  /** those of users, where they differ from the options */
  readonly limits: Partial<Record<Subject, readonly string[]>>
}

async function subjectsOf(
  mail: Mail,
  direction: Direction,
  settings: Settings,
): Promise<Counted> {
  const subjects: Partial<Record<Subject, string>> = {}
  const limits: Partial<Record<Subject, readonly string[]>> = {}
  const all = Object.entries(whoSends(mail, direction)) as [Who, string][]
  const own = await Promise.all(
    all.map(async ([, who]) => await ownLimits(who, mail, settings)),
  )
  for (const [i, [kind, who]] of all.entries()) {
    for (const unit of UNITS) {
      const subject: Subject = `${kind} ${unit}`
      const given = own[i]?.[unit]
      if (given !== undefined) limits[subject] = given
      if ((given ?? settings.base.get(subject) ?? []).length > 0) subjects[subject] = who
    }
  }
  return { subjects, limits }
}

/**
 * Who a message counts for. Anybody can write any sender, so senders and their domains count only for users: otherwise a
 * stranger could use up the limit of somebody else.
 */
function whoSends(mail: Mail, direction: Direction): Partial<Record<Who, string>> {
  if (direction === 'outside') {
    const network = parseNetwork(mail.connection.address ?? '')
    return network === undefined
      ? {}
      : { client: networkOf(network, { ipv4: 32, ipv6: 64 }).replace(/\/32$/, '') }
  }
  // Many servers of logins do not care about case, and one user must not have several limits.
  const login = mail.connection.authenticated!.toLowerCase()
  const sender = mail.sender.mailbox.toLowerCase()
  const domain = (addressParts(login).domain ?? mail.sender.domain) || undefined
  return { login, ...(sender !== '' && { sender }), ...(domain !== undefined && { domain }) }
}

/** The limits that tables have for somebody: by name, by `@domain` or by domain. */
async function ownLimits(
  who: string,
  mail: Mail,
  { ofUser, groups }: Settings,
): Promise<UnitLimits | undefined> {
  if (ofUser === undefined) return undefined
  const at = who.lastIndexOf('@')
  const domain = who.slice(at + 1)
  try {
    const found = await ofUser(at === -1 ? [who] : [who, `@${domain}`, domain], mail)
    if (found === undefined) return undefined
    const limits = limitsIn(found.value, groups ?? NO_GROUPS)
    if (limits === undefined) {
      const { key, value } = found
      mail.log.warn({ key, value }, 'this is no limit, so the usual ones apply')
    }
    return limits
  } catch (error) {
    if (!(error instanceof TableError)) throw error
    mail.log.warn(
      { who, reason: error.message },
      'limits of a user are not known, so the usual ones apply',
    )
    return undefined
  }
}

const NO_GROUPS: ReadonlyMap<string, UnitLimits> = new Map()
