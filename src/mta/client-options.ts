import type { Offer } from '../protocol/negotiation.ts'
import type { ClientTls } from './channel.ts'
import type { FailureAction } from './models/failure-action.ts'
import type { MtaTimeouts } from './models/model.ts'
import type { MailServerChoice } from './models/versions.ts'

/** The options of `MtaClient` and of `deliver`. */
export interface MtaClientOptions {
  /**
   * The mail server to behave like: its offer, macros, order of commands, timeouts, and how it applies edits. A name
   * alone means the version of Debian stable. You can give others, such as `{ postfix: '3.7' }` and
   * `{ sendmail: '8.18.2' }`.
   * @default 'postfix'
   */
  readonly mta?: MailServerChoice | undefined
  /** The offer, if it is not that of the server: version, {@link Action} bits, {@link Step} bits. */
  readonly offer?: Partial<Offer> | undefined
  /**
   * Milliseconds to wait for the filter: one number for every reply, or one for each kind.
   * @default as the server
   */
  readonly timeouts?: number | Partial<MtaTimeouts> | undefined
  /**
   * What the server does with mail when the filter fails: milter_default_action of Postfix, F= of Sendmail. Sendmail
   * has no `quarantine`.
   * @default as the server: 'shutdown' with Postfix from 3.10 on, else 'tempfail'
   */
  readonly onFailure?: FailureAction | undefined
  /** The macros to send at a command instead of the server's defaults, as its configuration allows. */
  readonly macroLists?: Partial<Record<MacroStageName, readonly string[]>> | undefined
  /**
   * Whether `outcome.message` has the server's own Received field in its place. It is a placeholder that is always
   * the same. The filter does not see it, just as it does not see the real one.
   * @default false
   */
  readonly received?: boolean | undefined
}

export const CLIENT_OPTIONS: readonly (keyof MtaClientOptions)[] = [
  'mta',
  'offer',
  'timeouts',
  'onFailure',
  'macroLists',
  'received',
]

/** The options of `MtaClient.connect`. */
export interface ConnectOptions extends MtaClientOptions {
  /** Connects with TLS. `{}` is enough for a filter whose certificate Node trusts. */
  readonly tls?: ClientTls | undefined
}

/** A stage at which the server sends macros. */
export type MacroStageName = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'eoh' | 'eom'
