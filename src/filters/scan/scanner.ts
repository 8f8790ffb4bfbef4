/** What all scanners have in common: what they are asked, and what they say. */
import type { Mail } from '../../message/mail.ts'

/** What a scanner says about a message. */
export interface ScanResult {
  /** `soft-reject`: the client should try again later */
  readonly verdict: 'clean' | 'infected' | 'spam' | 'soft-reject' | 'reject'
  /** viruses, or the rules that have matched */
  readonly names: readonly string[]
  readonly score?: number
  /** the score from which the scanner itself says spam */
  readonly required?: number
  /** fields that it wants to be removed and added */
  readonly removes?: readonly string[]
  readonly adds?: readonly (readonly [name: string, value: string])[]
}

/**
 * Asks one daemon about a message.
 *
 * @throws ScanFailure; the reason of `signal`
 */
export type Scan = (mail: Mail, size: number, signal: AbortSignal) => Promise<ScanResult>

const MAX_NAMES = 100

/** Names of viruses and rules, as words that fit into a field, a reply and a log line. */
export const namesOf = (given: readonly string[]): string[] =>
  given
    .slice(0, MAX_NAMES)
    .map((name) =>
      name
        .trim()
        .replaceAll(/[^!-~]/g, '_')
        .slice(0, 80),
    )
    .filter((name) => name !== '')

/** A value as one line of a header or of HTTP: what could end the line becomes a question mark. */
export const oneLine = (text: string): string =>
  Buffer.from(text, 'utf8')
    .toString('latin1')
    // oxlint-disable-next-line eslint/no-control-regex -- they are what must not be there
    .replaceAll(/[\0-\x1f\x7f]/g, '?')
    .slice(0, 900)
