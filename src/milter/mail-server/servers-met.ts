import { bounded, copied } from '../../diagnostics/bounded-text.ts'
import { defectsOf, type DefectName } from './known-defects.ts'
import type { Logger } from '../../diagnostics/log.ts'
import { mailServer, type MailServer } from './mail-server.ts'

/** The mail server at the other end, and the defects to work around. */
export interface ServerAtHand extends MailServer {
  readonly defects: ReadonlySet<DefectName>
}

/** A mail server that has sent no macros. */
export const UNKNOWN_SERVER: ServerAtHand = atHand('', false)

/** Where macros are looked up. */
export interface Macros {
  get(name: string): string | undefined
}

/** The maximum number of servers to remember and log: any program that reaches the port can send any `v`. */
const MAX = 16
const LONGEST = 100

/** The mail servers that have connected. Each is logged once, when it connects for the first time. */
export class ServersMet {
  readonly #met = new Map<string, ServerAtHand>()
  readonly #tells: boolean

  /** @param tells writes lines */
  constructor(tells: boolean = true) {
    this.#tells = tells
  }

  /** @param macros with those of CONNECT */
  at(macros: Macros, log: () => Logger): ServerAtHand {
    const told = bounded(macros.get('v') ?? '', LONGEST)
    // Maddy sends it as Sendmail does (its internal/check/milter).
    const hasIfName =
      macros.get('if_name') !== undefined && macros.get('daemon_name') !== 'maddy'
    const sign = hasIfName ? `${told}\n` : told
    const known = this.#met.get(sign)
    if (known !== undefined) return known
    const met = atHand(told, hasIfName)
    if (this.#met.size < MAX) {
      this.#met.set(copied(sign), met)
      if (this.#tells) tell(met, log())
    }
    return met
  }
}

function atHand(told: string, hasIfName: boolean): ServerAtHand {
  const server = mailServer(told, hasIfName)
  return { ...server, defects: defectsOf(server) }
}

function tell({ label, defects }: ServerAtHand, log: Logger): void {
  if (defects.size === 0) log.info({ mailServer: label }, 'a mail server has connected')
  else {
    log.info(
      { mailServer: label, defects: [...defects].join(' ') },
      'a mail server has connected, known defects are worked around',
    )
  }
}
