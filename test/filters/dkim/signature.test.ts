import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { describe, it } from 'node:test'
import { makeSignature } from '../../../src/filters/dkim/signature.ts'
import { CanonicalBody, canonicalField } from '../../../src/filters/signing/canonicalization.ts'
import {
  chosenFields,
  signedNames,
  type SignedField,
} from '../../../src/filters/signing/signed-fields.ts'
import { SigningKey } from '../../../src/filters/signing/signing-key.ts'

const field = (text: string): SignedField => {
  const colon = text.indexOf(':')
  return {
    name: Buffer.from(text.slice(0, colon), 'latin1'),
    value: Buffer.from(text.slice(colon + 1), 'latin1'),
  }
}

/** RFC 8463, appendix A: keys and message. */
const RFC8463 = {
  ed25519: `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----`,
  fields: [
    'From: Joe SixPack <joe@football.example.com>',
    'To: Suzie Q <suzie@shopping.example.net>',
    'Subject: Is dinner ready?',
    'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
    'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
  ].map(field),
  body: 'Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n',
}

function bodyHash(body: string, form: 'simple' | 'relaxed'): Buffer {
  const hash = createHash('sha256')
  const canonical = new CanonicalBody(form, hash)
  canonical.update(Buffer.from(body, 'latin1'))
  canonical.end()
  return hash.digest()
}

describe('a signature', () => {
  it('of RFC 8463: the hash of the body', () => {
    assert.equal(
      bodyHash(RFC8463.body, 'relaxed').toString('base64'),
      '2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=',
    )
  })

  it('of RFC 8463: Ed25519 over the header as it stands there', async () => {
    // The field of the example, folds included, with b= empty.
    const names = 'from : to : subject : date : message-id : from : subject : date'
    const value =
      ' v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n' +
      ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n' +
      ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b='
    const key = new SigningKey('football.example.com', 'brisbane', RFC8463.ed25519)
    const own = canonicalField(Buffer.from('DKIM-Signature'), Buffer.from(value), 'relaxed')
    const data = Buffer.concat([
      ...chosenFields(RFC8463.fields, names.split(' : ')).map((one) =>
        canonicalField(one.name, one.value, 'relaxed'),
      ),
      own.subarray(0, own.length - 2),
    ])
    assert.equal(
      (await key.sign(data)).toString('base64'),
      '/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
    )
  })

  for (const type of ['rsa', 'ed25519'] as const) {
    for (const form of ['simple', 'relaxed'] as const) {
      it(`${type}, ${form}: verifies, and lines are short`, async () => {
        const pair =
          type === 'rsa'
            ? generateKeyPairSync('rsa', { modulusLength: 2048 })
            : generateKeyPairSync('ed25519')
        const pem = pair.privateKey.export({ type: 'pkcs8', format: 'pem' })
        const key = new SigningKey('Example.org', 'sel', pem)
        const fields = [...RFC8463.fields, field('Subject: the second')]
        const names = signedNames(
          fields,
          new Set(['list-id']),
          new Set(['from', 'subject', 'cc']),
        )
        assert.deepEqual(names, ['from', 'from', 'subject', 'subject', 'subject', 'cc'])
        const value = await makeSignature({
          key,
          headerForm: form,
          bodyForm: form,
          fields,
          names,
          bodyHash: bodyHash(RFC8463.body, form),
          identity: 'jörg=x;@example.org',
          time: 1_800_000_000,
          expires: 1_800_086_400,
        })
        const text = value.toString('latin1')
        for (const line of `DKIM-Signature:${text}`.split('\r\n')) {
          assert.ok(line.length <= 78, line)
          assert.match(line, /^(?:DKIM-Signature: |\t)[!-~]/)
        }
        assert.match(
          text.replaceAll('\r\n\t', ' ').replace(/h=[^;]*/, (h) => h.replaceAll(' ', '')),
          /^ v=1; a=\S+; c=\S+; d=example\.org; s=sel; i=j=C3=B6rg=3Dx=3B@example\.org; t=1800000000; x=1800086400; h=from:from:subject:subject:subject:cc; bh=/,
        )

        // As a verifier takes it apart: without what b= has, spaces included.
        const [, before, b] = /^([^]*\bb=)([^;]*)$/.exec(text)!
        const own = canonicalField(
          Buffer.from('DKIM-Signature'),
          Buffer.from(before!, 'latin1'),
          form,
        )
        const data = Buffer.concat([
          ...[fields[0]!, fields[5]!, fields[2]!].map((one) =>
            canonicalField(one.name, one.value, form),
          ),
          own.subarray(0, own.length - 2),
        ])
        const signature = Buffer.from(b!.replaceAll(/\s/g, ''), 'base64')
        const publicKey = createPublicKey(pair.privateKey)
        assert.ok(
          type === 'rsa'
            ? verify('sha256', data, publicKey, signature)
            : verify(null, createHash('sha256').update(data).digest(), publicKey, signature),
        )
      })
    }
  }

  it('names that are signed', () => {
    const fields = ['From: a', 'FROM : b', 'List-Id: c', 'X: d'].map(field)
    assert.deepEqual(
      signedNames(fields, new Set(['list-id', 'sender']), new Set(['from', 'to'])),
      ['from', 'from', 'from', 'to', 'list-id'],
    )
    assert.deepEqual(
      chosenFields(fields, ['from', 'from', 'from', 'list-id']).map(({ value }) =>
        String(value),
      ),
      [' b', ' a', ' c'],
    )
  })
})

describe('a key', () => {
  const pem = (type: string, bits?: number): string => {
    const pair =
      type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: bits! })
        : generateKeyPairSync(type as 'ed25519')
    return String(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
  }

  it('decides the algorithm', () => {
    assert.equal(new SigningKey('a.example', 's', pem('ed25519')).algorithm, 'ed25519-sha256')
    const rsa = new SigningKey('a.example', 's', pem('rsa', 2048))
    assert.deepEqual([rsa.algorithm, rsa.weakness], ['rsa-sha256', undefined])
    const weak = new SigningKey('a.example', 's', pem('rsa', 1024))
    assert.match(weak.weakness ?? '', /1024 bits/)
    assert.equal(rsa.record, 's._domainkey.a.example')
  })

  it('that cannot be used is refused, and never shown', () => {
    const secret = 'MC4CAQAwBQYDK2VwBCIEIJ1h'
    for (const [text, message] of [
      [secret, /keys\/a\.pem is not a private key/],
      ['', /keys\/a\.pem is not a private key/],
      [pem('ed448'), /of type ed448/],
      [pem('rsa', 768), /768 bits/],
    ] as const) {
      assert.throws(
        () => new SigningKey('a.example', 's', text, 'keys/a.pem'),
        (error: Error) => {
          assert.match(error.message, message)
          assert.ok(!error.message.includes('MC4C'))
          return true
        },
      )
    }
  })

  it('with a name that DNS cannot have is refused', () => {
    const key = pem('ed25519')
    for (const [domain, selector] of [
      ['', 's'],
      ['a b', 's'],
      ['a..b', 's'],
      ['ä.example', 's'],
      ['a.example', ''],
      ['a.example', 's;'],
      ['a.example\r\n', 's'],
      [`${'a.'.repeat(130)}b`, 's'],
    ]) {
      assert.throws(() => new SigningKey(domain!, selector!, key), { code: 'INVALID_OPTION' })
    }
    assert.ok(new SigningKey('a.example', '2026.sel_1', key))
  })
})
