import type { SmtpClient } from '../protocol/commands.ts'
import type { MacroStore } from '../session/macro-store.ts'
import type { Session } from '../session/session.ts'
import type { Terms } from '../session/terms.ts'
import { KeptEnvelope } from './envelope/kept-envelope.ts'
import { childLogger, type Logger } from '../diagnostics/log.ts'
import type { FilterSettings } from './options.ts'
import { UNKNOWN_SERVER, type ServerAtHand } from './mail-server/servers-met.ts'

/** What the contexts of one connection share. */
export class ConnectionState {
  readonly id: number
  readonly logger: Logger
  client: SmtpClient | undefined
  helo: string | undefined
  readonly #session: Session
  readonly #settings: FilterSettings
  #mailServer: ServerAtHand | undefined

  constructor(id: number, settings: FilterSettings, session: Session) {
    this.id = id
    this.logger = settings.logger
    this.#settings = settings
    this.#session = session
  }

  get macros(): MacroStore {
    return this.#session.macros
  }

  get terms(): Terms {
    return this.#session.terms ?? NOTHING_YET
  }

  /** Without the queue id, for lines that do not belong to one message. */
  get log(): Logger {
    return childLogger(this.logger, { connection: this.id })
  }

  /** Told by macros of CONNECT, so it holds for the SMTP session. At negotiate nothing is known. */
  get mailServer(): ServerAtHand {
    if (this.#mailServer !== undefined) return this.#mailServer
    const { servers } = this.#settings
    if (this.#session.terms === undefined) return UNKNOWN_SERVER
    this.#mailServer = servers.at(this.macros, () => this.log)
    return this.#mailServer
  }

  newEnvelope(): KeptEnvelope {
    const { memory, keptRecipients } = this.#settings
    return new KeptEnvelope(memory, keptRecipients)
  }

  /** An SMTP session begins. */
  connect(client: SmtpClient): void {
    this.client = client
    this.helo = undefined
    this.#mailServer = this.#settings.servers.at(this.macros, () => this.log)
  }
}

const NOTHING_YET: Terms = {
  version: 0,
  actions: 0,
  steps: 0,
  macros: new Map(),
  declined: 0,
  dataSize: 65_535,
}
