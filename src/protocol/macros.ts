/**
 * Macros are values that the mail server sends about a command, in a separate frame before it.
 * `{name}` and `name` are the same macro everywhere in this package; on the wire, names longer
 * than one letter have braces.
 */
import type { MacroStage } from './constants.ts'
import { Command, MAX_MACROS_PER_STAGE } from './constants.ts'
import { UsageError } from '../errors.ts'
import { encodeFrame, type Payload } from './frame.ts'
import { decodeStrings, malformed, stringParts } from './strings.ts'

/** A macro's name without braces, as it is stored. */
export function bareMacroName(name: string): string {
  return name.length > 2 && name.startsWith('{') && name.endsWith('}')
    ? name.slice(1, -1)
    : name
}

/** A macro's name as Sendmail can look it up: `i`, `{auth_authen}`. */
export function wireMacroName(name: string): string {
  const bare = bareMacroName(name)
  return bare.length === 1 ? bare : `{${bare}}`
}

/** The payload of a MACRO frame: which command it is for, and name/value pairs in order. */
export interface Macros {
  readonly command: number
  readonly pairs: readonly (readonly [name: string, value: string])[]
}

/** @throws ProtocolError MALFORMED_PAYLOAD when even the command letter is missing */
export function decodeMacros(payload: Payload): Macros {
  if (payload.start >= payload.end) {
    throw malformed('MACRO', 'the letter of the command it belongs to is missing')
  }
  return { command: payload.bytes[payload.start]!, pairs: decodeMacroPairs(payload, 1) }
}

/** A name without a value gets the empty value (libmilter reads past its array there). */
export function decodeMacroPairs(payload: Payload, skip = 0): [string, string][] {
  const strings = decodeStrings({
    ...payload,
    bytes: payload.bytes,
    start: payload.start + skip,
    end: payload.end,
  })
  const pairs: [string, string][] = []
  for (let i = 0; i < strings.length; i += 2) {
    pairs.push([bareMacroName(strings[i]!), strings[i + 1] ?? ''])
  }
  return pairs
}

/** The frame with the macros of a command. */
export function encodeMacros(
  command: Command,
  pairs: Iterable<readonly [name: string, value: string]>,
): Buffer {
  const strings: string[] = []
  for (const [name, value] of pairs) strings.push(wireMacroName(name), value)
  return encodeFrame(Command.MACRO, Buffer.of(command), ...stringParts(...strings))
}

/** The names of the macros that a filter asks for, by stage. A list replaces the mail server's own list. */
export type MacroLists = ReadonlyMap<MacroStage, readonly string[]>
/** Asks for no macros: the mail server sends those that it is configured to send. */
export const NO_MACRO_LISTS: MacroLists = new Map()

/**
 * The list of one stage as it goes into the negotiation.
 * @throws UsageError INVALID_OPTION for a name that you cannot ask for, or more than 50 names
 */
export function formatMacroList(names: readonly string[]): string {
  // The same lists go into each negotiation of a filter.
  let text = FORMATTED.get(names)
  if (text === undefined) FORMATTED.set(names, (text = checkedMacroList(names)))
  return text
}

const FORMATTED = new WeakMap<readonly string[], string>()

function checkedMacroList(names: readonly string[]): string {
  if (names.length > MAX_MACROS_PER_STAGE) {
    throw new UsageError(
      'INVALID_OPTION',
      `${names.length} macros were requested for one stage; Sendmail keeps ${MAX_MACROS_PER_STAGE} and silently drops the rest`,
    )
  }
  return names
    .map((name) => {
      if (!/^(?:[!-z|~]|\{[!-z|~]+\}|[!-z|~]+)$/.test(name) || name.includes(',')) {
        throw new UsageError(
          'INVALID_OPTION',
          `${JSON.stringify(name)} is not a macro name; write one name in each string, such as 'i' or '{auth_authen}'`,
        )
      }
      return wireMacroName(name)
    })
    .join(' ')
}
