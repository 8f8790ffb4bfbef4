import type { Peer } from '../protocol/commands.ts'
import type { MacroStore } from '../session/macro-store.ts'
import type { Session } from '../session/session.ts'
import type { Terms } from '../session/terms.ts'
import type { Logger } from './log.ts'

/** What the contexts of one connection share. */
export class ConnectionState {
  readonly id: number
  readonly logger: Logger
  peer: Peer | undefined
  helo: string | undefined
  readonly #session: Session

  constructor(id: number, logger: Logger, session: Session) {
    this.id = id
    this.logger = logger
    this.#session = session
  }

  get macros(): MacroStore {
    return this.#session.macros
  }

  get terms(): Terms {
    return this.#session.terms ?? NOTHING_YET
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
