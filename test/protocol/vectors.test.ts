import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  decodeCommand,
  encodeCommand,
  type CommandMessage,
} from '../../src/protocol/commands.ts'
import { FrameDecoder } from '../../src/protocol/frame.ts'
import { decodeReply, encodeReply, type ReplyMessage } from '../../src/protocol/replies.ts'
import { VECTORS } from './vectors.ts'

/** Written differently on purpose, or not frames at all. */
const LENIENT = new Set(['N2', 'X5'])
const INVALID: Readonly<Record<string, string>> = {
  X1: 'FRAME_EMPTY',
  X2: 'FRAME_TOO_LARGE',
  X3: 'MALFORMED_PAYLOAD',
  X4: 'MALFORMED_PAYLOAD',
}

function decode(from: 'mta' | 'filter', hex: string): CommandMessage | ReplyMessage {
  const decoder = new FrameDecoder(65_535)
  decoder.push(Buffer.from(hex, 'hex'))
  assert.ok(decoder.next())
  const message =
    from === 'mta'
      ? decodeCommand(decoder.command, decoder)
      : decodeReply(decoder.command, decoder)
  assert.equal(decoder.next(), false)
  return message
}

describe('frames of real conversations', () => {
  for (const { id, from, hex, meaning } of VECTORS) {
    if (id in INVALID) {
      it(`${id}: ${meaning}`, () => {
        assert.throws(() => decode(from, hex), { name: 'ProtocolError', code: INVALID[id] })
      })
      continue
    }
    it(`${id}: ${meaning}`, () => {
      const message = decode(from, hex)
      if (LENIENT.has(id)) return
      const again =
        from === 'mta'
          ? encodeCommand(message as CommandMessage)
          : // The list of EOH comes with that of EOM; only here it has to go again.
            encodeReply(message as ReplyMessage)
      if (id !== 'O9') assert.equal(again.toString('hex'), hex)
    })
  }

  const read: [string, Partial<CommandMessage & ReplyMessage> | object][] = [
    [
      'C2',
      {
        type: 'connect',
        client: {
          hostname: '[::1]',
          family: 'inet6',
          address: '::1',
          port: 48344,
          rawAddress: '::1',
        },
      },
    ],
    [
      'C3',
      {
        type: 'connect',
        client: {
          hostname: 'ip6host.example.test',
          family: 'inet6',
          address: '::1',
          port: 48464,
          rawAddress: 'IPv6:0:0:0:0:0:0:0:1',
        },
      },
    ],
    [
      'C4',
      {
        type: 'connect',
        client: {
          hostname: 'localhost',
          family: 'unknown',
          address: undefined,
          port: undefined,
          rawAddress: '',
        },
      },
    ],
    [
      'C5',
      {
        type: 'connect',
        client: {
          hostname: 'localhost',
          family: 'unix',
          address: '/var/run/x',
          port: undefined,
          rawAddress: '/var/run/x',
        },
      },
    ],
    [
      'X5',
      {
        type: 'connect',
        client: {
          hostname: 'h',
          family: 'inet6',
          address: '::1',
          port: 12345,
          rawAddress: '[::1]',
        },
      },
    ],
    ['M1', { type: 'mail', words: ['<a@b.test>', 'SIZE=100', 'BODY=8BITMIME'] }],
    ['M3', { type: 'mail', words: [''] }],
    ['L1', { type: 'header', name: 'X-Fold', value: ' two spaces\n\tfolded line' }],
    ['L2', { type: 'header', name: 'X-Empty', value: '' }],
    ['U1', { type: 'unknown', line: 'FOOBAR baz qux' }],
    ['D2', { type: 'macro', command: 0x48, pairs: [] }],
    [
      'D4',
      {
        type: 'macro',
        command: 0x52,
        pairs: [
          ['rcpt_mailer', 'error'],
          ['rcpt_host', '5.1.1'],
          ['rcpt_addr', '550 5.1.1 User unknown'],
        ],
      },
    ],
    [
      'y1',
      { type: 'replycode', reply: { code: 550, enhanced: '5.7.1', lines: ['no 100% way'] } },
    ],
    [
      'y2',
      { type: 'replycode', reply: { code: 450, enhanced: '4.7.1', lines: ['a', 'b', 'c'] } },
    ],
    ['m2', { type: 'chgheader', index: 2, name: 'X-Del', value: '' }],
    ['21', { type: 'addrcpt_par', address: '<p@b>', parameters: 'NOTIFY=NEVER' }],
    ['22', { type: 'addrcpt_par', address: '<p2@b>', parameters: undefined }],
  ]
  for (const [id, expected] of read) {
    it(`${id} is read as ${JSON.stringify(expected).slice(0, 60)}`, () => {
      const { from, hex } = VECTORS.find((vector) => vector.id === id)!
      assert.deepEqual(decode(from, hex), expected)
    })
  }
})
