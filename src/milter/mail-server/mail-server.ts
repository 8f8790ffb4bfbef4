import { bounded } from '../../diagnostics/bounded-text.ts'

/**
 * Which mail server this is. Each counts other things in a header, and numbers change at other
 * moments, so the planner knows three kinds.
 */
export type MailServerKind = 'postfix' | 'sendmail' | 'unknown'

export interface MailServer {
  readonly kind: MailServerKind
  /** undefined if the server does not tell */
  readonly version: Version | undefined
  /** for people: `Postfix 3.7.11` */
  readonly label: string
}

export interface Version {
  /** the most significant first: 3, 7, 11 */
  readonly numbers: readonly number[]
  /** the day of a snapshot of Postfix: `20260803` */
  readonly snapshot: string | undefined
  /** for people: `3.7.11` */
  readonly text: string
}

/**
 * What a mail server says about itself in its macros of CONNECT.
 *
 * Postfix calls itself so in `v` unless it was renamed (`mail_name`). Sendmail's `v` is its bare version
 * number; its default macros do not have it, so whole-message filters ask for it. `if_name` is
 * Sendmail's own.
 * @param told the macro `v`; empty without it
 */
export function mailServer(told: string, hasIfName: boolean): MailServer {
  if (/\bpostfix\b/i.test(told)) return made('postfix', told.replace(/^.*?\bpostfix\b/is, ''))
  if (/^8\.\d+\.\d+/.test(told)) return made('sendmail', told)
  if (hasIfName) return made('sendmail', '')
  return { kind: 'unknown', version: undefined, label: bounded(told, 60) || 'unknown' }
}

const NAMES = { postfix: 'Postfix', sendmail: 'Sendmail' } as const

function made(kind: keyof typeof NAMES, told: string): MailServer {
  const version = versionOf(told)
  const words = version === undefined ? 'of an unknown version' : bounded(told.trim(), 40)
  return { kind, version, label: `${NAMES[kind]} ${words}` }
}

/**
 * Of the form `3.7.11`, `8.17.1.9`, `3.12-20260803` (a snapshot) or `3.11-RC1`, which counts as 3.11.
 * Other text after the number is ignored.
 */
export function versionOf(text: string): Version | undefined {
  const found = /^\s*(\d{1,9}(?:\.\d{1,9}){1,5})(?:-(\d{8})(?!\d))?/.exec(text)
  if (found === null) return undefined
  return {
    numbers: found[1]!.split('.').map(Number),
    snapshot: found[2],
    text: found[0].trimStart(),
  }
}

/** Number by number; a number that is missing is 0. */
export function isBefore(one: Version, other: Version): boolean {
  const length = Math.max(one.numbers.length, other.numbers.length)
  for (let i = 0; i < length; i++) {
    const difference = (one.numbers[i] ?? 0) - (other.numbers[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** The first two numbers are those of a branch. */
export function sameBranch(one: Version, other: Version): boolean {
  return one.numbers[0] === other.numbers[0] && one.numbers[1] === other.numbers[1]
}
