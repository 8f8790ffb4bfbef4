import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { disclaimer, type DisclaimerOptions } from '../../../src/filters/index.ts'
import { parseMime } from '../../../src/mime/index.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'
import { functionTable } from '../../../src/toolkit/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'disclaimer-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string, text: string | Buffer): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const RULE = { text: '-- \nExample Ltd.' }
const HEAD = 'From: "Ann & Co" <ann@example.org>\r\nSubject: x\r\n'
const MESSAGE = `${HEAD}\r\nHello\r\n`
const OURS: TestTransaction = {
  from: 'ann@example.org',
  authenticated: 'ann',
  message: MESSAGE,
}

async function sent(
  options: DisclaimerOptions,
  delivery: TestTransaction,
  check: (outcome: TestOutcome, reason: unknown) => void,
): Promise<void> {
  for (const mta of ['postfix', 'sendmail'] as const) {
    const outcome = await deliver(disclaimer(options), { mta, ...OURS, ...delivery })
    assert.deepEqual(outcome.errors, [])
    assert.equal(outcome.verdict, 'accept')
    const line = outcome.log.find(({ fields }) => fields['reason'] !== undefined)
    check(outcome, line?.fields['reason'])
  }
}
const bodyOf = (outcome: TestOutcome): string => {
  const text = outcome.message!.toString('latin1')
  return text.slice(text.indexOf('\r\n\r\n') + 4)
}

const multipart = (type: string, ...parts: string[]): string =>
  `${HEAD}MIME-Version: 1.0\r\nContent-Type: multipart/${type}; boundary=b\r\n\r\n${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`

