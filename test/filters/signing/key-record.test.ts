import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, it } from 'node:test'
import { checkRecord, zoneLine } from '../../../src/filters/signing/key-record.ts'
import { SigningKey } from '../../../src/filters/signing/signing-key.ts'

const pair = (bits: number): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength: bits }).privateKey
const keyOf = (key: KeyObject): SigningKey =>
  new SigningKey('example.org', 's1', String(key.export({ type: 'pkcs8', format: 'pem' })))
const object = pair(2048)
const rsa = keyOf(object)
const large = keyOf(pair(4096))
const ed25519 = keyOf(generateKeyPairSync('ed25519').privateKey)

const spki = (key: KeyObject): string =>
  createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64')
const pkcs1 = createPublicKey(object)
  .export({ type: 'pkcs1', format: 'der' })
  .toString('base64')
const p = spki(object)

describe('the record of a key', () => {
  for (const [name, key] of Object.entries({ rsa, large, ed25519 })) {
    it(`${name}: is right for itself, in strings of at most 255 bytes`, () => {
      const record = key.publishedRecord
      assert.deepEqual(checkRecord(record, key), [])
      const line = zoneLine(key.record, record)
      assert.match(line, /^s1\._domainkey\.example\.org\. IN TXT /)
      const strings = [...line.matchAll(/"([^"]*)"/g)].map(([, text]) => text!)
      assert.equal(strings.join(''), record)
      assert.ok(strings.every((text) => text.length <= 255))
      assert.equal(line.includes('('), strings.length > 1)
    })
  }

  const cases: [string, string, string[]][] = [
    ['the shortest', `p=${p}`, []],
    ['in PKCS #1', `v=DKIM1; p=${pkcs1}`, []],
    ['with a semicolon at the end', `v=DKIM1; k=rsa; p=${p};`, []],
    ['with spaces in the key', `v=DKIM1; p=${p.slice(0, 100)} ${p.slice(100)}`, []],
    ['with tags that nobody knows', `v=DKIM1; x=y; n=a note; p=${p}`, []],
    ['of all services', `v=DKIM1; s=tlsrpt:*; p=${p}`, []],
    ['of two hashes', `v=DKIM1; h=sha1:sha256; p=${p}`, []],
    ['that is strict', `v=DKIM1; t=s; p=${p}`, ['note strict']],
    ['that tests', `v=DKIM1; t=y:s; p=${p}`, ['warning testing', 'note strict']],
    ['of another hash', `v=DKIM1; h=sha1; p=${p}`, ['error hash']],
    ['of another service', `v=DKIM1; s=tlsrpt; p=${p}`, ['error service']],
    ['revoked', 'v=DKIM1; p=', ['error revoked']],
    ['without a key', 'v=DKIM1; k=rsa', ['error no-key']],
    ['of another type', `v=DKIM1; k=dsa; p=${p}`, ['error key-type']],
    ['of the wrong type', `v=DKIM1; k=ed25519; p=${p}`, ['error key']],
    ['cut off', `v=DKIM1; k=rsa; p=${p.slice(0, 200)}`, ['error key']],
    ['that is no base64', `v=DKIM1; k=rsa; p=!!`, ['error key']],
    ['of another key', large.publishedRecord, ['error other-key']],
    ['of another algorithm', ed25519.publishedRecord, ['error other-key']],
    ['of a weak key', `p=${spki(pair(1024))}`, ['warning bits', 'error other-key']],
    ['of a key that is too weak', `p=${spki(pair(768))}`, ['error bits', 'error other-key']],
    ['of a version to come', `v=DKIM2; p=${p}`, ['error version']],
    ['with its version later', `k=rsa; v=DKIM1; p=${p}`, ['error version']],
    [
      'with backslashes',
      `v=DKIM1\\; k=rsa\\; p=${p}`,
      ['error syntax', 'error version', 'error key-type'],
    ],
    ['of something else', 'hello', ['error syntax']],
    ['with a tag twice', `p=${p}; p=${p}`, ['error syntax']],
    ['empty', '', ['error no-key']],
  ]
  for (const [name, record, wanted] of cases) {
    it(name, () => {
      const found = checkRecord(record, rsa)
      assert.deepEqual(
        found.map(({ level, code }) => `${level} ${code}`),
        wanted,
      )
    })
  }
})
