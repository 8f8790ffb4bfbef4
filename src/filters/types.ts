// Written by scripts/options.js from the shapes of the filters (registry.ts): change those, and run it.
import type { Duration, Size } from '../options/units.ts'
import type { AddressLookup } from './http/address-policy.ts'
import type { DnsCache } from '../toolkit/dns/dns-cache.ts'
import type { Store } from '../store/store.ts'
import type { Pattern } from '../toolkit/patterns/pattern.ts'
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

/** A server that takes files by PUT. */
export interface ArchiveServer {
  /** The folder on the server; the path of a file is added to it. */
  readonly url: string
  /** A file whose first line is the field Authorization, such as Bearer and a token. */
  readonly authorizationFile?: string | undefined
  /** Certificates of the authorities that count, in PEM; by default those of Node. */
  readonly caFile?: string | undefined
}

/** {@link ArchiveServer}, checked, with defaults. */
export interface ArchiveServerSettings {
  readonly url: string
  readonly authorizationFile?: string | undefined
  readonly caFile?: string | undefined
}

/** Options of `archive`, which keeps a copy of each message with its envelope, in files or on a server. */
export interface ArchiveOptions {
  /** The directory for the copies; it has to be there. */
  readonly directory?: string | undefined
  /** A server that takes the copies by PUT. */
  readonly http?: ArchiveServer | undefined
  /**
   * Permission bits of the files in directory.
   * @default 384
   */
  readonly mode?: number | string | undefined
  /**
   * What becomes of a message that cannot be kept.
   * @default tempfail
   */
  readonly onFailure?: 'tempfail' | 'pass' | undefined
  /**
   * Time in which a copy has to be made.
   * @default 60s
   */
  readonly deadline?: Duration | undefined
  /** A file with a key; then a message that comes through again is not kept twice. */
  readonly markKeyFile?: string | undefined
  /**
   * Clients whose marks count: your own servers.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default archive
   */
  readonly name?: string | undefined
  /** Unix time in milliseconds, for tests. */
  readonly clock?: (() => number) | undefined
}

/** {@link ArchiveOptions}, checked, with defaults. */
export interface ArchiveSettings {
  readonly directory?: string | undefined
  readonly http?: ArchiveServerSettings | undefined
  readonly mode: number
  readonly onFailure: 'tempfail' | 'pass'
  readonly deadline: number
  readonly markKeyFile?: string | undefined
  readonly networks: readonly string[]
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
  readonly clock?: (() => number) | undefined
}

/** What authors may send, if they have logged in, are local, or DMARC has passed. */
export interface AttachmentAllowance {
  /** The authors (field From). */
  readonly from: string | readonly string[]
  /** Files with these extensions, programs among them. */
  readonly extensions?: string | readonly string[] | undefined
  /** What is found for these reasons. */
  readonly reasons?:
    | 'DIRECTION_OVERRIDE'
    | 'DANGEROUS_EXTENSION'
    | 'DOUBLE_EXTENSION'
    | 'CLASS_ID'
    | 'CONTROL_CHARACTER'
    | 'PATH_STEPS_UP'
    | 'NAME_TOO_LONG'
    | 'NOT_A_ZIP'
    | 'ZIP_CORRUPT'
    | 'ZIP_ENCRYPTED'
    | 'ZIP_UNSUPPORTED'
    | 'ZIP_TOO_DEEP'
    | 'ZIP_TOO_LARGE'
    | 'ZIP_TOO_MANY_ENTRIES'
    | 'PROGRAM'
    | 'CONTENT_CONTRADICTS'
    | 'UNLISTED_ARCHIVE'
    | 'MESSAGES_TOO_DEEP'
    | 'PARTIAL_MESSAGE'
    | 'EXTERNAL_BODY'
    | 'BLOCKED_TYPE'
    | 'HTML_NOT_CLEANED'
    | 'TOO_MANY_READINGS'
    | 'TOO_DEEP'
    | 'TOO_MANY_PARTS'
    | 'TOO_MANY_BOUNDARIES'
    | 'TOO_MANY_FIELDS'
    | 'FIELD_TOO_LONG'
    | 'HEADER_TOO_LARGE'
    | readonly (
        | 'DIRECTION_OVERRIDE'
        | 'DANGEROUS_EXTENSION'
        | 'DOUBLE_EXTENSION'
        | 'CLASS_ID'
        | 'CONTROL_CHARACTER'
        | 'PATH_STEPS_UP'
        | 'NAME_TOO_LONG'
        | 'NOT_A_ZIP'
        | 'ZIP_CORRUPT'
        | 'ZIP_ENCRYPTED'
        | 'ZIP_UNSUPPORTED'
        | 'ZIP_TOO_DEEP'
        | 'ZIP_TOO_LARGE'
        | 'ZIP_TOO_MANY_ENTRIES'
        | 'PROGRAM'
        | 'CONTENT_CONTRADICTS'
        | 'UNLISTED_ARCHIVE'
        | 'MESSAGES_TOO_DEEP'
        | 'PARTIAL_MESSAGE'
        | 'EXTERNAL_BODY'
        | 'BLOCKED_TYPE'
        | 'HTML_NOT_CLEANED'
        | 'TOO_MANY_READINGS'
        | 'TOO_DEEP'
        | 'TOO_MANY_PARTS'
        | 'TOO_MANY_BOUNDARIES'
        | 'TOO_MANY_FIELDS'
        | 'FIELD_TOO_LONG'
        | 'HEADER_TOO_LARGE'
      )[]
    | undefined
}

