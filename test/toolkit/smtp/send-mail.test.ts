import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import {
  sendMail,
  type OutgoingMail,
  type RecipientResult,
  type SmtpOptions,
} from '../../../src/toolkit/index.ts'
import { CA, SERVER, STRANGER } from '../../support/certificates.ts'
import {
  CLOSE,
  ENDLESS,
  ENDLESS_LINE,
  FakeSmtpServer,
  RESET,
  SILENCE,
  type Script,
} from '../../support/fake-smtp-server.ts'
import { fc } from '../../support/property.ts'

const MESSAGE = Buffer.from('Subject: x\r\n\r\nHello\r\n')
const MAIL: OutgoingMail = {
  sender: 'a@example.org',
  recipients: ['b@example.net', 'c@example.net'],
  message: MESSAGE,
}
const OPTIONS: SmtpOptions = { name: 'us.test', tls: 'off' }

const shown = (result: RecipientResult): string =>
  result.outcome === 'accepted'
    ? 'accepted'
    : result.outcome === 'refused'
      ? `${result.step} ${result.reply.code}`
      : `${result.reason}${result.mayHaveArrived ? ' maybe' : ''}`

async function outcome(
  script: Script,
  options: SmtpOptions = {},
  mail: Partial<OutgoingMail> = {},
): Promise<{
  shown: string[]
  commands: string[]
  messages: Buffer[]
  leftOut: readonly string[]
}> {
  await using server = await FakeSmtpServer.start(script)
  const { recipients, leftOut } = await sendMail(
    { host: '127.0.0.1', port: server.port, name: 'filter.example.org' },
    { ...MAIL, ...mail },
    { ...OPTIONS, ...options },
  )
  return {
    shown: recipients.map(shown),
    commands: server.commands,
    messages: server.messages,
    leftOut,
  }
}

