import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'
import {
  checked,
  KEYS,
  keyRecord,
  MESSAGE,
  signed,
  ZONE,
  type Delivery,
  type Zone,
} from './world.ts'

const now = 1_900_000_000
const large = generateKeyPairSync('rsa', { modulusLength: 4_608 }).privateKey

describe('signatures', () => {
  const withKey = (record: string): Zone => ({
    ...ZONE,
    'TXT r._domainkey.example.org': [record],
  })
  const good = signed(MESSAGE)
  const cases: [string, Delivery, string, (string | RegExp)?][] = [
    ['good', { message: good }, 'pass'],
    ['Ed25519', { message: signed(MESSAGE, { key: KEYS.ed25519, selector: 'e' }) }, 'pass'],
    [
      'a changed body',
      { message: good.replace('World', 'world') },
      'fail',
      'body hash did not verify',
    ],
    [
      'a changed field',
      { message: good.replace('Subject: x', 'Subject: y') },
      'fail',
      'bad signature',
    ],
    ['a changed field that is not signed', { message: good.replace('bob@', 'rob@') }, 'pass'],
    [
      'a field with more spaces',
      { message: good.replace('Subject: x', 'SUBJECT:   x  ') },
      'pass',
    ],
    ['empty lines at the end', { message: `${good}\r\n\r\n` }, 'pass'],
    ['text behind the end', { message: `${good}more\r\n` }, 'fail', 'body hash did not verify'],
    [
      'another key',
      {
        message: signed(MESSAGE, {
          key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
        }),
      },
      'fail',
      'bad signature',
    ],
    ['no key', { message: signed(MESSAGE, { selector: 'none' }) }, 'neutral', 'no key'],
    [
      'a revoked key',
      { message: good, zone: withKey('v=DKIM1; p=') },
      'neutral',
      'invalid public key',
    ],
    [
      'a key that is no base64',
      { message: good, zone: withKey('v=DKIM1; p=%%%') },
      'neutral',
      'invalid public key',
    ],
    [
      'a key of another kind',
      { message: good, zone: withKey(keyRecord(KEYS.ed25519)) },
      'neutral',
      'inappropriate key algorithm',
    ],
    [
      'a record of another version',
      { message: good, zone: withKey(keyRecord(KEYS.rsa).replace('DKIM1', 'DKIM2')) },
      'neutral',
      'unknown key version',
    ],
    [
      'a key for other services',
      { message: good, zone: withKey(keyRecord(KEYS.rsa, 's=web; ')) },
      'neutral',
      'key not for email',
    ],
    [
      'a key for SHA-1 only',
      { message: good, zone: withKey(keyRecord(KEYS.rsa, 'h=sha1; ')) },
      'neutral',
      'inappropriate hash algorithm',
    ],
    [
      'a testing key',
      { message: good, zone: withKey(keyRecord(KEYS.rsa, 't=y; ')) },
      'neutral',
      'testing key',
    ],
    [
      'a key that forbids subdomains',
      {
        message: signed(MESSAGE, { tags: { i: '@sub.example.org' } }),
        zone: withKey(keyRecord(KEYS.rsa, 't=s; ')),
      },
      'neutral',
      'domain mismatch',
    ],
    [
      'a subdomain in i=',
      { message: signed(MESSAGE, { tags: { i: 'a@sub.example.org' } }) },
      'pass',
    ],
    [
      'another domain in i=',
      { message: signed(MESSAGE, { tags: { i: 'a@example.net' } }) },
      'neutral',
      'domain mismatch',
    ],
    ['rsa-sha1', { message: signed(MESSAGE, { hash: 'sha1' }) }, 'policy', 'weak algorithm'],
    [
      '1023 bits',
      { message: signed(MESSAGE, { key: KEYS.small }), zone: withKey(keyRecord(KEYS.small)) },
      'policy',
      'weak key',
    ],
    [
      '4608 bits',
      { message: signed(MESSAGE, { key: large }), zone: withKey(keyRecord(large)) },
      'policy',
      'key above 4096 bits',
    ],
    [
      '4608 bits, allowed',
      {
        message: signed(MESSAGE, { key: large }),
        zone: withKey(keyRecord(large)),
        options: { maxKeyBits: 8_192 },
      },
      'pass',
    ],
    [
      '2048 bits, too few',
      { message: good, options: { minKeyBits: 3_072 } },
      'policy',
      'weak key',
    ],
    [
      'a key of a megabyte',
      { message: good, zone: withKey(`v=DKIM1; p=${'A'.repeat(1_000_000)}`) },
      'policy',
      'key above 4096 bits',
    ],
    [
      'x= is over',
      {
        message: signed(MESSAGE, { tags: { t: String(now - 100), x: String(now - 50) } }),
        options: { now: () => now * 1_000 },
      },
      'neutral',
      'expired',
    ],
    [
      'x= is to come',
      {
        message: signed(MESSAGE, { tags: { t: String(now - 100), x: String(now + 50) } }),
        options: { now: () => now * 1_000 },
      },
      'pass',
    ],
    [
      'x= before t=',
      {
        message: signed(MESSAGE, { tags: { t: String(now + 100), x: String(now + 50) } }),
        options: { now: () => now * 1_000 },
      },
      'neutral',
      'invalid expiration',
    ],
    ['l= of all', { message: signed(MESSAGE, { length: 14 }) }, 'pass'],
    [
      'l= of a part',
      { message: signed(MESSAGE, { length: 7 }) },
      'policy',
      'signed are 7 of 14 bytes of the body',
    ],
    [
      'l=0',
      { message: signed(MESSAGE, { length: 0 }) },
      'policy',
      'signed are 0 of 14 bytes of the body',
    ],
    [
      'l= and text behind it',
      { message: `${signed(MESSAGE, { length: 14 })}evil\r\n` },
      'policy',
      'signed are 14 of 20 bytes of the body',
    ],
    [
      'l= above the body',
      { message: signed(MESSAGE, { length: 14, tags: { l: '99' } }) },
      'pass',
    ],
    [
      'l= that is no number',
      { message: signed(MESSAGE, { tags: { l: 'x' } }) },
      'neutral',
      'signature syntax error',
    ],
    [
      'From not signed',
      { message: signed(MESSAGE, { tags: { h: 'subject' } }) },
      'neutral',
      'From field not signed',
    ],
    [
      'v=2',
      { message: signed(MESSAGE, { tags: { v: '2' } }) },
      'neutral',
      'incompatible version',
    ],
    [
      'no v=',
      { message: signed(MESSAGE, { tags: { v: undefined } }) },
      'neutral',
      'signature missing required tag',
    ],
    [
      'no d=',
      { message: signed(MESSAGE, { tags: { d: undefined } }) },
      'neutral',
      'signature missing required tag',
    ],
    [
      'an unknown algorithm',
      { message: signed(MESSAGE, { tags: { a: 'rsa-sha3' } }) },
      'neutral',
      'unknown algorithm',
    ],
    [
      'an unknown form',
      { message: signed(MESSAGE, { tags: { c: 'strict/strict' } }) },
      'neutral',
      'unknown canonicalization',
    ],
    [
      'another way to ask',
      { message: signed(MESSAGE, { tags: { q: 'http' } }) },
      'neutral',
      'unsupported query method',
    ],
    [
      'a domain that is none',
      { message: signed(MESSAGE, { tags: { d: 'exa mple' } }) },
      'neutral',
    ],
    ['an unknown tag', { message: signed(MESSAGE, { tags: { zz: 'x' } }) }, 'pass'],
    ['no body', { message: signed(MESSAGE.replace('Hello\r\nWorld\r\n', '')) }, 'pass'],
    [
      '8-bit text',
      { message: Buffer.from(signed(MESSAGE.replace('Hello', 'caf\u00c3\u00a9')), 'latin1') },
      'pass',
    ],
    [
      'a raw UTF-8 subject with 0xA0',
      {
        message: Buffer.from(
          signed(MESSAGE.replace('Subject: x', 'Subject: Menu \u00c3\u00a0  la carte')),
          'latin1',
        ),
      },
      'pass',
    ],
    ['not signed', {}, 'none'],
  ]
  for (const [name, delivery, result, reason] of cases) {
    it(`${name}: ${result}`, async () => {
      const { methods, line } = await checked({
        ...delivery,
        options: { policy: 'observe', ...delivery.options },
      })
      const dkim = methods.filter(({ method }) => method === 'dkim')
      assert.deepEqual([dkim.length, dkim[0]?.result], [1, result])
      if (reason !== undefined) assert.equal(dkim[0]!.reason, reason)
      // Only a pass counts for DMARC; SPF fails in all of these.
      assert.equal(line['dmarc'], result === 'pass' ? 'pass' : 'fail')
    })
  }

  it('hostile ones do no harm', async () => {
    for (const value of [
      '',
      ';',
      '=;=;=',
      'v=1; a=rsa-sha256; b=; bh=; d=; s=; h=',
      `v=1; a=rsa-sha256; d=${'x.'.repeat(500)}org; s=r; h=from; bh=x; b=y`,
      `v=1; a=rsa-sha256; d=example.org; s=\u0001; h=from; bh=x; b=y`,
      `v=1; a=rsa-sha256; d=example.org; s=r; h=${'from:'.repeat(5_000)}; bh=x; b=y`,
      'v=1; a=rsa-sha256; d=__proto__; s=constructor; h=from; bh=x; b=y',
      `v=1; d=example.org; s=r"(; a=rsa-sha256; h=from; bh=x; b=")(;`,
    ]) {
      const { methods, end } = await checked({
        message: `DKIM-Signature: ${value}\r\n${MESSAGE}`,
        options: { policy: 'observe' },
      })
      assert.equal(end, 'accept')
      assert.deepEqual(
        methods.map(({ method }) => method),
        ['spf', 'dkim', 'dmarc', 'arc'],
        value.slice(0, 60),
      )
      assert.notEqual(methods[1]!.result, 'pass')
    }
  })
})

it('RFC 6376, A.2, with its errata 3192 and 4926, is good', async () => {
  const key =
    'MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB'
  const message = `DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
        4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
        KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
        4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game. Are you hungry yet?

Joe.
`.replaceAll('\n', '\r\n')
  const records = {
    'TXT brisbane._domainkey.example.com': [`v=DKIM1; p=${key}`],
    'TXT _dmarc.example.com': ['v=DMARC1; p=reject'],
  }
  const { results, end } = await checked({ message, zone: records })
  assert.deepEqual([results['dkim'], results['dmarc'], end], ['pass', 'pass', 'accept'])
  const changed = await checked({ message: message.replace('dinner', 'lunch'), zone: records })
  assert.deepEqual([changed.line['dmarc'], changed.end], ['fail', 'reject'])
})
