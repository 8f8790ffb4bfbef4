import { parseParameters, readingsOf, type Parameter } from './parameters.ts'
import type { MimePart } from './part.ts'
import {
  decodeTransfer,
  isIdentity,
  transferEncoding,
  type TransferEncoding,
} from './transfer-encoding.ts'
import { decodeUuencoded } from './uuencode.ts'

/** What some program may make of a part, beyond the usual; for what is to be kept out. */

/** One thing some program takes for the content of a part. */
export interface ContentReading {
  /** its first bytes, as many as come at once */
  readonly start: Buffer
  readonly bytes: () => Buffer
}

/** What a field says in place of what is known; nobody has agreed on a name (`x-uuencode`, `uue`). */
const UUENCODED = /^\W*(?:x-)?uu(?:e|encoded?)?\W*$/i

type Decoding = TransferEncoding | 'uuencode'

/** What a field may mean: of a name nobody knows, anything. `"base64"` is none by RFC 2045. */
function decodingsOf(field: string): readonly Decoding[] {
  const known = transferEncoding(field)
  if (known !== undefined) return [known]
  if (UUENCODED.test(field)) return ['7bit', 'uuencode']
  return ['7bit', 'base64', 'quoted-printable', 'uuencode']
}

/** The content of a part; where several transfer encodings are said, or none for sure, as each has it. */
export function contentReadings(part: MimePart): ContentReading[] {
  const usual = part.encoding
  const others = part.headers
    .getAll('Content-Transfer-Encoding')
    .flatMap(decodingsOf)
    .filter(
      (one) => one !== usual && !(one !== 'uuencode' && isIdentity(one) && isIdentity(usual)),
    )
  return [
    {
      start: (part.stream().next().value ?? Buffer.alloc(0)) as Buffer,
      bytes: () => part.bytes(),
    },
    ...[...new Set(others)].map((one) => {
      const bytes =
        one === 'uuencode' ? decodeUuencoded(part.raw) : decodeTransfer(part.raw, one)
      return { start: bytes, bytes: () => bytes }
    }),
  ]
}

/** Every value of every parameter: pymilter looks at all of them. */
export function parameterReadings(part: MimePart): string[] {
  const values = new Set<string>()
  const fields = ['Content-Type', 'Content-Disposition'].flatMap((name) =>
    part.headers.raw(name),
  )
  for (const raw of fields) {
    // The first semicolon is missing in some mail: `Content-Disposition: filename=x.exe`.
    const { value, parameters } = parseParameters(Buffer.concat([SEMICOLON, raw]))
    const groups = new Map<string, Parameter[]>()
    for (const parameter of parameters) {
      const name = parameter.name.replace(/\*.*$/s, '')
      // A charset is no name, and the number of a message in parts is an address (RFC 2046, section 5.2.2).
      if (name === 'charset' || (name === 'id' && part.type === 'message/partial')) continue
      const group = groups.get(name)
      if (group === undefined) groups.set(name, [parameter])
      else group.push(parameter)
    }
    for (const [name, group] of groups) {
      for (const text of readingsOf({ value, parameters: group }, name)) values.add(text)
    }
  }
  return [...values]
}

const SEMICOLON = Buffer.from(';')
