import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseMime, type MimeMessage } from '../../../src/mime/index.ts'
import {
  bounceRecipient,
  composeBounce,
  whyNoAnswer,
  type BounceContent,
  type BounceRecipient,
  type ServerReply,
} from '../../../src/toolkit/index.ts'
import { fc } from '../../support/property.ts'

const ORIGINAL = Buffer.from('From: a@example.org\r\nSubject: x\r\n\r\nHello\r\n')
const CONTENT: BounceContent = {
  sender: 'a@example.org',
  original: ORIGINAL,
  reportingMta: 'mx.example.net',
  recipients: [{ address: 'b@example.net', status: '5.1.1' }],
}

function composed(content: Partial<BounceContent> = {}): {
  raw: string
  tree: MimeMessage
  utf8: boolean
} {
  const bounce = composeBounce({ ...CONTENT, ...content })
  assert.ok(bounce.message !== undefined, bounce.reason)
  for (const line of bounce.message.toString('latin1').split('\r\n')) {
    assert.ok(line.length <= 998)
    assert.doesNotMatch(line, /[\r\n\0]/)
  }
  return {
    raw: bounce.message.toString('latin1'),
    tree: parseMime(bounce.message),
    utf8: bounce.smtpUtf8,
  }
}

const report = (
  recipient: Partial<BounceRecipient>,
  content: Partial<BounceContent> = {},
): string => {
  const { tree } = composed({
    ...content,
    recipients: [{ address: 'b@example.net', status: '5.1.1', ...recipient }],
  })
  return tree.children[1]!.bytes().toString('utf8').replaceAll('\r\n ', ' ')
}

