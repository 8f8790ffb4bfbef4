/** DKIM (RFC 6376, 8301, 8463): all signatures of a message, up to a number. */
import { Turns } from '../../mime/turns.ts'
import { decodeText } from '../../protocol/text.ts'
import { domainName } from '../../toolkit/dns/domain-name.ts'
import type { DnsSession } from '../../toolkit/dns/dns-session.ts'
import {
  nodeStyleResolver,
  type NodeStyleResolver,
} from '../../toolkit/dns/node-style-resolver.ts'
import { authorOf, type Author } from './author-domain.ts'
import { BodyHash } from './body-hash.ts'
import type { KeyMemory } from './key-memory.ts'
import {
  domainOf,
  type ArcData,
  type DkimVerifier,
  type HeaderRow,
  type Mailauth,
  type SignatureHeader,
  type SignatureResult,
} from './mailauth.ts'

export type DkimResult =
  'pass' | 'fail' | 'policy' | 'neutral' | 'none' | 'temperror' | 'permerror'

/** The result of one signature. */
export interface DkimCheck {
  readonly result: DkimResult
  readonly reason?: string | undefined
  /** d= */
  readonly domain?: string | undefined
  /** s= */
  readonly selector?: string | undefined
  /** i=, or `@` with d= */
  readonly identity?: string | undefined
  /** a= */
  readonly algorithm?: string | undefined
  /** the first 8 characters of b= (RFC 6008) */
  readonly signature?: string | undefined
}

export interface DkimChecks {
  readonly checks: readonly DkimCheck[]
  /** signatures above `maxSignatures` */
  readonly notLookedAt: number
}

export interface DkimLimits {
  /** keys of earlier messages */
  readonly keys: KeyMemory
  readonly maxSignatures: number
  /** bits of an RSA key */
  readonly minKeyBits: number
  readonly maxKeyBits: number
}

/** The signatures of one message. */
export class Signatures {
  readonly author: Author
  readonly #verifier: DkimVerifier
  readonly #limits: DkimLimits
  /** names of keys that are too large */
  readonly #largeKeys: ReadonlySet<string>
  readonly #notLookedAt: number

  private constructor(
    verifier: DkimVerifier,
    limits: DkimLimits,
    largeKeys: ReadonlySet<string>,
    author: Author,
    notLookedAt: number,
  ) {
    this.#verifier = verifier
    this.#limits = limits
    this.#largeKeys = largeKeys
    this.author = author
    this.#notLookedAt = notLookedAt
  }

  /**
   * Reads the header.
   *
   * @param session for keys
   * @param rows the fields, from the top to the bottom
   * @param utf8 whether the message came with SMTPUTF8
   */
  static async read(
    mailauth: Mailauth,
    session: DnsSession,
    rows: readonly HeaderRow[],
    limits: DkimLimits,
    now: Date,
    utf8: boolean,
  ): Promise<Signatures> {
    const largeKeys = new Set<string>()
    const resolver = withoutLargeKeys(nodeStyleResolver(session), limits.maxKeyBits, largeKeys)
    const verifier = new mailauth.DkimVerifier({
      resolver,
      strict: true,
      minBitLength: limits.minKeyBits,
      curTime: now,
    })
    verifier.keyCache = limits.keys.over(verifier.keyCache, resolver)
    verifier.addBodyHash = (form, algorithm, length) => {
      const key = `${form}:${algorithm}:${length}`
      if (!verifier.bodyHashes.has(key)) {
        verifier.bodyHashes.set(key, new BodyHash(form, algorithm, length))
      }
      return key
    }
    const from = rows
      .filter(({ key }) => key === 'from')
      .map(({ line }) => decodeText(line.subarray(line.indexOf(COLON) + 1)))
    const own = authorOf(from, [], utf8)
    // Reading takes time. What is not looked at is not shown to the verifier, and neither is a From that is no author.
    const isAuthor = own.problem !== 'several-from' && own.problem !== 'long-from'
    const signatures = rows.filter(isSignature)
    const chosen = firstOnes(signatures, limits.maxSignatures, own.domain)
    const shown = rows.filter(
      (row) => (!isSignature(row) || chosen.has(row)) && (isAuthor || row.key !== 'from'),
    )
    await verifier.messageHeaders({ parsed: shown, original: Buffer.alloc(0) })
    // Signatures cover all.
    verifier.headers = { parsed: rows, original: Buffer.alloc(0) }
    askForKeys(session, verifier.signatureHeaders)
    const author = authorOf(from, verifier.headerFrom, utf8)
    return new Signatures(verifier, limits, largeKeys, author, signatures.length - chosen.size)
  }

  /** what ARC has found, after {@link check} */
  get arc(): ArcData {
    return this.#verifier.arc
  }

