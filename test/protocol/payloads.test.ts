import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { MilterError, ProtocolError, UsageError } from '../../src/errors.ts'
import { decodeCommand, encodeCommand, encodeConnect } from '../../src/protocol/commands.ts'
import { Command, MacroStage, Reply } from '../../src/protocol/constants.ts'
import { FrameDecoder, type Payload } from '../../src/protocol/frame.ts'
import { formatMacroList } from '../../src/protocol/macros.ts'
import { decodeChoice, encodeChoice, type Choice } from '../../src/protocol/negotiation.ts'
import { decodeReply, encodeBody, encodeReply } from '../../src/protocol/replies.ts'
import {
  decodeSmtpReply,
  encodeSmtpReply,
  formatSmtpReply,
  makeSmtpReply,
} from '../../src/protocol/smtp-reply.ts'

const payload = (bytes: Uint8Array | string): Payload => {
  // In the middle of other bytes, as in a chunk: nothing may be read beside it.
  const inner = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
  return {
    bytes: Buffer.concat([Buffer.from('\0\0'), inner, Buffer.from('\0after\0')]),
    start: 2,
    end: 2 + inner.length,
  }
}
const nasty = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom('a', '\0', '\xff', '4', '6', 'L', '<', '>'),
    maxLength: 20,
  }),
)

describe('payloads of any bytes', () => {
  for (const [name, code] of Object.entries(Command)) {
    it(`of ${name} are read or refused with a code`, () => {
      fc.assert(
        fc.property(nasty, (bytes) => {
          try {
            decodeCommand(code, payload(bytes))
          } catch (error) {
            assert.ok(
              error instanceof ProtocolError && error.code === 'MALFORMED_PAYLOAD',
              String(error),
            )
          }
        }),
      )
    })
  }
  for (const [name, code] of Object.entries(Reply)) {
    it(`of reply ${name} are read or refused with a code`, () => {
      fc.assert(
        fc.property(nasty, (bytes) => {
          try {
            decodeReply(code, payload(bytes))
          } catch (error) {
            assert.ok(
              error instanceof ProtocolError && error.code === 'MALFORMED_PAYLOAD',
              String(error),
            )
          }
        }),
      )
    })
  }

  it('of letters that do not exist are refused', () => {
    assert.throws(() => decodeCommand(0x5a, payload('')), {
      code: 'UNKNOWN_COMMAND',
      message: /'Z' is not a command/,
    })
    assert.throws(() => decodeCommand(0, payload('')), {
      code: 'UNKNOWN_COMMAND',
      message: /0x00/,
    })
    assert.throws(() => decodeReply(0x5a, payload('')), { code: 'UNKNOWN_REPLY' })
  })
})