describe('disclaimer: which mail', () => {
  const cases: [string, Partial<DisclaimerOptions>, TestTransaction, string][] = [
    ['of a login', {}, {}, 'added'],
    [
      'of the machine',
      {},
      { authenticated: undefined, client: { address: '127.0.0.1' } },
      'added',
    ],
    ['from outside', {}, { authenticated: undefined }, 'not-ours'],
    ['of a network', { networks: '192.0.2.0/24' }, { authenticated: undefined }, 'added'],
    ['of a login that does not count', { authenticated: false }, {}, 'not-ours'],
    ['a bounce', {}, { from: '' }, 'bounce'],
    [
      'a report',
      {},
      {
        message: multipart(
          'report',
          '\r\nHello',
          'Content-Type: message/delivery-status\r\n\r\nx: y',
        ),
      },
      'bounce',
    ],
    ['without an author', {}, { message: 'Subject: x\r\n\r\nHello\r\n' }, 'no-author'],
    ['of an author in except', { except: 'ann@example.org' }, {}, 'excepted'],
    [
      'for internal recipients',
      { internalDomains: 'example.net' },
      { to: 'b@example.net' },
      'internal',
    ],
    [
      'for others too',
      { internalDomains: 'example.net' },
      { to: ['b@example.net', 'c@example.com'] },
      'added',
    ],
    ['a reply', { replies: 'skip' }, { message: `In-Reply-To: <x@y>\r\n${MESSAGE}` }, 'reply'],
    ['a reply that may have it', {}, { message: `In-Reply-To: <x@y>\r\n${MESSAGE}` }, 'added'],
    ['no rule for the author', { rules: { ...RULE, from: 'example.com' } }, {}, 'no-rule'],
    ['a rule for the author', { rules: { ...RULE, from: 'ANN@example.org' } }, {}, 'added'],
    ['no rule for the recipients', { rules: { ...RULE, to: 'x@example.com' } }, {}, 'no-rule'],
    [
      'a rule for one recipient',
      { rules: { ...RULE, to: '.com' } },
      { to: ['b@example.net', 'c@example.com'] },
      'added',
    ],
    [
      'signed',
      {},
      {
        message: multipart(
          'signed; protocol="application/pgp-signature"',
          '\r\nHello',
          'Content-Type: application/pgp-signature\r\n\r\nx',
        ),
      },
      'sealed',
    ],
    [
      'encrypted',
      {},
      {
        message: multipart(
          'encrypted; protocol="application/pgp-encrypted"',
          'Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1',
          'Content-Type: application/octet-stream\r\n\r\nx',
        ),
      },
      'sealed',
    ],
    [
      'of an unknown charset',
      { unreadable: 'skip', rules: { text: 'Gr\u00fc\u00dfe' } },
      {
        message: Buffer.from(
          `${HEAD}Content-Type: text/plain; charset=x-unknown\r\n\r\nH\xe9\r\n`,
          'latin1',
        ),
      },
      'unreadable',
    ],
  ]
  for (const [name, options, delivery, reason] of cases) {
    it(name, async () => {
      await sent({ rules: RULE, ...options }, delivery, (outcome, told) => {
        assert.equal(told, reason)
        if (reason !== 'added') assert.deepEqual(outcome.edits, [])
        else assert.match(bodyOf(outcome), /Hello\r\n\r?\n?-- \r\nExample Ltd\.\r\n/)
      })
    })
  }

  it('takes the first rule that matches', async () => {
    const rules = [{ text: 'one', to: 'x@example.com' }, { text: 'two' }, { text: 'three' }]
    await sent({ rules }, {}, (outcome) => {
      assert.match(bodyOf(outcome), /Hello[^]*two\r\n$/)
      const line = outcome.log.find(({ message }) => message === 'changed')!
      assert.equal(line.fields['rule'], 1)
    })
  })

  it('adds nothing to a message that shows it, quoted or not', async () => {
    const message = `${HEAD}\r\nYes.\r\n\r\n> Hello\r\n> -- \r\n> Example Ltd.\r\n`
    await sent({ rules: RULE }, { message }, (outcome, told) => {
      assert.equal(told, 'present')
      assert.deepEqual(outcome.edits, [])
    })
    await sent({ rules: RULE, replies: 'always' }, { message }, (_, told) => {
      assert.equal(told, 'added')
    })
  })

  it('changes nothing while it observes, and says what it would do', async () => {
    await sent({ rules: RULE, observe: true }, {}, (outcome) => {
      assert.deepEqual(outcome.edits, [])
      assert.ok(outcome.log.some(({ message }) => message === 'would be changed'))
    })
  })

  it('says that a signature breaks', async () => {
    const message = `DKIM-Signature: v=1\r\n${MESSAGE}`
    await sent({ rules: RULE }, { message }, (outcome) => {
      const line = outcome.log.find(({ message: text }) => text === 'changed')!
      assert.equal(line.fields['breaks'], 'DKIM-Signature')
    })
  })
})

