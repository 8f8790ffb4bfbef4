/** The fields that signatures of a message cover: if one is changed, its signature fails. */
import type { Mail } from '../../message/mail.ts'
import { readTags } from '../signing/tag-list.ts'

const SIGNATURES = ['DKIM-Signature', 'ARC-Message-Signature']
/** More are not looked at. A sender can write thousands. */
const MAX_SIGNATURES = 20

/** The domains of the signatures that cover a field, by its name in lower case (RFC 6376, section 3.5, h=). */
export function signersByName(mail: Mail): ReadonlyMap<string, ReadonlySet<string>> {
  const signers = new Map<string, Set<string>>()
  const fields = SIGNATURES.flatMap((name) => mail.headers.fields(name))
  for (const { raw } of fields.slice(0, MAX_SIGNATURES)) {
    const tags = readTags(raw.toString('latin1'))
    const domain = tags?.get('d')
    if (domain === undefined) continue
    for (const name of (tags?.get('h') ?? '').split(':')) {
      const key = name.trim().toLowerCase()
      const domains = signers.get(key)
      if (domains === undefined) signers.set(key, new Set([domain]))
      else domains.add(domain)
    }
  }
  return signers
}