describe('lenience', () => {
  it('forgives a missing last NUL, and bytes that are too many', () => {
    assert.deepEqual(decodeCommand(Command.HELO, payload('name')), {
      type: 'helo',
      name: 'name',
    })
    assert.deepEqual(decodeCommand(Command.HELO, payload('name\0more')), {
      type: 'helo',
      name: 'name',
    })
    assert.deepEqual(decodeCommand(Command.MAIL, payload('<a@b>\0SIZE=1')), {
      type: 'mail',
      words: ['<a@b>', 'SIZE=1'],
    })
    assert.deepEqual(decodeCommand(Command.HEADER, payload('A\0b')), {
      type: 'header',
      name: 'A',
      value: 'b',
    })
    assert.deepEqual(decodeCommand(Command.MACRO, payload('Mi')), {
      type: 'macro',
      command: 0x4d,
      pairs: [['i', '']],
    })
    assert.deepEqual(decodeReply(Reply.ACCEPT, payload('x')), { type: 'accept' })
  })

  it('ends where nothing can be guessed', () => {
    for (const [command, bytes] of [
      [Command.MAIL, ''],
      [Command.HEADER, 'name'],
      [Command.HEADER, 'name\0'],
      [Command.CONNECT, 'host'],
      [Command.CONNECT, 'host\0'],
      [Command.CONNECT, 'host\x004\0'],
      [Command.CONNECT, 'host\0Z\0\0x\0'],
      [Command.MACRO, ''],
    ] as const) {
      assert.throws(() => decodeCommand(command, payload(bytes)), { code: 'MALFORMED_PAYLOAD' })
    }
  })

  it('of CONNECT takes addresses as real servers write them', () => {
    for (const [family, raw, address] of [
      ['inet', '192.0.2.1', '192.0.2.1'],
      ['inet', 'unknown', 'unknown'],
      ['inet6', '::1', '::1'],
      ['inet6', 'IPv6:0:0:0:0:0:0:0:1', '::1'],
      ['inet6', 'ipv6:2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
      ['inet6', '[::1]', '::1'],
      ['inet6', '', ''],
      ['inet6', '::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ] as const) {
      const decoder = new FrameDecoder(1000)
      decoder.push(encodeConnect({ hostname: 'h', family, address: raw, port: 25 }))
      assert.ok(decoder.next())
      const message = decodeCommand(decoder.command, decoder)
      assert.deepEqual(message, {
        type: 'connect',
        client: { hostname: 'h', family, address, port: 25, rawAddress: raw },
      })
      assert.equal(
        encodeCommand(message).toString('hex'),
        encodeConnect({ hostname: 'h', family, address: raw, port: 25 }).toString('hex'),
      )
    }
  })
})

describe('the negotiation', () => {
  it('of any choice is read as it was written', () => {
    const names = fc.array(fc.constantFrom('i', 'j', '_', 'auth_authen', 'rcpt_addr'), {
      maxLength: 5,
    })
    const lists = fc.uniqueArray(fc.tuple(fc.constantFrom(0, 1, 2, 3, 4, 5, 6), names), {
      selector: ([stage]) => stage,
    })
    const u32 = fc.nat(0xffffffff)
    fc.assert(
      fc.property(u32, u32, u32, lists, (version, actions, steps, macros) => {
        const choice = { version, actions, steps, macros: new Map(macros) } as Choice
        const frame = encodeChoice(choice)
        const read = decodeChoice({ bytes: frame, start: 5, end: frame.length })
        assert.deepEqual([read.version, read.actions, read.steps], [version, actions, steps])
        for (const [stage, list] of macros)
          assert.deepEqual(read.macros!.get(stage as MacroStage), list)
        // Sendmail needs both of the two or neither.
        assert.equal(read.macros!.has(MacroStage.EOM), read.macros!.has(MacroStage.EOH))
      }),
    )
  })

  it('asks for macros in the spelling of Sendmail, and for nothing else', () => {
    assert.equal(
      formatMacroList(['i', '{j}', 'auth_authen', '{rcpt_addr}']),
      'i j {auth_authen} {rcpt_addr}',
    )
    assert.equal(formatMacroList([]), '')
    for (const bad of ['', 'a b', 'a,b', 'a\0', '{', '{}', 'a}']) {
      assert.throws(
        () => formatMacroList([bad]),
        { code: 'INVALID_OPTION' },
        JSON.stringify(bad),
      )
    }
    assert.equal(formatMacroList(Array(50).fill('i')).length, 99)
    assert.throws(() => formatMacroList(Array(51).fill('i')), /Sendmail keeps 50/)
  })
})

describe('SMTP replies', () => {
  const good: [Parameters<typeof makeSmtpReply>, string][] = [
    [[550, '5.7.1', ['hi']], '550 5.7.1 hi'],
    [['451', '4.7.1', ['x']], '451 4.7.1 x'],
    [[421, '4.3.2', ['x']], '421 4.3.2 x'],
    [[550, null, ['x']], '550 x'],
    [[550, undefined, ['a', 'b']], '550-a\r\n550 b'],
    [[550, '5.7.1', ['l1', 'l2', 'l3']], '550-5.7.1 l1\r\n550-5.7.1 l2\r\n550 5.7.1 l3'],
    [[550, '5.7.1', ['']], '550 5.7.1 '],
    [[550, null, ['2 many errors']], '550 5.0.0 2 many errors'],
    [[450, null, ['']], '450 4.0.0 '],
    [[550, '5.7.1', []], '550 5.7.1 Command rejected'],
    [[450, null, []], '450 Service unavailable - try again later'],
    [[550, '5.7.1', ['100% x']], '550 5.7.1 100% x'],
    [[550, '5.100.999', ['tab\there é']], '550 5.100.999 tab\there é'],
  ]
  for (const [args, text] of good) {
    it(`${JSON.stringify(args)} is ${JSON.stringify(text)}`, () => {
      assert.equal(formatSmtpReply(makeSmtpReply(...args)), text)
    })
  }

  const bad: [unknown[], RegExp][] = [
    [[250, '2.0.0', ['x']], /not 4xx or 5xx; .* return CONTINUE or ACCEPT/],
    [[999, null, ['x']], /not 4xx or 5xx/],
    [[55, null, ['x']], /not 4xx or 5xx/],
    [['5501', null, ['x']], /not 4xx or 5xx/],
    [[550, '4.7.1', ['x']], /4\.7\.1 does not fit the code 550; it must begin with 5/],
    [[550, '', ['x']], /not an enhanced status code; write for example 5\.7\.1/],
    [[550, '5.7', ['x']], /not an enhanced status code/],
    [[550, '5.7.1000', ['x']], /not an enhanced status code/],
    [[550, '5.7.1', ['a\nb']], /line 1 of the reply holds a line break; pass each line/],
    [[550, '5.7.1', ['a', 'b\r']], /line 2 .* line break/],
    [[550, '5.7.1', ['a\0']], /control character U\+0000/],
    [[550, '5.7.1', ['\x7f']], /U\+007F/],
    [[550, '5.7.1', [5]], /of type number/],
    [[550, '5.7.1', Array(33).fill('x')], /33 lines; a reply has at most 32/],
    [[550, '5.7.1', ['x'.repeat(981)]], /981 bytes; a line has at most 980/],
    [[550, '5.7.1', ['é'.repeat(491)]], /982 bytes/],
  ]
  for (const [args, advice] of bad) {
    it(`${JSON.stringify(args).slice(0, 50)} is refused with advice`, () => {
      assert.throws(() => makeSmtpReply(...(args as Parameters<typeof makeSmtpReply>)), {
        code: 'INVALID_REPLY',
        message: advice,
      })
    })
  }

  it('of 32 lines and 980 bytes are taken', () => {
    assert.equal(makeSmtpReply(550, '5.7.1', Array(32).fill('x'.repeat(980))).lines.length, 32)
  })

  it('of any text arrive as written, percent signs and all', () => {
    const line = fc.string({
      unit: fc.constantFrom('%', 's', ' ', '5', '.', 'é', '\udcff', '-'),
    })
    fc.assert(
      fc.property(
        fc.constantFrom(450, 550),
        fc.boolean(),
        fc.array(line, { minLength: 1, maxLength: 5 }),
        (code, coded, lines) => {
          const reply = makeSmtpReply(
            code,
            coded ? `${code / 50 > 10 ? 5 : 4}.7.1` : null,
            lines,
          )
          const wire = encodeSmtpReply(reply)
          assert.equal(wire.at(-1), 0)
          assert.doesNotMatch(wire.toString('latin1').replaceAll('%%', ''), /%/)
          assert.deepEqual(decodeSmtpReply(wire), reply)
        },
      ),
    )
  })

  it('that are invalid are recognised, as a mail server must', () => {
    for (const text of [
      '',
      'x',
      '250 ok',
      '55',
      '550',
      '550 5.7.1 x',
      '550-a\r\n551 b',
      '550x',
      '600 x',
    ]) {
      const reply = decodeSmtpReply(Buffer.from(text))
      assert.equal(reply !== undefined, text === '550' || text === '550 5.7.1 x', text)
    }
    assert.deepEqual(decodeSmtpReply(Buffer.from('550 5.7.1 50% off\0junk')), {
      code: 550,
      enhanced: '5.7.1',
      lines: ['50 off'],
    })
  })
})

describe('bodies', () => {
  for (const size of [0, 1, 65_535, 65_536, 200_000]) {
    it(`of ${size} bytes are whole frames of at most 65,535, and not copied`, () => {
      const body = Buffer.alloc(size, 'x')
      const parts = [...encodeBody(body)]
      const decoder = new FrameDecoder(65_535)
      decoder.push(Buffer.concat(parts))
      let total = 0
      let count = 0
      while (decoder.next()) {
        assert.equal(decoder.command, Reply.REPLBODY)
        total += decoder.end - decoder.start
        count++
      }
      assert.equal(total, size)
      assert.equal(count, Math.max(1, Math.ceil(size / 65_535)))
      for (const part of parts) assert.ok(part.length <= 5 || part.buffer === body.buffer)
    })
  }
  it('are one frame as encodeReply writes them', () => {
    assert.deepEqual(
      Buffer.concat([...encodeBody(Buffer.from('hello'))]),
      encodeReply({ type: 'replbody', chunk: Buffer.from('hello') }),
    )
  })
})

describe('errors', () => {
  it('are known by class and code, also from another copy of the package', () => {
    const error = new UsageError('TOO_LONG', 'x')
    assert.ok(
      error instanceof UsageError && error instanceof MilterError && error instanceof Error,
    )
    assert.equal(error instanceof ProtocolError, false)
    assert.deepEqual([error.name, error.code], ['UsageError', 'TOO_LONG'])
    class Foreign extends Error {}
    Object.defineProperty(Foreign.prototype, Symbol.for('tsmilter.MilterError'), {
      value: true,
    })
    assert.ok(new Foreign() instanceof MilterError)
    assert.equal((new Foreign() as object) instanceof UsageError, false)
    assert.equal((null as unknown) instanceof MilterError, false)
  })
})
