/** What finds the keys of a signer. */
import { readFileSync } from 'node:fs'
import { UsageError } from '../../errors.ts'
import type { SigningKey } from './signing-key.ts'

/** A key that signs, and i= if a table says one. */
export interface ChosenKey {
  readonly key: SigningKey
  readonly identity: string | undefined
  /** what of the configuration has chosen it: an option, or a line of a table */
  readonly rule: string
}

/** Why no key signs: there is none for the domain, or none whose time it is. */
export type NoKey = 'no-key' | 'no-active-key'

/** Finds the keys for a signer. */
export interface KeyList {
  /**
   * @param address `local@domain`, without quotes, the domain in lower case
   * @param now Unix time in milliseconds
   */
  keysFor(local: string, domain: string, now: number): readonly ChosenKey[] | NoKey
  /** all keys that are known before the first message */
  readonly all: readonly SigningKey[]
}

/** A file of keys or of a table of keys cannot be read. */
export class MissingFile extends UsageError {}

/** @throws MissingFile INVALID_OPTION */
export function readKeyFile(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as { code?: string }
    throw new MissingFile('INVALID_OPTION', `DKIM: ${what} cannot be read: ${path} (${code})`, {
      cause,
    })
  }
}
