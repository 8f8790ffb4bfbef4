/** What a program can say about how mail is sent, and its defaults. */
import { hostname } from 'node:os'
import type { ConnectionOptions } from 'node:tls'
import { UsageError } from '../../errors.ts'
import { MAX_TIMER } from '../../options/kinds.ts'
import { wholeNumber } from '../../options/validate.ts'

/** Times in milliseconds. */
export interface SmtpTimeouts {
  /** for a connection, and for the TLS handshake; 10 s by default */
  readonly connect?: number | undefined
  /** for each reply, and for each piece of 64 KiB of the message; 30 s by default */
  readonly reply?: number | undefined
  /** for the reply to a whole message, which many servers filter first; 60 s by default */
  readonly message?: number | undefined
  /** for everything together, look-ups and all hosts included; 120 s by default */
  readonly total?: number | undefined
}

/**
 * - `opportunistic`: with TLS if the server offers it, whatever its certificate is, and without TLS if it fails
 * - `required`: not without TLS and a valid certificate for the name of the server
 * - `implicit`: the same, but TLS starts with the connection (port 465)
 * - `off`: without TLS
 */
export type SmtpTls = 'opportunistic' | 'required' | 'implicit' | 'off'

export interface SmtpOptions {
  /** our name, for EHLO; the host name of this machine by default */
  readonly name?: string | undefined
  /** `opportunistic` by default */
  readonly tls?: SmtpTls | undefined
  /** certificates of authorities, a certificate of our own, and the like, as `tls.connect` of Node takes them */
  readonly tlsOptions?: ConnectionOptions | undefined
  readonly timeouts?: SmtpTimeouts | undefined
  /** LMTP (RFC 2033): each recipient has an answer of its own after the message. SMTP by default */
  readonly protocol?: 'smtp' | 'lmtp' | undefined
  /** whether 8-bit bytes go to a server without 8BITMIME all the same, as Sendmail can do; false by default */
  readonly send8Bit?: boolean | undefined
  /** whether a message is sent that some servers would take for two (`ambiguous-end`) */
  readonly sendAmbiguousEnd?: boolean | undefined
  /** cuts off: the call rejects with the reason of the signal */
  readonly signal?: AbortSignal | undefined
}

export interface SmtpSettings {
  readonly name: string
  readonly tls: SmtpTls
  readonly tlsOptions: ConnectionOptions
  readonly timeouts: Required<{ [Name in keyof SmtpTimeouts]: number }>
  readonly protocol: 'smtp' | 'lmtp'
  readonly send8Bit: boolean
  readonly sendAmbiguousEnd: boolean
  readonly signal: AbortSignal | undefined
}

/** @throws UsageError INVALID_OPTION */
export function smtpSettings(
  options: SmtpOptions,
  defaults: { readonly sendAmbiguousEnd: boolean },
): SmtpSettings {
  const { timeouts = {}, tls = 'opportunistic', protocol = 'smtp' } = options
  const name = options.name ?? hostname()
  if (!/^[!-~]{1,255}$/.test(name)) {
    throw new UsageError('INVALID_OPTION', 'name has to be a host name in ASCII')
  }
  if (!['opportunistic', 'required', 'implicit', 'off'].includes(tls)) {
    throw new UsageError(
      'INVALID_OPTION',
      "tls has to be 'opportunistic', 'required', 'implicit' or 'off'",
    )
  }
  if (protocol !== 'smtp' && protocol !== 'lmtp') {
    throw new UsageError('INVALID_OPTION', "protocol has to be 'smtp' or 'lmtp'")
  }
  const time = (of: keyof SmtpTimeouts, value: number): number =>
    wholeNumber(`timeouts.${of}`, timeouts[of] ?? value, 1, MAX_TIMER)
  return {
    name,
    tls,
    tlsOptions: options.tlsOptions ?? {},
    timeouts: {
      connect: time('connect', 10_000),
      reply: time('reply', 30_000),
      message: time('message', 60_000),
      total: time('total', 120_000),
    },
    protocol,
    send8Bit: options.send8Bit ?? false,
    sendAmbiguousEnd: options.sendAmbiguousEnd ?? defaults.sendAmbiguousEnd,
    signal: options.signal,
  }
}