/** {@link AttachmentAllowance}, checked, with defaults. */
export interface AttachmentAllowanceSettings {
  readonly from: readonly string[]
  readonly extensions?: readonly string[] | undefined
  readonly reasons?:
    | readonly (
        | 'DIRECTION_OVERRIDE'
        | 'DANGEROUS_EXTENSION'
        | 'DOUBLE_EXTENSION'
        | 'CLASS_ID'
        | 'CONTROL_CHARACTER'
        | 'PATH_STEPS_UP'
        | 'NAME_TOO_LONG'
        | 'NOT_A_ZIP'
        | 'ZIP_CORRUPT'
        | 'ZIP_ENCRYPTED'
        | 'ZIP_UNSUPPORTED'
        | 'ZIP_TOO_DEEP'
        | 'ZIP_TOO_LARGE'
        | 'ZIP_TOO_MANY_ENTRIES'
        | 'PROGRAM'
        | 'CONTENT_CONTRADICTS'
        | 'UNLISTED_ARCHIVE'
        | 'MESSAGES_TOO_DEEP'
        | 'PARTIAL_MESSAGE'
        | 'EXTERNAL_BODY'
        | 'BLOCKED_TYPE'
        | 'HTML_NOT_CLEANED'
        | 'TOO_MANY_READINGS'
        | 'TOO_DEEP'
        | 'TOO_MANY_PARTS'
        | 'TOO_MANY_BOUNDARIES'
        | 'TOO_MANY_FIELDS'
        | 'FIELD_TOO_LONG'
        | 'HEADER_TOO_LARGE'
      )[]
    | undefined
}

/** The limits for all archives of a message together; an archive above them is a finding. */
export interface ArchiveLimits {
  /**
   * Maximum number of files.
   * @default 10000
   */
  readonly entries?: number | undefined
  /**
   * How deep archives may be in archives.
   * @default 5
   */
  readonly depth?: number | undefined
  /**
   * Maximum number of bytes that are unpacked.
   * @default 104857600
   */
  readonly bytes?: number | undefined
  /**
   * How many times larger than packed an archive in an archive may be.
   * @default 200
   */
  readonly ratio?: number | undefined
}

/** {@link ArchiveLimits}, checked, with defaults. */
export interface ArchiveLimitsSettings {
  readonly entries: number
  readonly depth: number
  readonly bytes: number
  readonly ratio: number
}

/**
 * Options of `attachments`, which refuses, replaces or holds dangerous attachments; it never discards
 * mail.
 */
export interface AttachmentsOptions {
  /**
   * What to do with a dangerous attachment. `refuse`: the message gets a 550. `replace`: a notice takes
   * the place of the attachment. `quarantine`: the mail server holds the message.
   * @default refuse
   */
  readonly action?: 'refuse' | 'replace' | 'quarantine' | undefined
  /**
   * What to do if an attachment cannot be replaced: it is signed, or only some programs see it.
   * @default refuse
   */
  readonly unremovable?: 'refuse' | 'quarantine' | undefined
  /**
   * What to do with a message that programs divide into different parts.
   * @default refuse
   */
  readonly ambiguous?: 'refuse' | 'quarantine' | 'pass' | undefined
  /** Another action for some reasons, such as ZIP_ENCRYPTED: pass. */
  readonly reasons?:
    Readonly<Record<string, 'refuse' | 'replace' | 'quarantine' | 'pass'>> | undefined
  /** The extensions of dangerous files; by default a list of about 500. */
  readonly extensions?: string | readonly string[] | undefined
  /** More extensions, beside those of the list. */
  readonly addExtensions?: string | readonly string[] | undefined
  /** Extensions that are not dangerous here. */
  readonly allowExtensions?: string | readonly string[] | undefined
  /** Media types that are not accepted. */
  readonly types?: string | readonly string[] | undefined
  /** What some authors may send. */
  readonly allow?: AttachmentAllowance | readonly AttachmentAllowance[] | undefined
  /**
   * Clients that are local, for `allow`.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /** The name in `Authentication-Results`; by default that of the mail server (macro `j`). */
  readonly authservId?: string | undefined
  /**
   * Look at the files in archives.
   * @default true
   */
  readonly archives?: boolean | undefined
  /** Limits for archives. */
  readonly limits?: ArchiveLimits | undefined
  /**
   * The text of a refusal; the file and the reason follow.
   * @default Attachment not accepted
   */
  readonly reply?: string | undefined
  /** The text in the place of an attachment; it may have {names} and {reasons}. */
  readonly notice?: string | undefined
  /** A file with that text, in UTF-8. */
  readonly noticeFile?: string | undefined
  /**
   * The file name of the notice.
   * @default WARNING.TXT
   */
  readonly noticeName?: string | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default attachments
   */
  readonly name?: string | undefined
}

