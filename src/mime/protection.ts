/** Parts whose content others have sealed: a change breaks the signature, or cannot be made at all. */
export type Protection = 'signed' | 'encrypted'

/** RFC 1847, RFC 3156, RFC 8551; and PGP in plain text. */
export function protectionOf(
  type: string,
  parameter: (name: string) => string | undefined,
  body: () => Buffer,
): Protection | undefined {
  switch (type) {
    case 'multipart/signed':
      return 'signed'
    case 'multipart/encrypted':
    case 'application/pgp-encrypted':
      return 'encrypted'
    case 'application/pkcs7-mime':
    case 'application/x-pkcs7-mime':
      return parameter('smime-type')?.toLowerCase() === 'signed-data' ? 'signed' : 'encrypted'
  }
  if (type !== 'text/plain') return undefined
  const bytes = body()
  for (let at = bytes.indexOf(PGP); at !== -1; at = bytes.indexOf(PGP, at + 1)) {
    // One in a line that is quoted (`> -----BEGIN`) is none.
    if (at > 0 && bytes[at - 1] !== 0x0a) continue
    const rest = bytes.toString('latin1', at, at + 40)
    if (rest.startsWith('-----BEGIN PGP SIGNED MESSAGE-----')) return 'signed'
    if (rest.startsWith('-----BEGIN PGP MESSAGE-----')) return 'encrypted'
  }
  return undefined
}

const PGP = Buffer.from('-----BEGIN PGP ')
