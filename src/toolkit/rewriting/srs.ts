/**
 * The Sender Rewriting Scheme, as libsrs2 and postsrsd write it. A forwarder that keeps the sender of a message fails
 * SPF at the next server. With SRS, the sender becomes an address of the forwarder, which has the real one in it, so
 * that bounces find their way back. A hash keeps strangers from sending bounces to anybody.
 *
 *     SRS0=hash=day=other.example=user@srs.example   a sender, forwarded once
 *     SRS1=hash=first.example==hash=day=other.example=user@srs.example   an SRS0 address, forwarded again
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { UsageError } from '../../errors.ts'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { joinAddress, splitAddress } from '../addresses/address-parts.ts'

export interface SrsOptions {
  /** domain of the rewritten addresses; bounces to it must reach this server */
  readonly domain: string
  /** the first secret makes hashes, and all of them check hashes; see {@link readSrsSecrets} */
  readonly secrets: readonly string[]
  /**
   * domains whose senders stay as they are, with all their subdomains (as `domains` of postsrsd); `.example.org` is only
   * the subdomains
   */
  readonly localDomains?: readonly string[]
  /** what follows SRS0 and SRS1 in new addresses; `=` by default. All three are read. */
  readonly separator?: '=' | '+' | '-'
  /** characters of a new hash, 1 to 20; 4 by default */
  readonly hashLength?: number
  /** characters a hash needs to be believed, 1 to `hashLength`; `hashLength` by default */
  readonly minHashLength?: number
  /** days that an address is valid; 21 by default, at most 1022 */
  readonly maxAge?: number
  /** Unix time in milliseconds, for tests; `Date.now` by default */
  readonly now?: () => number
}

/**
 * Why an address was not rewritten:
 * - `null-sender`: there is nobody to send bounces to
 * - `no-domain`: it has no domain
 * - `local-domain`: it is in `localDomains`, or in `domain` itself
 * - `malformed`: it begins like an SRS1 address, and is none; or its domain has a `=`
 */
export type SrsForwardReason = 'null-sender' | 'no-domain' | 'local-domain' | 'malformed'

/**
 * Why an address has no original address:
 * - `not-srs`: it does not begin with SRS0 or SRS1 and a separator
 * - `malformed`: parts are missing
 * - `wrong-hash`: no secret gives this hash, or it is shorter than `minHashLength`
 * - `expired`: it is older than `maxAge`
 * - `alias`: postsrsd (`original-envelope = database`) keeps the address in its database, under `alias`
 */
export type SrsReverseReason = 'not-srs' | 'malformed' | 'wrong-hash' | 'expired' | 'alias'

export type SrsForwarded =
  | {
      readonly address: string
      /**
       * The local part has more than 64 bytes, which servers may refuse (RFC 5321, section 4.5.3.1.1). This happens to
       * senders of more than some 50 bytes.
       */
      readonly long: boolean
    }
  | { readonly address: undefined; readonly reason: SrsForwardReason }

export type SrsReversed =
  | { readonly address: string }
  | {
      readonly address: undefined
      readonly reason: SrsReverseReason
      /** with `alias`: the key in the database of postsrsd, such as `0123…@1` */
      readonly alias?: string
    }

const DAY = 86_400_000
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
/** Two digits. After that many days, the same day comes again. */
const SLOTS = 1024
const MAX_LOCAL = 64
const TAG = /^SRS([01])([=+-])([^]*)$/i
/** The domain that postsrsd gives to keys of its database. */
export const ALIAS_DOMAIN = '1'

/**
 * Rewrites senders of forwarded mail, and finds the original addresses again. Addresses are the same as those of
 * postsrsd with the same secrets, so you can replace one with the other while mail is on its way.
 *
 *     const srs = new Srs({ domain: 'srs.example.org', secrets: await readSrsSecrets('/etc/postsrsd.secret') })
 *     srs.forward('user@other.example').address // 'SRS0=vmyz=2W=other.example=user@srs.example.org'
 *
 * @throws UsageError INVALID_OPTION
 */
export class Srs {
  readonly #options: Required<SrsOptions>
  readonly #secrets: readonly Buffer[]
  readonly #localNames: readonly string[]

