/**
 * The numbers of the milter protocol, versions 2 to 6, under the names of libmilter
 * (`include/libmilter/mfdef.h`, `mfapi.h`) without their prefixes.
 */

/** The newest version of the protocol, and the only one deployed since 2009. */
export const PROTOCOL_VERSION = 6
/** The oldest version that this library speaks; version 1 never left Sendmail 8.10. */
export const OLDEST_PROTOCOL_VERSION = 2

/** What the mail server sends (SMFIC_*). */
export const Command = {
  ABORT: 0x41, // A
  BODY: 0x42, // B
  CONNECT: 0x43, // C
  MACRO: 0x44, // D
  EOM: 0x45, // E, SMFIC_BODYEOB
  HELO: 0x48, // H
  QUIT_NC: 0x4b, // K
  HEADER: 0x4c, // L
  MAIL: 0x4d, // M
  EOH: 0x4e, // N
  OPTNEG: 0x4f, // O
  QUIT: 0x51, // Q
  RCPT: 0x52, // R
  DATA: 0x54, // T
  UNKNOWN: 0x55, // U
} as const
export type Command = (typeof Command)[keyof typeof Command]

/** What the filter sends (SMFIR_*): verdicts, then edits, then the rest. */
export const Reply = {
  ACCEPT: 0x61, // a
  CONTINUE: 0x63, // c
  DISCARD: 0x64, // d
  REJECT: 0x72, // r
  SKIP: 0x73, // s
  TEMPFAIL: 0x74, // t
  REPLYCODE: 0x79, // y
  ADDRCPT: 0x2b, // +
  DELRCPT: 0x2d, // -
  ADDRCPT_PAR: 0x32, // 2
  REPLBODY: 0x62, // b
  CHGFROM: 0x65, // e
  ADDHEADER: 0x68, // h
  INSHEADER: 0x69, // i
  CHGHEADER: 0x6d, // m
  QUARANTINE: 0x71, // q
  PROGRESS: 0x70, // p
  OPTNEG: 0x4f, // O
  SHUTDOWN: 0x34, // 4, only for the mail server itself
  CONN_FAIL: 0x66, // f, defined and never used
} as const
export type Reply = (typeof Reply)[keyof typeof Reply]

/** What the filter may do to a message (SMFIF_*), second number of the negotiation. */
export const Action = {
  ADDHDRS: 0x001,
  CHGBODY: 0x002,
  ADDRCPT: 0x004,
  DELRCPT: 0x008,
  CHGHDRS: 0x010,
  QUARANTINE: 0x020,
  CHGFROM: 0x040,
  ADDRCPT_PAR: 0x080,
  SETSYMLIST: 0x100,
} as const
/** All action bits of version 6 (SMFI_CURR_ACTS). */
export const ALL_ACTIONS: number = Object.values(Action).reduce((all, bit) => all | bit, 0)
/** What an offer of no actions means (SMFI_V1_ACTS; libmilter `st_optionneg`). */
export const V1_ACTIONS = 0x0f

/** How events are sent and answered (SMFIP_*), third number of the negotiation. */
export const Step = {
  NOCONNECT: 0x000001,
  NOHELO: 0x000002,
  NOMAIL: 0x000004,
  NORCPT: 0x000008,
  NOBODY: 0x000010,
  NOHDRS: 0x000020,
  NOEOH: 0x000040,
  NR_HDR: 0x000080,
  NOUNKNOWN: 0x000100,
  NODATA: 0x000200,
  SKIP: 0x000400,
  RCPT_REJ: 0x000800,
  NR_CONN: 0x001000,
  NR_HELO: 0x002000,
  NR_MAIL: 0x004000,
  NR_RCPT: 0x008000,
  NR_DATA: 0x010000,
  NR_UNKN: 0x020000,
  NR_EOH: 0x040000,
  NR_BODY: 0x080000,
  HDR_LEADSPC: 0x100000,
  MDS_256K: 0x10000000,
  MDS_1M: 0x20000000,
} as const
/** All step bits of version 6 that are not about frame sizes (SMFI_CURR_PROT). */
export const ALL_STEPS = 0x1fffff
/** What an offer of no steps means (SMFI_V1_PROT). */
export const V1_STEPS = 0x3f

/** Where macros are sent (SMFIM_*). EOM and EOH are in this order since libmilter 8.14. */
export const MacroStage = {
  CONNECT: 0,
  HELO: 1,
  MAIL: 2,
  RCPT: 3,
  DATA: 4,
  EOM: 5,
  EOH: 6,
} as const
export type MacroStage = (typeof MacroStage)[keyof typeof MacroStage]

/** Sendmail keeps this many requested macros for each stage and drops the rest (MAXFILTERMACROS). */
export const MAX_MACROS_PER_STAGE = 50

/** Bytes of data in one frame, without its command byte (MILTER_MDS_64K and the two larger sizes). */
export const DataSize = { K64: 65_535, K256: 262_143, M1: 1_048_575 } as const
export type DataSize = (typeof DataSize)[keyof typeof DataSize]

/** The maximum size of a body chunk, whatever data size was negotiated (MILTER_CHUNK_SIZE). */
export const CHUNK_SIZE = 65_535

/** The letter of a command or reply in quotes; other bytes as a number. */
export function letter(code: number): string {
  return code > 0x20 && code < 0x7f
    ? `'${String.fromCharCode(code)}'`
    : `0x${code.toString(16).padStart(2, '0')}`
}

/** The bits of a list of names, in any case; undefined if one of them is not in the table. */
export function bitsOf(
  table: Readonly<Record<string, number>>,
  names: readonly unknown[],
): number | undefined {
  let bits = 0
  for (const name of names) {
    const key = typeof name === 'string' ? name.toUpperCase() : ''
    if (!Object.hasOwn(table, key)) return undefined
    bits |= table[key]!
  }
  return bits
}

/** The names of the bits that are set, for logs: `ADDHDRS|CHGBODY`, unknown bits as a number. */
export function bitNames(table: Readonly<Record<string, number>>, bits: number): string {
  const names: string[] = []
  let rest = bits >>> 0
  for (const [name, bit] of Object.entries(table)) {
    if ((rest & bit) === 0) continue
    names.push(name)
    rest = (rest & ~bit) >>> 0
  }
  if (rest !== 0) names.push(`0x${rest.toString(16)}`)
  return names.join('|') || '0'
}
