/**
 * A private key with its place in DNS: `selector._domainkey.domain`. The algorithm follows from the key, so a key cannot
 * be used with a wrong one.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'
import { UsageError } from '../../errors.ts'

export type SigningAlgorithm = 'rsa-sha256' | 'ed25519-sha256'

/** RFC 8301, section 3.2: signers use at least 1024 bits, and should use 2048. Verifiers need not take more than 4096. */
const RSA_BITS = { min: 1024, max: 4096, good: 2048 }

/** A label of a domain name. Selectors may have several (RFC 6376, section 3.1). */
const NAME = /^[a-z0-9_](?:[\w-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[\w-]{0,61}[a-z0-9_])?)*$/i

export class SigningKey {
  readonly domain: string
  readonly selector: string
  readonly algorithm: SigningAlgorithm
  /** what makes the key weak; undefined if nothing does */
  readonly weakness: string | undefined
  readonly #key: KeyObject
  #public: KeyObject | undefined

  /**
   * @param pem a private key in PEM: PKCS #8, or PKCS #1 for RSA, without a passphrase
   * @param source where it comes from, for errors
   * @throws UsageError INVALID_OPTION
   */
  constructor(domain: string, selector: string, pem: string | Buffer, source = 'the key') {
    for (const [what, name] of [
      ['domain', domain],
      ['selector', selector],
    ] as const) {
      if (typeof name === 'string' && name.length <= 253 && NAME.test(name)) continue
      throw invalid(`the ${what} ${JSON.stringify(name)} is not a name that DNS can have`)
    }
    this.domain = domain.toLowerCase()
    this.selector = selector
    this.#key = readKey(pem, source)
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = this.#key
    if (type === 'ed25519') {
      this.algorithm = 'ed25519-sha256'
      return
    }
    if (type !== 'rsa') {
      throw invalid(`${source} has a key of type ${type}; DKIM knows rsa and ed25519`)
    }
    this.algorithm = 'rsa-sha256'
    const bits = details?.modulusLength ?? 0
    if (bits < RSA_BITS.min || bits > RSA_BITS.max) {
      throw invalid(
        `${source} has an RSA key of ${bits} bits; servers take ${RSA_BITS.min} to ${RSA_BITS.max} (RFC 8301), best are ${RSA_BITS.good}`,
      )
    }
    if (bits < RSA_BITS.good)
      this.weakness = `the RSA key has ${bits} bits, not ${RSA_BITS.good}`
  }

  /** Where the public key has to be published. */
  get record(): string {
    return `${this.selector}._domainkey.${this.domain}`
  }

  get publicKey(): KeyObject {
    this.#public ??= createPublicKey(this.#key)
    return this.#public
  }

  /** The record to publish: `v=DKIM1; k=rsa; p=...` (RFC 6376, section 3.6.1). */
  get publishedRecord(): string {
    const type = this.algorithm === 'rsa-sha256' ? 'rsa' : 'ed25519'
    return `v=DKIM1; k=${type}; p=${this.publishedKey}`
  }

  /** The public key as p= of its record has it: RFC 6376, section 3.6.1; RFC 8463, section 4. */
  get publishedKey(): string {
    const der = this.publicKey.export({ type: 'spki', format: 'der' })
    return (this.algorithm === 'rsa-sha256' ? der : der.subarray(-32)).toString('base64')
  }

  /** Whether a signature is one of this key. */
  verify(data: Buffer, signature: Buffer): boolean {
    return this.algorithm === 'rsa-sha256'
      ? verify('sha256', data, this.publicKey, signature)
      : verify(null, sha256(data), this.publicKey, signature)
  }

  /** Signs on the thread pool. @param data the header in canonical form */
  sign(data: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, signature: Buffer): void =>
        error === null ? resolve(signature) : reject(error)
      if (this.algorithm === 'rsa-sha256') sign('sha256', data, this.#key, done)
      // RFC 8463, section 3: PureEdDSA over the hash.
      else sign(null, sha256(data), this.#key, done)
    })
  }
}

const sha256 = (data: Buffer): Buffer => createHash('sha256').update(data).digest()

function readKey(pem: string | Buffer, source: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw invalid(
      `${source} is not a private key in PEM without a passphrase (-----BEGIN PRIVATE KEY-----)`,
      cause,
    )
  }
}

const invalid = (what: string, cause?: unknown): UsageError =>
  new UsageError('INVALID_OPTION', `DKIM: ${what}`, { cause })
