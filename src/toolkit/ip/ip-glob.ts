/** Patterns for IPv4 addresses as a shell writes them: `192.168.0.*`, `1.2.3.?`, `[1-3].2.3.4`. */

/** A number of an address, or characters that stand for digits or dots. */
const PART = /^(?:[\d*?]|\[!?(?:\d|\d-\d)+\])+$/
const MAX_LENGTH = 64

export const looksLikeGlob = (entry: string): boolean => /[*?[\]]/.test(entry)

/**
 * A pattern as a regular expression for an address. `*` stands for any characters, dots too; `?` for one.
 * @returns what is wrong with it, if it is no pattern
 */
export function parseGlob(glob: string): RegExp | string {
  if (glob.length > MAX_LENGTH) return `it has more than ${MAX_LENGTH} characters`
  const parts = glob.split('.')
  if (!parts.every((part) => PART.test(part))) {
    return 'only digits, dots, "*", "?" and digits in brackets have a meaning in it'
  }
  if (parts.length > 4 || (parts.length < 4 && !glob.includes('*'))) {
    return 'no IPv4 address has that many numbers'
  }
  if (parts.some((part) => /^\d+$/.test(part) && (/^0\d/.test(part) || Number(part) > 255))) {
    return 'a number is above 255, or has a zero before it'
  }
  if (/(\d)-(\d)/.test(glob) && [...glob.matchAll(/(\d)-(\d)/g)].some(([, a, b]) => a! > b!)) {
    return 'a range in brackets begins with its larger digit'
  }
  const source = glob
    .replaceAll(/\*+/g, '*')
    .replaceAll('.', String.raw`\.`)
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
    .replaceAll('[!', '[^')
  return new RegExp(`^${source}$`)
}
