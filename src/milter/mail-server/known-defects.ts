import {
  isBefore,
  sameBranch,
  versionOf,
  type MailServer,
  type MailServerKind,
} from './mail-server.ts'

export type DefectName = 'sendmail-merges-additions' | 'postfix-early-accept'

/** A defect of a mail server that a filter's answers can trigger. This library works around it. */
export interface KnownDefect {
  readonly name: DefectName
  readonly server: Exclude<MailServerKind, 'unknown'>
  /** the first version that has it; undefined if all versions with filters do */
  readonly since: string | undefined
  /** the first version of each branch that does not have it; later branches never had it */
  readonly fixed: readonly string[]
  /** the day of the first snapshot that does not have it */
  readonly fixedSnapshot: string | undefined
  readonly what: string
  readonly instead: string
  readonly source: string
}

/** All of them; docs/protocol.md has the same table. */
export const KNOWN_DEFECTS: readonly KnownDefect[] = [
  {
    name: 'sendmail-merges-additions',
    server: 'sendmail',
    since: '8.18.2',
    fixed: [],
    fixedSnapshot: undefined,
    what: 'a second `To`, `Cc`, `Bcc` or `Apparently-To` is merged into the first; where that was deleted, Sendmail crashes',
    instead: 'such a field is inserted at the end',
    source: '`headers.c`, `addheader` with `H_0OR1_AL`',
  },
  {
    name: 'postfix-early-accept',
    server: 'postfix',
    since: undefined,
    fixed: ['3.7.22', '3.8.20', '3.9.14', '3.10.13', '3.11.6'],
    fixedSnapshot: '20260803',
    what: 'after "accept" at MAIL, RCPT or DATA, and a refusal by `smtpd_end_of_data_restrictions`, more mail of the client passes without the filter',
    instead: '"accept" is kept until end of message; no handler is called meanwhile',
    source: '`HISTORY`, 20260803',
  },
]

/** The defects to work around. A mail server counts as having a defect unless it is known not to have it. */
export function defectsOf(server: MailServer): ReadonlySet<DefectName> {
  return new Set(
    KNOWN_DEFECTS.filter((defect) => mayHave(server, defect)).map(({ name }) => name),
  )
}

function mayHave({ kind, version }: MailServer, defect: KnownDefect): boolean {
  if (kind === 'unknown') return true
  if (kind !== defect.server) return false
  if (version === undefined) return true
  if (defect.since !== undefined && isBefore(version, versionOf(defect.since)!)) return false
  const fixes = defect.fixed.map((text) => versionOf(text)!)
  if (fixes.length === 0) return true
  // A snapshot has the number of the next release, so its day counts.
  if (version.snapshot !== undefined && defect.fixedSnapshot !== undefined) {
    return version.snapshot < defect.fixedSnapshot
  }
  const fix = fixes.find((one) => sameBranch(one, version))
  return isBefore(version, fix ?? fixes[0]!)
}
