/**
 * Characters of a name or an address that are told. RFC 5321, section 4.5.3.1, has 256 bytes at most; a frame
 * has room for a million, a log line has not.
 */
const MAX_NAME = 1_000

/** So much of what others have sent, in memory of its own: a part of a string keeps all of it. */
export function bounded<Text extends string | undefined>(
  text: Text,
  maximum: number = MAX_NAME,
): Text {
  if (text === undefined || text.length <= maximum) return text
  return copied(text.slice(0, maximum)) as Text
}

/** In memory of its own. */
export const copied = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')
