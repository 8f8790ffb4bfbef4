// Written by scripts/options.js from the shapes of the filters (registry.ts): change those, and run it.
import type { Duration } from '../options/units.ts'
import type { DnsCache } from '../toolkit/dns/dns-cache.ts'
import type { Table } from '../toolkit/tables/table.ts'

/** Facts about mail; all that are given have to be true. */
export interface ConditionParts {
  /**
   * Where the mail comes from. `authenticated`: the client has logged in. `local`: it has not, and its
   * address is in `networks`, or the server made the mail itself. `outside`: all other mail.
   */
  readonly direction?:
    | 'authenticated'
    | 'local'
    | 'outside'
    | readonly ('authenticated' | 'local' | 'outside')[]
    | undefined
  /**
   * The addresses that are `local`.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /** Domains of the envelope sender. */
  readonly senderDomain?: string | readonly string[] | undefined
  /** Domains of recipients; one recipient is enough. */
  readonly recipientDomain?: string | readonly string[] | undefined
}

/** {@link ConditionParts}, checked, with defaults. */
export interface ConditionPartsSettings {
  readonly direction?: readonly ('authenticated' | 'local' | 'outside')[] | undefined
  readonly networks: readonly string[]
  readonly senderDomain?: readonly string[] | undefined
  readonly recipientDomain?: readonly string[] | undefined
}

/** Which mail a filter gets; all that is given has to be true. */
export interface Condition {
  /**
   * Where the mail comes from. `authenticated`: the client has logged in. `local`: it has not, and its
   * address is in `networks`, or the server made the mail itself. `outside`: all other mail.
   */
  readonly direction?:
    | 'authenticated'
    | 'local'
    | 'outside'
    | readonly ('authenticated' | 'local' | 'outside')[]
    | undefined
  /**
   * The addresses that are `local`.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /** Domains of the envelope sender. */
  readonly senderDomain?: string | readonly string[] | undefined
  /** Domains of recipients; one recipient is enough. */
  readonly recipientDomain?: string | readonly string[] | undefined
  /** Mail for which this is not true. */
  readonly not?: ConditionParts | undefined
}

/** {@link Condition}, checked, with defaults. */
export interface ConditionSettings {
  readonly direction?: readonly ('authenticated' | 'local' | 'outside')[] | undefined
  readonly networks: readonly string[]
  readonly senderDomain?: readonly string[] | undefined
  readonly recipientDomain?: readonly string[] | undefined
  readonly not?: ConditionPartsSettings | undefined
}

/**
 * A private key of a domain; keys of different algorithms all sign, such as an RSA and an Ed25519 key;
 * of several keys with one algorithm, the one with the latest `notBefore` that has come signs.
 */
export interface DkimKey {
  /** The domain it signs for. */
  readonly domain: string
  /** The name of the key: its record is SELECTOR._domainkey.DOMAIN. */
  readonly selector: string
  /** Path of a file with the private key in PEM. */
  readonly file?: string | undefined
  /** The private key itself, in PEM. */
  readonly privateKey?: string | undefined
  /**
   * Whether it also signs for subdomains that have no key of their own.
   * @default true
   */
  readonly subdomains?: boolean | undefined
  /** When it begins to sign; by default at once. Its record has to be published before. */
  readonly notBefore?: (Date | string) | undefined
  /** When it ends to sign; by default it signs until a newer key does. */
  readonly notAfter?: (Date | string) | undefined
}

/** {@link DkimKey}, checked, with defaults. */
export interface DkimKeySettings {
  readonly domain: string
  readonly selector: string
  readonly file?: string | undefined
  readonly privateKey?: string | undefined
  readonly subdomains: boolean
  readonly notBefore?: number | undefined
  readonly notAfter?: number | undefined
}

