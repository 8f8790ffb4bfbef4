/**
 * The known name that was probably meant: the one with the fewest letters changed. Undefined if they are too many, or
 * if two names are equally near.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const [first, second] = [...known]
    .map((other) => ({ other, changes: changesBetween(name, other) }))
    .sort((a, b) => a.changes - b.changes)
  if (first === undefined) return undefined
  const few = Math.max(1, Math.floor(name.length / 3))
  const obvious = first.changes <= few && first.changes < (second?.changes ?? Infinity)
  return obvious ? first.other : undefined
}

/** `; did you mean backlog?`, or an empty string. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const meant = nearest(name, known)
  return meant === undefined ? '' : `; did you mean ${meant}?`
}

/**
 * Letters that have to be added, taken out, replaced or changed with their neighbour to make one of the other
 * (optimal string alignment). Case counts for nothing.
 */
export function changesBetween(one: string, other: string): number {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()]
  let [before, row]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, i) => i)]
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let minimum = Math.min(replaced, row![j]! + 1, next[j - 1]! + 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) minimum = Math.min(minimum, before![j - 2]! + 1)
      next.push(minimum)
    }
    before = row
    row = next
  }
  return row![b.length]!
}
