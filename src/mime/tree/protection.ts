import { extensionOf } from '../attachments/file-names.ts'

/** How a part is sealed. A change breaks a signature, and makes encrypted content unreadable. */
export type Protection = 'signed' | 'encrypted'

/**
 * By type: RFC 1847 and RFC 3156 (multipart/signed, multipart/encrypted), RFC 8551 (S/MIME), RFC 9580 and its
 * forerunners (OpenPGP as one part, as older programs send it).
 */
const TYPES: ReadonlyMap<string, Protection> = new Map([
  ['multipart/signed', 'signed'],
  ['multipart/encrypted', 'encrypted'],
  ['application/pkcs7-mime', 'encrypted'],
  ['application/x-pkcs7-mime', 'encrypted'],
  ['application/pkcs7-signature', 'signed'],
  ['application/x-pkcs7-signature', 'signed'],
  ['application/cms', 'encrypted'],
  // Rights management of Microsoft (MS-OXORMMS, section 2.1.3).
  ['application/x-microsoft-rpmsg-message', 'encrypted'],
  ['application/pgp', 'encrypted'],
  ['application/x-pgp', 'encrypted'],
  ['application/pgp-encrypted', 'encrypted'],
  ['application/x-pgp-encrypted', 'encrypted'],
  ['application/x-pgp-message', 'encrypted'],
  ['application/pgp-signature', 'signed'],
  ['application/x-pgp-signature', 'signed'],
  ['text/pgp', 'encrypted'],
  ['text/x-pgp', 'encrypted'],
])

/** By a parameter of the S/MIME types. With other values the content is encrypted (RFC 8551, section 3.2.2). */
const SMIME_TYPES: ReadonlyMap<string, Protection> = new Map([
  ['signed-data', 'signed'],
  ['signed-receipt', 'signed'],
  ['certs-only', 'signed'],
])

/** By parameters of older types: `application/pgp; x-action=sign` (Mutt), `application/cms; content-type=...`. */
const SIGNED_BY_PARAMETER: readonly (readonly [name: string, value: RegExp])[] = [
  ['x-action', /^sign(?:clear)?$/],
  ['encapsulatedcontent', /^signed-?data$/],
]

/** By the extension of a name, if the type says nothing (RFC 8551, section 3.9; RFC 3156; RFC 4880 usage). */
const EXTENSIONS: ReadonlyMap<string, Protection> = new Map([
  ['p7m', 'encrypted'],
  ['p7z', 'encrypted'],
  ['p7s', 'signed'],
  ['p7c', 'signed'],
  ['rpmsg', 'encrypted'],
])

/** Types that say nothing about a file. */
const NO_TYPE: ReadonlySet<string> = new Set([
  'application/octet-stream',
  'application/x-octet-stream',
  'application/binary',
  'application/download',
  'application/force-download',
  'application/x-download',
  'application/x-smime',
  'binary/octet-stream',
  'application/unknown',
  'application/x-unknown',
  'application/x-unknown-content-type',
  'application/mime',
])

/** The lines with which OpenPGP and PEM begin in plain text. */
const ARMOURS: readonly (readonly [start: string, Protection])[] = [
  ['-----BEGIN PGP SIGNED MESSAGE-----', 'signed'],
  ['-----BEGIN PGP MESSAGE', 'encrypted'],
  ['-----BEGIN PKCS7-----', 'encrypted'],
  ['-----BEGIN CMS-----', 'encrypted'],
  // RFC 1421; the encryption of age.
  ['-----BEGIN PRIVACY-ENHANCED MESSAGE-----', 'encrypted'],
  ['-----BEGIN AGE ENCRYPTED FILE-----', 'encrypted'],
]

/** The facts of a part that show whether it is sealed. */
export interface Sealable {
  readonly type: string
  readonly types: readonly string[]
  readonly filenames: readonly string[]
  parameter(name: string): string | undefined
}

export function protectionOf(part: Sealable, body: () => Buffer): Protection | undefined {
  const type = part.types.find((one) => TYPES.has(one))
  if (type !== undefined) {
    const smime = SMIME_TYPES.get(part.parameter('smime-type')?.trim().toLowerCase() ?? '')
    if (smime !== undefined && type.endsWith('pkcs7-mime')) return smime
    const says = SIGNED_BY_PARAMETER.some(([name, value]) =>
      value.test(part.parameter(name)?.trim().toLowerCase() ?? ''),
    )
    return says ? 'signed' : TYPES.get(type)
  }
  if (part.types.some((one) => NO_TYPE.has(one))) {
    for (const name of part.filenames) {
      const found = EXTENSIONS.get(extensionOf(name))
      if (found !== undefined) return found
    }
  }
  return part.type.startsWith('text/') ? armourIn(body()) : undefined
}

function armourIn(bytes: Buffer): Protection | undefined {
  for (let at = bytes.indexOf(BEGIN); at !== -1; at = bytes.indexOf(BEGIN, at + 1)) {
    // In a quoted line (`> -----BEGIN`) it does not count.
    if (at > 0 && bytes[at - 1] !== 0x0a) continue
    const line = bytes.toString('latin1', at, at + 40)
    const found = ARMOURS.find(([start]) => line.startsWith(start))
    if (found !== undefined) return found[1]
  }
  return undefined
}

const BEGIN = Buffer.from('-----BEGIN ')
