import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, it, mock } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { MtaClient } from '../../src/mta/client.ts'
import {
  Command,
  encodeChoice,
  encodeFrame,
  encodeReply,
  MacroStage,
  Reply,
  Step,
  type EditMessage,
} from '../../src/protocol/index.ts'
import { atEnd } from '../support/resources.ts'
import { clientOf, type Script } from './support.ts'

const frame = (code: number, text = ''): Buffer =>
  encodeFrame(code, Buffer.from(text, 'latin1'))
const CONTINUE = encodeReply({ type: 'continue' })
const withContinue = (...frames: Buffer[]): Buffer => Buffer.concat([...frames, CONTINUE])
const edit = (message: EditMessage): Buffer => encodeReply(message)

describe('a client whose filter goes away', () => {
  for (const [how, leave] of [
    ['closes', (socket: Socket) => void socket.end()],
    ['resets the connection', (socket: Socket) => void socket.resetAndDestroy()],
  ] as const) {
    it(`says so when it ${how}`, async () => {
      const server = createServer()
      atEnd(() => server.close())
      server.listen(0, '127.0.0.1')
      const connection = once(server, 'connection')
      await once(server, 'listening')
      const client = await MtaClient.connect(
        `inet:${(server.address() as AddressInfo).port}@127.0.0.1`,
      )
      atEnd(() => client.destroy())
      const reply = client.negotiate()
      const [socket] = (await connection) as [Socket]
      atEnd(() => socket.destroy())
      leave(socket)
      await assert.rejects(reply, { name: 'MilterError', code: 'DISCONNECTED' })
      await assert.rejects(client.reply(), { code: 'DISCONNECTED' }, 'and goes on saying so')
    })
  }

  it('says when nobody listens', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = `inet:${(server.address() as AddressInfo).port}@127.0.0.1`
    server.close()
    await once(server, 'close')
    await assert.rejects(MtaClient.connect(address), { code: 'CONNECT_FAILED' })
  })
})

