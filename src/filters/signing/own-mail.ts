/** Which mail is ours: what users and programs of this place send. All other mail is from outside. */
import { isIP } from 'node:net'
import type { Mail } from '../../message/mail.ts'
import { Networks } from '../../server/networks.ts'

export interface OwnMailOptions {
  /** whether mail of clients that have logged in is ours; true by default */
  readonly authenticated?: boolean
  /**
   * Mail of clients with these addresses (`192.0.2.0/24`, `2001:db8::1`) is ours, and so is mail that the server made
   * itself, such as bounces. `127.0.0.0/8` and `::1` by default.
   */
  readonly networks?: readonly string[]
  /** all mail that comes in through these daemons (macro `daemon_name`) is ours, such as `ORIGINATING` */
  readonly daemons?: readonly string[]
}

export const OWN_MAIL_OPTIONS: readonly string[] = ['authenticated', 'networks', 'daemons']

/** What {@link OwnMail} asks the mail server for. */
export const OWN_MAIL_MACROS: readonly string[] = ['daemon_name']

export class OwnMail {
  readonly #options: OwnMailOptions
  readonly #networks: Networks

  /** @throws UsageError INVALID_OPTION */
  constructor(options: OwnMailOptions) {
    this.#options = options
    this.#networks = new Networks('networks', options.networks ?? ['127.0.0.0/8', '::1'])
  }

  has(mail: Mail): boolean {
    const { authenticated, address } = mail.connection
    if (this.#options.authenticated !== false && authenticated !== undefined) return true
    const daemon = mail.macro('daemon_name')
    if (daemon !== undefined && this.#options.daemons?.includes(daemon) === true) return true
    // Mail that did not come over the network: sendmail(1), bounces.
    return address === undefined || isIP(address) === 0 || this.#networks.has(address)
  }
}
