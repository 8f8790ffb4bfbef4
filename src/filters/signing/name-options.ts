/** The options `sign` and `oversign`: the fields that a signature covers. */
import type { Report } from '../../options/mistake.ts'

export interface SignedNames {
  readonly sign: readonly string[]
  readonly oversign: readonly string[]
}

/**
 * Reports names that a signature cannot cover, and lists without From (RFC 6376, section 5.4).
 *
 * @param never names that may not be signed, in lower case
 * @param section the rule that forbids them
 */
export function checkSignedNames(
  { sign, oversign }: SignedNames,
  never: ReadonlySet<string>,
  section: string,
  report: Report,
): void {
  for (const [option, names] of Object.entries({ sign, oversign })) {
    const at = names.findIndex((name) => never.has(name.toLowerCase()))
    if (at === -1) continue
    report({ path: [option, at], text: `takes no ${names[at]} (${section})` })
  }
  if (![...sign, ...oversign].some((name) => name.toLowerCase() === 'from')) {
    report({ path: ['oversign'], text: 'takes a list with From', got: { value: oversign } })
  }
}

/** The names as they are compared. */
export const namesToSign = ({
  sign,
  oversign,
}: SignedNames): Record<keyof SignedNames, ReadonlySet<string>> => ({
  sign: new Set(sign.map((name) => name.toLowerCase())),
  oversign: new Set(oversign.map((name) => name.toLowerCase())),
})
