import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { externalTag, type ExternalTagOptions } from '../../../src/filters/index.ts'
import { hasTag } from '../../../src/filters/content/subject-tag.ts'
import { parseMime } from '../../../src/mime/index.ts'
import { fc } from '../../support/property.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'
import { functionTable, openTable } from '../../../src/toolkit/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'external-tag-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const TAG = '[EXTERNAL]'
const MESSAGE = 'From: Eve <eve@example.com>\r\nSubject: Lunch?\r\n\r\nHello\r\n'
const withField = (...fields: string[]): string =>
  `${fields.map((field) => `${field}\r\n`).join('')}${MESSAGE}`

const both = async (
  options: ExternalTagOptions,
  delivery: TestTransaction,
  check: (outcome: TestOutcome, reason: unknown) => void,
): Promise<void> => {
  for (const mta of ['postfix', 'sendmail'] as const) {
    const outcome = await deliver(externalTag(options), { mta, ...delivery })
    assert.deepEqual(outcome.errors, [])
    assert.equal(outcome.verdict, 'accept')
    const line = outcome.log.find(({ fields }) => fields['reason'] !== undefined)
    check(outcome, line?.fields['reason'])
  }
}
const fieldsOf = (outcome: TestOutcome, name: string): string[] =>
  parseMime(outcome.message!).headers.getAll(name)

describe('externalTag: which mail', () => {
  const cases: [string, ExternalTagOptions, TestTransaction, string, string[]][] = [
    ['from outside', {}, {}, 'tagged', ['yes']],
    ['of a login', {}, { authenticated: 'alice' }, 'authenticated', []],
    ['of the machine', {}, { client: { address: '127.0.0.1' } }, 'local', []],
    ['of the mail server itself', {}, { client: null }, 'local', []],
    ['of a network', { networks: ['192.0.2.0/24'] }, {}, 'local', []],
    ['with a forged field', {}, { message: withField('X-External: no') }, 'tagged', ['yes']],
    [
      'with several forged fields',
      {},
      { message: withField('X-EXTERNAL: no', 'x-external: yes') },
      'tagged',
      ['yes'],
    ],
    [
      'with the field already',
      {},
      { message: withField('X-External: yes') },
      'tagged-already',
      ['yes'],
    ],
    [
      'of a login, with a field that is kept',
      {},
      { authenticated: 'alice', message: withField('X-External: yes') },
      'authenticated',
      ['yes'],
    ],
  ]
  for (const [name, options, delivery, reason, values] of cases) {
    it(name, async () => {
      await both(options, { message: MESSAGE, ...delivery }, (outcome, told) => {
        assert.equal(told, reason)
        assert.deepEqual(fieldsOf(outcome, 'X-External'), values)
        assert.deepEqual(fieldsOf(outcome, 'Subject'), ['Lunch?'])
      })
    })
  }

  it('changes nothing while it observes, and says what it would do', async () => {
    await both({ observe: true, subject: TAG }, { message: MESSAGE }, (outcome) => {
      assert.deepEqual(outcome.edits, [])
      assert.ok(outcome.log.some(({ message }) => message === 'would be changed'))
    })
  })
})

describe('externalTag: the author of an internal domain', () => {
  const internal = (field: string): string =>
    `${field === '' ? '' : `Authentication-Results: ${field}\r\n`}From: a@example.org\r\nX-External: yes\r\n\r\nx\r\n`
  const pass =
    'mx.example.org; spf=fail smtp.mailfrom=x.example; dmarc=pass header.from=example.org'
  const cases: [string, string, string][] = [
    ['with DMARC', pass, 'internal'],
    ['with DMARC in another case', pass.replace('mx.ex', 'MX.Ex'), 'internal'],
    ['without DMARC', '', 'tagged-already'],
    ['with DMARC that fails', pass.replace('dmarc=pass', 'dmarc=fail'), 'tagged-already'],
    [
      'with DMARC for another domain',
      pass.replace('from=example.org', 'from=a.example'),
      'tagged-already',
    ],
    ['with the field of another server', pass.replace('mx.', 'my.'), 'tagged-already'],
    ['with two results', `${pass}; dmarc=fail header.from=example.org`, 'tagged-already'],
    [
      'with a broken field of ours above',
      `mx.example.org; =\r\nAuthentication-Results: ${pass}`,
      'tagged-already',
    ],
    ['with two authors', `${pass}\r\nFrom: b@example.org`, 'tagged-already'],
  ]
  for (const [name, field, reason] of cases) {
    it(name, async () => {
      const options = { internalDomains: 'example.org', authservId: 'mx.example.org' }
      await both(options, { message: internal(field) }, (outcome, told) => {
        assert.equal(told, reason)
        assert.deepEqual(fieldsOf(outcome, 'X-External'), reason === 'internal' ? [] : ['yes'])
      })
    })
  }
})