describe('what a mail server gives a filter up for', () => {
  const cases: [what: string, script: Script, code: string, only?: 'postfix' | 'sendmail'][] = [
    ['an action that was not offered', { choice: { actions: 0x1000 } }, 'CHOICE_NOT_OFFERED'],
    [
      'a version that was not offered',
      { choice: { version: 7 } },
      'CHOICE_NOT_OFFERED',
      'postfix',
    ],
    // SMFI_VERSION is what Sendmail holds it against (test/mail-servers/random-negotiation.test.ts).
    [
      'a version above that of libmilter',
      { choice: { version: 0x0100_0002 } },
      'CHOICE_NOT_OFFERED',
    ],
    ['version 1', { choice: { version: 1 } }, 'CHOICE_NOT_OFFERED', 'sendmail'],
    [
      'bytes behind the answer that are no macro list',
      { choice: frame(Reply.OPTNEG, `${'\0'.repeat(12)}\0`) },
      'MALFORMED_PAYLOAD',
      'postfix',
    ],
    [
      'a step that was not offered',
      { choice: { steps: 0x200000 } },
      'CHOICE_NOT_OFFERED',
      'sendmail',
    ],
    ['no negotiation', { choice: CONTINUE }, 'UNEXPECTED_REPLY'],
    ['half a negotiation', { choice: frame(Reply.OPTNEG, '123') }, 'MALFORMED_PAYLOAD'],
    ['a reply that does not exist', { answers: { M: frame(0x7a) } }, 'UNKNOWN_REPLY'],
    ['a frame of length zero', { answers: { M: Buffer.alloc(4) } }, 'FRAME_EMPTY'],
    [
      'a frame without end',
      { answers: { M: Buffer.from('ffffffff', 'hex') } },
      'FRAME_TOO_LARGE',
    ],
    [
      'text instead of frames',
      { answers: { M: Buffer.from('HTTP/1.1 400') } },
      'FRAME_TOO_LARGE',
    ],
    ['no answer', { answers: { R: undefined } }, 'REPLY_TIMEOUT'],
    ['two answers', { answers: { M: withContinue(CONTINUE) } }, 'UNEXPECTED_REPLY'],
    [
      'an edit before end of message',
      { answers: { L: withContinue(edit({ type: 'addheader', name: 'X', value: 'y' })) } },
      'UNEXPECTED_REPLY',
    ],
    [
      'an edit that is cut off',
      { answers: { E: frame(Reply.CHGHEADER, '\0\0') } },
      'MALFORMED_PAYLOAD',
    ],
    [
      'a second negotiation',
      { answers: { H: encodeChoice({ version: 6, actions: 0, steps: 0 }) } },
      'UNEXPECTED_REPLY',
    ],
    [
      'progress before end of message',
      { answers: { M: withContinue(frame(Reply.PROGRESS)) } },
      'UNEXPECTED_REPLY',
      'sendmail',
    ],
    [
      'a verdict with more in it',
      { answers: { M: frame(Reply.ACCEPT, 'x') } },
      'MALFORMED_PAYLOAD',
      'postfix',
    ],
    [
      'a reply of another class',
      { answers: { M: frame(Reply.REPLYCODE, '550 4.7.1 x\0') } },
      'INVALID_REPLY',
      'postfix',
    ],
    [
      'a new body in two parts',
      {
        answers: {
          E: withContinue(
            edit({ type: 'replbody', chunk: Buffer.from('a') }),
            edit({ type: 'addheader', name: 'X', value: 'y' }),
            edit({ type: 'replbody', chunk: Buffer.from('b') }),
          ),
        },
      },
      'EDIT_REFUSED',
      'postfix',
    ],
    [
      'an answer to a body that needs none',
      { choice: { steps: Step.NR_BODY }, answers: { N: withContinue(CONTINUE) } },
      'UNEXPECTED_REPLY',
    ],
  ]
  const servers = [
    ['postfix', { postfix: '3.7' }, /^451 4\.7\.1 /, /^451 4\.3\.5 /],
    ['postfix', 'postfix', /^421 (?:4\.7\.1|mx\S+) Service/, /^421 4\.3\.5 /],
    ['sendmail', 'sendmail', /^451 4\.3\.2 /, /^451 4\.3\.2 /],
  ] as const
  for (const [what, script, code, only] of cases) {
    for (const [name, mta, failed, misconfigured] of servers) {
      const goesOn = only !== undefined && only !== name
      it(`${JSON.stringify(mta)}: ${what}${goesOn ? ' (goes on)' : ''}`, async () => {
        const { client } = await clientOf(script, {
          mta,
          timeouts: code === 'REPLY_TIMEOUT' ? 100 : 5_000,
        })
        const outcome = await client.deliver({})
        if (goesOn) {
          assert.equal(outcome.failure, undefined)
          return
        }
        assert.equal(outcome.failure?.code, code, outcome.trace.toString())
        assert.equal(outcome.verdict, 'tempfail')
        assert.equal(outcome.message, undefined)
        const blamesItself = code === 'INVALID_REPLY' || code === 'EDIT_REFUSED'
        assert.match(outcome.reply, blamesItself ? misconfigured : failed)
        assert.equal(outcome.closed, outcome.reply.startsWith('421'))
      })
    }
  }

  it('an offer of nothing may be answered with the bits of version 1, as libmilter does', async () => {
    for (const mta of ['postfix', 'sendmail'] as const) {
      const { client } = await clientOf(
        { choice: { actions: 0x0f, steps: 0x3f & ~Step.NOMAIL } },
        { mta, offer: { actions: 0, steps: 0 } },
      )
      const outcome = await client.deliver({})
      assert.equal(outcome.failure, undefined)
      assert.deepEqual(outcome.violations, [])
      assert.equal(outcome.verdict, 'accept')
      const more = await clientOf({ choice: { actions: 0x10 } }, { mta, offer: { actions: 0 } })
      assert.equal((await more.client.deliver({})).failure?.code, 'CHOICE_NOT_OFFERED')
    }
  })

  it('a new body that was not asked for: Sendmail defers the message and keeps the filter', async () => {
    const answers = {
      E: withContinue(edit({ type: 'replbody', chunk: Buffer.from('new') })),
    }
    const { client } = await clientOf(
      { choice: { actions: 0 }, answers },
      { mta: 'sendmail', onFailure: 'accept' },
    )
    for (let i = 0; i < 2; i++) {
      const outcome = await client.deliver({})
      assert.deepEqual(
        [outcome.verdict, outcome.reply, outcome.failure?.code],
        ['tempfail', '451 4.3.2 Please try again later', 'EDIT_REFUSED'],
      )
    }
    assert.equal(client.failure, undefined)
  })

  it('and what becomes of mail then can be chosen', async () => {
    const script: Script = { answers: { M: frame(0x7a) } }
    const accepted = await (await clientOf(script, { onFailure: 'accept' })).client.deliver({})
    assert.equal(accepted.verdict, 'accept')
    assert.equal(accepted.failure?.code, 'UNKNOWN_REPLY')
    assert.ok(accepted.message)
    const rejected = await (await clientOf(script, { onFailure: 'reject' })).client.deliver({})
    assert.deepEqual(
      [rejected.verdict, rejected.reply],
      ['reject', '550 5.5.0 Service unavailable'],
    )
  })

  it('holds for the rest of the session', async () => {
    const { client } = await clientOf({ answers: { M: frame(0x7a) } })
    for (let i = 0; i < 2; i++) {
      const outcome = await client.deliver({})
      assert.deepEqual([outcome.verdict, outcome.failure?.code], ['tempfail', 'UNKNOWN_REPLY'])
    }
  })
})

