/** Whether Postfix takes a text as xtext (xtext.c): any character, and `+` before two hexadecimal digits. */
export const isLooseXtext = (text: string): boolean => !/\+(?![0-9a-f]{2})/i.test(text)

/** Whether Sendmail takes a text as xtext (savemail.c xtextok). */
export const isXtext = (text: string): boolean => /^(?:[!-*,-<>-~]|\+[0-9a-f]{2})*$/i.test(text)

/** Decodes xtext such as `+2B`, to one character for each byte. */
export const decodedXtext = (text: string): string =>
  Buffer.from(text)
    .toString('latin1')
    .replaceAll(/\+([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )

/** @param text one character for each byte */
export const encodedXtext = (text: string): string =>
  text.replaceAll(
    /[^!-*,-<>-~]/g,
    (char) => `+${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  )

/** Writes an address of type utf-8 as Postfix does (uxtext.c; RFC 6533, section 3). */
export const encodedUxtext = (text: string): string =>
  text.replaceAll(
    /[^!-*,-<>-[\]-~]/gu,
    (char) => `\\x{${char.codePointAt(0)!.toString(16).toUpperCase().padStart(2, '0')}}`,
  )