describe('externalTag: the subject', () => {
  const cases: [string, string[], string[]][] = [
    ['usual', ['Lunch?'], ['[EXTERNAL] Lunch?']],
    ['none', [], ['[EXTERNAL]']],
    ['empty', [''], ['[EXTERNAL]']],
    ['two', ['one', 'two'], ['[EXTERNAL] one', '[EXTERNAL] two']],
    ['tagged', ['[EXTERNAL] Lunch?'], ['[EXTERNAL] Lunch?']],
    ['a reply', ['Re: [External]  Lunch?'], ['Re: [External]  Lunch?']],
    ['one tagged, one not', ['[EXTERNAL] a', 'b'], ['[EXTERNAL] a', '[EXTERNAL] b']],
    [
      'encoded words, whose bytes stay',
      ['=?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?B?w6k=?='],
      ['[EXTERNAL] =?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?B?w6k=?='],
    ],
    [
      'ISO-2022-JP',
      ['=?ISO-2022-JP?B?GyRCJDMkcyRLJEEkTxsoQg==?='],
      ['[EXTERNAL] =?ISO-2022-JP?B?GyRCJDMkcyRLJEEkTxsoQg==?='],
    ],
    ['8-bit text', ['Gr\xfc\xdfe'], ['[EXTERNAL] Gr\xfc\xdfe']],
    [
      'a tag where nobody sees it',
      [`Invoice ${'_'.repeat(150)} [EXTERNAL]`],
      [`[EXTERNAL] Invoice ${'_'.repeat(150)} [EXTERNAL]`],
    ],
  ]
  for (const [name, subjects, expected] of cases) {
    it(name, async () => {
      const head = subjects.map((one) => `Subject: ${one}\r\n`).join('')
      const message = Buffer.from(`From: e@example.com\r\n${head}\r\nx\r\n`, 'latin1')
      await both({ subject: TAG }, { message }, (outcome) => {
        const text = outcome.message!.toString('latin1').replaceAll(/\r\n[ \t]/g, ' ')
        assert.deepEqual(
          [...text.matchAll(/^Subject:[ \t]*(.*)\r$/gim)].map(([, value]) => value),
          expected,
        )
      })
    })
  }

  it('is not worth the message if no server takes the tag', async () => {
    const message = `From: e@example.com\r\nSubject: ${'x'.repeat(65_520)}\r\n\r\nx\r\n`
    const outcome = await deliver(externalTag({ subject: TAG }), { mta: 'sendmail', message })
    assert.equal(outcome.verdict, 'accept')
    const line = outcome.log.find(({ message: text }) => text === 'changed')!
    assert.equal(line.fields['subject'], 'too-long')
  })

  it('of any bytes is tagged once, and its own bytes stay', async () => {
    const bytes = fc.stringMatching(/^[!-~\xa1-\xff]([ -~\xa1-\xff]{0,40}[!-~\xa1-\xff])?$/)
    await fc.assert(
      fc.asyncProperty(bytes, async (subject) => {
        const head = `From: e@example.com\r\nSubject: ${subject}\r\n\r\nx\r\n`
        const once = await deliver(externalTag({ subject: TAG }), {
          message: Buffer.from(head, 'latin1'),
        })
        const text = once.message!.toString('latin1')
        assert.ok(text.includes(`Subject: ${TAG} ${subject}\r\n`) || hasTag(subject, TAG), text)
        const again = await deliver(externalTag({ subject: TAG }), { message: once.message! })
        assert.deepEqual(again.edits, [])
      }),
      { numRuns: 200 },
    )
  })

  for (const [subject, expected] of [
    ['[EXTERNAL] x', true],
    ['AW: WG: [EXTERNAL] x', true],
    ['Re[2]: [list] [EXTERNAL] x', true],
    ['[EXTERNAL][EXTERNAL] x', true],
    ['Re: Lunch [EXTERNAL]', false],
    [`${'Re: '.repeat(20)}[EXTERNAL]`, false],
    ['Re:\u200b\u200b: [EXTERNAL]', false],
    ['[EXTERNA', false],
    ['', false],
  ] as const) {
    it(`${JSON.stringify(subject)} ${expected ? 'has' : 'has not'} the tag`, () => {
      assert.equal(hasTag(subject, TAG), expected)
    })
  }
})

