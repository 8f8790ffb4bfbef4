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
    reason: outcome.log.find(({ message }) => message === 'not signed')?.fields['reason'],
    text,
    outcome,
  }
}

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

  it('is signed once, however often it comes through', async () => {
    const once = await sent({ keys: KEYS })
    const twice = await sent({ keys: KEYS }, { message: Buffer.from(once.text, 'latin1') })
    assert.deepEqual([twice.signatures, twice.reason], [once.signatures, 'signed-already'])
    // Another body: somebody has changed it, so the old signature is of no use.
    const changed = once.text.replace('Hello', 'Goodbye')
    const again = await sent({ keys: KEYS }, { message: Buffer.from(changed, 'latin1') })
    assert.equal(again.signatures.length, 2)
  })

  it('is not signed when it is only observed', async () => {
    const { signatures, outcome } = await sent({ keys: KEYS, observe: true })
    assert.deepEqual(signatures, [])
    assert.ok(outcome.log.some(({ message }) => message === 'would be signed'))
  })
})

describe('dkimSign: how', () => {
  it('names every field it protects', async () => {
    const { signatures } = await sent({
      keys: KEYS,
      now: () => 1_800_000_000_500,
      expiresIn: 60,
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
      risks.push(outcome.log.find((line) => line.message === 'signed')!.fields['risks'])
    }
    assert.deepEqual(risks, [
      undefined,
      ['a body line of 1200 bytes'],
      ['a header line of 1209 bytes'],
      ['8-bit text in the body'],
    ])
  })

  it('refuses options that make no sense', () => {
    for (const [options, message] of [
      [{}, /either keys or openDkim/],
      [{ keys: KEYS, openDkim: {} }, /either keys or openDkim/],
      [{ keys: [{ domain: 'a.example', selector: 's' }] }, /either file or privateKey/],
      [
        { keys: [{ domain: 'a.example', selector: 's', file: '/no/such' }] },
        /\/no\/such \(ENOENT\)/,
      ],
      [{ keys: KEYS, networks: ['10.1'] }, /10\.1/],
      [{ keys: KEYS, canonicalization: 'relaxed' }, /relaxed\/relaxed/],
      [{ keys: KEYS, oversign: ['To'], sign: [] }, /From/],
      [{ keys: KEYS, sign: ['DKIM-Signature'] }, /DKIM-Signature/],
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
