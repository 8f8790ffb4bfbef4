/**
 * The parts of the package mailauth that we use. Its main entry does not load on Node 20, these modules do. Their types are
 * ours, because the package has none for most of them.
 */
import { requireOptional } from '../../optional-package.ts'
import type { BodyHash } from './body-hash.ts'
import type { KeyCache } from './key-memory.ts'
import type { NodeStyleResolver } from '../../toolkit/dns/node-style-resolver.ts'

/** What our resolvers look like for it. */
type Resolver = NodeStyleResolver

/** A row of `headers.parsed`: name in lower case, and the whole field without its last line end. */
export interface HeaderRow {
  readonly key: string
  readonly casedKey: string
  readonly line: Buffer
}

/** `DKIM-Signature` or `ARC-Message-Signature`, with its tags. */
export interface SignatureHeader {
  readonly type: 'DKIM' | 'ARC'
  readonly parsed?: Readonly<Record<string, { readonly value: unknown } | undefined>>
  /** why it is left out */
  readonly skip?: string
  /** why it cannot be good, whatever its key is */
  readonly invalid?: string
}

export interface SignatureStatus {
  readonly result: string
  readonly comment?: string | false
  /** bytes of the body that are not signed (l=) */
  readonly underSized?: number
  readonly testing?: boolean
  readonly policy?: Readonly<Record<string, string>>
  readonly header?: Readonly<Record<'d' | 'i' | 's' | 'a' | 'b', string | false | undefined>>
}

export interface SignatureResult {
  readonly status: SignatureStatus
  readonly signingDomain?: string
  readonly selector?: string
  readonly modulusLength?: number
  readonly canonBodyLength?: number
  readonly canonBodyLengthTotal?: number
}

interface ArcSet {
  readonly i: number
  readonly 'arc-seal': SignatureHeader
  readonly 'arc-authentication-results': { readonly original?: Buffer }
}

export interface ArcData {
  readonly chain: readonly ArcSet[] | false
  readonly error?: Error
}

/** The verifier without its stream: we have the fields already, and the body in pieces. */
export interface DkimVerifier {
  headers: { readonly parsed: readonly HeaderRow[]; readonly original: Buffer }
  keyCache: KeyCache
  readonly signatureHeaders: readonly SignatureHeader[]
  readonly bodyHashes: Map<string, BodyHash>
  readonly results: readonly SignatureResult[]
  readonly arc: ArcData
  /** addresses in From, as its parser reads them */
  readonly headerFrom: readonly string[]
  messageHeaders(headers: DkimVerifier['headers']): Promise<void>
  /** Makes the hash of a body, once for each combination. Returns its key. */
  addBodyHash(form: 'simple' | 'relaxed', algorithm: string, length: number | ''): string
  nextChunk(piece: Buffer): Promise<void>
  finalChunk(): Promise<void>
}

export interface SpfAnswer {
  readonly domain: string
  readonly status: { readonly result: string; readonly comment?: string }
  readonly explanation?: string
}

export interface DmarcAnswer {
  readonly status: { readonly result: string }
  readonly policyDomain?: string
  /** the policy that applies to this message; undefined if it is not known */
  readonly policy?: 'none' | 'quarantine' | 'reject'
  /** what it is for a subdomain that does not exist */
  readonly np?: 'none' | 'quarantine' | 'reject'
  readonly testMode?: boolean
  readonly error?: string
}

export interface ArcAnswer {
  readonly status: { readonly result: string; readonly comment?: string }
}

export interface Mailauth {
  readonly DkimVerifier: new (options: {
    readonly resolver: Resolver
    readonly strict: boolean
    readonly minBitLength: number
    readonly curTime: Date
  }) => DkimVerifier
  readonly spf: (options: {
    readonly sender: string
    readonly ip: string
    readonly helo: string
    readonly mta: string
    readonly resolver: Resolver
    readonly strict: boolean
  }) => Promise<SpfAnswer>
  readonly evaluateDmarc: (options: {
    readonly headerFrom: readonly string[]
    readonly fromFields: number
    readonly spfDomains: readonly string[]
    readonly dkimDomains: readonly { readonly domain: string }[]
    readonly resolver: Resolver
    readonly strict: boolean
  }) => Promise<{ readonly response: DmarcAnswer | false; readonly reason?: string }>
  readonly arc: (
    data: ArcData,
    options: {
      readonly resolver: Resolver
      readonly minBitLength: number
      readonly strict: boolean
      readonly ip: string | undefined
    },
  ) => Promise<ArcAnswer>
}

/** d= of a signature or seal, as it was written. */
export function domainOf({ parsed }: SignatureHeader): string {
  const value = parsed?.['d']?.value
  return typeof value === 'string' ? value : ''
}

let loaded: Mailauth | undefined

/**
 * Loads the modules once, synchronously, so that a mistake shows when the filter is made.
 *
 * @throws UsageError MISSING_PACKAGE, WRONG_PACKAGE_VERSION: verdicts of other versions differ. npm on Node 20 installs an
 *   old one if nothing asks for a version, and that one takes `adkim=s` for relaxed.
 */
export function loadMailauth(): Mailauth {
  if (loaded !== undefined) return loaded
  const load = requireOptional('mailauth', 'authenticate')
  loaded = {
    ...(load('lib/dkim/dkim-verifier.js') as Pick<Mailauth, 'DkimVerifier'>),
    ...(load('lib/spf/index.js') as Pick<Mailauth, 'spf'>),
    ...(load('lib/dmarc/index.js') as Pick<Mailauth, 'evaluateDmarc'>),
    ...(load('lib/arc/index.js') as Pick<Mailauth, 'arc'>),
  }
  return loaded
}
