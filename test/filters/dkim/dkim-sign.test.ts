import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { compose, defineFilter } from '../../../src/index.ts'
import { dkimSign, type DkimSignOptions } from '../../../src/filters/index.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'

const pem = String(
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
)
const rsa = String(
  generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs1',
    format: 'pem',
  }),
)
const KEYS = [{ domain: 'example.org', selector: 's1', privateKey: pem }]
const MESSAGE =
  'From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: x\r\n\r\nHello\r\n'

const folder = mkdtempSync(join(tmpdir(), 'dkim-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

async function sent(
  options: DkimSignOptions,
  delivery: Partial<TestTransaction> = {},
): Promise<{ signatures: string[]; reason: unknown; text: string; outcome: TestOutcome }> {
  const outcome = await deliver(dkimSign(options), {
    message: MESSAGE,
    from: 'alice@example.org',
    authenticated: 'alice@example.org',
    ...delivery,
  })
  assert.deepEqual(outcome.errors, [])
  assert.equal(outcome.verdict, 'accept')
  const text = outcome.message!.toString('latin1')
  const header = text.slice(0, text.indexOf('\r\n\r\n')).replaceAll(/\r\n[ \t]+/g, ' ')
  return {
    signatures: [...header.matchAll(/^DKIM-Signature: (.*)$/gm)].map(([, value]) => value!),
    reason: outcome.log.find(({ message }) => message === 'skipped')?.fields['reason'],
    text,
    outcome,
  }
}

it('dkimSign: leaves out what Sendmail adds after the filters', async () => {
  const dated = MESSAGE.replace(
    '\r\n\r\n',
    '\r\nDate: x\r\nMessage-ID: <1@example.org>\r\n\r\n',
  )
  for (const [mta, message, date, id] of [
    ['sendmail', MESSAGE, 0, 0],
    ['sendmail', dated, 2, 2],
    ['postfix', MESSAGE, 1, 1],
  ] as const) {
    const { signatures } = await sent({ keys: KEYS }, { mta, message })
    const [, names] = /\bh=([^;]*)/.exec(signatures[0]!)!
    const list = names!.split(/\s*:\s*/)
    const count = (name: string): number => list.filter((one) => one === name).length
    assert.deepEqual([count('date'), count('message-id')], [date, id], mta)
    assert.equal(count('from'), 2)
  }
})

describe('dkimSign: which mail', () => {
  const local = { client: { address: '127.0.0.1' }, authenticated: undefined }
  const outside = { client: { address: '192.0.2.7' }, authenticated: undefined }
  const cases: [
    string,
    Partial<DkimSignOptions>,
    Partial<TestTransaction>,
    string | undefined,
  ][] = [
    ['of a client that has logged in', {}, {}, undefined],
    [
      'of a client that has logged in, if that does not count',
      { authenticated: false },
      {},
      'not-ours',
    ],
    ['of the machine itself', {}, local, undefined],
    ['of the machine itself, by IPv6', {}, { ...local, client: { address: '::1' } }, undefined],
    ['of a local network', { networks: ['192.0.2.0/24'] }, outside, undefined],
    ['of nobody on the network', {}, { client: null, authenticated: undefined }, undefined],
    ['from outside', {}, outside, 'not-ours'],
    [
      'from outside, mapped',
      {},
      { ...outside, client: { address: '::ffff:192.0.2.7' } },
      'not-ours',
    ],
    [
      'of a daemon',
      { daemons: ['ORIGINATING'] },
      { ...outside, macros: { daemon_name: 'ORIGINATING' } },
      undefined,
    ],
    [
      'of another daemon',
      { daemons: ['ORIGINATING'] },
      { ...outside, macros: { daemon_name: 'smtpd' } },
      'not-ours',
    ],
    [
      'of a subdomain',
      {},
      { message: MESSAGE.replace('@example.org', '@mail.EXAMPLE.org') },
      undefined,
    ],
    [
      'of another domain',
      {},
      { message: MESSAGE.replace('@example.org', '@notexample.org') },
      'no-key',
    ],
    ['without From', {}, { message: MESSAGE.replace(/^From.*\r\n/, '') }, 'no-from'],
    ['with two From', {}, { message: `From: a@example.org\r\n${MESSAGE}` }, 'several-from'],
    [
      'with authors of two domains',
      {},
      { message: MESSAGE.replace('Alice', 'b@example.net,') },
      'several-from',
    ],
    [
      'with two authors of one domain',
      {},
      { message: MESSAGE.replace('Alice', 'b@example.org, A') },
      undefined,
    ],
    ['with a bounce', {}, { ...local, from: '' }, undefined],
    [
      'with another login',
      { loginMismatch: 'skip' },
      { authenticated: 'eve@example.net' },
      'login-mismatch',
    ],
    [
      'with a login without a domain',
      { loginMismatch: 'skip' },
      { authenticated: 'eve' },
      undefined,
    ],
    [
      'with another sender',
      { senderMismatch: 'skip' },
      { from: 'eve@example.net' },
      'sender-mismatch',
    ],
    ['with a null sender', { senderMismatch: 'skip' }, { from: '' }, undefined],
    ['by the sender', { domainFrom: 'sender' }, { from: 'eve@example.net' }, 'no-key'],
    ['by the null sender', { domainFrom: 'sender' }, { from: '' }, 'no-domain'],
    ['by the login', { domainFrom: 'login' }, { authenticated: 'eve@example.net' }, 'no-key'],
  ]
  for (const [name, options, delivery, reason] of cases) {
    it(`${name}: ${reason ?? 'signed'}`, async () => {
      for (const mta of ['postfix', 'sendmail'] as const) {
        const result = await sent({ keys: KEYS, ...options }, { mta, ...delivery })
        assert.equal(result.reason, reason)
        assert.equal(result.signatures.length, reason === undefined ? 1 : 0)
      }
    })
  }

  describe('is signed once, however often it comes through', () => {
    const again = async (
      options: Partial<DkimSignOptions>,
      change: (text: string) => string,
    ): Promise<[number, unknown]> => {
      const keys = [...KEYS, { domain: 'example.org', selector: 'r1', privateKey: rsa }]
      const now = () => 1_800_000_000_000
      const once = await sent({ keys, now, expiresIn: '60s' })
      assert.equal(once.signatures.length, 2)
      const message = Buffer.from(change(once.text), 'latin1')
      const twice = await sent({ keys, now, ...options }, { message })
      return [twice.signatures.length - 2, twice.reason]
    }
    const cases: [
      string,
      Partial<DkimSignOptions>,
      (text: string) => string,
      [number, unknown],
    ][] = [
      ['as it was', {}, (text) => text, [0, 'signed-already']],
      ['with another field', {}, (text) => `X-New: 1\r\n${text}`, [0, 'signed-already']],
      [
        'folded anew',
        {},
        (text) => text.replace('From: ', 'From:\r\n '),
        [0, 'signed-already'],
      ],
      ['with another body', {}, (text) => text.replace('Hello', 'Goodbye'), [2, undefined]],
      // The old signature is broken, though the body is the same.
      [
        'with another subject',
        {},
        (text) => text.replace('Subject: x', 'Subject: y'),
        [2, undefined],
      ],
      [
        'with a second From',
        { oversign: ['From'] },
        (text) => text.replace('To: ', 'Cc: eve@example.net\r\nTo: '),
        [2, undefined],
      ],
      [
        'with one signature alone',
        {},
        (text) => text.replace(/DKIM-Signature: (?:[^\r]|\r\n\t)*\r\n/, ''),
        [2, undefined],
      ],
      [
        'when they have expired',
        { now: () => 1_800_000_060_000 },
        (text) => text,
        [2, undefined],
      ],
      [
        'with a signature that is no list of tags',
        {},
        (text) => `DKIM-Signature: x;;=\r\n${text}`,
        [1, 'signed-already'],
      ],
      [
        'with keys of another selector',
        { keys: [{ domain: 'example.org', selector: 'other', privateKey: pem }] },
        (text) => text,
        [1, undefined],
      ],
      [
        'after a rotation',
        {
          keys: [
            ...KEYS,
            { domain: 'example.org', selector: 's2', privateKey: pem, notBefore: '2027-01-01' },
          ],
        },
        (text) => text,
        [0, 'signed-already'],
      ],
    ]
    for (const [name, options, change, wanted] of cases) {
      it(name, async () => {
        const [added, reason] = await again(options, change)
        // One of two is missing: it is made again, and the other is not.
        if (name === 'with one signature alone')
          assert.deepEqual([added, reason], [0, undefined])
        else assert.deepEqual([added, reason], wanted)
      })
    }
  })

  it('is not signed when it is only observed', async () => {
    const { signatures, outcome } = await sent({ keys: KEYS, observe: true })
    assert.deepEqual(signatures, [])
    assert.ok(outcome.log.some(({ message }) => message === 'would be changed'))
  })
})

describe('dkimSign: how', () => {
  it('names every field it protects', async () => {
    const { signatures } = await sent({
      keys: KEYS,
      now: () => 1_800_000_000_500,
      expiresIn: '60s',
    })
    assert.match(
      signatures[0]!,
      /^v=1; a=ed25519-sha256; c=relaxed\/relaxed; d=example\.org; s=s1; t=1800000000; x=1800000060; h=/,
    )
    const h = /h=([^;]*);/.exec(signatures[0]!)![1]!.replaceAll(' ', '')
    assert.equal(
      h,
      'from:from:to:to:cc:subject:subject:reply-to:date:message-id:mime-version:content-type:content-transfer-encoding',
    )
  })

  it('signs with all keys of a domain', async () => {
    const keys = [...KEYS, { domain: 'example.org', selector: 's2', privateKey: rsa }]
    const { signatures } = await sent({ keys })
    assert.deepEqual(signatures.map((one) => /a=\S+/.exec(one)![0]).toSorted(), [
      'a=ed25519-sha256;',
      'a=rsa-sha256;',
    ])
  })

  describe('in a rotation', () => {
    const key = (selector: string, times: object = {}, privateKey = pem) => ({
      domain: 'example.org',
      selector,
      privateKey,
      ...times,
    })
    const old = key('old', { notAfter: '2027-03-01' })
    const next = key('next', { notBefore: '2027-02-01T00:00:00Z' })
    const first = key('first')
    const cases: [string, DkimSignOptions['keys'], string, string[] | string][] = [
      [
        'the old key, before the new one begins',
        [old, next],
        '2027-01-31T23:59:59.999Z',
        ['old'],
      ],
      ['the new key, from its first moment', [old, next], '2027-02-01T00:00:00Z', ['next']],
      ['whatever the order in the list', [next, old], '2027-02-15', ['next']],
      ['the new key, after the old one has ended', [old, next], '2027-03-02', ['next']],
      ['a key without times, until a newer one begins', [first, next], '2027-01-31', ['first']],
      [
        'the newer key, also without an end of the old one',
        [first, next],
        '2027-02-01',
        ['next'],
      ],
      ['no key after the last one has ended', [old], '2027-03-01', 'no-active-key'],
      ['no key before the first one begins', [next], '2027-01-01', 'no-active-key'],
      [
        'the newest of three',
        [old, next, key('last', { notBefore: new Date('2027-02-10') })],
        '2027-02-11',
        ['last'],
      ],
      [
        'each algorithm by itself',
        [old, next, key('r1', {}, rsa), key('r2', { notBefore: '2028-01-01' }, rsa)],
        '2027-02-11',
        ['next', 'r1'],
      ],
      [
        'both keys, if neither is newer',
        [first, key('second')],
        '2027-02-11',
        ['first', 'second'],
      ],
      [
        'a time in its zone',
        [first, key('zoned', { notBefore: '2027-02-01T01:00:00+01:00' })],
        '2027-02-01',
        ['zoned'],
      ],
    ]
    for (const [name, keys, now, wanted] of cases) {
      it(name, async () => {
        const result = await sent({ keys: keys!, now: () => Date.parse(now) })
        const selectors = result.signatures.map((one) => /s=(\w+);/.exec(one)![1]!)
        if (typeof wanted === 'string')
          assert.deepEqual([selectors, result.reason], [[], wanted])
        else assert.deepEqual(selectors.toSorted(), wanted)
      })
    }
  })

  it('signs what the filters before it have made', async () => {
    const tag = defineFilter({
      name: 'tag',
      message(mail) {
        mail.subject = `[x] ${mail.subject}`
        mail.body.replace('Other\r\n')
      },
    })
    const { message } = await deliver(compose(tag, dkimSign({ keys: KEYS })), {
      message: MESSAGE,
      authenticated: 'a',
    })
    const text = message!.toString('latin1')
    // sha256 of "Other\r\n"
    assert.match(text.replaceAll(/\s/g, ''), /bh=[A-Za-z0-9+/]{43}=/)
    const alone = await deliver(dkimSign({ keys: KEYS }), {
      message: MESSAGE.replace('Subject: x', 'Subject: [x] x').replace('Hello', 'Other'),
      authenticated: 'a',
    })
    const bh = (one: string): string => /bh=([^;]*)/.exec(one.replaceAll(/\s/g, ''))![1]!
    assert.equal(bh(text), bh(alone.message!.toString('latin1')))
  })

  it('tells what may break the signature', async () => {
    const risks: unknown[] = []
    for (const message of [
      MESSAGE,
      `${MESSAGE}${'x'.repeat(1200)}\r\n`,
      MESSAGE.replace('Subject: x', `Subject: ${'x'.repeat(1200)}`),
      Buffer.from(`${MESSAGE}caf\xe9\r\n`, 'latin1'),
    ]) {
      const { outcome } = await sent({ keys: KEYS }, { message })
      risks.push(outcome.log.find((line) => line.message === 'changed')!.fields['risks'])
    }
    assert.deepEqual(risks, [
      undefined,
      ['a body line of 1200 bytes'],
      ['a header line of 1209 bytes'],
      ['8-bit text in the body'],
    ])
  })

  it('folds long lines of fields that it signs, if that is wanted', async () => {
    const words = 'word '.repeat(250).trim()
    const message = MESSAGE.replace('Subject: x', `Subject: ${words}\r\nX-Other: ${words}`)
    for (const [options, folded] of [
      [{}, false],
      [{ longLines: 'fold' }, true],
      [{ longLines: 'fold', observe: true }, false],
    ] as const) {
      const { text, outcome } = await sent({ keys: KEYS, ...options }, { message })
      assert.equal(/^Subject: (?:word )+word\r\n word/m.test(text), folded)
      assert.ok(text.includes(`X-Other: ${words}\r\n`))
      const line = outcome.log.find(({ fields }) => fields['reason'] === 'signed')!
      // Of the field that is not signed.
      assert.deepEqual(line.fields['risks'], ['a header line of 1258 bytes'])
      assert.equal(typeof line.fields['milliseconds'], 'number')
    }
  })

  it('refuses options that make no sense', () => {
    for (const [options, message] of [
      [{}, /either keys or openDkim/],
      [
        { keys: KEYS, openDkim: { keyTable: 'k', signingTable: 's' } },
        /one of keys and openDkim/,
      ],
      [{ keys: [{ domain: 'a.example', selector: 's' }] }, /either file or privateKey/],
      [
        { keys: [{ domain: 'a.example', selector: 's', file: '/no/such' }] },
        /\/no\/such \(ENOENT\)/,
      ],
      [{ keys: {} }, /keys/],
      [{ keys: [{ ...KEYS[0], notbefore: '2027-01-01' }] }, /notBefore/],
      [{ keys: [{ ...KEYS[0], notBefore: '2027-01-01T00:00' }] }, /keys\[0\]\.notBefore.*zone/],
      [{ keys: [{ ...KEYS[0], notBefore: '2027-13-01' }] }, /keys\[0\]\.notBefore/],
      [
        { keys: [{ ...KEYS[0], notBefore: '2027-01-01', notAfter: '2027-01-01' }] },
        /notAfter.*after notBefore/,
      ],
      [{ keys: KEYS, networks: ['10.1'] }, /10\.1/],
      [{ keys: KEYS, canonicalization: 'relaxed' }, /relaxed\/relaxed/],
      [{ keys: KEYS, oversign: ['To'], sign: [] }, /From/],
      [{ keys: KEYS, sign: ['DKIM-Signature'] }, /DKIM-Signature/],
      [{ keys: KEYS, longLines: 'cut' }, /longLines/],
      [{ keys: KEYS, expiresIn: 0 }, /expiresIn/],
      [{ keys: KEYS, domainForm: 'from' }, /domainFrom/],
    ] as const) {
      assert.throws(() => dkimSign(options as never), { code: 'INVALID_OPTION', message })
    }
  })
})

describe("dkimSign: OpenDKIM's tables", () => {
  const key = file('key.pem', rsa)
  const keyTable = (): string =>
    file(
      'KeyTable',
      `# comment\none example.org:s1:${key}\ntwo example.net:s2:./key.pem\n\nany %:s3:${folder}/%.pem\n`,
    )
  const signers = async (table: string, from: string, multiple = false): Promise<string[]> => {
    const { signatures } = await sent(
      { openDkim: { keyTable: keyTable(), signingTable: table, multiple } },
      { message: MESSAGE.replace('alice@example.org', from) },
    )
    return signatures.map((one) => /d=[^;]*; s=[^;]*(?:; i=[^;]*)?/.exec(one)![0])
  }

  it('with patterns, in their order', async () => {
    const table = `refile:${file('refile', '*@*.example.org one\nalice@* two\n*@example.org one %\n')}`
    for (const [from, wanted] of [
      ['bob@sub.example.org', ['d=example.org; s=s1']],
      ['ALICE@example.org', ['d=example.net; s=s2']],
      ['bob@example.org', ['d=example.org; s=s1; i=@example.org']],
      ['bob@example.com', []],
    ] as const) {
      assert.deepEqual(await signers(table, from), wanted, from)
    }
    assert.deepEqual((await signers(table, 'alice@example.org', true)).toSorted(), [
      'd=example.net; s=s2',
      'd=example.org; s=s1; i=@example.org',
    ])
  })

  it('without patterns, the most exact first', async () => {
    const lines =
      '* any\nexample.org one\nalice@example.org two\n.example.org one sub@other.example\nbob@.example.net two\n'
    const table = file('exact', lines)
    writeFileSync(join(folder, 'example.com.pem'), rsa)
    for (const [from, wanted] of [
      ['alice@example.org', ['d=example.net; s=s2']],
      ['bob@example.org', ['d=example.org; s=s1']],
      // An identity outside the domain of the key is left out, as opendkim does.
      ['bob@a.b.example.org', ['d=example.org; s=s1']],
      ['bob@x.example.net', ['d=example.net; s=s2']],
      ['bob@example.com', ['d=example.com; s=s3']],
      ['bob@no-file.example', []],
      ['bob@../../etc', []],
    ] as const) {
      assert.deepEqual(await signers(table, from), wanted, from)
    }
  })

  it('with mistakes, by file and line', () => {
    const table = file('ok', '* one\n')
    for (const [openDkim, message] of [
      [
        { keyTable: file('bad1', '\nbroken\n'), signingTable: table },
        /bad1:2: write NAME DOMAIN/,
      ],
      [
        { keyTable: file('bad2', 'one a.example:s:/no/such\n'), signingTable: table },
        /bad2:1 cannot be read: \/no\/such/,
      ],
      [
        { keyTable: keyTable(), signingTable: file('bad3', '* three\n') },
        /bad3:1: "three" is not in/,
      ],
      [{ keyTable: keyTable(), signingTable: file('bad4', '*\n') }, /bad4:1: write PATTERN/],
      [{ keyTable: keyTable(), signingTable: 'ldap://x' }, /only files/],
    ] as const) {
      assert.throws(() => dkimSign({ openDkim }), { code: 'INVALID_OPTION', message })
    }
  })
})