describe('a bounce', () => {
  it('is a report of three parts', async () => {
    const { tree } = composed()
    assert.deepEqual(tree.problems, [])
    assert.match(
      tree.headers.get('Content-Type')!,
      /^multipart\/report; report-type=delivery-status;/,
    )
    assert.deepEqual(
      tree.children.map(({ type }) => type),
      ['text/plain', 'message/delivery-status', 'text/rfc822-headers'],
    )
    assert.equal(tree.headers.get('To'), '<a@example.org>')
    assert.equal(
      tree.headers.get('From'),
      'Mail Delivery System <MAILER-DAEMON@mx.example.net>',
    )
    assert.equal(tree.headers.get('Auto-Submitted'), 'auto-replied')
    for (const name of ['Subject', 'Date', 'Message-ID', 'MIME-Version']) {
      assert.equal(tree.headers.getAll(name).length, 1, name)
    }
    assert.match(
      await tree.children[0]!.text(),
      /<b@example\.net>: could not be delivered \(5\.1\.1\)/,
    )
    assert.equal(tree.children[2]!.bytes().toString(), 'From: a@example.org\r\nSubject: x\r\n')
  })

  it('attaches the whole message if it is told to', () => {
    const { tree } = composed({ attach: 'message' })
    assert.equal(tree.children[2]!.type, 'message/rfc822')
    assert.deepEqual(tree.children[2]!.bytes(), ORIGINAL)
    assert.equal(composed({ attach: 'nothing' }).tree.children.length, 2)
  })

  it('attaches exact bytes, whatever they are', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '\r\n',
        '.',
        '\r',
        '\n',
        '\0',
        '\xe9',
        '\xc3\xa9',
        '--',
        'x'.repeat(1_200),
      ),
      fc.string({ maxLength: 9 }),
    )
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 20 }),
        fc.array(piece, { maxLength: 20 }),
        fc.boolean(),
        (head, body, smtpUtf8) => {
          const text = `A: ${head.join('')}\r\n\r\n${body.join('')}`
          const original = Buffer.from(text, 'latin1')
          for (const attach of ['message', 'headers'] as const) {
            const { tree } = composed({ attach, original, smtpUtf8 })
            const content = tree.children[2]!.bytes()
            if (attach === 'message') assert.deepEqual(content, original)
            else assert.deepEqual(content, original.subarray(0, content.length))
          }
        },
      ),
    )
  })

  it('has no bounce to nobody, to a bounce, and to those who want none', () => {
    const reportMail = Buffer.from('Content-Type: multipart/report; boundary=x\r\n\r\n')
    for (const [content, reason] of [
      [{ sender: '' }, 'null-sender'],
      [{ sender: '<>' }, 'null-sender'],
      [{ sender: 'MAILER-DAEMON@example.org' }, 'null-sender'],
      [{ original: reportMail }, 'bounce'],
      [{ original: composeBounce(CONTENT).message! }, 'bounce'],
      [{ recipients: [{ address: 'b@c.d', status: '5.0.0', notify: 'NEVER' }] }, 'not-wanted'],
      [
        { recipients: [{ address: 'b@c.d', status: '5.0.0', notify: 'success,delay' }] },
        'not-wanted',
      ],
      [
        { recipients: [{ address: 'b@c.d', status: '2.0.0', action: 'delivered' }] },
        'not-wanted',
      ],
    ] as [Partial<BounceContent>, string][]) {
      assert.equal(composeBounce({ ...CONTENT, ...content }).reason, reason)
    }
  })

  it('is only about those who want it', () => {
    const { tree } = composed({
      recipients: [
        { address: 'b@example.net', status: '5.1.1', notify: 'NEVER' },
        { address: 'c@example.net', status: '5.1.1', notify: 'FAILURE' },
        { address: 'd@example.net', status: '2.0.0', action: 'delivered', notify: 'SUCCESS' },
      ],
    })
    const fields = tree.children[1]!.bytes().toString()
    assert.deepEqual(fields.match(/Final-Recipient.*/g), [
      'Final-Recipient: rfc822; c@example.net',
      'Final-Recipient: rfc822; d@example.net',
    ])
  })

  it('reports what happened', () => {
    const text = report(
      {
        action: 'delayed',
        status: '4.2.2',
        reply: { code: 452, enhanced: '4.2.2', text: 'full' },
        remoteMta: 'mx.example.com',
        originalRecipient: 'rfc822;b+2Btag@example.net',
        lastAttempt: new Date(0),
        willRetryUntil: new Date(1e12),
      },
      { envelopeId: 'a+2B1', arrival: new Date(0) },
    )
    assert.equal(
      text,
      [
        'Original-Envelope-Id: a+1',
        'Reporting-MTA: dns; mx.example.net',
        'Arrival-Date: Thu, 01 Jan 1970 00:00:00 +0000',
        '',
        'Original-Recipient: rfc822; b+tag@example.net',
        'Final-Recipient: rfc822; b@example.net',
        'Action: delayed',
        'Status: 4.2.2',
        'Remote-MTA: dns; mx.example.com',
        'Diagnostic-Code: smtp; 452 4.2.2 full',
        'Last-Attempt-Date: Thu, 01 Jan 1970 00:00:00 +0000',
        'Will-Retry-Until: Sun, 09 Sep 2001 01:46:40 +0000',
        '',
      ].join('\r\n'),
    )
  })

  it('lets no text of a server or a client start a field', () => {
    const evil = 'x\r\nAction: delivered\r\n\r\n\0\xe9'
    const text = report({
      reply: { code: 550, enhanced: undefined, text: evil },
      remoteMta: evil,
      originalRecipient: 'rfc822;b+0D+0AAction:+20x',
    })
    assert.equal(text.match(/^Action:/gm)?.length, 1)
    assert.doesNotMatch(text, /[^\r\n -~]/)
  })

  it('bounds what a server says', () => {
    const text = report({ reply: { code: 550, enhanced: undefined, text: 'x'.repeat(60_000) } })
    assert.ok(text.length < 2_000)
    // No character is cut in the middle, wherever the bound is.
    for (const before of ['', 'a', 'ab', 'abc']) {
      const reply = {
        code: 550,
        enhanced: undefined,
        text: before + '\u{1f600}'.repeat(60_000),
      }
      const utf8 = report({ reply }, { smtpUtf8: true })
      assert.doesNotMatch(utf8, /\ufffd/)
      assert.match(utf8, /\u{1f600}\.\.\.\r$/mu)
    }
  })

  for (const empty of ['\r\n', '\n']) {
    it(`shows nothing of a body after ${JSON.stringify(empty)} as the first line`, () => {
      const original = Buffer.from(`${empty}hidden: x\r\n\r\nrest\r\n`)
      assert.doesNotMatch(composed({ original }).raw, /hidden/)
    })
  }

  it('has addresses in UTF-8 as RFC 6533 writes them', () => {
    const plain = report({ address: 'dörte@example.net' })
    assert.match(plain, /^Final-Recipient: utf-8; d\\x\{F6\}rte@example\.net\r$/m)
    const utf8 = composed({
      smtpUtf8: true,
      attach: 'message',
      recipients: [{ address: 'dörte@example.net', status: '5.1.1' }],
    })
    assert.equal(utf8.utf8, true)
    assert.deepEqual(
      utf8.tree.children.map(({ type }) => type),
      ['text/plain', 'message/global-delivery-status', 'message/global'],
    )
    assert.match(
      utf8.tree.children[1]!.bytes().toString(),
      /^Final-Recipient: utf-8; dörte@example\.net\r$/m,
    )
    assert.equal(composed({ smtpUtf8: true }).tree.children[2]!.type, 'message/global-headers')
  })

  it('goes to an address that only SMTPUTF8 can carry', () => {
    assert.equal(composed({ sender: 'a@bücher.example' }).utf8, false)
    assert.match(
      composed({ sender: 'a@bücher.example' }).raw,
      /^To: <a@xn--bcher-kva\.example>\r$/m,
    )
    assert.equal(composed({ sender: 'dörte@example.org' }).utf8, true)
  })

  it('encodes what is not ASCII in its header', () => {
    const { raw } = composed({
      subject: 'Unzustellbar: ä\r\nX: y',
      from: 'Pöst <p@example.net>',
    })
    const head = raw.slice(0, raw.indexOf('\r\n\r\n'))
    assert.doesNotMatch(head, /[^\r\n -~]|^X:/m)
  })

  for (const [name, content] of [
    ['a status that is none', { recipients: [{ address: 'b@c.d', status: '550' }] }],
    ['no recipients', { recipients: [] }],
    [
      'an action that is none',
      { recipients: [{ address: 'b@c.d', status: '5.1.1', action: 'lost' as 'failed' }] },
    ],
    ['a date that is none', { arrival: new Date(Number.NaN) }],
    ['a name with a line break', { reportingMta: 'a\r\nb' }],
  ] as [string, Partial<BounceContent>][]) {
    it(`is not composed of ${name}`, () => {
      assert.throws(() => composeBounce({ ...CONTENT, ...content }), { code: 'INVALID_OPTION' })
    })
  }
})

