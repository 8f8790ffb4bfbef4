import type { Offer } from '../protocol/negotiation.ts'
import type { ClientTls } from './channel.ts'
import type { FailureAction } from './models/failure-action.ts'
import type { MtaTimeouts } from './models/model.ts'
import type { MailServerChoice } from './models/versions.ts'

export interface MtaClientOptions {
  /**
   * Which server to be: its offer, macros, order of commands, patience, and what it makes of edits. A name alone is
   * the version of Debian stable; `{ postfix: '3.7' }` and `{ sendmail: '8.18.2' }` are others.
   * @default 'postfix'
   */
  readonly mta?: MailServerChoice | undefined
  /** What to offer instead: version, {@link Action} bits, {@link Step} bits. */
  readonly offer?: Partial<Offer> | undefined
  /**
   * Milliseconds to wait for the filter; one number for every reply, or by kind.
   * @default as the server
   */
  readonly timeouts?: number | Partial<MtaTimeouts> | undefined
  /**
   * What becomes of mail when the filter fails: milter_default_action of Postfix, F= of Sendmail, which has no
   * `quarantine`.
   * @default as the server: 'shutdown' with Postfix from 3.10 on, else 'tempfail'
   */
  readonly onFailure?: FailureAction | undefined
  /** Macros to send at a command instead of the server's default ones, as its settings allow. */
  readonly macroLists?: Partial<Record<MacroStageName, readonly string[]>> | undefined
  /**
   * Show the server's own Received field in `outcome.message`, where it stands, as a placeholder that is
   * always the same. The filter does not see it, as it does not see the real one.
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

/** How a filter is connected to. */
export interface ConnectOptions extends MtaClientOptions {
  /** TLS, for a filter that speaks it; `{}` for one whose certificate Node trusts. */
  readonly tls?: ClientTls | undefined
}

export type MacroStageName = 'connect' | 'helo' | 'mail' | 'rcpt' | 'data' | 'eoh' | 'eom'
