/**
 * The field `DKIM-Signature` (RFC 6376, section 3.5) over the bytes of a header and the hash of a body. It is written in
 * lines of at most 78 characters, so that no server has a reason to fold it anew.
 */
import { canonicalField, relaxedName, type Canonicalization } from './canonicalization.ts'
import type { SigningKey } from './signing-key.ts'

/** A field of the header: the name before the colon, and everything after it, with CRLF in folds. */
export interface SignedField {
  readonly name: Uint8Array
  readonly value: Uint8Array
}

export interface SignatureOptions {
  readonly key: SigningKey
  readonly headerForm: Canonicalization
  readonly bodyForm: Canonicalization
  /** the header, from the top to the bottom */
  readonly fields: readonly SignedField[]
  /** h=, as {@link signedNames} makes it */
  readonly names: readonly string[]
  /** SHA-256 of the body in `bodyForm` */
  readonly bodyHash: Buffer
  /** i=: the user or subdomain that the signer answers for; undefined for the domain alone */
  readonly identity?: string | undefined
  /** t=, Unix time in seconds */
  readonly time?: number | undefined
  /** x=, Unix time in seconds */
  readonly expires?: number | undefined
}

export const SIGNATURE_NAME = 'DKIM-Signature'

/**
 * The names for h=. A name stands in it once for each field of that name. An oversigned one stands in it once more, so
 * that the signature breaks if somebody adds such a field (section 8.15).
 *
 * @param sign names to sign where the message has them
 * @param oversign names to sign whether the message has them or not
 */
export function signedNames(
  fields: readonly SignedField[],
  sign: ReadonlySet<string>,
  oversign: ReadonlySet<string>,
): string[] {
  const counts = new Map<string, number>()
  for (const { name } of fields) {
    const key = relaxedName(name)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const names: string[] = []
  for (const name of new Set([...oversign, ...sign])) {
    const times = (counts.get(name) ?? 0) + (oversign.has(name) ? 1 : 0)
    for (let i = 0; i < times; i++) names.push(name)
  }
  return names
}

/** Makes the value of the field, with the space after its colon and CRLF in folds. */
export async function makeSignature(options: SignatureOptions): Promise<Buffer> {
  const { key, headerForm, bodyForm, fields, names, bodyHash } = options
  const { identity, time, expires } = options
  const tags: [string, string][] = [
    ['v', '1'],
    ['a', key.algorithm],
    ['c', `${headerForm}/${bodyForm}`],
    ['d', key.domain],
    ['s', key.selector],
  ]
  if (identity !== undefined) tags.push(['i', quotedPrintable(identity)])
  if (time !== undefined) tags.push(['t', String(time)])
  if (expires !== undefined) tags.push(['x', String(expires)])
  tags.push(['h', names.join(':')], ['bh', bodyHash.toString('base64')])

  const unsigned = `${foldedTags(tags)}\r\n\tb=`
  const data = Buffer.concat([
    ...chosenFields(fields, names).map(({ name, value }) =>
      canonicalField(name, value, headerForm),
    ),
    withoutLineEnd(
      canonicalField(Buffer.from(SIGNATURE_NAME), Buffer.from(unsigned, 'latin1'), headerForm),
    ),
  ])
  const signature = (await key.sign(data)).toString('base64')
  return Buffer.from(unsigned + foldedBase64(signature), 'latin1')
}

/** Section 5.4.2: of several fields with a name, the last one first. */
export function chosenFields(
  fields: readonly SignedField[],
  names: readonly string[],
): SignedField[] {
  const left = new Map<string, SignedField[]>()
  for (const field of fields) {
    const key = relaxedName(field.name)
    const list = left.get(key)
    if (list === undefined) left.set(key, [field])
    else list.push(field)
  }
  const chosen: SignedField[] = []
  for (const name of names) {
    const field = left.get(name.toLowerCase())?.pop()
    if (field !== undefined) chosen.push(field)
  }
  return chosen
}

const withoutLineEnd = (field: Buffer): Buffer => field.subarray(0, field.length - 2)

const WIDTH = 78
/** A tab takes up to eight columns where somebody looks at it. */
const INDENT = 8

/** Tags with `; ` between them, in lines of at most 78 columns. Lists may be folded at their colons. */
function foldedTags(tags: readonly [string, string][]): string {
  let text = ' '
  let column = `${SIGNATURE_NAME}: `.length
  const put = (piece: string, space: string): void => {
    if (column + space.length + piece.length > WIDTH && column > INDENT) {
      text += '\r\n\t'
      column = INDENT
    } else {
      text += space
      column += space.length
    }
    text += piece
    column += piece.length
  }
  for (const [i, [name, value]] of tags.entries()) {
    const pieces = name === 'h' ? value.split(/(?<=:)/) : [value]
    pieces[0] = `${name}=${pieces[0]!}`
    pieces[pieces.length - 1] += ';'
    for (const [n, piece] of pieces.entries()) put(piece, i > 0 && n === 0 ? ' ' : '')
  }
  return text
}

function foldedBase64(text: string): string {
  const first = WIDTH - INDENT - 'b='.length
  const pieces = [text.slice(0, first)]
  for (let at = first; at < text.length; at += WIDTH - INDENT) {
    pieces.push(text.slice(at, at + WIDTH - INDENT))
  }
  return pieces.join('\r\n\t')
}

/** Section 2.11: dkim-quoted-printable. */
const quotedPrintable = (text: string): string =>
  Buffer.from(text)
    .toString('latin1')
    .replaceAll(
      /[^!-:<>-~]/g,
      (character) => `=${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
