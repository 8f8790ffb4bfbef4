/**
 * What header positions mean to the mail server at hand. Each server counts other things, and
 * numbers change at other moments; the planner knows three kinds.
 */
export type MailServerKind = 'postfix' | 'sendmail' | 'unknown'

/** What tells a mail server: its macros at CONNECT. */
export interface ServerSigns {
  macro(name: string): string | undefined
}

/**
 * Postfix calls itself so in `v` unless it was renamed. Sendmail's `v` is its bare version number;
 * its default macros do not have it, so filters of this level ask for it. `if_name` is Sendmail's own.
 */
export function mailServerKind(signs: ServerSigns): MailServerKind {
  const version = signs.macro('v') ?? ''
  if (/\bpostfix\b/i.test(version)) return 'postfix'
  if (/^8\.\d+\.\d+/.test(version) || signs.macro('if_name') !== undefined) return 'sendmail'
  return 'unknown'
}
