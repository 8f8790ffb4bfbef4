/** Which mail is ours: what users and programs of this place send. All other mail is from outside. */
import type { Mail } from '../../message/mail.ts'
import { Networks } from '../../server/networks.ts'
import { isLocal } from '../direction.ts'

export interface OwnMailSettings {
  /** whether mail of clients that have logged in is ours */
  readonly authenticated: boolean
  /** Mail of clients with these addresses is ours, and so is mail that the server made itself, such as bounces. */
  readonly networks: readonly string[]
  /** all mail that comes in through these daemons (macro `daemon_name`) is ours */
  readonly daemons: readonly string[]
}

/** What {@link OwnMail} asks the mail server for. */
export const OWN_MAIL_MACROS: readonly string[] = ['daemon_name']

export class OwnMail {
  readonly #settings: OwnMailSettings
  readonly #networks: Networks

  constructor(settings: OwnMailSettings) {
    this.#settings = settings
    this.#networks = new Networks('networks', settings.networks)
  }

  has(mail: Mail): boolean {
    const { authenticated, daemons } = this.#settings
    const daemon = mail.macro('daemon_name')
    if (daemon !== undefined && daemons.includes(daemon)) return true
    const { connection } = mail
    if (authenticated && connection.authenticated !== undefined) return true
    return isLocal(connection, this.#networks)
  }
}