describe('disclaimer: the text', () => {
  const alternative = multipart(
    'alternative',
    'Content-Type: text/plain\r\n\r\nHello',
    'Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<body>H=E9llo</body>',
  )

  it('is in both versions, in their charsets, from files', async () => {
    const rules = {
      textFile: file('text', '\ufeffCaf\u00e9 {from.name}\n'),
      htmlFile: file('html', '<style>p{color:red}</style><p>Caf\u00e9 {FROM.NAME}</p>'),
    }
    for (const mta of ['postfix', 'sendmail'] as const) {
      const outcome = await deliver(disclaimer({ rules }), {
        mta,
        ...OURS,
        message: alternative,
      })
      const [plain, html] = parseMime(outcome.message!).textParts
      assert.match(await plain!.text(), /^Hello\r\n[^]*Caf\u00e9 Ann & Co/)
      assert.equal(html!.charset, 'iso-8859-1')
      assert.match(await html!.text(), /H\u00e9llo[^]*p\{color:red\}[^]*Caf&#233; Ann &#38; Co/)
      assert.match(outcome.message!.toString('latin1'), /<body>H=E9llo/)
    }
  })

  it('has variables, whose values break nothing', async () => {
    const rules = {
      text: '{from.name}|{from.address}|{from.local}|{from.domain}|{login}|{table.title}|{table.none}|',
      html: '<p title="{from.name}">{table.title}</p>',
    }
    const tables = {
      title: 'inline:{ {ann@example.org=Head <of> R&D} }',
      none: 'inline:{ a=b }',
    }
    const message = alternative.replace(
      '"Ann & Co"',
      '=?utf-8?q?A=0D=0A=22_onload=3D=22x=E2=80=AE?=',
    )
    await sent({ rules, tables }, { message }, (outcome) => {
      const text = outcome.message!.toString().replaceAll('=\r\n', '')
      assert.match(
        text,
        /A " onload="x \|ann@example\.org\|ann\|example\.org\|ann\|Head <of> R&D\|\|/,
      )
      assert.match(text, /A &#34; onload=(?:3D)?&#34;x[^]*Head &#60;of&#62; R&#38;D/)
    })
  })

  it('leaves attachments as they are', async () => {
    const part =
      'Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\nBB==  \r\n'
    const message = multipart('mixed', '\r\nHello', part)
    await sent({ rules: RULE }, { message }, (outcome, told) => {
      assert.equal(told, 'added')
      assert.ok(bodyOf(outcome).includes(`--b\r\n${part}\r\n--b--`))
    })
  })
})

describe('disclaimer: tables that fail', () => {
  const rules = { text: 'x {table.title}' }
  for (const [name, table] of [
    ['dead', functionTable(() => Promise.reject(new Error('down')))],
    ['slow', functionTable(() => new Promise(() => {}), { deadline: 20 })],
    ['lying', functionTable(() => 7 as never)],
  ] as const) {
    for (const [onError, verdict] of [
      [undefined, 'tempfail'],
      ['continue', 'accept'],
    ] as const) {
      it(`${name}, onError ${onError ?? 'as usual'}: ${verdict}`, async () => {
        const filter = disclaimer({ rules, tables: { title: table }, onError })
        const outcome = await deliver(filter, OURS)
        assert.equal(outcome.verdict, verdict)
        assert.equal(outcome.errors.length, 1)
        assert.deepEqual(outcome.edits, [])
      })
    }
  }

  it('is not asked for a variable that the text does not have', async () => {
    const title = functionTable(() => assert.fail('asked'))
    await sent({ rules: RULE, tables: { title } }, {}, (_, told) => assert.equal(told, 'added'))
  })
})

describe('disclaimer: mistakes', () => {
  const missing = join(folder, 'missing')
  for (const [name, options, text] of [
    ['no rules', {}, /needs rules/],
    ['an empty list', { rules: [] }, /rules takes at least one/],
    ['a rule without text', { rules: { html: 'x' } }, /rules needs either text or textFile/],
    ['an empty text', { rules: { text: ' \n' } }, /rules\.text takes a text that is not empty/],
    [
      'both forms of HTML',
      { rules: { text: 'x', html: 'y', htmlFile: 'z' } },
      /htmlFile cannot stand beside html/,
    ],
    [
      'a file that is not there',
      { rules: [{ textFile: missing }] },
      /rules\[0\]\.textFile: .*missing cannot be read \(ENOENT\)/,
    ],
    ['a folder', { rules: [{ textFile: folder }] }, /cannot be read \(EISDIR\)/],
    [
      'a file in another charset',
      { rules: [{ text: 'x', htmlFile: file('latin1', Buffer.from('\xe9', 'latin1')) }] },
      /htmlFile: .* is not UTF-8/,
    ],
    [
      'an unknown variable',
      { rules: [{ text: 'a\nb {from.nam}' }] },
      /rules\[0\]\.text, line 2: \{from\.nam\} is not a variable/,
    ],
    [
      'a table that is not named',
      { rules: [{ text: '{table.x}' }] },
      /\{table\.x\} is not a variable/,
    ],
    [
      'a table that is not there',
      { rules: RULE, tables: { x: `hash:${missing}` } },
      /tables\.x: .*missing/,
    ],
    ['a name of a table', { rules: RULE, tables: { 'a b': 'static:x' } }, /a name of letters/],
  ] as const) {
    it(name, () => {
      assert.throws(
        () => disclaimer(options as unknown as DisclaimerOptions),
        (error: Error) =>
          error.name === 'UsageError' && (assert.match(error.message, text), true),
      )
    })
  }
})
