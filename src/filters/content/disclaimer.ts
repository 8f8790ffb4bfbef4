/** The ready-made filter that adds a disclaimer to mail of your users, by rules about authors and recipients. */
import type { MessageFilter } from '../../message/define-filter.ts'
import type { Mail } from '../../message/mail.ts'
import type { Mailbox } from '../../mime/fields/mailboxes.ts'
import { placeFooter, type FooterResult } from '../../mime/footer.ts'
import { readShape } from '../../options/shape.ts'
import type { Table } from '../../toolkit/tables/table.ts'
import { readyMade } from '../ready-made.ts'
import type { ResultLog } from '../result-log.ts'
import { OWN_MAIL_MACROS, OwnMail } from '../signing/own-mail.ts'
import { openTableOption } from '../table-option.ts'
import type { DisclaimerOptions, DisclaimerSettings } from '../types.ts'
import { AddressPatterns } from './address-patterns.ts'
import { DISCLAIMER } from './disclaimer-options.ts'
import { FooterTemplate } from './footer-options.ts'

/**
 * What became of a message:
 *
 * - `added`: it has the disclaimer
 * - `partly`: some versions of its text have it, and others cannot take it, such as a calendar entry
 * - `present`: it shows the disclaimer already
 * - `sealed`: it is signed or encrypted
 * - `unreadable`: its text cannot be read for sure, and `unreadable` is `skip`
 * - `not-ours`: it is not of your users
 * - `bounce`: it has the null sender, or is a report (`multipart/report`)
 * - `no-author`: it has no `From` with an address
 * - `excepted`: its author is in `except`
 * - `internal`: all recipients are in `internalDomains`
 * - `reply`: it is a reply, and `replies` is `skip`
 * - `no-rule`: no rule matches
 */
export type DisclaimerReason =
  | 'added'
  | 'partly'
  | 'present'
  | 'sealed'
  | 'unreadable'
  | 'not-ours'
  | 'bounce'
  | 'no-author'
  | 'excepted'
  | 'internal'
  | 'reply'
  | 'no-rule'

const VARIABLES: readonly string[] = [
  'from.name',
  'from.address',
  'from.local',
  'from.domain',
  'login',
  'date',
  'year',
]
const MARK = 'tsmilter-disclaimer'

interface Rule {
  readonly from: AddressPatterns | undefined
  readonly to: AddressPatterns | undefined
  readonly template: FooterTemplate
}

interface Settings extends Omit<DisclaimerSettings, 'rules' | 'tables' | 'except'> {
  readonly ownMail: OwnMail
  readonly rules: readonly Rule[]
  readonly tables: ReadonlyMap<string, Table>
  readonly except: AddressPatterns
  readonly internal: AddressPatterns
}

/**
 * Makes the filter. Files and tables are read now, so a mistake shows at the start.
 *
 *     compose(disclaimer({ rules: { textFile: '/etc/tsmilter/disclaimer.txt' } }), dkimSign({ ... }))
 *
 * @throws UsageError INVALID_OPTION, INVALID_ENTRY
 */
export function disclaimer(options: DisclaimerOptions): MessageFilter {
  const given = readShape(DISCLAIMER, options)
  const option = 'disclaimer: the option'
  const tables = new Map(
    Array.from(given.tables ?? [], ([name, table]) => [
      name,
      openTableOption(`${option} tables.${name}`, table),
    ]),
  )
  const known = [...VARIABLES, ...Array.from(tables.keys(), (name) => `table.${name}`)]
  const settings: Settings = {
    ...given,
    ownMail: new OwnMail(given),
    rules: given.rules.map((rule, i) => ({
      from: rule.from && new AddressPatterns(rule.from),
      to: rule.to && new AddressPatterns(rule.to),
      template: new FooterTemplate(rule, `${option} rules[${i}]`, known),
    })),
    tables,
    except: new AddressPatterns(given.except),
    internal: new AddressPatterns(given.internalDomains),
  }
  return readyMade(given, (results) => ({
    edits: ['headers', 'body'],
    macros: { message: OWN_MAIL_MACROS },
    message: (mail) => disclaim(mail, settings, results),
  }))
}

async function disclaim(mail: Mail, settings: Settings, results: ResultLog): Promise<void> {
  const choice = choose(mail, settings)
  if (typeof choice === 'string') {
    const level = choice === 'not-ours' ? undefined : 'info'
    return results.tell(mail, 'skipped', choice, {}, level)
  }
  const { author, template } = choice
  const tree = await mail.mime()
  // RFC 6522: programs read such reports.
  if (tree.type === 'multipart/report') return results.tell(mail, 'skipped', 'bounce')
  const values = await valuesOf(mail, author, template.variables, settings.tables)
  const { result, versions } = await placeFooter(tree, {
    ...template.filled(values),
    position: settings.position,
    unreadable: settings.unreadable,
    mark: MARK,
    // Of our own users, so what they write is trusted.
    once: settings.replies === 'once',
  })
  const told: DisclaimerReason = result === 'skipped' ? 'unreadable' : result
  // DKIM is about to fail, unless somebody signs after this.
  const signed = CHANGES[result] === 'changed' && mail.headers.has('DKIM-Signature')
  const facts = {
    rule: settings.rules.findIndex((rule) => rule.template === template),
    ...(result !== 'added' && { versions }),
    ...(signed && { breaks: 'DKIM-Signature' }),
  }
  results.tell(mail, CHANGES[result], told, facts, result === 'present' ? undefined : 'info')
}

const CHANGES: Readonly<Record<FooterResult, 'changed' | 'passed' | 'skipped'>> = {
  added: 'changed',
  partly: 'changed',
  present: 'passed',
  sealed: 'skipped',
  skipped: 'skipped',
}

function choose(
  mail: Mail,
  { ownMail, rules, except, internal, replies }: Settings,
): { readonly author: Mailbox; readonly template: FooterTemplate } | DisclaimerReason {
  if (!ownMail.has(mail)) return 'not-ours'
  if (mail.sender.address === '') return 'bounce'
  const author = mail.headers.mailboxes('From').find(({ domain }) => domain !== '')
  if (author === undefined) return 'no-author'
  if (except.has(author)) return 'excepted'
  const recipients = [...mail.recipients]
  if (recipients.every((one) => internal.has(one))) return 'internal'
  const isReply = mail.headers.has('In-Reply-To') || mail.headers.has('References')
  if (replies === 'skip' && isReply) return 'reply'
  const rule = rules.find(
    ({ from, to }) =>
      (from === undefined || from.has(author)) &&
      (to === undefined || recipients.some((one) => to.has(one))),
  )
  return rule === undefined ? 'no-rule' : { author, template: rule.template }
}

async function valuesOf(
  mail: Mail,
  author: Mailbox,
  wanted: ReadonlySet<string>,
  tables: ReadonlyMap<string, Table>,
): Promise<Map<string, string>> {
  const today = new Date()
  const values = new Map([
    ['from.name', author.name || author.address],
    ['from.address', author.address],
    ['from.local', author.local],
    ['from.domain', author.domain],
    ['login', mail.connection.authenticated ?? ''],
    ['date', today.toISOString().slice(0, 10)],
    ['year', today.toISOString().slice(0, 4)],
  ])
  const asked = [...tables].filter(([name]) => wanted.has(`table.${name}`))
  const found = await Promise.all(
    asked.map(async ([name, table]) => {
      const value = await table.lookup(author.address, { signal: mail.signal })
      return [`table.${name}`, value ?? ''] as const
    }),
  )
  for (const [name, value] of found) values.set(name, value)
  return values
}
