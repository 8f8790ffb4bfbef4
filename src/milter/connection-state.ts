import type { Peer } from '../protocol/commands.ts'
import type { MacroStore } from '../session/macro-store.ts'
import type { Session } from '../session/session.ts'
import type { Terms } from '../session/terms.ts'
import { childLogger, type Logger } from './log.ts'
import type { FilterSettings } from './options.ts'
import type { ServerAtHand } from './servers-met.ts'

/** What the contexts of one connection share. */
export class ConnectionState {
  readonly id: number
  readonly logger: Logger
  peer: Peer | undefined
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

  /** Without the queue id, for what is not of one message. */
  get log(): Logger {
    return childLogger(this.logger, { connection: this.id })
  }

  /** Told by macros of CONNECT, so it holds for the SMTP session; asked for when they are there. */
  get mailServer(): ServerAtHand {
    this.#mailServer ??= this.#settings.servers.at(this.macros, () => this.log)
    return this.#mailServer
  }

  /** An SMTP session begins. */
  connect(peer: Peer): void {
    this.peer = peer
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
