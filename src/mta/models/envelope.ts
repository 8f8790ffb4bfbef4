import type { EnvelopeAddress } from './model.ts'

/** `<a@b>` and `a@b` are the same address. */
export function bareAddress(text: string): string {
  const trimmed = text.trim()
  return trimmed.startsWith('<') && trimmed.endsWith('>') ? trimmed.slice(1, -1) : trimmed
}

/** The ESMTP parameters in one string. */
export function splitParameters(text: string | Uint8Array | undefined): string[] {
  return String(text ?? '')
    .split(' ')
    .filter((one) => one !== '')
}

/** An address with its parameters as they stand in MAIL or RCPT. */
export function envelopeAddress(words: readonly string[]): EnvelopeAddress {
  const [address = '', ...parameters] = words
  return { address: bareAddress(address), parameters }
}
