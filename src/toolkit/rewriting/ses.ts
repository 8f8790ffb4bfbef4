/**
 * Signed Envelope Senders, as pysrs writes them: `SES=signature=user@example.org`. A server that signs the senders of
 * its own mail knows that a bounce to an unsigned address is no answer to anything it sent. This reads such addresses.
 * New mail is better signed with DKIM, and with SRS where it is forwarded.
 *
 * The signature is one large number in base 38: from its highest bits on, the id of the message, the time, and the
 * first bits of an HMAC-SHA1.
 */
import { createHmac } from 'node:crypto'
import { UsageError } from '../../errors.ts'
import { encodeText } from '../../protocol/text.ts'
import { joinAddress, splitAddress } from '../addresses/address-parts.ts'

export interface SesOptions {
  /** each of them may have made the signature */
  readonly secrets: readonly string[]
  /** bits of the HMAC, 8 to 160; 80 by default */
  readonly hashBits?: number
  /** days that a signature is valid; 10 by default. It must be the number that was used to sign. */
  readonly expiration?: number
  /** the time is in parts of a day: 2 to this power; 2 by default */
  readonly fractionBits?: number
  /** Unix time in milliseconds, for tests; `Date.now` by default */
  readonly now?: () => number
}

export type SesUnsigned =
  | {
      readonly address: string
      /** id of the message that the sender was signed for */
      readonly messageId: bigint
      /** Unix time in milliseconds when it was signed, to the part of a day; undefined for a signature without end */
      readonly signed: number | undefined
    }
  | {
      readonly address: undefined
      /**
       * - `not-ses`: it does not begin with `SES=`
       * - `malformed`: parts are missing, or the signature has characters it cannot have
       * - `wrong-signature`: no secret gives it
       * - `expired`: it is older than `expiration`
       */
      readonly reason: 'not-ses' | 'malformed' | 'wrong-signature' | 'expired'
    }

const DAY = 86_400
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-'
/** More than the largest id, time and HMAC make. A stranger wrote it, and large numbers are slow. */
const MAX_DIGITS = 64

/**
 * The address that a signed one stands for. pysrs believes signatures without end whatever their HMAC is; here it has
 * to be right.
 *
 * @throws UsageError INVALID_OPTION
 */
export function unsignSes(recipient: string, options: SesOptions): SesUnsigned {
  const { secrets, hashBits = 80, expiration = 10, fractionBits = 2, now = Date.now } = options
  check(secrets, hashBits, expiration, fractionBits)
  const parts = splitAddress(recipient)
  const match = /^SES=([^=]*)=([^=]+)$/i.exec(parts?.local ?? '')
  if (parts === undefined || match === null) {
    return notUnsigned(/^<?"?SES=/i.test(recipient) ? 'malformed' : 'not-ses')
  }
  const [, signature, user] = match
  const bits = decode(signature!)
  if (bits === undefined) return notUnsigned('malformed')

  const timeBits = BigInt(bitsFor(expiration) + fractionBits)
  const hash = bits & mask(BigInt(hashBits))
  const slot = (bits >> BigInt(hashBits)) & mask(timeBits)
  const messageId = bits >> (BigInt(hashBits) + timeBits)
  if (messageId >> 64n !== 0n) return notUnsigned('malformed')

  const seconds = DAY >> fractionBits
  const current = BigInt(Math.floor(now() / 1000 / seconds))
  const time = timeOf(slot, current, mask(timeBits))
  const signed = Buffer.alloc(16)
  signed.writeBigUInt64BE(time ?? 0n)
  signed.writeBigUInt64BE(messageId, 8)
  const wanted = secrets.map((secret) => {
    const hmac = createHmac('sha1', encodeText(secret)).update(signed)
    hmac.update(encodeText(user!)).update('@').update(encodeText(parts.domain.toLowerCase()))
    const digest = BigInt(`0x${hmac.digest('hex')}`)
    return digest >> BigInt(160 - hashBits)
  })
  if (!wanted.includes(hash)) return notUnsigned('wrong-signature')
  if (time !== undefined && current - time >= BigInt(expiration << fractionBits)) {
    return notUnsigned('expired')
  }
  return {
    address: joinAddress(user!, parts.domain),
    messageId,
    signed: time === undefined ? undefined : Number(time) * seconds * 1000,
  }
}

function check(
  secrets: readonly string[],
  hashBits: number,
  expiration: number,
  fractionBits: number,
): void {
  const within = (value: number, min: number, max: number): boolean =>
    Number.isInteger(value) && min <= value && value <= max
  const wrong =
    !Array.isArray(secrets) ||
    secrets.length === 0 ||
    // Anybody could sign with an empty one.
    !secrets.every((secret) => typeof secret === 'string' && secret !== '')
      ? 'secrets has to be a list of at least one secret, none of them empty'
      : !within(hashBits, 8, 160)
        ? 'hashBits has to be a whole number from 8 to 160'
        : !within(expiration, 1, 1000)
          ? 'expiration has to be a whole number of days from 1 to 1000'
          : !within(fractionBits, 0, 7)
            ? 'fractionBits has to be a whole number from 0 to 7'
            : undefined
  if (wrong !== undefined) throw new UsageError('INVALID_OPTION', `unsignSes: ${wrong}`)
}

/** The smallest number of bits whose highest value is above a number of days: it means "without end". */
function bitsFor(expiration: number): number {
  let bits = 1
  while (2 ** bits - 1 <= expiration) bits++
  return bits
}

/** The latest time that is not to come, of those that have this slot. */
function timeOf(slot: bigint, current: bigint, endless: bigint): bigint | undefined {
  if (slot === endless) return undefined
  const time = (current / endless) * endless + slot
  return time > current ? time - endless : time
}

const mask = (bits: bigint): bigint => (1n << bits) - 1n

function decode(signature: string): bigint | undefined {
  if (signature === '' || signature.length > MAX_DIGITS) return undefined
  let bits = 0n
  for (const digit of signature.toUpperCase()) {
    const value = DIGITS.indexOf(digit)
    if (value === -1) return undefined
    bits = bits * 38n + BigInt(value)
  }
  return bits
}

const notUnsigned = (
  reason: Extract<SesUnsigned, { address: undefined }>['reason'],
): SesUnsigned => ({ address: undefined, reason })