/** Options of `arcSeal`, which seals mail from outside with ARC (RFC 8617), after all that changes it. */
export interface ArcSealOptions {
  /**
   * The name that `authenticate` uses in the same composition; by default that of the mail server (macro
   * `j`).
   */
  readonly authservId?: string | undefined
  /**
   * The keys, all of one domain. A set has one signature. An RSA key makes it if there is one: RFC 8617
   * was written for RSA, and not every server knows Ed25519 there.
   */
  readonly keys: DkimKey | readonly DkimKey[]
  /**
   * Mail of clients that have logged in is ours, and not sealed.
   * @default true
   */
  readonly authenticated?: boolean | undefined
  /**
   * Mail of clients with these addresses is ours. So is mail that the server made itself, such as a
   * bounce.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /** All mail that comes in through these daemons (macro `daemon_name`) is ours. */
  readonly daemons?: string | readonly string[] | undefined
  /**
   * Mail with so many sets is not sealed (RFC 8617, section 4.2.1).
   * @default 50
   */
  readonly maxInstances?: number | undefined
  /** Fields that nobody may add or change before the next seal. */
  readonly oversign?: string | readonly string[] | undefined
  /** Fields that are signed if the message has them. */
  readonly sign?: string | readonly string[] | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default arc-seal
   */
  readonly name?: string | undefined
  /** Unix time in milliseconds, for tests. */
  readonly now?: (() => number) | undefined
}

/** {@link ArcSealOptions}, checked, with defaults. */
export interface ArcSealSettings {
  readonly authservId?: string | undefined
  readonly keys: readonly DkimKeySettings[]
  readonly authenticated: boolean
  readonly networks: readonly string[]
  readonly daemons: readonly string[]
  readonly maxInstances: number
  readonly oversign: readonly string[]
  readonly sign: readonly string[]
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
  readonly now?: (() => number) | undefined
}

/**
 * Options of `authenticate`, which checks mail from outside with SPF, DKIM, DMARC and ARC; the first
 * filter.
 */
export interface AuthenticateOptions {
  /** The name in `Authentication-Results`; by default that of the mail server (macro `j`). */
  readonly authservId?: string | undefined
  /** More names that only you may use: fields from outside that have one are removed. */
  readonly removeIds?: string | readonly string[] | undefined
  /**
   * Remove each `Received-SPF` from outside (RFC 7208, section 9.1).
   * @default true
   */
  readonly removeReceivedSpf?: boolean | undefined
  /**
   * What a failure of DMARC does. `reject`: what the domain of the author wants. `quarantine`: what it
   * wants rejected is held. `observe`: the log says what would have been done.
   * @default observe
   */
  readonly policy?: 'observe' | 'quarantine' | 'reject' | undefined
  /** What is done without one domain of an author in `From`; by default as `policy`. */
  readonly badFrom?: 'observe' | 'quarantine' | 'reject' | undefined
  /**
   * What is done if SPF fails (`-all`) and DMARC does not pass.
   * @default observe
   */
  readonly spfFail?: 'observe' | 'quarantine' | 'reject' | undefined
  /** Domains of authors and networks of clients whose mail is never refused. */
  readonly allow?: string | readonly string[] | undefined
  /** Domains whose ARC seals you believe that DMARC has passed. */
  readonly trustedSealers?: string | readonly string[] | undefined
  /** Mailing lists: networks, and domains that SPF or DKIM prove; DMARC refuses none of their mail. */
  readonly lists?: string | readonly string[] | undefined
  /**
   * Also check mail of clients that have logged in.
   * @default false
   */
  readonly checkAuthenticated?: boolean | undefined
  /**
   * Clients whose mail is not checked, and whose fields are kept.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /**
   * Maximum number of DKIM signatures that are looked at.
   * @default 5
   */
  readonly maxSignatures?: number | undefined
  /**
   * Maximum number of ARC sets; a longer chain is not looked at.
   * @default 10
   */
  readonly maxArcSets?: number | undefined
  /**
   * Minimum size of RSA keys that count, in bits (RFC 8301, section 3.2).
   * @default 1024
   */
  readonly minKeyBits?: number | undefined
  /**
   * Maximum size of RSA keys that count, in bits.
   * @default 4096
   */
  readonly maxKeyBits?: number | undefined
  /** Answers of DNS that messages share; by default a new one, which asks the servers of the machine. */
  readonly dns?: DnsCache | undefined
  /**
   * Maximum number of questions to DNS for one message.
   * @default 100
   */
  readonly maxQueries?: number | undefined
  /**
   * Maximum time that a message waits for DNS.
   * @default 20s
   */
  readonly maxTime?: Duration | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default authenticate
   */
  readonly name?: string | undefined
  /** Unix time in milliseconds, for tests. */
  readonly now?: (() => number) | undefined
}