describe('what a mail server bears, and a test should see', () => {
  for (const [what, script, code] of [
    [
      'an edit without the right to it',
      {
        choice: { actions: 0 },
        answers: { E: withContinue(edit({ type: 'addheader', name: 'X', value: 'y' })) },
      },
      'ACTION_NOT_NEGOTIATED',
    ],
    [
      'a string without its NUL',
      { answers: { E: withContinue(frame(Reply.ADDRCPT, '<c@example.net>')) } },
      'MALFORMED_PAYLOAD',
    ],
    ['SKIP in answer to MAIL', { answers: { M: 'skip' } }, 'UNEXPECTED_REPLY'],
  ] satisfies [string, Script, string][]) {
    it(what, async () => {
      const { client } = await clientOf(script)
      const outcome = await client.deliver({})
      assert.deepEqual(
        outcome.violations.map((one) => one.code),
        [code],
      )
      assert.equal(outcome.failure, undefined)
      assert.equal(outcome.verdict, 'accept')
    })
  }
})

describe('what was agreed on', () => {
  it('declined events are not sent, silent ones not waited for', async () => {
    const { client, received } = await clientOf(
      {
        choice: { steps: Step.NOCONNECT | Step.NOHELO | Step.NOHDRS | Step.NR_BODY },
        answers: { B: undefined },
      },
      { mta: 'sendmail' },
    )
    const outcome = await client.deliver({ message: 'A: b\r\n\r\nbody\r\n' })
    assert.equal(outcome.verdict, 'accept', String(outcome.failure))
    assert.equal(received.filter((one) => one !== 'D').join(''), 'OMRTNBE')
  })

  it('a filter of version 2 gets neither DATA nor UNKNOWN', async () => {
    const { client, received } = await clientOf({ choice: { version: 2 } })
    await client.deliver({ unknown: ['XFOO'] })
    assert.ok(!received.includes('T') && !received.includes('U'))
  })

  it('SKIP ends the body; at a header it is headers for Postfix and the body for Sendmail', async () => {
    const message = `A: 1\r\nB: 2\r\n\r\n${'x'.repeat(200_000)}\r\n`
    for (const [mta, letter, commands] of [
      ['postfix', 'B', 'LLNBE'],
      ['postfix', 'L', 'LNBBBBE'],
      ['sendmail', 'L', 'LLNE'],
    ] as const) {
      const { client, received } = await clientOf({ answers: { [letter]: 'skip' } }, { mta })
      await client.deliver({ message })
      assert.equal(received.filter((one) => 'LNBE'.includes(one)).join(''), commands)
    }
  })

  it('macros are those the filter asks for', async () => {
    const lists = new Map([
      [MacroStage.MAIL, ['mail_addr', 'no_such_macro']],
      [MacroStage.RCPT, []],
    ])
    for (const [mta, atRcpt] of [
      ['postfix', ['rcpt_addr', 'rcpt_host', 'rcpt_mailer']],
      ['sendmail', undefined],
    ] as const) {
      const { client } = await clientOf({ choice: { macros: lists } }, { mta })
      const outcome = await client.deliver({})
      const sent = (command: number): string[] | undefined => {
        const found = outcome.trace.entries.find(
          ({ message }) => message?.type === 'macro' && message.command === command,
        )?.message
        return found?.type === 'macro'
          ? found.pairs.map(([name]) => name.replaceAll(/[{}]/g, ''))
          : undefined
      }
      assert.deepEqual(sent(Command.MAIL), ['mail_addr'])
      assert.deepEqual(sent(Command.RCPT), atRcpt)
    }
  })

  it('a custom offer is what is offered', async () => {
    const { client } = await clientOf(
      { choice: { version: 4, actions: 1, steps: Step.NOBODY } },
      { offer: { version: 4, actions: 0x3f, steps: 0x37f } },
    )
    const outcome = await client.deliver({})
    assert.equal(outcome.failure, undefined)
    assert.match(outcome.trace.toString(), /^> optneg version 4, actions 0x3f, steps 0x37f/)
  })
})

