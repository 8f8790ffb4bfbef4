/** A tag before the subject: whether it is there. */

/** `Re:`, `AW:`, `Re[2]:`, `Fwd :`, and `[list]`. */
const BEFORE_TAG =
  /^(?:[\p{L}\p{N}][\p{L}\p{N}.-]{0,11} ?(?:\[\d{1,3}\]|\(\d{1,3}\))? ?[:\uff1a]|\[[\p{L}\p{N}\p{P} ]{1,40}?\]) */u

/** Further to the right, a mail program does not show the tag. */
const MAX_BEFORE = 60

/**
 * Whether a subject has the tag at its start, or behind words such as `Re:` and names of lists. A tag anywhere else does not
 * count: a sender could write it where nobody sees it.
 */
export function hasTag(subject: string, tag: string): boolean {
  const wanted = folded(tag)
  let rest = folded(subject)
  const { length } = rest
  while (length - rest.length <= MAX_BEFORE) {
    if (rest.startsWith(wanted)) return true
    const before = BEFORE_TAG.exec(rest)
    if (before === null) return false
    rest = rest.slice(before[0].length)
  }
  return false
}

const folded = (text: string): string =>
  text.normalize().replaceAll(/\s+/g, ' ').trim().toLowerCase()
