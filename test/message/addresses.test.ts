import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defineFilter, type HeadersMail } from '../../src/index.ts'
import type { NewAddress } from '../../src/mime/fields/mailboxes.ts'
import { parseMime } from '../../src/mime/index.ts'
import { deliver } from '../../src/testing/index.ts'

const MESSAGE = [
  'From: =?utf-8?Q?M=C3=BCller=2C_J=C3=B6rg?= <j@Example.org>',
  'Sender: s@example.org',
  'To: =?utf-8?Q?admin=40bank=2Eexample=2C?= <evil@example.org>, b@example.net',
  'Cc: Friends: "A; b" <a@x>, c@y;, d@z',
  'Subject: x',
  '',
  'hello',
  '',
].join('\r\n')

/** What becomes of the header behind a real server's model. */
async function header(
  edit: (mail: HeadersMail) => void,
  name: string,
  envelope: { from?: string; fromParameters?: string[]; to?: string[] } = {},
): Promise<string | undefined> {
  const filter = defineFilter({
    name: 'test',
    // What an assignment gives is no verdict.
    headers(mail) {
      edit(mail)
    },
  })
  const outcome = await deliver(filter, { message: MESSAGE, mta: 'postfix', ...envelope })
  assert.deepEqual(outcome.errors, [])
  return parseMime(Buffer.from(outcome.message!)).headers.raw(name)[0]?.toString().trim()
}

describe('the addresses of a mail', () => {
  it('are mailboxes and groups', async () => {
    await header((mail) => {
      assert.deepEqual(mail.addresses.from, [
        { name: 'Müller, Jörg', address: 'j@Example.org', local: 'j', domain: 'example.org' },
      ])
      assert.deepEqual(
        mail.addresses.to.map((one) => 'address' in one && one.address),
        ['evil@example.org', 'b@example.net'],
      )
      assert.equal(mail.addresses.sender.length, 1)
      assert.deepEqual(mail.addresses.bcc, [])
      assert.deepEqual(mail.addresses.cc[0], {
        group: 'Friends',
        mailboxes: [
          { name: 'A; b', address: 'a@x', local: 'a', domain: 'x' },
          { address: 'c@y', local: 'c', domain: 'y' },
        ],
      })
      assert.deepEqual(
        mail.headers.mailboxes('Cc').map(({ domain }) => domain),
        ['x', 'y', 'z'],
      )
      assert.equal(mail.from, '"Müller, Jörg" <j@Example.org>')
      assert.equal(mail.to, '"admin@bank.example," <evil@example.org>, b@example.net')
    }, 'To')
  })

  const edits: [
    what: string,
    edit: (mail: HeadersMail) => void,
    name: string,
    value?: string,
  ][] = [
    [
      'a text to another field',
      (mail) => (mail.replyTo = mail.from),
      'Reply-To',
      '=?UTF-8?B?TcO8bGxlciwgSsO2cmc=?= <j@Example.org>',
    ],
    [
      'a text that is hostile',
      (mail) => (mail.replyTo = mail.to),
      'Reply-To',
      '"admin@bank.example," <evil@example.org>, b@example.net',
    ],
    [
      'addresses to another field',
      (mail) => (mail.addresses.replyTo = mail.addresses.cc),
      'Reply-To',
      'Friends: "A; b" <a@x>, c@y;, d@z',
    ],
    [
      'one',
      (mail) => (mail.addresses.from = { name: 'a, "b" <c@d>', address: 'l@x' }),
      'From',
      '"a, \\"b\\" <c@d>" <l@x>',
    ],
    [
      'one more',
      (mail) => (mail.addresses.to = [...mail.addresses.to, 'Ö <o@x>']),
      'To',
      '=?utf-8?Q?admin=40bank=2Eexample=2C?= <evil@example.org>, b@example.net,\r\n =?UTF-8?B?w5Y=?= <o@x>',
    ],
    ['none', (mail) => (mail.addresses.cc = []), 'Cc'],
    ['undefined', (mail) => (mail.cc = undefined), 'Cc'],
    [
      'nobody',
      (mail) => (mail.addresses.to = { group: 'undisclosed-recipients', mailboxes: [] }),
      'To',
      'undisclosed-recipients: ;',
    ],
    ['another name', (mail) => mail.addresses.set('Resent-To', 'a@x'), 'Resent-To', 'a@x'],
    [
      'a field',
      (mail) => (mail.headers.field('To')!.addresses = [{ name: 'é', address: 'a@x' }]),
      'To',
      '=?UTF-8?B?w6k=?= <a@x>',
    ],
  ]
  for (const [what, edit, name, value] of edits) {
    it(`are set: ${what}`, async () => assert.equal(await header(edit, name), value))
  }

  it('that are not ASCII are set where the envelope has them, or with SMTPUTF8', async () => {
    const set = (mail: HeadersMail): void =>
      void mail.headers.append('X-Envelope-To', 'ö@x.org')
    const refused = (mail: HeadersMail): void =>
      assert.throws(() => set(mail), { code: 'INVALID_HEADER_VALUE' })
    assert.equal(await header(refused, 'X-Envelope-To'), undefined)
    for (const envelope of [
      { from: '<ö@x.org>' },
      { to: ['<a@x.org>', '<ö@x.org>'] },
      { fromParameters: ['SMTPUTF8'] },
    ]) {
      assert.equal(await header(set, 'X-Envelope-To', envelope), 'ö@x.org')
    }
  })

  const wrong: NewAddress[] = [
    { address: 'a@x, b@x' },
    { address: '' },
    { address: '<a@x>' },
    { address: 'a@x (c)' },
    { name: 'x', address: 'a b@x' },
    { address: 'a@x\r\nBcc: b@x' },
    { group: 'g', mailboxes: [{ address: 'a@x;' }] },
    'Joe',
    'Joe Smith',
    '"a@x',
    '',
  ]
  for (const one of wrong.filter((one) => one !== 'Joe')) {
    it(`that are invalid are refused at the call: ${JSON.stringify(one)}`, async () => {
      await header((mail) => {
        const before = mail.to
        assert.throws(() => (mail.addresses.to = [one]), { code: 'INVALID_ADDRESS' })
        assert.equal(mail.to, before)
      }, 'To')
    })
  }
})

describe('the addresses of a part', () => {
  it('are read as those of a mail', () => {
    const { headers } = parseMime(Buffer.from(MESSAGE))
    assert.equal(headers.get('From'), '"Müller, Jörg" <j@Example.org>')
    assert.equal(headers.addresses('Cc').length, 2)
    assert.equal(headers.mailboxes('cc').length, 3)
    assert.deepEqual(headers.addresses('Bcc'), [])
    headers.set('Reply-To', headers.get('From')!)
    assert.equal(
      headers.raw('Reply-To')[0]!.toString(),
      ' =?UTF-8?B?TcO8bGxlciwgSsO2cmc=?= <j@Example.org>',
    )
    assert.throws(() => headers.set('To', 'a b'), { code: 'INVALID_ADDRESS' })
    headers.set('Content-Disposition', 'attachment; filename="Müller.pdf"')
    assert.equal(
      headers.raw('Content-Disposition')[0]!.toString(),
      " attachment; filename*=utf-8''M%C3%BCller.pdf",
    )
  })
})