describe('several messages', () => {
  it('given at once go one after the other, each with a trace of its own', async () => {
    const { client, received } = await clientOf({}, { mta: 'sendmail' })
    const outcomes = await Promise.all([
      client.deliver({}),
      client.deliver({}),
      client.deliver({}),
    ])
    assert.deepEqual(
      outcomes.map(({ verdict }) => verdict),
      ['accept', 'accept', 'accept'],
    )
    assert.equal(
      received.filter((one) => one !== 'D').join(''),
      'OCHMRTLLLLLNBEMRTLLLLLNBEMRTLLLLLNBE',
    )
    const sent = outcomes[2]!.trace.entries.map(({ message }) => message?.type)
    assert.deepEqual(
      sent.filter((type) => type === 'mail' || type === 'eom'),
      ['mail', 'eom'],
    )
  })

  it('are not hindered by one that cannot be sent', async () => {
    const { client } = await clientOf({})
    await assert.rejects(client.deliver({ to: [] }), { code: 'INVALID_OPTION' })
    assert.equal((await client.deliver({})).verdict, 'accept')
  })
})

describe('the end of a session', () => {
  for (const [mta, commands] of [
    ['postfix', 'OCHMRTLLLLLNBEAMRTLLLLLNBEAAQ'],
    ['sendmail', 'OCHMRTLLLLLNBEMRTLLLLLNBEQ'],
  ] as const) {
    it(`${mta}: two messages and QUIT`, async () => {
      const { client, received } = await clientOf({}, { mta })
      await client.deliver({})
      await client.deliver({})
      await client.quit()
      assert.equal(received.filter((one) => one !== 'D').join(''), commands)
    })
  }
})

describe('patience at the end of a message', () => {
  it('is not over because the clock of the machine was set', async () => {
    const { client } = await clientOf(
      { answers: { E: undefined } },
      { timeouts: { endOfMessage: 60_000 } },
    )
    await client.negotiate()
    await client.command({ type: 'mail', words: ['<a@example.org>'] })
    let now = 0
    mock.method(Date, 'now', () => (now += 1e12))
    atEnd(() => mock.restoreAll())
    const answer = client.command({ type: 'eom', chunk: Buffer.alloc(0) })
    const left = assert.rejects(answer, { code: 'DISCONNECTED' })
    await setTimeout(100)
    client.destroy()
    await left
  })
})
