import type * as Crypto from 'node:crypto'
import type * as Tls from 'node:tls'
import { checkPem, invalidTls, kindOf, type Pem } from '../net/pem.ts'
import { invalidOption } from '../options/invalid-option.ts'

/**
 * Loaded only for servers with TLS. Both modules are a tenth of the heap of an idle process, and each major collection
 * goes through all of it.
 */
const crypto = (): typeof Crypto => process.getBuiltinModule('node:crypto')
const nodeTls = (): typeof Tls => process.getBuiltinModule('node:tls')

/** TLS of a server. It applies to all TCP connections, but not to unix sockets. */
export interface TlsOptions {
  /** private key */
  readonly key: Pem
  /** certificate, followed by its intermediate CAs */
  readonly cert: Pem
  /**
   * CAs for mutual TLS: a client must present a certificate that one of them has signed. The name in the certificate is
   * not checked, so use a CA of your own, not a public one.
   */
  readonly ca?: Pem | readonly Pem[] | undefined
  /** passphrase of an encrypted key */
  readonly passphrase?: string | undefined
  /** ciphers in the notation of OpenSSL. @default as Node */
  readonly ciphers?: string | undefined
  /** @default 'TLSv1.2', or 'TLSv1.3' if Node was started with --tls-min-v1.3 */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
}

/**
 * The options with a renewed key and certificate. Other options that are left out stay as they were.
 *
 * @param given the current options; undefined at the start
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

/** Checks each part alone, so that an error names the wrong one. */
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
  // An empty list would mean all CAs that the system trusts, and anyone can get a certificate from one of those.
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

function readPem(name: 'key' | 'cert' | 'ca', pem: unknown, read: (pem: Pem) => unknown): void {
  checkPem(name, pem)
  try {
    read(pem)
  } catch (error) {
    throw invalidTls(`tls.${name}: cannot read ${kindOf(name)} from it`, error)
  }
}

/**
 * A TLS server that does not listen. It does the handshake on connections that it gets as events `connection`, as Node
 * documents. It refuses clients without a certificate from one of `ca`. A plain `new TLSSocket` would accept any
 * certificate, even with `rejectUnauthorized`.
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
    throw invalidTls('tls: key, certificate and ciphers do not match', error)
  }
}
