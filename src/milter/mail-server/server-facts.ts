import type { DefectName } from './known-defects.ts'
import type { MailServerKind } from './mail-server.ts'
import type { ServerAtHand } from './servers-met.ts'

/** The mail server that consults this filter. A fact that it does not send is undefined. */
export interface ServerFacts {
  /** `unknown` for other mail servers, and for one that cannot be recognized */
  readonly kind: MailServerKind
  /** the version of its software: `3.7.11` */
  readonly version: string | undefined
  /** the name and version of its software, `Postfix 3.7.11`: macro `v` */
  readonly software: string | undefined
  /** its host name: macro `j` */
  readonly name: string | undefined
  /** the name of the daemon that took the connection: macro `daemon_name` */
  readonly daemon: string | undefined
  /** the address it listens on: macro `daemon_addr` or `if_addr` */
  readonly address: string | undefined
  /** the port it listens on: macro `daemon_port` */
  readonly port: number | undefined
  /** known defects that it has, or may have; the library works around them (docs/protocol.md) */
  readonly defects: ReadonlySet<DefectName>
}

/** @param macro looks one up. An empty value means the same as no value: Sendmail sends both. */
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
    // Postfix sends `daemon_addr`. Sendmail sends `if_addr`, but not on the loopback interface.
    address: macro('daemon_addr') || macro('if_addr') || undefined,
    port: /^\d+$/.test(port) ? Number(port) : undefined,
    defects,
  }
}