describe('externalTag: forwarded recipients', () => {
  const virtual = file(
    'virtual',
    'bob@example.net bob@elsewhere.example\ncarol@example.net carol@example.net, c@EXAMPLE.NET\ndave@example.net dave\n@away.example.net x@example.net\n',
  )
  const to = ['bob@example.net', 'erin@example.net']
  const cases: [string, ExternalTagOptions, string[], string][] = [
    ['by address', { forwarded: 'Bob@example.net' }, ['bob@example.net'], 'forwarded'],
    ['with an extension', { forwarded: 'bob@example.net' }, ['bob+x@example.net'], 'forwarded'],
    ['by domain', { forwarded: 'example.net' }, ['bob@example.net'], 'forwarded'],
    ['below a domain', { forwarded: '.net' }, ['bob@example.net'], 'forwarded'],
    ['not this one', { forwarded: 'bob@example.net' }, ['erin@example.net'], 'tagged'],
    ['one of two', { forwarded: 'bob@example.net' }, to, 'forwarded'],
    [
      'one of two, and the tag counts',
      { forwarded: 'bob@example.net', mixed: 'tag' },
      to,
      'tagged',
    ],
    ['all, and the tag counts', { forwarded: to, mixed: 'tag' }, to, 'forwarded'],
    ['by a table', { forwardedTable: `hash:${virtual}` }, ['bob@example.net'], 'forwarded'],
    [
      'by a table, with an extension',
      { forwardedTable: `hash:${virtual}` },
      ['bob+x@example.net'],
      'forwarded',
    ],
    [
      'by a domain in a table',
      { forwardedTable: `hash:${virtual}` },
      ['x@away.example.net'],
      'forwarded',
    ],
    [
      'aliases in the same domain',
      { forwardedTable: `hash:${virtual}` },
      ['carol@example.net'],
      'tagged',
    ],
    [
      'aliases of this server',
      { forwardedTable: `hash:${virtual}` },
      ['dave@example.net'],
      'tagged',
    ],
    [
      'nobody in the table',
      { forwardedTable: `hash:${virtual}` },
      ['erin@example.net'],
      'tagged',
    ],
    [
      'domains that are relayed',
      { forwardedTable: 'inline:{ example.net=OK }' },
      ['x@example.net'],
      'forwarded',
    ],
  ]
  for (const [name, options, recipients, reason] of cases) {
    it(name, async () => {
      await both(
        { subject: TAG, ...options },
        { message: MESSAGE, to: recipients },
        (outcome, told) => {
          assert.equal(told, reason)
          assert.deepEqual(fieldsOf(outcome, 'X-External'), ['yes'])
          assert.deepEqual(fieldsOf(outcome, 'Subject'), [
            reason === 'tagged' ? '[EXTERNAL] Lunch?' : 'Lunch?',
          ])
        },
      )
    })
  }

  for (const [name, table] of [
    ['that is dead', functionTable(() => Promise.reject(new Error('down')))],
    ['that is slow', functionTable(() => new Promise(() => {}), { deadline: 20 })],
    ['that lies', functionTable(() => 7 as never)],
  ] as const) {
    it(`a table ${name}: the field alone`, async () => {
      await both(
        { subject: TAG, forwardedTable: table },
        { message: MESSAGE },
        (outcome, told) => {
          assert.equal(told, 'forwarded-unknown')
          assert.deepEqual(fieldsOf(outcome, 'X-External'), ['yes'])
          assert.deepEqual(fieldsOf(outcome, 'Subject'), ['Lunch?'])
        },
      )
    })
  }

  it('takes a table of a program', async () => {
    const table = await openTable(`texthash:${virtual}`)
    const outcome = await deliver(externalTag({ subject: TAG, forwardedTable: table }), {
      to: 'bob@example.net',
      message: MESSAGE,
    })
    assert.deepEqual(fieldsOf(outcome, 'Subject'), ['Lunch?'])
  })
})

