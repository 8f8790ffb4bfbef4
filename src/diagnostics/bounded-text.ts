/**
 * Maximum characters of a name or an address in events. RFC 5321, section 4.5.3.1, allows at most 256 bytes. A frame
 * has room for a million, which is too much for a log line.
 */
const MAX_NAME = 1_000

/** Cuts a text that others have sent. The result is a copy, because a part of a string keeps the whole in memory. */
export function bounded<Text extends string | undefined>(
  text: Text,
  maximum: number = MAX_NAME,
): Text {
  if (text === undefined || text.length <= maximum) return text
  return copied(text.slice(0, maximum)) as Text
}

/** A copy in memory of its own. */
export const copied = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')
