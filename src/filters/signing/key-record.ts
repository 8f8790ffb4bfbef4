/** The record of a key in DNS (RFC 6376, section 3.6.1), written and read. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { SigningKey } from './signing-key.ts'
import { readTags } from './tag-list.ts'

const ED25519 = 32
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** RFC 1035, section 3.3.14: bytes of one string. */
const MAX_STRING = 255

/** The record as a line of a zone file. @param name without the dot at the end */
export function zoneLine(name: string, record: string): string {
  const strings = record.match(new RegExp(`.{1,${MAX_STRING}}`, 'g')) ?? ['']
  const quoted = strings.map((text) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`)
  return quoted.length === 1
    ? `${name}. IN TXT ${quoted[0]!}`
    : `${name}. IN TXT ( ${quoted.join('\n\t')} )`
}

/**
 * What is to be said of a record. An `error` makes signatures fail, a `warning` may do so or is not what you want, a
 * `note` is for your information. Codes are stable.
 */
export interface KeyFinding {
  readonly level: 'error' | 'warning' | 'note'
  readonly code: string
  readonly text: string
}

export const error = (code: string, text: string): KeyFinding => ({
  level: 'error',
  code,
  text,
})
export const warning = (code: string, text: string): KeyFinding => ({
  level: 'warning',
  code,
  text,
})
export const note = (code: string, text: string): KeyFinding => ({ level: 'note', code, text })

/** @param key the private key that the record should belong to */
export function checkRecord(record: string, key?: SigningKey): KeyFinding[] {
  const tags = readTags(record)
  if (tags === undefined) {
    return [
      error(
        'syntax',
        `the record is not a list of tags: ${JSON.stringify(record)}. Write v=DKIM1; k=rsa; p=...`,
      ),
    ]
  }
  const found: KeyFinding[] = []
  if (record.includes('\\')) {
    found.push(
      error(
        'syntax',
        'the record has backslashes. Your DNS software wants the semicolons without',
      ),
    )
  }
  if (tags.has('v') && ([...tags.keys()][0] !== 'v' || tags.get('v') !== 'DKIM1')) {
    found.push(error('version', 'v= has to be the first tag, and DKIM1'))
  }
  const list = (tag: string): string[] | undefined =>
    tags
      .get(tag)
      ?.split(':')
      .map((word) => word.trim().toLowerCase())
  const hashes = list('h')
  if (hashes !== undefined && !hashes.includes('sha256')) {
    found.push(error('hash', `h=${tags.get('h')!} does not allow sha256, which is what signs`))
  }
  const services = list('s')
  if (services !== undefined && !services.includes('*') && !services.includes('email')) {
    found.push(error('service', `s=${tags.get('s')!} does not allow mail. Leave s= out`))
  }
  const flags = list('t') ?? []
  if (flags.includes('y')) {
    found.push(
      warning('testing', 't=y: servers treat your mail as if it were not signed. Leave it out'),
    )
  }
  if (flags.includes('s')) {
    found.push(note('strict', 't=s: a signature with i= of a subdomain is not good'))
  }
  found.push(...checkPublicKey(tags, key))
  return found
}

function checkPublicKey(
  tags: ReadonlyMap<string, string>,
  key: SigningKey | undefined,
): KeyFinding[] {
  const data = tags.get('p')?.replaceAll(/[ \t\r\n]+/g, '')
  if (data === undefined)
    return [error('no-key', 'the record has no p=, which is the public key')]
  if (data === '') return [error('revoked', 'p= is empty: this key has been revoked')]
  const type = (tags.get('k') ?? 'rsa').toLowerCase()
  if (type !== 'rsa' && type !== 'ed25519') {
    return [error('key-type', `k=${type} is neither rsa nor ed25519`)]
  }
  const published = publicKeyOf(type, data)
  if (published === undefined) {
    return [
      error(
        'key',
        `p= is not a public key of type ${type}. It may have been cut off or changed`,
      ),
    ]
  }
  const found: KeyFinding[] = []
  const bits = published.asymmetricKeyDetails?.modulusLength
  // RFC 8301, section 3.2.
  if (bits !== undefined && bits < 1024) {
    found.push(error('bits', `the key has ${bits} bits; servers do not accept less than 1024`))
  } else if (bits !== undefined && bits < 2048) {
    found.push(warning('bits', `the key has ${bits} bits; it should have 2048`))
  }
  if (key !== undefined && !isSame(published, key.publicKey)) {
    found.push(
      error(
        'other-key',
        'the record is of another key. Publish the record that `tsmilter key show` prints',
      ),
    )
  }
  return found
}

function publicKeyOf(type: 'rsa' | 'ed25519', data: string): KeyObject | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(data)) return undefined
  const bytes = Buffer.from(data, 'base64')
  if (type === 'ed25519' && bytes.length !== ED25519) return undefined
  const key = type === 'ed25519' ? Buffer.concat([ED25519_PREFIX, bytes]) : bytes
  // Some publish an RSA key as PKCS #1, which verifiers take as well.
  for (const form of ['spki', 'pkcs1'] as const) {
    try {
      const found = createPublicKey({ key, type: form, format: 'der' })
      if (found.asymmetricKeyType === type) return found
    } catch {
      // Not in this form.
    }
  }
  return undefined
}

/**
 * Whether two keys are the same. OpenSSL leaves an error behind if it compares keys of different types, and Node 20 throws
 * it when the next key is read.
 */
const isSame = (one: KeyObject, other: KeyObject): boolean =>
  one.asymmetricKeyType === other.asymmetricKeyType && one.equals(other)