describe('what a bounce says of a result', () => {
  const reply = (code: number, enhanced?: string): ServerReply => ({
    code,
    enhanced,
    text: 'x',
    lines: ['x'],
  })
  const recipient = 'b@c.d'
  const host = '192.0.2.1'
  for (const [result, action, status] of [
    [{ outcome: 'accepted', recipient, host, reply: reply(250, '2.6.0') }, 'relayed', '2.6.0'],
    [
      { outcome: 'refused', recipient, host, step: 'rcpt', reply: reply(550, '5.1.1') },
      'failed',
      '5.1.1',
    ],
    [
      { outcome: 'refused', recipient, host, step: 'rcpt', reply: reply(550) },
      'failed',
      '5.0.0',
    ],
    [
      { outcome: 'refused', recipient, host, step: 'rcpt', reply: reply(450) },
      'delayed',
      '4.0.0',
    ],
    [
      {
        outcome: 'failed',
        recipient,
        host,
        reason: 'timeout',
        text: 'x',
        reply: undefined,
        mayHaveArrived: false,
      },
      'delayed',
      '4.0.0',
    ],
  ] as const) {
    it(`of ${result.outcome} ${result.reply?.code ?? ''} is ${action}`, () => {
      const one = bounceRecipient(result)
      assert.deepEqual([one.address, one.action, one.status], [recipient, action, status])
    })
  }
})

describe('mail that no program answers', () => {
  for (const [sender, field, reason] of [
    ['a@b.c', 'Subject: x', undefined],
    ['', 'Subject: x', 'null-sender'],
    ['<>', 'Subject: x', 'null-sender'],
    ['"Mailer-Daemon"@b.c', 'Subject: x', 'null-sender'],
    ['mailer-daemons@b.c', 'Subject: x', undefined],
    ['a@b.c', 'Content-Type: Multipart/Report; x=y', 'bounce'],
    ['a@b.c', 'Auto-Submitted: auto-generated', 'auto-submitted'],
    ['a@b.c', 'Auto-Submitted: auto-replied (vacation)', 'auto-submitted'],
    ['a@b.c', 'Auto-Submitted: No', undefined],
    ['a@b.c', 'Auto-Submitted: none', 'auto-submitted'],
    ['a@b.c', 'Precedence: Bulk', 'bulk'],
    ['a@b.c', 'Precedence: first-class', undefined],
    ['a@b.c', 'List-Id: <x.y>', 'list'],
    ['a@b.c', 'List-Unsubscribe: <mailto:x@y>', 'list'],
  ] as const) {
    it(`is ${sender} with ${field}: ${reason ?? 'no'}`, () => {
      const { headers } = parseMime(Buffer.from(`${field}\r\n\r\n`))
      assert.equal(whyNoAnswer(sender, headers), reason)
    })
  }
})