/** {@link AuthenticateOptions}, checked, with defaults. */
export interface AuthenticateSettings {
  readonly authservId?: string | undefined
  readonly removeIds: readonly string[]
  readonly removeReceivedSpf: boolean
  readonly policy: 'observe' | 'quarantine' | 'reject'
  readonly badFrom?: 'observe' | 'quarantine' | 'reject' | undefined
  readonly spfFail: 'observe' | 'quarantine' | 'reject'
  readonly allow: readonly string[]
  readonly trustedSealers: readonly string[]
  readonly lists: readonly string[]
  readonly checkAuthenticated: boolean
  readonly networks: readonly string[]
  readonly maxSignatures: number
  readonly maxArcSets: number
  readonly minKeyBits: number
  readonly maxKeyBits: number
  readonly dns?: DnsCache | undefined
  readonly maxQueries: number
  readonly maxTime: number
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
  readonly now?: (() => number) | undefined
}

/** The tables of OpenDKIM: paths as in opendkim.conf, with `refile:` where it has that. */
export interface OpenDkimTables {
  /** Its KeyTable. */
  readonly keyTable: string
  /** Its SigningTable. */
  readonly signingTable: string
  /**
   * Its MultipleSignatures.
   * @default false
   */
  readonly multiple?: boolean | undefined
}

/** {@link OpenDkimTables}, checked, with defaults. */
export interface OpenDkimTablesSettings {
  readonly keyTable: string
  readonly signingTable: string
  readonly multiple: boolean
}

/**
 * Options of `dkimSign`, which signs mail of your users with DKIM (RFC 6376, 8301, 8463); the last
 * filter that changes anything.
 */
export interface DkimSignOptions {
  /** The keys; all keys of a domain sign. */
  readonly keys?: DkimKey | readonly DkimKey[] | undefined
  /** The tables of OpenDKIM, in place of `keys`. */
  readonly openDkim?: OpenDkimTables | undefined
  /**
   * Sign mail of clients that have logged in.
   * @default true
   */
  readonly authenticated?: boolean | undefined
  /**
   * Sign mail of clients with these addresses. Mail that the server made itself, such as a bounce, is
   * also signed.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /** Sign all mail that comes in through these daemons (macro `daemon_name`). */
  readonly daemons?: string | readonly string[] | undefined
  /**
   * Whose domain decides: the author's, the envelope sender's, or that of the login.
   * @default from
   */
  readonly domainFrom?: 'from' | 'sender' | 'login' | undefined
  /**
   * What to do if the domain of the login is not that of the author.
   * @default sign
   */
  readonly loginMismatch?: 'sign' | 'skip' | undefined
  /**
   * What to do if the domain of the envelope sender is not that of the author.
   * @default sign
   */
  readonly senderMismatch?: 'sign' | 'skip' | undefined
  /**
   * The form of header and body that is signed.
   * @default relaxed/relaxed
   */
  readonly canonicalization?:
    'relaxed/relaxed' | 'relaxed/simple' | 'simple/relaxed' | 'simple/simple' | undefined
  /** Fields that nobody may add or change later. */
  readonly oversign?: string | readonly string[] | undefined
  /** Fields that are signed if the message has them. */
  readonly sign?: string | readonly string[] | undefined
  /**
   * What to do with lines of the header above 998 bytes, which the next server folds. `warn` names them
   * in `risks` of the log line. `fold` folds them at a space before it signs.
   * @default warn
   */
  readonly longLines?: 'warn' | 'fold' | undefined
  /** Time until the signature expires (x=); by default it does not. */
  readonly expiresIn?: Duration | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default dkim-sign
   */
  readonly name?: string | undefined
  /** Unix time in milliseconds, for tests. */
  readonly now?: (() => number) | undefined
}