/** {@link AttachmentsOptions}, checked, with defaults. */
export interface AttachmentsSettings {
  readonly action: 'refuse' | 'replace' | 'quarantine'
  readonly unremovable: 'refuse' | 'quarantine'
  readonly ambiguous: 'refuse' | 'quarantine' | 'pass'
  readonly reasons?:
    ReadonlyMap<string, 'refuse' | 'replace' | 'quarantine' | 'pass'> | undefined
  readonly extensions?: readonly string[] | undefined
  readonly addExtensions: readonly string[]
  readonly allowExtensions: readonly string[]
  readonly types: readonly string[]
  readonly allow: readonly AttachmentAllowanceSettings[]
  readonly networks: readonly string[]
  readonly authservId?: string | undefined
  readonly archives: boolean
  readonly limits?: ArchiveLimitsSettings | undefined
  readonly reply: string
  readonly notice?: string | undefined
  readonly noticeFile?: string | undefined
  readonly noticeName: string
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
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

/** Recipients that are added, and to which mail; all conditions have to be true. */
export interface BccRule {
  /** The recipients that are added. */
  readonly to: string | readonly string[]
  /** Senders of the envelope; one of them is enough. */
  readonly sender?: string | readonly string[] | undefined
  /** Recipients; one of them is enough. */
  readonly recipient?: string | readonly string[] | undefined
  /** Where the mail comes from. */
  readonly direction?:
    | 'authenticated'
    | 'local'
    | 'outside'
    | readonly ('authenticated' | 'local' | 'outside')[]
    | undefined
}

/** {@link BccRule}, checked, with defaults. */
export interface BccRuleSettings {
  readonly to: readonly string[]
  readonly sender?: readonly string[] | undefined
  readonly recipient?: readonly string[] | undefined
  readonly direction?: readonly ('authenticated' | 'local' | 'outside')[] | undefined
}

/** Options of `bcc`, which adds recipients that the other recipients do not see. */
export interface BccOptions {
  /** What is added to which mail; all rules that match count. */
  readonly rules: BccRule | readonly BccRule[]
  /**
   * Clients that are local; their marks count.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /** A file with a key; then a message that comes through again gets no second copy. */
  readonly markKeyFile?: string | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default bcc
   */
  readonly name?: string | undefined
}

/** {@link BccOptions}, checked, with defaults. */
export interface BccSettings {
  readonly rules: readonly BccRuleSettings[]
  readonly networks: readonly string[]
  readonly markKeyFile?: string | undefined
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
}

/** A disclaimer, and the mail that gets it; the first rule that matches counts. */
export interface DisclaimerRule {
  /** Authors (field From) whose mail gets it; by default all. */
  readonly from?: string | readonly string[] | undefined
  /** Recipients whose mail gets it, one is enough; by default all. */
  readonly to?: string | readonly string[] | undefined
  /** The text, in lines. */
  readonly text?: string | undefined
  /** A file with the text, in UTF-8. */
  readonly textFile?: string | undefined
  /** What HTML shows; by default the text. It is put into a `div` as it is. Variables are escaped. */
  readonly html?: string | undefined
  /** A file with the HTML, in UTF-8. */
  readonly htmlFile?: string | undefined
}

/** {@link DisclaimerRule}, checked, with defaults. */
export interface DisclaimerRuleSettings {
  readonly from?: readonly string[] | undefined
  readonly to?: readonly string[] | undefined
  readonly text?: string | undefined
  readonly textFile?: string | undefined
  readonly html?: string | undefined
  readonly htmlFile?: string | undefined
}

/** Options of `disclaimer`, which adds a text to mail of your users: to its plain text and to its HTML. */
export interface DisclaimerOptions {
  /** The disclaimers; the first rule that matches counts. */
  readonly rules: DisclaimerRule | readonly DisclaimerRule[]
  /** Authors whose mail gets none. */
  readonly except?: string | readonly string[] | undefined
  /** Mail that is only for recipients in these domains gets none. */
  readonly internalDomains?: string | readonly string[] | undefined
  /**
   * What replies get. `once`: a message that shows the disclaimer already, quoted or not, gets no second
   * one. `skip`: a reply gets none.
   * @default once
   */
  readonly replies?: 'once' | 'always' | 'skip' | undefined
  /**
   * Below the whole text, or above it.
   * @default bottom
   */
  readonly position?: 'bottom' | 'top' | undefined
  /**
   * What to do with a text that cannot be read for sure: a part beside it, or nothing.
   * @default wrap
   */
  readonly unreadable?: 'wrap' | 'skip' | undefined
  /** Tables for the variables {table.NAME}, which are asked for the address of the author. */
  readonly tables?: Readonly<Record<string, string | Table>> | undefined
  /**
   * Mail of clients that have logged in gets it.
   * @default true
   */
  readonly authenticated?: boolean | undefined
  /**
   * Mail of clients with these addresses gets it.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /** All mail that comes in through these daemons (macro `daemon_name`) gets it. */
  readonly daemons?: string | readonly string[] | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default disclaimer
   */
  readonly name?: string | undefined
}

/** {@link DisclaimerOptions}, checked, with defaults. */
export interface DisclaimerSettings {
  readonly rules: readonly DisclaimerRuleSettings[]
  readonly except: readonly string[]
  readonly internalDomains: readonly string[]
  readonly replies: 'once' | 'always' | 'skip'
  readonly position: 'bottom' | 'top'
  readonly unreadable: 'wrap' | 'skip'
  readonly tables?: ReadonlyMap<string, string | Table> | undefined
  readonly authenticated: boolean
  readonly networks: readonly string[]
  readonly daemons: readonly string[]
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
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

/** A list in DNS (RFC 5782). */
export interface DnsblZone {
  /** Its domain, such as bl.example.org. */
  readonly zone: string
  /**
   * What an entry adds to the score; negative for a list of good senders.
   * @default 1
   */
  readonly weight?: number | undefined
  /** The answers that count, such as 127.0.0.2 or 127.0.0.0/29; all by default. */
  readonly answers?: string | readonly string[] | undefined
  /** What a refused client is told; %a is its address, %r the reason that the list gives. */
  readonly text?: string | undefined
}

/** {@link DnsblZone}, checked, with defaults. */
export interface DnsblZoneSettings {
  readonly zone: string
  readonly weight: number
  readonly answers?: readonly string[] | undefined
  readonly text?: string | undefined
}

/**
 * Options of `dnsbl`, which asks lists in DNS about clients from outside, and tags or refuses their
 * mail.
 */
export interface DnsblOptions {
  /** The lists; all are asked at once. */
  readonly zones: DnsblZone | readonly DnsblZone[]
  /** The score from which on mail is refused; without it, nothing is refused. */
  readonly refuse?: number | undefined
  /**
   * The score from which on mail gets the field.
   * @default 1
   */
  readonly tag?: number | undefined
  /**
   * The field with score and lists.
   * @default X-DNSBL
   */
  readonly field?: string | undefined
  /**
   * Remove fields of this name that came from outside.
   * @default true
   */
  readonly removeForeign?: boolean | undefined
  /**
   * How long a message waits; a list without an answer has no entry.
   * @default 5s
   */
  readonly timeout?: Duration | undefined
  /**
   * Recipients to whom mail is never refused, so that clients can complain. An address, `user@` for a
   * local part in each domain, or a domain.
   * @default postmaster@, abuse@
   */
  readonly recipients?: string | readonly string[] | undefined
  /**
   * Clients with these addresses are not looked up.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default dnsbl
   */
  readonly name?: string | undefined
  /** Answers of DNS that messages share; by default a new one, which asks the servers of the machine. */
  readonly dns?: DnsCache | undefined
  /** A clock in milliseconds, for tests. */
  readonly now?: (() => number) | undefined
}

/** {@link DnsblOptions}, checked, with defaults. */
export interface DnsblSettings {
  readonly zones: readonly DnsblZoneSettings[]
  readonly refuse?: number | undefined
  readonly tag: number
  readonly field: string
  readonly removeForeign: boolean
  readonly timeout: number
  readonly recipients: readonly string[]
  readonly networks: readonly string[]
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
  readonly dns?: DnsCache | undefined
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

/** A store that processes share: in a directory of this machine, or in Redis. */
export interface StorePlace {
  /** Directory of a store in files, which all workers of this machine share. */
  readonly embedded?: string | undefined
  /** Address of a Redis or Valkey server: redis://host:port, rediss://host:port or unix:/path. */
  readonly redis?: string | undefined
  /** File with the password of Redis in its first line; read for each new connection. */
  readonly passwordFile?: string | undefined
  /** Name of the user of Redis. */
  readonly username?: string | undefined
  /** What all names of keys in Redis begin with; `tsmilter:` by default. */
  readonly prefix?: string | undefined
  /**
   * Time in which the store has to answer.
   * @default 500ms
   */
  readonly deadline?: Duration | undefined
}

/** {@link StorePlace}, checked, with defaults. */
export interface StorePlaceSettings {
  readonly embedded?: string | undefined
  readonly redis?: string | undefined
  readonly passwordFile?: string | undefined
  readonly username?: string | undefined
  readonly prefix?: string | undefined
  readonly deadline: number
}

/** Options of `greylist`, which defers the first try of mail from clients that are not known yet. */
export interface GreylistOptions {
  /**
   * Where the filter keeps its state; each worker has its own `memory`.
   * @default memory
   */
  readonly store?: 'memory' | Store | StorePlace | undefined
  /**
   * While the store fails: let mail pass, defer it, or count in the memory of each worker.
   * @default open
   */
  readonly onStoreFailure?: 'open' | 'closed' | 'local' | undefined
  /**
   * How long a new sender has to wait.
   * @default 5m
   */
  readonly delay?: Duration | undefined
  /**
   * How long after its first try a delivery can still pass for the first time.
   * @default 2d
   */
  readonly window?: Duration | undefined
  /**
   * How long what has passed is remembered after the last delivery.
   * @default 35d
   */
  readonly retention?: Duration | undefined
  /**
   * Bits of an IPv4 address that count, because large senders try again from a neighbour.
   * @default 24
   */
  readonly ipv4Prefix?: number | undefined
  /**
   * The same for IPv6.
   * @default 64
   */
  readonly ipv6Prefix?: number | undefined
  /**
   * Take the domain of the sender in place of the address if SPF passes; needs mailauth. Without the
   * package mailauth, the address counts, and the log says so at the start.
   * @default true
   */
  readonly spf?: boolean | undefined
  /** Domains of senders that never wait, if SPF passes. */
  readonly knownDomains?: string | readonly string[] | undefined
  /**
   * A client that has come back so many times does not wait any more; 0: always.
   * @default 5
   */
  readonly autoWhitelist?: number | undefined
  /** Files of clients that do not wait, in the format of postgrey; read again when they change. */
  readonly whitelistClients?: string | readonly string[] | undefined
  /** Files of recipients for which nobody waits, in the format of postgrey. */
  readonly whitelistRecipients?: string | readonly string[] | undefined
  /**
   * Recipients for which nobody waits, beside those of the files. An address, `user@` for a local part in
   * each domain, or a domain.
   * @default postmaster@, abuse@
   */
  readonly recipients?: string | readonly string[] | undefined
  /**
   * Mail of clients with these addresses is never deferred.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /**
   * Add `X-Greylist` with the seconds that a message had to wait.
   * @default true
   */
  readonly header?: boolean | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default greylist
   */
  readonly name?: string | undefined
  /** Answers of DNS that messages share; by default a new one, which asks the servers of the machine. */
  readonly dns?: DnsCache | undefined
  /** Unix time in milliseconds, for tests. */
  readonly clock?: (() => number) | undefined
}

/** {@link GreylistOptions}, checked, with defaults. */
export interface GreylistSettings {
  readonly store: 'memory' | Store | StorePlaceSettings
  readonly onStoreFailure: 'open' | 'closed' | 'local'
  readonly delay: number
  readonly window: number
  readonly retention: number
  readonly ipv4Prefix: number
  readonly ipv6Prefix: number
  readonly spf: boolean
  readonly knownDomains: readonly string[]
  readonly autoWhitelist: number
  readonly whitelistClients: readonly string[]
  readonly whitelistRecipients: readonly string[]
  readonly recipients: readonly string[]
  readonly networks: readonly string[]
  readonly header: boolean
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
  readonly dns?: DnsCache | undefined
  readonly clock?: (() => number) | undefined
}

/** What the header has to have. */
export interface HeaderCondition {
  /** A field with such a name. */
  readonly field: string
  /** Whose text matches this. */
  readonly matches?: string | undefined
  /**
   * True: there must not be such a field.
   * @default false
   */
  readonly not?: boolean | undefined
}

/** {@link HeaderCondition}, checked, with defaults. */
export interface HeaderConditionSettings {
  readonly field: string
  readonly matches?: Pattern | undefined
  readonly not: boolean
}

/** What to do with some fields of the header. */
export interface HeaderRule {
  /** Adds a field of this name with `value`. */
  readonly add?: string | undefined
  /** Gives fields of such a name the text `value`. */
  readonly replace?: string | undefined
  /** Removes fields of such a name. */
  readonly remove?: string | undefined
  /** Refuses the message if it has such a field. */
  readonly refuse?: string | undefined
  /** The mail server holds the message if it has such a field. */
  readonly hold?: string | undefined
  /** Only logs that the message has such a field. */
  readonly log?: string | undefined
  /** Only for fields whose decoded text matches; case does not matter, unless the flag i is set. */
  readonly matches?: string | undefined
  /** The new text; with `matches`, $1 has what its first group matched. */
  readonly value?: string | undefined
  /** A file with the new text in one line, in UTF-8. */
  readonly valueFile?: string | undefined
  /** Where `add` puts the field; at the end by default. */
  readonly place?: 'top' | 'end' | undefined
  /** The field before which `add` puts the new one. */
  readonly before?: string | undefined
  /** The field after which `add` puts the new one. */
  readonly after?: string | undefined
  /** Only if all of this is true. */
  readonly if?: HeaderCondition | readonly HeaderCondition[] | undefined
  /** The text of a refusal, or the reason to hold a message. */
  readonly text?: string | undefined
}

/** {@link HeaderRule}, checked, with defaults. */
export interface HeaderRuleSettings {
  readonly add?: string | undefined
  readonly replace?: string | undefined
  readonly remove?: string | undefined
  readonly refuse?: string | undefined
  readonly hold?: string | undefined
  readonly log?: string | undefined
  readonly matches?: Pattern | undefined
  readonly value?: string | undefined
  readonly valueFile?: string | undefined
  readonly place?: 'top' | 'end' | undefined
  readonly before?: string | undefined
  readonly after?: string | undefined
  readonly if?: readonly HeaderConditionSettings[] | undefined
  readonly text?: string | undefined
}

/**
 * Options of `headerRules`, which adds, replaces and removes fields of the header, or refuses mail by
 * them.
 */
export interface HeaderRulesOptions {
  /** The rules; each sees what those before it have done. */
  readonly rules?: HeaderRule | readonly HeaderRule[] | undefined
  /** Tables as in header_checks(5) of Postfix, which come after `rules`. */
  readonly headerChecks?: string | readonly string[] | undefined
  /**
   * What to do with a field that a DKIM signature covers: edit it with a warning, or keep it.
   * @default edit
   */
  readonly signed?: 'edit' | 'keep' | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default header-rules
   */
  readonly name?: string | undefined
}

/** {@link HeaderRulesOptions}, checked, with defaults. */
export interface HeaderRulesSettings {
  readonly rules: readonly HeaderRuleSettings[]
  readonly headerChecks: readonly string[]
  readonly signed: 'edit' | 'keep'
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
}

/**
 * Options of `quarantine`, which keeps messages that other filters want held, until you release or
 * delete them.
 */
export interface QuarantineOptions {
  /** The directory for the messages; it has to be there. */
  readonly directory: string
  /**
   * What is kept: what filters before this one want held, or all mail that comes here. Use `all` with a
   * condition (`when`).
   * @default held
   */
  readonly take?: 'held' | 'all' | undefined
  /**
   * What the client is told about a message that is kept. `accept`: the message was accepted, and nobody
   * gets it. `refuse`: 550, so that the sender knows.
   * @default accept
   */
  readonly answer?: 'accept' | 'refuse' | undefined
  /**
   * The text of that 550.
   * @default The message is held for a review
   */
  readonly reply?: string | undefined
  /**
   * Disk space for all messages together; 4096 bytes are added for each.
   * @default 1G
   */
  readonly maxBytes?: Size | undefined
  /**
   * After this time a message is deleted.
   * @default 30d
   */
  readonly maxAge?: Duration | undefined
  /**
   * If maxBytes is reached: defer, let the mail server hold it, or delete the oldest.
   * @default tempfail
   */
  readonly whenFull?: 'tempfail' | 'hold' | 'oldest' | undefined
  /**
   * If a message cannot be kept: defer, or let the mail server hold it.
   * @default tempfail
   */
  readonly onFailure?: 'tempfail' | 'hold' | undefined
  /**
   * Time in which a message has to be on the disk.
   * @default 60s
   */
  readonly deadline?: Duration | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default quarantine
   */
  readonly name?: string | undefined
  /** Unix time in milliseconds, for tests. */
  readonly clock?: (() => number) | undefined
}

/** {@link QuarantineOptions}, checked, with defaults. */
export interface QuarantineSettings {
  readonly directory: string
  readonly take: 'held' | 'all'
  readonly answer: 'accept' | 'refuse'
  readonly reply: string
  readonly maxBytes: number
  readonly maxAge: number
  readonly whenFull: 'tempfail' | 'hold' | 'oldest'
  readonly onFailure: 'tempfail' | 'hold'
  readonly deadline: number
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
  readonly clock?: (() => number) | undefined
}

/** Limits, which all have to allow a message. */
export interface RateLimits {
  /** Messages in a time. */
  readonly messages?: string | readonly string[] | undefined
  /** Recipients of all messages. */
  readonly recipients?: string | readonly string[] | undefined
  /** Bytes of all messages, as they came. */
  readonly bytes?: string | readonly string[] | undefined
}

/** {@link RateLimits}, checked, with defaults. */
export interface RateLimitsSettings {
  readonly messages?: readonly string[] | undefined
  readonly recipients?: readonly string[] | undefined
  readonly bytes?: readonly string[] | undefined
}

/** Where mail to the administrator goes when a limit is used up. */
export interface RateLimitNotice {
  /** The addresses that get it. */
  readonly to: string | readonly string[]
  /** Its author, in From. */
  readonly from: string
  /**
   * The SMTP server that takes it.
   * @default 127.0.0.1:25
   */
  readonly server?: string | undefined
}

/** {@link RateLimitNotice}, checked, with defaults. */
export interface RateLimitNoticeSettings {
  readonly to: readonly string[]
  readonly from: string
  readonly server: string
}

/** Options of `rateLimit`, which limits how much each user, sender, domain and client may send. */
export interface RateLimitOptions {
  /** Limits of each login. */
  readonly login?: RateLimits | undefined
  /** Limits of each envelope sender of users that have logged in. */
  readonly sender?: RateLimits | undefined
  /** Limits of each domain of users: that of the login, or else that of the sender. */
  readonly domain?: RateLimits | undefined
  /** Limits of each address (of IPv6, each /64) from outside, without a login. */
  readonly client?: RateLimits | undefined
  /**
   * Tables with the limits of some logins, senders, domains or addresses. The value is `unlimited`, the
   * name of a group, or limits such as `messages=10/60s,500/d recipients=2000/d`.
   */
  readonly users?: string | Table | readonly (string | Table)[] | undefined
  /** Limits with names, for the tables of `users`. */
  readonly groups?: Readonly<Record<string, RateLimits>> | undefined
  /**
   * What is done above a limit; a message that no limit will ever allow is refused.
   * @default defer
   */
  readonly action?: 'defer' | 'refuse' | undefined
  /**
   * Where the filter keeps its state; each worker has its own `memory`.
   * @default memory
   */
  readonly store?: 'memory' | Store | StorePlace | undefined
  /**
   * While the store fails: let mail pass, defer it, or count in the memory of each worker.
   * @default local
   */
  readonly onStoreFailure?: 'open' | 'closed' | 'local' | undefined
  /**
   * A message to nobody but these is not counted. An address, `user@` for a local part in each domain, or
   * a domain.
   * @default postmaster@
   */
  readonly recipients?: string | readonly string[] | undefined
  /**
   * Mail of clients with these addresses, without a login, has no limits.
   * @default 127.0.0.0/8, ::1
   */
  readonly networks?: string | readonly string[] | undefined
  /**
   * A limit that is used up is told once in this time, in a line of level warn.
   * @default 60m
   */
  readonly noticeEvery?: Duration | undefined
  /** Send a mail, too. */
  readonly notice?: RateLimitNotice | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default rate-limit
   */
  readonly name?: string | undefined
}

/** {@link RateLimitOptions}, checked, with defaults. */
export interface RateLimitSettings {
  readonly login?: RateLimitsSettings | undefined
  readonly sender?: RateLimitsSettings | undefined
  readonly domain?: RateLimitsSettings | undefined
  readonly client?: RateLimitsSettings | undefined
  readonly users?: readonly (string | Table)[] | undefined
  readonly groups?: ReadonlyMap<string, RateLimitsSettings> | undefined
  readonly action: 'defer' | 'refuse'
  readonly store: 'memory' | Store | StorePlaceSettings
  readonly onStoreFailure: 'open' | 'closed' | 'local'
  readonly recipients: readonly string[]
  readonly networks: readonly string[]
  readonly noticeEvery: number
  readonly notice?: RateLimitNoticeSettings | undefined
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
}

/** Asks the server that mail goes to next, whether it takes mail for a recipient. */
export interface CallForward {
  /** The address of that server. */
  readonly server: string
  /**
   * What it speaks.
   * @default smtp
   */
  readonly protocol?: 'smtp' | 'lmtp' | undefined
  /** Our name for HELO; that of the machine by default. */
  readonly helo?: string | undefined
  /**
   * How long it may take to answer.
   * @default 5s
   */
  readonly timeout?: Duration | undefined
  /**
   * How long it is remembered that a recipient is taken.
   * @default 7d
   */
  readonly keepValid?: Duration | undefined
  /**
   * How long it is remembered that a recipient was refused.
   * @default 60m
   */
  readonly keepInvalid?: Duration | undefined
  /**
   * Where the filter keeps its state; each worker has its own `memory`.
   * @default memory
   */
  readonly store?: 'memory' | Store | StorePlace | undefined
  /**
   * While the store fails: let mail pass, defer it, or count in the memory of each worker.
   * @default open
   */
  readonly onStoreFailure?: 'open' | 'closed' | 'local' | undefined
}

/** {@link CallForward}, checked, with defaults. */
export interface CallForwardSettings {
  readonly server: string
  readonly protocol: 'smtp' | 'lmtp'
  readonly helo?: string | undefined
  readonly timeout: number
  readonly keepValid: number
  readonly keepInvalid: number
  readonly store: 'memory' | Store | StorePlaceSettings
  readonly onStoreFailure: 'open' | 'closed' | 'local'
}

/** Options of `recipientCheck`, which refuses recipients that do not exist. */
export interface RecipientCheckOptions {
  /** Your domains; recipients of others are not checked. */
  readonly domains: string | readonly string[]
  /**
   * Tables of all recipients that exist: addresses, @domain for all of a domain. The value does not
   * matter, but for REJECT, 5xx and OK, which mean what they do in access(5).
   */
  readonly tables?: string | Table | readonly (string | Table)[] | undefined
  /** Ask another server, in place of `tables`. */
  readonly callForward?: CallForward | undefined
  /**
   * Characters that begin an extension, as in user+news; empty for none.
   * @default +
   */
  readonly delimiter?: string | undefined
  /**
   * What is done with a recipient if nobody can say whether it exists.
   * @default defer
   */
  readonly onFailure?: 'defer' | 'pass' | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default recipient-check
   */
  readonly name?: string | undefined
}

/** {@link RecipientCheckOptions}, checked, with defaults. */
export interface RecipientCheckSettings {
  readonly domains: readonly string[]
  readonly tables?: readonly (string | Table)[] | undefined
  readonly callForward?: CallForwardSettings | undefined
  readonly delimiter: string
  readonly onFailure: 'defer' | 'pass'
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
}

/** The Sender Rewriting Scheme, with the addresses and secrets of postsrsd. */
export interface SrsPlace {
  /** The domain of rewritten senders; bounces to it have to reach this server. */
  readonly domain: string
  /** File with a secret in each line: the first one makes addresses, all are believed. */
  readonly secretsFile: string
  /** Your domains: their senders stay, and mail to them alone is not forwarded. */
  readonly localDomains: string | readonly string[]
  /**
   * Tables of aliases by which your server forwards mail of local recipients. A milter sees recipients
   * before Postfix looks them up in `virtual_alias_maps`, so name the same tables here.
   */
  readonly forwards?: string | Table | readonly (string | Table)[] | undefined
  /**
   * What is done with a recipient that is a forged or expired SRS address.
   * @default refuse
   */
  readonly invalid?: 'refuse' | 'pass' | undefined
  /**
   * What follows SRS0 and SRS1 in new addresses.
   * @default =
   */
  readonly separator?: '=' | '+' | '-' | undefined
  /**
   * Characters of a hash.
   * @default 4
   */
  readonly hashLength?: number | undefined
  /** Characters that a hash needs to be believed; hashLength by default. */
  readonly minHashLength?: number | undefined
  /**
   * Days that an address is valid.
   * @default 21
   */
  readonly maxAge?: number | undefined
}

/** {@link SrsPlace}, checked, with defaults. */
export interface SrsPlaceSettings {
  readonly domain: string
  readonly secretsFile: string
  readonly localDomains: readonly string[]
  readonly forwards?: readonly (string | Table)[] | undefined
  readonly invalid: 'refuse' | 'pass'
  readonly separator: '=' | '+' | '-'
  readonly hashLength: number
  readonly minHashLength?: number | undefined
  readonly maxAge: number
}

/**
 * Options of `rewrite`, which rewrites the sender and the recipients of the envelope, by tables and by
 * SRS.
 */
export interface RewriteOptions {
  /** Tables of senders: address or @domain, and the new address or @domain. */
  readonly senders?: string | Table | readonly (string | Table)[] | undefined
  /** Tables of recipients: address or @domain, and the new addresses. */
  readonly recipients?: string | Table | readonly (string | Table)[] | undefined
  /** Rewrite senders of forwarded mail, and find them in bounces. */
  readonly srs?: SrsPlace | undefined
  /**
   * Characters that begin an extension, which stays: user+news; empty for none.
   * @default +
   */
  readonly delimiter?: string | undefined
  /**
   * What is done if a table cannot be asked.
   * @default defer
   */
  readonly onFailure?: 'defer' | 'pass' | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default rewrite
   */
  readonly name?: string | undefined
  /** Unix time in milliseconds, for tests. */
  readonly now?: (() => number) | undefined
}

/** {@link RewriteOptions}, checked, with defaults. */
export interface RewriteSettings {
  readonly senders?: readonly (string | Table)[] | undefined
  readonly recipients?: readonly (string | Table)[] | undefined
  readonly srs?: SrsPlaceSettings | undefined
  readonly delimiter: string
  readonly onFailure: 'defer' | 'pass'
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
  readonly now?: (() => number) | undefined
}

/**
 * Options of `scan`, which asks clamd, spamd or rspamd about each message, and tags, holds or refuses
 * it.
 */
export interface ScanOptions {
  /** Where clamd listens; the next one is asked if one fails. */
  readonly clamd?: string | readonly string[] | undefined
  /** Where spamd of SpamAssassin listens. */
  readonly spamd?: string | readonly string[] | undefined
  /** Where the normal worker of rspamd listens, such as port 11333. */
  readonly rspamd?: string | readonly string[] | undefined
  /**
   * What becomes of a message in which clamd finds something.
   * @default refuse
   */
  readonly infected?: 'refuse' | 'quarantine' | 'tag' | undefined
  /** Score from which a message is tagged; that of the scanner by default. */
  readonly tagAt?: number | undefined
  /** Score from which a message is held; by default none is. */
  readonly quarantineAt?: number | undefined
  /** Score from which a message is refused; by default none is. */
  readonly refuseAt?: number | undefined
  /**
   * Refuse or defer what rspamd wants refused or deferred, with all its other thresholds.
   * @default true
   */
  readonly followActions?: boolean | undefined
  /**
   * Remove and add the header fields that rspamd wants.
   * @default true
   */
  readonly followFields?: boolean | undefined
  /** The user whose preferences spamd takes. */
  readonly user?: string | undefined
  /** A file with the password of rspamd in its first line. */
  readonly passwordFile?: string | undefined
  /**
   * A larger message is not scanned; it has to fit into the limit of the scanner too.
   * @default 25M
   */
  readonly maxSize?: Size | undefined
  /**
   * What becomes of a message that is larger.
   * @default pass
   */
  readonly tooLarge?: 'pass' | 'quarantine' | 'refuse' | undefined
  /**
   * What becomes of a message if no scanner gives a result.
   * @default tempfail
   */
  readonly onFailure?: 'tempfail' | 'pass' | undefined
  /**
   * Time for all scanners together.
   * @default 60s
   */
  readonly deadline?: Duration | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default scan
   */
  readonly name?: string | undefined
}

/** {@link ScanOptions}, checked, with defaults. */
export interface ScanSettings {
  readonly clamd?: readonly string[] | undefined
  readonly spamd?: readonly string[] | undefined
  readonly rspamd?: readonly string[] | undefined
  readonly infected: 'refuse' | 'quarantine' | 'tag'
  readonly tagAt?: number | undefined
  readonly quarantineAt?: number | undefined
  readonly refuseAt?: number | undefined
  readonly followActions: boolean
  readonly followFields: boolean
  readonly user?: string | undefined
  readonly passwordFile?: string | undefined
  readonly maxSize: number
  readonly tooLarge: 'pass' | 'quarantine' | 'refuse'
  readonly onFailure: 'tempfail' | 'pass'
  readonly deadline: number
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
}

/** Options of `senderAcl`, which lets users who have logged in send only as addresses that are theirs. */
export interface SenderAclOptions {
  /**
   * Tables by login: the addresses that it may send as. Between commas or spaces: `bob@example.org`,
   * `@example.org` for all of a domain, `@.example.org` for all domains below it, `*` for all.
   */
  readonly allowed?: string | Table | readonly (string | Table)[] | undefined
  /** Tables by address or @domain: the logins that may send as it (smtpd_sender_login_maps). */
  readonly owners?: string | Table | readonly (string | Table)[] | undefined
  /**
   * A login that is an address may send as this address, also with an extension.
   * @default true
   */
  readonly own?: boolean | undefined
  /** The domain that is added to logins without one, so that they are addresses. */
  readonly loginDomain?: string | undefined
  /**
   * What has to be theirs: the envelope sender, all of `From`, the field `Sender`.
   * @default envelope, from
   */
  readonly check?:
    | 'envelope'
    | 'from'
    | 'sender-field'
    | readonly ('envelope' | 'from' | 'sender-field')[]
    | undefined
  /**
   * Whether users may send with the null sender, as receipts have it.
   * @default true
   */
  readonly nullSender?: boolean | undefined
  /** Logins that may send as anybody, such as that of a mailing list or a gateway. */
  readonly exempt?: string | readonly string[] | undefined
  /**
   * Characters that begin an extension, as in user+news; empty for none.
   * @default +
   */
  readonly delimiter?: string | undefined
  /**
   * What is done if a table cannot be asked.
   * @default defer
   */
  readonly onFailure?: 'defer' | 'pass' | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default sender-acl
   */
  readonly name?: string | undefined
}

/** {@link SenderAclOptions}, checked, with defaults. */
export interface SenderAclSettings {
  readonly allowed?: readonly (string | Table)[] | undefined
  readonly owners?: readonly (string | Table)[] | undefined
  readonly own: boolean
  readonly loginDomain?: string | undefined
  readonly check: readonly ('envelope' | 'from' | 'sender-field')[]
  readonly nullSender: boolean
  readonly exempt: readonly string[]
  readonly delimiter: string
  readonly onFailure: 'defer' | 'pass'
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
}

/** Options of `webhook`, which asks an HTTP service about each message, and does what it answers. */
export interface WebhookOptions {
  /** The address of the service. */
  readonly url: string
  /** A file whose first line is the secret that signs requests, of 16 characters or more. */
  readonly secretFile: string
  /**
   * What the service gets beside the envelope: nothing, the header, the message.
   * @default header
   */
  readonly content?: 'none' | 'header' | 'whole' | undefined
  /**
   * Of a larger message, the service gets the header only.
   * @default 10M
   */
  readonly maxSize?: Size | undefined
  /**
   * What the service may do with a message.
   * @default refuse, defer, quarantine, fields, recipients
   */
  readonly allow?:
    | 'refuse'
    | 'defer'
    | 'quarantine'
    | 'discard'
    | 'fields'
    | 'recipients'
    | 'sender'
    | readonly (
        'refuse' | 'defer' | 'quarantine' | 'discard' | 'fields' | 'recipients' | 'sender'
      )[]
    | undefined
  /**
   * What becomes of a message if there is no answer, or one that cannot be used.
   * @default tempfail
   */
  readonly onFailure?: 'tempfail' | 'pass' | undefined
  /**
   * Time for all tries together.
   * @default 10s
   */
  readonly deadline?: Duration | undefined
  /**
   * Maximum size of an answer.
   * @default 64K
   */
  readonly maxAnswer?: Size | undefined
  /** Private and local addresses to which the requests may go. */
  readonly allowAddresses?: string | readonly string[] | undefined
  /** Certificates of the authorities that count, in PEM; by default those of Node. */
  readonly caFile?: string | undefined
  /**
   * Look at all mail, change nothing, and log what would have been done.
   * @default false
   */
  readonly observe?: boolean | undefined
  /** The verdict if the filter itself fails; that of the server by default. */
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  /**
   * The name of the filter in log lines and metrics.
   * @default webhook
   */
  readonly name?: string | undefined
  /** Finds the addresses of a name, for tests. */
  readonly lookup?: AddressLookup | undefined
}

/** {@link WebhookOptions}, checked, with defaults. */
export interface WebhookSettings {
  readonly url: string
  readonly secretFile: string
  readonly content: 'none' | 'header' | 'whole'
  readonly maxSize: number
  readonly allow: readonly (
    'refuse' | 'defer' | 'quarantine' | 'discard' | 'fields' | 'recipients' | 'sender'
  )[]
  readonly onFailure: 'tempfail' | 'pass'
  readonly deadline: number
  readonly maxAnswer: number
  readonly allowAddresses: readonly string[]
  readonly caFile?: string | undefined
  readonly observe: boolean
  readonly onError?: 'tempfail' | 'reject' | 'continue' | 'accept' | undefined
  readonly name: string
  readonly lookup?: AddressLookup | undefined
}