describe('externalTag: the banner', () => {
  const banner = {
    text: 'From outside: {from.name} <{from.address}>',
    html: '<p>{from.name}</p>',
  }

  it('is above the text, with escaped values', async () => {
    const message =
      'From: "<b>Eve</b>" <eve@example.com>\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: text/html\r\n\r\n<body>Hello</body>\r\n--b--\r\n'
    await both({ banner }, { message }, (outcome) => {
      const text = outcome.message!.toString()
      assert.match(text, /\r\nFrom outside: <b>Eve<\/b> <eve@example\.com>\r\n[^]*Hello/)
      assert.match(text, /<p>&#60;b&#62;Eve&#60;\/b&#62;<\/p>/)
    })
  })

  it('comes to a message whose sender wrote it already', async () => {
    const message = 'From: e@example.com\r\nSubject: x\r\n\r\nWarning\r\n\r\nHello\r\n'
    await both({ banner: { text: 'Warning' } }, { message }, (outcome) => {
      assert.equal(outcome.message!.toString().split('Warning').length, 3)
    })
  })

  it('leaves signed mail alone, which still gets the tag', async () => {
    const body =
      '--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n'
    const message = `From: e@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"\r\n\r\n${body}`
    await both({ banner, subject: TAG }, { message }, (outcome) => {
      assert.ok(outcome.message!.toString().endsWith(`\r\n\r\n${body}`))
      assert.deepEqual(fieldsOf(outcome, 'Subject'), ['[EXTERNAL] x'])
      const line = outcome.log.find(({ message: text }) => text === 'changed')!
      assert.equal(line.fields['banner'], 'sealed')
    })
  })
})

describe('externalTag: mistakes', () => {
  const missing = join(folder, 'missing')
  for (const [name, options, text] of [
    [
      'a table that is not there',
      { forwardedTable: `hash:${missing}` },
      /forwardedTable.*missing/,
    ],
    ['a table of an unknown type', { forwardedTable: 'mysql:/x' }, /mysql/],
    [
      'a banner that is not there',
      { banner: { textFile: missing } },
      /banner\.textFile.*missing/,
    ],
    ['an unknown variable', { banner: { text: 'a\n{from.nam}' } }, /line 2: \{from\.nam\}/],
    ['a banner without text', { banner: { html: 'x' } }, /banner/],
    ['two texts', { banner: { text: 'x', textFile: 'y' } }, /textFile/],
    ['a tag that is too long', { subject: 'x'.repeat(61) }, /subject takes at most 60/],
    ['a tag with spaces around', { subject: ' x' }, /subject takes at most 60/],
    ['a field name with a colon', { header: 'X:' }, /header/],
    ['an address without a domain', { forwarded: ['bob@'] }, /forwarded\[0\]/],
    ['an unknown option', { tag: 'x' }, /tag is not an option/],
  ] as const) {
    it(name, () => {
      assert.throws(
        () => externalTag(options as ExternalTagOptions),
        (error: Error) => error.name === 'UsageError' && text.test(error.message),
      )
    })
  }
})