/** {@link DkimSignOptions}, checked, with defaults. */
export interface DkimSignSettings {
  readonly keys?: readonly DkimKeySettings[] | undefined
  readonly openDkim?: OpenDkimTablesSettings | undefined
  readonly authenticated: boolean
  readonly networks: readonly string[]
  readonly daemons: readonly string[]
  readonly domainFrom: 'from' | 'sender' | 'login'
  readonly loginMismatch: 'sign' | 'skip'
  readonly senderMismatch: 'sign' | 'skip'
  readonly canonicalization:
    'relaxed/relaxed' | 'relaxed/simple' | 'simple/relaxed' | 'simple/simple'
  readonly oversign: readonly string[]
  readonly sign: readonly string[]
  readonly longLines: 'warn' | 'fold'
  readonly expiresIn?: number | undefined
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
  readonly now?: (() => number) | undefined
}

/** A banner above the text of a message. */
export interface ExternalBanner {
  /** The text, in lines. */
  readonly text?: string | undefined
  /** A file with the text, in UTF-8. */
  readonly textFile?: string | undefined
  /** What HTML shows; by default the text. It is put into a `div` as it is. Variables are escaped. */
  readonly html?: string | undefined
  /** A file with the HTML, in UTF-8. */
  readonly htmlFile?: string | undefined
}

/** {@link ExternalBanner}, checked, with defaults. */
export interface ExternalBannerSettings {
  readonly text?: string | undefined
  readonly textFile?: string | undefined
  readonly html?: string | undefined
  readonly htmlFile?: string | undefined
}

/**
 * Options of `externalTag`, which marks mail from outside: in a header field, in the subject, with a
 * banner.
 */
export interface ExternalTagOptions {
  /**
   * The field that marked mail has, with the value yes. Fields of that name that come from outside are
   * removed.
   * @default X-External
   */
  readonly header?: string | undefined
  /** A tag before the subject, such as [EXTERNAL]; by default the subject stays. */
  readonly subject?: string | undefined
  /** A banner above the text; by default the body stays. */
  readonly banner?: ExternalBanner | undefined
  /**
   * Clients whose mail is not from outside. Mail of clients that have logged in is not from outside
   * either.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /**
   * Domains of authors whose mail is not marked if DMARC has passed for it. The filter `authenticate` has
   * to stand before this one.
   */
  readonly internalDomains?: string | readonly string[] | undefined
  /** The name in `Authentication-Results`; by default that of the mail server (macro `j`). */
  readonly authservId?: string | undefined
  /** Recipients whose mail is forwarded: subject and body of their mail stay. */
  readonly forwarded?: string | readonly string[] | undefined
  /** A table of aliases: recipients with an alias in another domain are forwarded. */
  readonly forwardedTable?: string | Table | undefined
  /**
   * What mail for forwarded and other recipients gets: only the field, or all.
   * @default header
   */
  readonly mixed?: 'header' | 'tag' | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default external-tag
   */
  readonly name?: string | undefined
}

/** {@link ExternalTagOptions}, checked, with defaults. */
export interface ExternalTagSettings {
  readonly header: string
  readonly subject?: string | undefined
  readonly banner?: ExternalBannerSettings | undefined
  readonly networks: readonly string[]
  readonly internalDomains: readonly string[]
  readonly authservId?: string | undefined
  readonly forwarded: readonly string[]
  readonly forwardedTable?: string | Table | undefined
  readonly mixed: 'header' | 'tag'
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
}