describe('sending mail to a server', () => {
  it('says what it has to', async () => {
    const { shown, commands, messages } = await outcome({})
    assert.deepEqual(shown, ['accepted', 'accepted'])
    assert.deepEqual(commands, [
      'EHLO us.test',
      `MAIL FROM:<a@example.org> SIZE=${MESSAGE.length}`,
      'RCPT TO:<b@example.net>',
      'RCPT TO:<c@example.net>',
      'DATA',
    ])
    assert.deepEqual(messages, [MESSAGE])
  })

  it('sends exact bytes', async () => {
    await using server = await FakeSmtpServer.start()
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.constantFrom('\r\n', '.', '\r', '\n', '\0', '\xe9', 'x'.repeat(2_000), 'a: b'),
        ),
        async (pieces) => {
          const message = Buffer.from(`${pieces.join('')}\r\n`, 'latin1')
          const at = { host: '127.0.0.1', port: server.port }
          const { recipients } = await sendMail(at, { ...MAIL, message }, OPTIONS)
          assert.equal(recipients[0]!.outcome, 'accepted')
          assert.deepEqual(server.messages.pop(), message)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('sends large messages', async () => {
    const message = Buffer.alloc(900_000, 'line\r\n.dot\r\n')
    const { messages } = await outcome({}, {}, { message })
    assert.deepEqual(messages, [Buffer.concat([message])])
  })

  it('speaks over a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tsmilter-'))
    try {
      const path = join(folder, 'smtp')
      await using server = await FakeSmtpServer.start({}, { path })
      const { recipients } = await sendMail({ path }, MAIL, OPTIONS)
      assert.deepEqual(recipients.map(shown), ['accepted', 'accepted'])
      assert.equal(server.messages.length, 1)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  const each = (text: string): string[] => [text, text]
  const fast = { timeouts: { reply: 50, connect: 50, message: 50 } }
  const b = (of: string, then: string) => (line: string) => (line.includes('<b@') ? of : then)
  const cases: [name: string, script: Script, shown: string[], options?: SmtpOptions][] = [
    ['refuses one recipient', { RCPT: b('550 5.1.1 no', '250 ok') }, ['rcpt 550', 'accepted']],
    ['defers one recipient', { RCPT: b('451 later', '250 ok') }, ['rcpt 451', 'accepted']],
    ['refuses all recipients', { RCPT: '550 no' }, each('rcpt 550')],
    ['refuses the sender', { MAIL: '553 no' }, each('mail 553')],
    ['refuses DATA', { DATA: '554 no' }, each('data 554')],
    ['refuses the message', { message: '550 5.7.1 spam' }, each('message 550')],
    ['greets with a refusal', { greeting: '554 go away' }, each('unavailable')],
    ['closes instead of a greeting', { greeting: CLOSE }, each('closed')],
    ['resets at MAIL', { MAIL: RESET }, each('closed')],
    [
      'greets with garbage',
      { greeting: Buffer.from('\xff\0\r\n', 'latin1') },
      each('bad-reply'),
    ],
    ['greets without an end', { greeting: ENDLESS }, each('bad-reply')],
    ['sends a line without an end', { EHLO: ENDLESS_LINE }, each('bad-reply')],
    ['is silent', { greeting: SILENCE }, each('timeout'), fast],
    ['is silent at RCPT', { RCPT: SILENCE }, each('timeout'), fast],
    ['is silent after the message', { message: SILENCE }, each('timeout maybe'), fast],
    ['closes after the message', { message: CLOSE }, each('closed maybe')],
    ['closes at DATA', { DATA: CLOSE }, each('closed')],
    [
      'closes at the second RCPT',
      { RCPT: (line) => (line.includes('<b@') ? '550 no' : CLOSE) },
      ['rcpt 550', 'closed'],
    ],
    ['says 421 at MAIL', { MAIL: '421 bye' }, each('unavailable')],
    ['says 421 at RCPT', { RCPT: '421 bye' }, each('unavailable')],
    ['says 421 at DATA', { DATA: '421 bye' }, each('unavailable')],
    ['says 421 after the message', { message: '421 bye' }, each('unavailable maybe')],
    ['says 354 to RCPT', { RCPT: '354 go' }, each('bad-reply')],
    ['says 250 to DATA', { DATA: '250 ok' }, each('bad-reply')],
    ['answers twice to RCPT', { RCPT: '250 ok\r\n250 ok' }, each('bad-reply')],
    ['says 421 after its answer', { RCPT: '250 ok\r\n421 bye' }, each('unavailable')],
    ['knows HELO only', { EHLO: '502 what' }, each('accepted')],
    ['refuses EHLO and HELO', { EHLO: '550 no', HELO: '550 no' }, each('unavailable')],
    ['leaves no time', { MAIL: SILENCE }, each('time-over'), { timeouts: { total: 50 } }],
  ]
  for (const [name, script, expected, options] of cases) {
    it(`gives results when it ${name}`, async () => {
      assert.deepEqual((await outcome(script, options)).shown, expected)
    })
  }

  it('tells when the message is cut off in the middle', async () => {
    const message = Buffer.alloc(900_000, 'line\r\n')
    const { shown } = await outcome({ closeAfter: 100_000 }, {}, { message })
    assert.match(shown[0]!, /^closed/)
  })

  it('gives up on a server that does not read', async () => {
    const message = Buffer.alloc(50_000_000, 'line\r\n')
    await using server = await FakeSmtpServer.start({ EHLO: '250 fake.test', deafAtData: true })
    const at = { host: '127.0.0.1', port: server.port }
    const options = { ...OPTIONS, timeouts: { reply: 200, message: 200 } }
    const { recipients } = await sendMail(at, { ...MAIL, message }, options)
    assert.deepEqual(recipients.map(shown), each('timeout'))
  })

  it('cannot reach a port where nobody listens', async () => {
    const server = await FakeSmtpServer.start()
    const { port } = server
    await server[Symbol.asyncDispose]()
    const { recipients } = await sendMail({ host: '127.0.0.1', port }, MAIL, OPTIONS)
    assert.deepEqual(recipients.map(shown), each('unreachable'))
  })

  it('does not listen after QUIT', async () => {
    await using server = await FakeSmtpServer.start({ QUIT: ENDLESS })
    const at = { host: '127.0.0.1', port: server.port }
    const { recipients } = await sendMail(at, MAIL, OPTIONS)
    assert.deepEqual(recipients.map(shown), each('accepted'))
    await server.idle()
  })

  it('is cut off by a signal', async () => {
    const stop = new AbortController()
    await using server = await FakeSmtpServer.start({
      MAIL: () => {
        stop.abort(new Error('cut off'))
        return SILENCE
      },
    })
    const at = { host: '127.0.0.1', port: server.port }
    await assert.rejects(sendMail(at, MAIL, { ...OPTIONS, signal: stop.signal }), /cut off/)
    await assert.rejects(sendMail(at, MAIL, { ...OPTIONS, signal: stop.signal }), /cut off/)
  })

  it('has an answer for each recipient over LMTP', async () => {
    const { shown, commands } = await outcome(
      { message: ['250 ok', '452 full'] },
      { protocol: 'lmtp' },
    )
    assert.deepEqual(shown, ['accepted', 'message 452'])
    assert.equal(commands[0], 'LHLO us.test')
  })
})

describe('extensions', () => {
  const with8 = Buffer.from('Subject: x\r\n\r\n\xe9\r\n', 'latin1')

  it('leaves out the parameters that the server does not know, and says so', async () => {
    const mail = {
      sender: { address: 'a@example.org', parameters: 'RET=HDRS ENVID=1 SIZE=5' },
      recipients: [
        { address: 'b@example.net', parameters: new Map([['NOTIFY', 'NEVER']]) },
        'c@example.net',
      ],
    }
    const known = await outcome({}, {}, mail)
    assert.equal(
      known.commands[1],
      `MAIL FROM:<a@example.org> SIZE=${MESSAGE.length} RET=HDRS ENVID=1`,
    )
    assert.equal(known.commands[2], 'RCPT TO:<b@example.net> NOTIFY=NEVER')
    assert.deepEqual(known.leftOut, [])
    const unknown = await outcome({ EHLO: '250 fake.test' }, {}, mail)
    assert.equal(unknown.commands[1], 'MAIL FROM:<a@example.org>')
    assert.deepEqual(unknown.leftOut, ['RET', 'ENVID', 'NOTIFY'])
  })

  it('asks for 8BITMIME, and does without only if it is told to', async () => {
    const mail = { message: with8 }
    assert.match((await outcome({}, {}, mail)).commands[1]!, / BODY=8BITMIME/)
    const plain = { EHLO: '250 fake.test' }
    assert.deepEqual((await outcome(plain, {}, mail)).shown, [
      'needs-8bitmime',
      'needs-8bitmime',
    ])
    const forced = await outcome(plain, { send8Bit: true }, mail)
    assert.deepEqual(forced.messages, [with8])
  })

  it('knows the limit of SIZE', async () => {
    assert.deepEqual((await outcome({ EHLO: '250-x\r\n250 SIZE 10' })).shown[0], 'too-large')
    for (const size of ['SIZE 0', 'SIZE', 'SIZE x']) {
      assert.equal((await outcome({ EHLO: `250-x\r\n250 ${size}` })).shown[0], 'accepted')
    }
  })

  it('uses SMTPUTF8 for addresses that need it, and A-labels without it', async () => {
    const utf8 = { EHLO: '250-x\r\n250 SMTPUTF8' }
    const recipients = ['dörte@example.net', 'b@bücher.example']
    const known = await outcome(utf8, {}, { recipients })
    assert.deepEqual(known.commands.slice(1, 4), [
      'MAIL FROM:<a@example.org> SMTPUTF8',
      'RCPT TO:<dörte@example.net>',
      'RCPT TO:<b@bücher.example>',
    ])
    const unknown = await outcome({}, {}, { recipients })
    assert.deepEqual(unknown.shown, ['needs-smtputf8', 'accepted'])
    assert.equal(unknown.commands[2], 'RCPT TO:<b@xn--bcher-kva.example>')
    const sender = await outcome({}, {}, { sender: 'dörte@example.org' })
    assert.equal(sender.shown[0], 'needs-smtputf8')
    assert.equal((await outcome({}, {}, { smtpUtf8: true })).shown[0], 'needs-smtputf8')
    assert.match((await outcome(utf8, {}, { smtpUtf8: true })).commands[1]!, / SMTPUTF8$/)
  })
})

describe('TLS', () => {
  const offer = '250-fake.test\r\n250 STARTTLS'
  const trusted = { tlsOptions: { ca: CA } }

  it('is used if it is offered, whatever the certificate', async () => {
    for (const tls of [SERVER, STRANGER]) {
      const { shown, commands } = await outcome({ EHLO: offer, tls }, { tls: 'opportunistic' })
      assert.equal(shown[0], 'accepted')
      assert.deepEqual(commands.slice(0, 3), ['EHLO us.test', 'STARTTLS', 'EHLO us.test'])
    }
  })

  it('is done without if it is not offered, refused or broken', async () => {
    for (const script of [
      {},
      { EHLO: offer, STARTTLS: '454 no' },
      { EHLO: offer, STARTTLS: Buffer.from('220 go\r\n') },
    ]) {
      const { shown } = await outcome(script, {
        tls: 'opportunistic',
        timeouts: { connect: 200 },
      })
      assert.equal(shown[0], 'accepted')
    }
  })

  it('is required with a valid certificate', async () => {
    const required: SmtpOptions = { tls: 'required', ...trusted }
    assert.equal((await outcome({ EHLO: offer, tls: SERVER }, required)).shown[0], 'accepted')
    for (const script of [
      { EHLO: offer, tls: STRANGER },
      // stripped
      {},
      { EHLO: offer, STARTTLS: '454 no' },
    ]) {
      const { shown, messages } = await outcome(script, required)
      assert.deepEqual(shown, ['tls', 'tls'])
      assert.deepEqual(messages, [])
    }
  })

  it('is required with a certificate for the name of the server', async () => {
    await using server = await FakeSmtpServer.start({ EHLO: offer, tls: SERVER })
    for (const [name, expected] of [
      ['filter.example.org', 'accepted'],
      ['other.example.org', 'tls'],
      [undefined, 'accepted'],
    ] as const) {
      const at = { host: '127.0.0.1', port: server.port, name }
      const { recipients } = await sendMail(at, MAIL, {
        ...OPTIONS,
        tls: 'required',
        ...trusted,
      })
      assert.equal(shown(recipients[0]!), expected)
    }
  })

  it('counts nothing that came before it', async () => {
    // CVE-2011-0411
    const script = { EHLO: offer, STARTTLS: Buffer.from('220 go\r\n250 injected\r\n') }
    for (const tls of ['opportunistic', 'required'] as const) {
      assert.deepEqual((await outcome(script, { tls })).shown, ['bad-reply', 'bad-reply'])
    }
  })
})

describe('what cannot be sent', () => {
  const at = { host: '127.0.0.1', port: 1 }
  for (const [name, mail, code] of [
    ['a line break in a sender', { sender: '"a\r\nRSET"@example.org' }, 'INVALID_ADDRESS'],
    ['two addresses', { recipients: ['a@b.c>, <d@e.f'] }, 'INVALID_ADDRESS'],
    ['no recipient', { recipients: [] }, 'INVALID_OPTION'],
    ['an empty recipient', { recipients: [''] }, 'INVALID_ADDRESS'],
    ['text as a message', { message: 'text' as never }, 'INVALID_OPTION'],
    [
      'a parameter with a space',
      { sender: { address: 'a@b.c', parameters: ['A=b c'] } },
      'INVALID_ADDRESS',
    ],
  ] as [string, Partial<OutgoingMail>, string][]) {
    it(`is ${name}`, async () => {
      await assert.rejects(sendMail(at, { ...MAIL, ...mail }, OPTIONS), { code })
    })
  }

  for (const [name, options] of [
    ['a name that is none', { name: 'a b' }],
    ['a time that is none', { timeouts: { reply: 0 } }],
    ['an unknown kind of TLS', { tls: 'always' as never }],
  ] as [string, SmtpOptions][]) {
    it(`is an option with ${name}`, async () => {
      await assert.rejects(sendMail(at, MAIL, { ...OPTIONS, ...options }), {
        code: 'INVALID_OPTION',
      })
    })
  }

  it('is mail to a name, which nobody looks up', async () => {
    await assert.rejects(sendMail({ host: 'mx.example.org' }, MAIL, OPTIONS), {
      code: 'INVALID_OPTION',
    })
  })
})
