/**
 * Makes text from the network safe for a log line. It cannot start a new line, colour a terminal or change the
 * direction of text. Control characters (C0, DEL, C1), line and paragraph separators and the bidi controls of Unicode
 * (UAX 9) become escapes such as `\u001b`.
 */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex
    /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
