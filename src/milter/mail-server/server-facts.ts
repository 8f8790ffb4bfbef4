import type { DefectName } from './known-defects.ts'
import type { MailServerKind } from './mail-server.ts'
import type { ServerAtHand } from './servers-met.ts'

/** The mail server that consults this filter. What it does not tell is undefined. */
export interface ServerFacts {
  /** `unknown` for others, and where nothing tells */
  readonly kind: MailServerKind
  /** of its software: `3.7.11` */
  readonly version: string | undefined
  /** what it calls its software, `Postfix 3.7.11`: macro `v` */
  readonly software: string | undefined
  /** its host name: macro `j` */
  readonly name: string | undefined
  readonly daemon: string | undefined
  readonly address: string | undefined
  readonly port: number | undefined
  /** known defects that it has, or may have, and that are worked around (docs/protocol.md) */
  readonly defects: ReadonlySet<DefectName>
}

/** @param macro looks one up; the empty value says no more than none: Sendmail sends both */
export function serverFacts(
  { kind, version, defects }: ServerAtHand,
  macro: (name: string) => string | undefined,
): ServerFacts {
  const port = macro('daemon_port') ?? ''
  return {
    kind,
    version: version?.text,
    software: macro('v') || undefined,
    name: macro('j') || undefined,
    daemon: macro('daemon_name') || undefined,
    // Postfix has the one, Sendmail the other, but on the loopback interface.
    address: macro('daemon_addr') || macro('if_addr') || undefined,
    port: /^\d+$/.test(port) ? Number(port) : undefined,
    defects,
  }
}
