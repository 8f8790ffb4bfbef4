import { after, before, it } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import {
  encodeFrame,
  encodeReply,
  MacroStage,
  Reply,
  Step,
  type ReplyMessage,
} from '../../src/protocol/index.ts'
import { BothSides, type Play } from './support/both-sides.ts'
import { eachServer, message } from './support/stack.ts'

/**
 * A filter is sent the same by the real server and by the client that plays it, and its answers have
 * the same effect.
 */
eachServer('the same outcome', (kind) => {
  let sides: BothSides
  before(async () => {
    sides = await BothSides.start(kind)
  })
  after(() => sides.stop())

  const same = (answers: Readonly<Record<string, Buffer>>, play: Play = {}): Promise<void> =>
    sides.same({ ...play, answers })

  it('with a filter that only listens', () => same({}))
  it('with three messages in a session', () => same({}, { messages: 3 }))
  it('with the leading space', () => same({}, { steps: Step.HDR_LEADSPC }))
  for (const [what, line] of [
    ['folded', `${'x'.repeat(70)}\r\n\t`],
    ['in one line', 'x'.repeat(70)],
  ] as const) {
    it(`with a field of 70,000 bytes, ${what}`, () =>
      same({}, { original: message([`X-Long: ${line.repeat(1000)}x`]) }))
  }
  // Sendmail cuts fields of MIME and closes what is open in them.
  const x = (length: number): string => 'x'.repeat(length)
  for (const line of [
    `Content-Type: ${x(1023)}`,
    `Content-Type: ${x(1024)}`,
    `Content-Type:${x(1200)}`,
    `Content-Type: ${x(900)};\r\n\t${x(1100)};\r\n\ty="${x(1200)}"`,
    `Content-Type: ${x(1500)}\r\n\t${x(1500)};${x(20)}`,
    `Content-Type: ${x(1020)}"q"${x(100)}`,
    `Content-Type: "${x(1200)}"`,
    'Content-Type: (abc',
    'Content-Type: "abc',
    'Content-Type: a (b (c) ; d\\',
    `content-disposition: ${x(1200)}`,
    `Content-ID: ${x(1500)}\r\n\t${x(1500)}`,
    `MIME-Version: ${x(1900)}\r\n\t${x(400)}`,
    `Content-Transfer-Encoding: "${x(1500)}\r\n\t${x(1500)}`,
    `Content-Description: ${x(1500)}\r\n\t${x(1500)}`,
  ]) {
    it(`with ${line.slice(0, 40)}, ${line.length} bytes`, () =>
      same({}, { original: message([line]) }))
  }
  // What Postfix sends on has a space in place of a bare CR (smtp_proto.c); in its queue it stays.
  const bareCRs = kind.name === 'postfix' ? [] : ['a\rb\r\n', 'a\r\rb\r\n', '\r\r\r\n']
  for (const body of ['a\r\r\n', 'a\r\r\r\nb\r\n', ...bareCRs]) {
    it(`with ${JSON.stringify(body)} as the body`, () =>
      same({}, { original: message([], body), messages: 2 }))
  }
  if (kind.name === 'sendmail') {
    it('with a bare CR in a field', () => same({}, { original: message(['X-CR: a\rb']) }))
  }
  const EVERY_MACRO = (
    'i j v _ daemon_name daemon_addr daemon_port if_name if_addr client_addr client_name ' +
    'client_port client_ptr tls_version cipher auth_type mail_addr mail_host mail_mailer ' +
    'rcpt_addr rcpt_host rcpt_mailer msg_id'
  ).split(' ')
  for (const stage of ['CONNECT', 'HELO', 'MAIL', 'RCPT', 'DATA', 'EOH', 'EOM'] as const) {
    it(`with every macro asked for at ${stage}`, () =>
      same({}, { macroLists: new Map([[MacroStage[stage], EVERY_MACRO]]) }))
  }
  it('with events declined', () =>
    same({}, { steps: Step.NOHDRS | Step.NOBODY | Step.NOHELO | Step.NOMAIL }))

  const single = (type: string): Buffer => encodeReply({ type } as ReplyMessage)
  const text = (reply: string): Buffer =>
    encodeFrame(Reply.REPLYCODE, Buffer.from(`${reply}\0`, 'latin1'))

  for (const letter of ['C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E']) {
    for (const type of ['reject', 'tempfail', 'accept', 'discard', 'shutdown']) {
      it(`with ${type} in answer to ${letter}`, () => same({ [letter]: single(type) }))
    }
    it(`with a reply of its own in answer to ${letter}`, () =>
      same({ [letter]: text('550-5.7.1 100%% wrong\r\n550 5.7.1 second line') }))
    it(`with a temporary reply without an enhanced code in answer to ${letter}`, () =>
      same({ [letter]: text('450 later') }))
  }
  for (const letter of ['L', 'B']) {
    it(`with skip in answer to ${letter}`, () => same({ [letter]: single('skip') }))
  }
  for (const letter of ['C', 'H', 'M', 'R', 'T', 'L', 'B', 'E']) {
    it(`with a reply that does not exist in answer to ${letter}`, () =>
      same({ [letter]: encodeFrame(0x7a) }))
    it(`with a frame that is too long in answer to ${letter}`, () =>
      same({ [letter]: Buffer.from('ffffffff', 'hex') }))
  }
  it('with no answer to RCPT', () => same({ R: Buffer.alloc(0) }))
  it('with no answer to end of message', () => same({ E: Buffer.alloc(0) }))
  for (const [what, reply] of [
    ['no SMTP code', 'hello'],
    ['a success', '250 2.0.0 fine'],
    ['the wrong class', '550 4.7.1 wrong'],
    ['a single %', '550 5.7.1 50% off'],
    ['8-bit text', '550 5.7.1 caf\xc3\xa9'],
    ['a second line without a code', '550-5.7.1 no\r\nand no'],
    ['a second line with another code', '550-5.7.1 no\r\n554 5.7.1 and no'],
    ['a second line of another class', '550-5.7.1 no\r\n450 4.7.1 later'],
    ['a second line with an enhanced code of another class', '550-5.7.1 no\r\n550 4.7.1 no'],
    ['a NUL in it', '550 5.7.1 no\0 and no'],
  ] as const) {
    it(`with ${what} as its reply`, () => same({ R: text(reply), E: text(reply) }))
  }
  it('with a line end at the end of its reply', async (t) => {
    // Where that is no failure the client gets an empty line, which is no reply.
    if (!isDeepStrictEqual(sides.mta, { postfix: '3.11' }))
      return t.skip(JSON.stringify(sides.mta))
    await same({ R: text('550 5.7.1 no\r\n') })
  })
})