  /** @throws what the body throws */
  async check(body: AsyncIterable<Buffer>): Promise<DkimChecks> {
    const verifier = this.#verifier
    // The body is read only if some signature needs it.
    if (verifier.bodyHashes.size > 0) {
      const turns = new Turns()
      for await (const piece of body) {
        await verifier.nextChunk(piece)
        await turns.next()
      }
    }
    await verifier.finalChunk()
    const checks = verifier.results.map((result) => this.#checkOf(result))
    if (checks.length === 0) checks.push({ result: 'none' })
    return { checks, notLookedAt: this.#notLookedAt }
  }

  #checkOf(found: SignatureResult): DkimCheck {
    const { status } = found
    const { d, i, s, a, b } = status.header ?? {}
    const verdict = this.#verdictOf(found)
    return {
      ...verdict,
      domain: d || undefined,
      identity: i || undefined,
      selector: s || undefined,
      algorithm: a || undefined,
      signature: b || undefined,
    }
  }

  #verdictOf({
    status,
    selector = '',
    signingDomain = '',
    canonBodyLength,
    canonBodyLengthTotal,
    modulusLength,
  }: SignatureResult): { result: DkimResult; reason?: string | undefined } {
    const comment = status.comment === false ? undefined : status.comment
    if (this.#largeKeys.has(`${selector}._domainkey.${signingDomain}`.toLowerCase())) {
      return { result: 'policy', reason: `key above ${this.#limits.maxKeyBits} bits` }
    }
    if (status.result !== 'pass') {
      const reason = comment ?? status.policy?.['dkim-rules']?.replace('-', ' ')
      return { result: status.result as DkimResult, reason }
    }
    if (modulusLength !== undefined && modulusLength > this.#limits.maxKeyBits) {
      return { result: 'policy', reason: `key above ${this.#limits.maxKeyBits} bits` }
    }
    // A signature over a part of the body says nothing about the rest (RFC 6376, section 8.2).
    if ((status.underSized ?? 0) > 0) {
      return {
        result: 'policy',
        reason: `signed are ${canonBodyLength} of ${canonBodyLengthTotal} bytes of the body`,
      }
    }
    // Section 3.6.1: as if it was not signed.
    if (status.testing === true) return { result: 'neutral', reason: 'testing key' }
    return { result: 'pass' }
  }
}

const COLON = 0x3a

const isSignature = ({ key }: HeaderRow): boolean => key === 'dkim-signature'

/**
 * Those that are looked at: first the ones that DMARC may need, of the author's domain or one above or below it, then from
 * the top.
 */
function firstOnes(
  all: readonly HeaderRow[],
  maximum: number,
  author: string | undefined,
): ReadonlySet<HeaderRow> {
  const isRelated = ({ line }: HeaderRow): boolean => {
    const written = /[:;][ \t\r\n]*d[ \t\r\n]*=([^;]*)/.exec(decodeText(line))?.[1] ?? ''
    const domain = domainName(written.replaceAll(/[ \t\r\n]/g, ''))
    if (domain === undefined || author === undefined) return false
    return domain === author || domain.endsWith(`.${author}`) || author.endsWith(`.${domain}`)
  }
  const related = all.length > maximum ? all.filter(isRelated) : []
  return new Set([...new Set([...related, ...all])].slice(0, maximum))
}

/**
 * Asks for all keys at once. The verifier asks for one after the other: a server that does not answer would take the time
 * of the keys behind it.
 */
function askForKeys(session: DnsSession, headers: readonly SignatureHeader[]): void {
  for (const header of headers) {
    const selector = header.parsed?.['s']?.value
    const domain = domainOf(header)
    if (typeof selector !== 'string' || domain === '' || header.skip || header.invalid) continue
    // The answer is kept in the session. An abort is told by the verifier's own question.
    session.resolve(`${selector}._domainkey.${domain}`, 'TXT').catch(() => {})
  }
}

/**
 * Answers for a key that is too large as for one that cannot be read: checking it would take long. A key of that many bits
 * takes a third more characters than bytes, and a few around it.
 */
function withoutLargeKeys(
  resolve: NodeStyleResolver,
  maxKeyBits: number,
  found: Set<string>,
): NodeStyleResolver {
  const maximum = Math.ceil(((maxKeyBits / 8 + 64) * 4) / 3)
  return async (name, type) => {
    const records = await resolve(name, type)
    if (type !== 'TXT') return records
    for (const strings of records as string[][]) {
      const key = /(?:^|;)\s*p\s*=([^;]*)/.exec(strings.join(''))?.[1] ?? ''
      if (key.replaceAll(/\s+/g, '').length <= maximum) continue
      found.add(name.toLowerCase())
      throw Object.assign(new Error('the key is too large'), { code: 'EINVALIDVAL' })
    }
    return records
  }
}
