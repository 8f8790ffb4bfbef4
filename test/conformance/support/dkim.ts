/** Keys, messages and verifiers for tests of signatures. */
import { spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import type { DkimKey } from '../../../src/filters/index.ts'
import { sourcePath } from './program.ts'

export const DOMAIN = 'example.test'
const pair = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  ed25519: generateKeyPairSync('ed25519').privateKey,
}
const pem = (type: keyof typeof pair): string =>
  String(pair[type].export({ type: 'pkcs8', format: 'pem' }))
/** RFC 8463, section 4: an Ed25519 key is published without its ASN.1. */
const published = (type: keyof typeof pair): string => {
  const der = createPublicKey(pair[type]).export({ type: 'spki', format: 'der' })
  return `v=DKIM1; k=${type}; p=${(type === 'rsa' ? der : der.subarray(-32)).toString('base64')}`
}
export const RECORDS: Readonly<Record<string, string>> = {
  [`r._domainkey.${DOMAIN}`]: published('rsa'),
  [`e._domainkey.${DOMAIN}`]: published('ed25519'),
}
export const KEYS: DkimKey[] = [
  { domain: DOMAIN, selector: 'r', privateKey: pem('rsa') },
  { domain: DOMAIN, selector: 'e', privateKey: pem('ed25519') },
]

const header = (more = ''): string =>
  `From: Alice <alice@${DOMAIN}>\r\nTo: bob@example.net\r\nSubject: hello\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@${DOMAIN}>\r\n${more}\r\n`

/** What verifiers and mail servers stumble over. */
export const MESSAGES: Readonly<Record<string, string>> = {
  usual: `${header()}Hello\r\n`,
  'no body': header(),
  'no Date, no Message-ID': `${header().replaceAll(/^(?:Date|Message-ID).*\r\n/gm, '')}Hello\r\n`,
  'only empty lines': `${header()}\r\n\r\n\r\n`,
  'empty lines at the end': `${header()}a\r\n\r\n\r\n`,
  'no line end': `${header()}a`,
  'spaces everywhere': `${header('X-Space: \t a \t b \t \r\n')} a \t b \t\r\n \t \r\n`,
  'folded fields': `${header('Cc: a@example.net,\r\n\tb@example.net,\r\n   c@example.net\r\n')}x\r\n`,
  '8-bit text in the body': `${header('Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nMIME-Version: 1.0\r\n')}caf\xc3\xa9\r\n`,
  '8-bit text in the subject':
    header().replace('hello', 'Menu \xc3\xa0  la carte \xc3\xa0') + 'x\r\n',
  'dots at the start of lines': `${header()}.\r\n..\r\n.x\r\n`,
  'a line of 998': `${header()}${'x'.repeat(998)}\r\n`,
  'a NUL': `${header()}a\0b\r\n`,
  'two fields of a name': `${header('Comments: 1\r\nComments: 2\r\nReply-To: a@example.net\r\nReply-To: b@example.net\r\n')}x\r\n`,
  'an empty field': `${header('Reply-To:\r\n')}x\r\n`,
  'a large body': `${header()}${'A line of text with some words.\r\n'.repeat(4_000)}`,
}

/** What dkimpy says of each signature: `pass,pass`. */
export function byDkimpy(message: Buffer): string {
  const { stdout, stderr } = spawnSync(
    '/usr/bin/python3',
    [
      sourcePath('test', 'conformance', 'support', 'dkimpy.py'),
      ...Object.entries(RECORDS).flat(),
    ],
    { input: message, encoding: 'utf8' },
  )
  return stdout.trim() || stderr
}

/** The records for a resolver as mailauth takes it. */
export const resolver = async (name: string, type: string): Promise<string[][]> => {
  const record = RECORDS[name]
  if (record !== undefined && type === 'TXT') return [[record]]
  throw Object.assign(new Error(`no ${type} of ${name}`), { code: 'ENOTFOUND' })
}

/** What mailauth says of each signature, in the same form. */
export async function byMailauth(message: Buffer): Promise<string> {
  const { results } = await dkimVerify(message, { resolver, strict: true })
  return results.map(({ status }) => status.result).join(',')
}
