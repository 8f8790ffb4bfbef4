/**
 * ESMTP parameters as a map: `SIZE=100` is `SIZE` -> `100`, a word without `=` is `null`. Names are
 * in upper case, as they mean the same in either (RFC 5321, 4.1.1.11); values are left alone.
 */
export function esmtpParameters(words: Iterable<string>): Map<string, string | null> {
  const parameters = new Map<string, string | null>()
  for (const word of words) {
    const equals = word.indexOf('=')
    if (equals === -1) parameters.set(word.toUpperCase(), null)
    else parameters.set(word.slice(0, equals).toUpperCase(), word.slice(equals + 1))
  }
  return parameters
}

/**
 * An envelope address without its angle brackets and source route; the null sender is the empty
 * string. Local submission through Postfix comes without brackets.
 */
export function envelopeAddress(raw: string): string {
  const inner = raw.startsWith('<') && raw.endsWith('>') ? raw.slice(1, -1) : raw
  return inner.startsWith('@') ? inner.replace(/^@[^:"]*:/, '') : inner
}
