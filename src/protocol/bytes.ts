/** Below this size a loop is faster than `copy`, which makes an object for the part to copy. */
const SHORT = 128

/**
 * Copies `source[start..end)` to a position, and gives the number of bytes. Fields and macros are short:
 * in a profile of messages with 20 fields `copy` itself was 4 %, and the objects it makes part of 3 %
 * more.
 */
export function copyBytes(
  source: Buffer,
  start: number,
  end: number,
  target: Buffer,
  at: number,
): number {
  const size = end - start
  if (size > SHORT) return source.copy(target, at, start, end)
  for (let i = 0; i < size; i++) target[at + i] = source[start + i]!
  return size
}