  constructor(options: SrsOptions) {
    const { domain, secrets, hashLength = 4, localDomains = [] } = options
    this.#options = {
      domain,
      secrets,
      localDomains,
      separator: options.separator ?? '=',
      hashLength,
      minHashLength: options.minHashLength ?? hashLength,
      maxAge: options.maxAge ?? 21,
      now: options.now ?? Date.now,
    }
    check(this.#options)
    this.#localNames = localDomains.map((one) => one.toLowerCase())
    this.#secrets = options.secrets.map((secret) => encodeText(secret))
  }

  /** The sender for a message that is sent on. @param sender as in the envelope, with or without brackets */
  forward(sender: string): SrsForwarded {
    if (sender === '' || sender === '<>') return notRewritten('null-sender')
    const parts = splitAddress(sender)
    if (parts === undefined) return notRewritten('no-domain')
    const { local, domain } = parts
    // It could not be told from the parts around it, so there would be no way back.
    if (domain.includes('=')) return notRewritten('malformed')
    if (this.#isLocal(domain)) return notRewritten('local-domain')
    const tag = TAG.exec(local)
    let rewritten: string
    if (tag?.[1] === '1') {
      // SRS1 again: the same SRS0 address at the same first forwarder, with our hash.
      const [, host, rest] = cut(tag[3]!, 3)
      if (!host || !rest) return notRewritten('malformed')
      rewritten = this.#guarded(host, rest)
    } else if (tag?.[1] === '0') {
      rewritten = this.#guarded(domain, local.slice('SRS0'.length))
    } else {
      const day = dayText(this.#options.now())
      rewritten = this.#tagged(0, [this.#hash(0, day, domain, local), day, domain, local])
    }
    return {
      address: joinAddress(rewritten, this.#options.domain),
      long: encodeText(rewritten).length > MAX_LOCAL,
    }
  }

  /**
   * The address that a rewritten one stands for: the original sender of an SRS0 address, the SRS0 address of an SRS1
   * address. Its domain does not matter. Upper and lower case do not matter in the hash, because some servers change
   * them.
   */
  reverse(recipient: string): SrsReversed {
    const local = splitAddress(recipient)?.local ?? recipient
    const tag = TAG.exec(local)
    if (tag === null) return notReversed('not-srs')
    if (tag[1] === '1') {
      const [hash, host, rest] = cut(tag[3]!, 3)
      if (!hash || !host || !rest) return notReversed('malformed')
      if (!this.#isHash(hash, host, rest)) return notReversed('wrong-hash')
      return { address: joinAddress(`SRS0${rest}`, host) }
    }
    const [hash, day, host, user] = cut(tag[3]!, 4)
    if (!hash || !day || !host || !user) return notReversed('malformed')
    const age = ageOf(day, this.#options.now())
    if (age === undefined) return notReversed('malformed')
    // The hash first: what a stranger wrote is a forgery, however old it says it is.
    if (!this.#isHash(hash, day, host, user)) return notReversed('wrong-hash')
    if (age > this.#options.maxAge) return notReversed('expired')
    if (host === ALIAS_DOMAIN) {
      return { address: undefined, reason: 'alias', alias: `${user.toUpperCase()}@${host}` }
    }
    return { address: joinAddress(user, host) }
  }

  /** @internal Days that an address is valid. */
  get maxAge(): number {
    return this.#options.maxAge
  }

  /** @internal The address without brackets, if it would become an SRS0 address. */
  original(sender: string): string | undefined {
    const parts = splitAddress(sender)
    if (parts === undefined || TAG.test(parts.local)) return undefined
    return joinAddress(parts.local, parts.domain)
  }

  #guarded(host: string, rest: string): string {
    return this.#tagged(1, [this.#hash(0, host, rest), host, rest])
  }

  #tagged(kind: 0 | 1, parts: readonly string[]): string {
    return `SRS${kind}${this.#options.separator}${parts.join('=')}`
  }

  #isLocal(domain: string): boolean {
    const name = domain.toLowerCase()
    if (name === this.#options.domain.toLowerCase()) return true
    return this.#localNames.some((local) =>
      local.startsWith('.')
        ? name.endsWith(local)
        : name === local || name.endsWith(`.${local}`),
    )
  }

  /** libsrs2, srs_hash_create_v: HMAC-SHA1 over the parts in lower case, in base64 with - and _. */
  #hash(secret: number, ...parts: readonly string[]): string {
    const hmac = createHmac('sha1', this.#secrets[secret]!)
    for (const part of parts) hmac.update(lowerCase(encodeText(part)))
    return hmac.digest('base64url').slice(0, this.#options.hashLength)
  }

  #isHash(hash: string, ...parts: readonly string[]): boolean {
    if (hash.length < this.#options.minHashLength) return false
    const given = plainHash(hash.slice(0, this.#options.hashLength))
    let found = false
    for (const [secret] of this.#secrets.entries()) {
      const wanted = plainHash(this.#hash(secret, ...parts).slice(0, given.length))
      if (wanted.length === given.length && timingSafeEqual(wanted, given)) found = true
    }
    return found
  }
}

/**
 * Reads the secrets of postsrsd (`secrets-file`, `/etc/postsrsd.secret`): each line that is not empty is a secret.
 *
 * @throws UsageError INVALID_OPTION if it has none; errors of the file system as they are
 */
export async function readSrsSecrets(path: string): Promise<string[]> {
  const secrets = decodeText(await readFile(path))
    .split(/[\r\n]+/)
    .filter((line) => line !== '')
  if (secrets.length === 0) {
    throw new UsageError('INVALID_OPTION', `${path} has no secrets; write one in each line`)
  }
  return secrets
}

function check(options: Required<SrsOptions>): void {
  const refuse = (what: string): never => {
    throw new UsageError('INVALID_OPTION', `Srs: ${what}`)
  }
  const count = (name: 'hashLength' | 'minHashLength' | 'maxAge', max: number): void => {
    const value: unknown = options[name]
    if (Number.isInteger(value) && 1 <= (value as number) && (value as number) <= max) return
    refuse(`${name} has to be a whole number from 1 to ${max}, not ${String(value)}`)
  }
  if (typeof options.domain !== 'string' || !/^[\w.-]+$/.test(options.domain)) {
    refuse(`domain has to be the name of a domain, not ${JSON.stringify(options.domain)}`)
  }
  if (
    !Array.isArray(options.localDomains) ||
    !options.localDomains.every(
      (one) => typeof one === 'string' && /^\.?[^\s.@](?:[^\s@]*[^\s.@])?$/.test(one),
    )
  ) {
    refuse('localDomains has to be a list of domains, such as example.org or .example.org')
  }
  if (!Array.isArray(options.secrets) || options.secrets.length === 0) {
    refuse('secrets has to be a list of at least one secret')
  }
  if (!options.secrets.every((secret) => typeof secret === 'string' && secret !== '')) {
    refuse('each of the secrets has to be a text that is not empty')
  }
  if (!['=', '+', '-'].includes(options.separator)) {
    refuse(`separator has to be =, + or -, not ${JSON.stringify(options.separator)}`)
  }
  count('hashLength', 20)
  count('minHashLength', options.hashLength)
  count('maxAge', SLOTS - 2)
}

/** At most `count` parts; the last one has the rest. */
function cut(text: string, count: number): (string | undefined)[] {
  const parts = text.split('=')
  return parts.length <= count
    ? parts
    : [...parts.slice(0, count - 1), parts.slice(count - 1).join('=')]
}

const notRewritten = (reason: SrsForwardReason): SrsForwarded => ({
  address: undefined,
  reason,
})
const notReversed = (reason: SrsReverseReason): SrsReversed => ({ address: undefined, reason })

/** srs_timestamp_create: the day, in two digits of base 32. */
function dayText(now: number): string {
  const day = Math.floor(now / DAY) % SLOTS
  return DIGITS[day >> 5]! + DIGITS[day & 31]!
}

/** Days since a timestamp. A day to come was one of the round before (srs_timestamp_check). */
function ageOf(text: string, now: number): number | undefined {
  if (text.length !== 2) return undefined
  const digits = text.toUpperCase()
  const [high, low] = [DIGITS.indexOf(digits[0]!), DIGITS.indexOf(digits[1]!)]
  if (high === -1 || low === -1) return undefined
  const day = Math.floor(now / DAY) % SLOTS
  return (day - (high * 32 + low) + SLOTS) % SLOTS
}

/** base64_equivalent of postsrsd: without case, and with older versions' `+` and `/` for `-` and `_`. */
const plainHash = (hash: string): Buffer =>
  Buffer.from(hash.toLowerCase().replaceAll('+', '-').replaceAll('/', '_'))

/** As `tolower` of C: bytes above ASCII stay. */
function lowerCase(bytes: Buffer): Buffer {
  const lower = Buffer.from(bytes)
  for (const [i, byte] of lower.entries()) if (byte >= 65 && byte <= 90) lower[i] = byte + 32
  return lower
}
