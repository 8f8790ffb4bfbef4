import type { ClientConnection } from '../milter/context.ts'
import type { AddressFamily } from '../protocol/commands.ts'

/** What a mail server knows about the client, in its own words. */
export interface Macros {
  macro(name: string): string | undefined
  readonly connection: ClientConnection
}

/** Who has logged in by SMTP AUTH. */
export interface Authentication {
  /** macro `auth_authen` */
  readonly user: string
  /** PLAIN, LOGIN, ...: macro `auth_type` */
  readonly mechanism: string | undefined
  /** on whose behalf, MAIL ... AUTH=: macro `auth_author` */
  readonly author: string | undefined
}

/** How the client's connection is encrypted. */
export interface Tls {
  /** `TLSv1.3`: macro `tls_version` */
  readonly version: string
  readonly cipher: string | undefined
  readonly bits: number | undefined
  /** of the client's certificate, if it has shown one */
  readonly subject: string | undefined
  readonly issuer: string | undefined
}

/** The SMTP client of a mail. Facts the mail server does not tell are undefined. */
export class MailConnection {
  readonly #facts: Macros

  constructor(facts: Macros) {
    this.#facts = facts
  }

  /** the verified host name, `[address]` or `unknown` */
  get hostname(): string {
    return this.#facts.connection.hostname
  }

  get family(): AddressFamily {
    return this.#facts.connection.family
  }

  /** IP address, or path of a unix socket */
  get address(): string | undefined {
    return this.#facts.connection.address
  }

  get port(): number | undefined {
    return this.#facts.connection.port
  }

  /** what the client calls itself */
  get helo(): string | undefined {
    return this.#facts.connection.helo
  }

  /** The login name; undefined for a client that has not logged in. */
  get authenticated(): string | undefined {
    return this.#value('auth_authen')
  }

  get authentication(): Authentication | undefined {
    const user = this.authenticated
    if (user === undefined) return undefined
    return {
      user,
      mechanism: this.#value('auth_type'),
      author: this.#value('auth_author'),
    }
  }

  /** Undefined for a connection that is not encrypted. */
  get tls(): Tls | undefined {
    const version = this.#value('tls_version')
    if (version === undefined) return undefined
    return {
      version,
      cipher: this.#value('cipher'),
      bits: this.#number('cipher_bits'),
      subject: this.#value('cert_subject'),
      issuer: this.#value('cert_issuer'),
    }
  }

  /** The empty value says no more than none: Sendmail sends both. */
  #value(name: string): string | undefined {
    const value = this.#facts.macro(name)
    return value === '' ? undefined : value
  }

  #number(name: string): number | undefined {
    const value = this.#value(name)
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined
  }
}
