import { reasonOf } from '../net/system-error.ts'
import type * as Crypto from 'node:crypto'
import type * as Tls from 'node:tls'
import { UsageError } from '../errors.ts'
import { invalidOption } from '../options/validate.ts'

/**
 * Loaded for servers that have TLS only: both are a tenth of what an idle process has on its heap, and each
 * major collection goes through all of it.
 */
const crypto = (): typeof Crypto => process.getBuiltinModule('node:crypto')
const nodeTls = (): typeof Tls => process.getBuiltinModule('node:tls')

/** PEM: what is in the file, not its path. */
export type Pem = string | Buffer

/** TLS of a server: all its TCP connections, and no unix socket. */
export interface TlsOptions {
  /** private key */
  readonly key: Pem
  /** certificate, followed by those between it and its root */
  readonly cert: Pem
  /**
   * Mutual TLS: clients have to show a certificate that one of these has signed. Which name it is for
   * does not matter, so take a CA of your own and not a public one.
   */
  readonly ca?: Pem | readonly Pem[] | undefined
  /** of an encrypted key */
  readonly passphrase?: string | undefined
  /** in the notation of OpenSSL. @default as Node */
  readonly ciphers?: string | undefined
  /** @default 'TLSv1.2', or 'TLSv1.3' if Node was started with --tls-min-v1.3 */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
}

/**
 * A renewed key and certificate; whatever else is left out stays as it was.
 *
 * @param given what it is now; undefined at the start
 */
export function renewed(given: TlsOptions | undefined, renewal: TlsOptions): TlsOptions {
  if (given === undefined || typeof renewal !== 'object' || renewal === null) return renewal
  const { ca, passphrase, ciphers, minVersion } = given
  const { key, cert, ...rest } = renewal
  const changed = Object.entries(rest).filter(([, value]) => value !== undefined)
  return { ca, passphrase, ciphers, minVersion, ...Object.fromEntries(changed), key, cert }
}

const NAMES: readonly string[] = [
  'key',
  'cert',
  'ca',
  'passphrase',
  'ciphers',
  'minVersion',
] satisfies (keyof TlsOptions)[]

/** Looks at each part by itself, so that an error names the one that is wrong. */
function checked(options: TlsOptions): Tls.TlsOptions {
  if (typeof options !== 'object' || options === null) {
    throw invalidOption('tls', options, 'an object with key and cert')
  }
  for (const name of Object.keys(options)) {
    if (!NAMES.includes(name)) throw invalidOption('tls', name, NAMES.join(', '))
  }
  const { DEFAULT_MIN_VERSION } = nodeTls()
  const { createPrivateKey, X509Certificate } = crypto()
  const { key, cert, ca, passphrase, ciphers } = options
  const minVersion =
    options.minVersion ?? (DEFAULT_MIN_VERSION === 'TLSv1.3' ? 'TLSv1.3' : 'TLSv1.2')
  if (!['TLSv1.2', 'TLSv1.3'].includes(minVersion)) {
    throw invalidOption('tls.minVersion', minVersion, 'TLSv1.2 or TLSv1.3')
  }
  readPem('key', key, (pem) => createPrivateKey({ key: pem, passphrase }))
  readPem('cert', cert, (pem) => new X509Certificate(pem))
  // None at all would mean all CAs the system trusts, with whose certificates anybody could come.
  const authorities = ca === undefined ? undefined : [ca].flat()
  if (authorities?.length === 0) throw invalidOption('tls.ca', ca, 'one certificate or several')
  for (const one of authorities ?? []) readPem('ca', one, (pem) => new X509Certificate(pem))
  return {
    key: asBuffer(key),
    cert: asBuffer(cert),
    ca: authorities?.map(asBuffer),
    passphrase,
    ciphers,
    minVersion,
  }
}

const asBuffer = (pem: Pem): Buffer => Buffer.from(pem as string)

export const isPem = (value: unknown): value is Pem =>
  (typeof value === 'string' || Buffer.isBuffer(value)) && value.includes('-----BEGIN ')

/** @throws UsageError INVALID_OPTION for what holds none, such as the path of a file */
export function checkPem(name: 'key' | 'cert' | 'ca', pem: unknown): asserts pem is Pem {
  if (isPem(pem)) return
  const what = kindOf(name)
  throw new UsageError(
    'INVALID_OPTION',
    pem === undefined
      ? `the option tls.${name} is missing: ${what} as PEM text`
      : `the option tls.${name} takes ${what} as PEM text, what is in the file and not its path; there is none in what it got`,
  )
}

function readPem(name: 'key' | 'cert' | 'ca', pem: unknown, read: (pem: Pem) => unknown): void {
  checkPem(name, pem)
  try {
    read(pem)
  } catch (error) {
    throw invalidTls(`tls.${name}: it does not hold ${kindOf(name)} that can be read`, error)
  }
}

const kindOf = (name: string): string => (name === 'key' ? 'a private key' : 'a certificate')

/**
 * A server that listens nowhere: it shakes hands on the connections that are given to it, which its
 * event `connection` is documented for, and refuses whom none of `ca` has vouched for. A TLSSocket of
 * one's own would not: it takes any certificate, whatever `rejectUnauthorized` says.
 *
 * @param handshakeTimeout milliseconds
 * @throws UsageError INVALID_OPTION
 */
export function tlsServer(options: TlsOptions, handshakeTimeout: number): Tls.Server {
  const tls = checked(options)
  const mutual = tls.ca !== undefined
  try {
    return nodeTls().createServer({
      ...tls,
      requestCert: mutual,
      rejectUnauthorized: mutual,
      handshakeTimeout,
    })
  } catch (error) {
    throw invalidTls('tls: key, certificate and ciphers do not go together', error)
  }
}

/** @param what of the option, such as `tls.ca: ...` */
export function invalidTls(what: string, cause: unknown): UsageError {
  return new UsageError('INVALID_OPTION', `the option ${what}: ${reasonOf(cause as Error)}`, {
    cause,
  })
}
