import { UsageError } from '../../errors.ts'
import type { FailureAction } from './failure-action.ts'

/** The versions of Postfix whose behaviour is known. A version between two of them behaves as the older one. */
export type PostfixVersion = '3.7' | '3.10' | '3.11'
/** The versions of Sendmail whose behaviour is known. */
export type SendmailVersion = '8.17' | '8.18.1' | '8.18.2'

/** The mail servers that are modelled. */
export type MailServerName = 'postfix' | 'sendmail'

/** A mail server. A name alone means the version of Debian stable. `{ postfix: '3.7' }` names the version too. */
export type MailServerChoice =
  MailServerName | { readonly postfix: PostfixVersion } | { readonly sendmail: SendmailVersion }

type ByVersion<Version extends string, Value> = Readonly<Record<Version, Value>>

/** What differs between versions of Postfix, as far as a filter or its client can see it. */
interface PostfixRules {
  /** the release that was measured, as in the macro `v` */
  readonly release: string
  /**
   * The default of milter_default_action: `shutdown` from 3.8.15, 3.9.9, 3.10.8 and 3.11.0 on
   * (postconf(5)).
   */
  readonly onFailure: FailureAction
  /** Whether it knows milter_default_action = shutdown; otherwise that is an error in its configuration. */
  readonly knowsShutdown: boolean
  /** The part of an unknown command that a filter gets: the whole line from 3.10 on (smtpd.c). */
  readonly unknown: 'first word' | 'line'
  /**
   * Which replies of a filter to such a command count: from 3.10 on Postfix sends the client `500 5.5.2` instead of
   * a 5xx reply of the filter (smtpd.c).
   */
  readonly unknownReplies: 'all' | '4xx'
  /**
   * SHUTDOWN in answer to end of message. Up to 3.10 Postfix tells the client that the message is queued, but it is
   * not: cleanup_milter_apply sets CLEANUP_STAT_CONT in `flags` instead of `errs`, and in `flags` that bit means
   * CLEANUP_FLAG_DISCARD (cleanup_milter.c, cleanup_user.h). From 3.11.5 on the client gets 421.
   */
  readonly shutdown: 'loses content' | 'refuses'
  /** How a reply of the filter is checked: by its first line, or from 3.11 on by each line (milter8.c). */
  readonly replyChecked: 'first line' | 'each line'
}

const POSTFIX: {
  readonly [Rule in keyof PostfixRules]: ByVersion<PostfixVersion, PostfixRules[Rule]>
} = {
  release: { '3.7': '3.7.11', '3.10': '3.10.13', '3.11': '3.11.7' },
  onFailure: { '3.7': 'tempfail', '3.10': 'shutdown', '3.11': 'shutdown' },
  knowsShutdown: { '3.7': false, '3.10': true, '3.11': true },
  unknown: { '3.7': 'first word', '3.10': 'line', '3.11': 'line' },
  unknownReplies: { '3.7': 'all', '3.10': '4xx', '3.11': '4xx' },
  shutdown: { '3.7': 'loses content', '3.10': 'loses content', '3.11': 'refuses' },
  replyChecked: { '3.7': 'first line', '3.10': 'first line', '3.11': 'each line' },
}

/** What differs between versions of Sendmail, as far as a filter or its client can see it. */
interface SendmailRules {
  /** the release that was measured, as in the macro `v` */
  readonly release: string
  /**
   * From 8.18.2 on, Sendmail joins a second To, Cc, Bcc or Apparently-To that a filter adds with the first. If the
   * first was deleted, Sendmail crashes (headers.c addheader, H_0OR1_AL).
   */
  readonly joinsRecipientFields: boolean
}

const SENDMAIL: {
  readonly [Rule in keyof SendmailRules]: ByVersion<SendmailVersion, SendmailRules[Rule]>
} = {
  release: { '8.17': '8.17.1.9', '8.18.1': '8.18.1', '8.18.2': '8.18.2' },
  joinsRecipientFields: { '8.17': false, '8.18.1': false, '8.18.2': true },
}

/** The versions of Debian stable, 13 since August 2025. */
export const STABLE: { readonly postfix: PostfixVersion; readonly sendmail: SendmailVersion } =
  { postfix: '3.10', sendmail: '8.18.1' }

function column<Rules, Version extends string>(
  table: { readonly [Rule in keyof Rules]: ByVersion<Version, Rules[Rule]> },
  version: Version,
): Rules {
  const rules = Object.entries<ByVersion<Version, unknown>>(table)
  return Object.fromEntries(rules.map(([rule, values]) => [rule, values[version]])) as Rules
}

export const postfixRules = (version: PostfixVersion): PostfixRules =>
  column<PostfixRules, PostfixVersion>(POSTFIX, version)

export const sendmailRules = (version: SendmailVersion): SendmailRules =>
  column<SendmailRules, SendmailVersion>(SENDMAIL, version)

export const KNOWN_VERSIONS: Readonly<Record<MailServerName, readonly string[]>> = {
  postfix: Object.keys(POSTFIX.release),
  sendmail: Object.keys(SENDMAIL.release),
}

/** One server of one version. */
export type MailServerVersion =
  | { readonly name: 'postfix'; readonly version: PostfixVersion }
  | { readonly name: 'sendmail'; readonly version: SendmailVersion }

/** @throws UsageError INVALID_OPTION */
export function chosenVersion(choice: MailServerChoice): MailServerVersion {
  if (choice === 'postfix') return { name: choice, version: STABLE[choice] }
  if (choice === 'sendmail') return { name: choice, version: STABLE[choice] }
  const entries = typeof choice === 'object' && choice !== null ? Object.entries(choice) : []
  const [name, version] = entries[0] ?? ['', undefined]
  if (entries.length !== 1 || !Object.hasOwn(KNOWN_VERSIONS, name)) {
    throw new UsageError(
      'INVALID_OPTION',
      `mta is ${JSON.stringify(choice)}; it can be postfix, sendmail, or one of them with a version: { postfix: '3.7' }, { sendmail: '8.18.2' }`,
    )
  }
  const known = KNOWN_VERSIONS[name as MailServerName]
  if (!known.includes(version as string)) {
    throw new UsageError(
      'INVALID_OPTION',
      `mta is ${JSON.stringify(choice)}; the versions of ${name} that are known are ${known.join(', ')}; take the latest that is not newer than yours, or the oldest if there is none`,
    )
  }
  return { name, version } as MailServerVersion
}
