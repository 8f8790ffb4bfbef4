import type { ClientConnection } from '../milter/context.ts'
import type { AddressFamily } from '../protocol/commands.ts'

/** The source of the facts about a client: the mail server's macros and CONNECT. */
export interface Macros {
  macro(name: string): string | undefined
  readonly connection: ClientConnection
}

/** The login of the client by SMTP AUTH. */
export interface Authentication {
  /** macro `auth_authen` */
  readonly user: string
  /** PLAIN, LOGIN, ...: macro `auth_type` */
  readonly mechanism: string | undefined
  /** the original sender, from MAIL ... AUTH=: macro `auth_author` */
  readonly author: string | undefined
}

/** How the client's connection is encrypted. */
export interface Tls {
  /** `TLSv1.3`: macro `tls_version` */
  readonly version: string
  /** macro `cipher` */
  readonly cipher: string | undefined
  /** the size of the key: macro `cipher_bits` */
  readonly bits: number | undefined
  /** the subject of the client's certificate, if it has sent one: macro `cert_subject` */
  readonly subject: string | undefined
  /** the issuer of that certificate: macro `cert_issuer` */
  readonly issuer: string | undefined
}

/** The SMTP client of a mail. A fact that the mail server does not send is undefined. */
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

  /** the IP address, or the path of a unix socket */
  get address(): string | undefined {
    return this.#facts.connection.address
  }

  get port(): number | undefined {
    return this.#facts.connection.port
  }

  /** the latest HELO or EHLO name */
  get helo(): string | undefined {
    return this.#facts.connection.helo
  }

  /** The login name; undefined for a client that has not logged in. */
  get authenticated(): string | undefined {
    return this.#value('auth_authen')
  }

  /** The login with its mechanism; undefined for a client that has not logged in. */
  get authentication(): Authentication | undefined {
    const user = this.authenticated
    if (user === undefined) return undefined
    return {
      user,
      mechanism: this.#value('auth_type'),
      author: this.#value('auth_author'),
    }
  }

  /** The encryption of the client's connection; undefined if it is not encrypted. */
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

  /** An empty value means the same as no value: Sendmail sends both. */
  #value(name: string): string | undefined {
    const value = this.#facts.macro(name)
    return value === '' ? undefined : value
  }

  #number(name: string): number | undefined {
    const value = this.#value(name)
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined
  }
}
