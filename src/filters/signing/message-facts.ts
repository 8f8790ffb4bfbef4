/** What a signature needs of a message: its fields as bytes, the hash of its body, and what may break it later. */
import { createHash } from 'node:crypto'
import type { Mail } from '../../message/mail.ts'
import { encodeText } from '../../protocol/text.ts'
import { CanonicalBody, type Canonicalization } from './canonicalization.ts'
import { LineFacts, risksOf } from './line-facts.ts'
import type { SignedField } from './signed-fields.ts'

export interface MessageFacts {
  /** the header, from the top to the bottom */
  readonly fields: readonly SignedField[]
  /** SHA-256 of the body in the form that was asked for */
  readonly bodyHash: Buffer
  /** as `risksOf` words them; empty for most */
  readonly risks: readonly string[]
}

/** Reads the body once, piece by piece. */
export async function factsOf(mail: Mail, form: Canonicalization): Promise<MessageFacts> {
  const hash = createHash('sha256')
  const body = new CanonicalBody(form, hash)
  const [headerLines, bodyLines] = [new LineFacts(), new LineFacts()]
  for await (const piece of mail.body) {
    body.update(piece)
    bodyLines.update(piece)
  }
  body.end()
  const fields = mail.headers
    .fields()
    .map(({ name, raw }) => ({ name: encodeText(name), value: raw }))
  for (const { name, value } of fields) {
    headerLines.update(Buffer.concat([name, COLON, value]))
    headerLines.endLine()
  }
  return { fields, bodyHash: hash.digest(), risks: risksOf(headerLines, bodyLines) }
}

const COLON = Buffer.from(':')
