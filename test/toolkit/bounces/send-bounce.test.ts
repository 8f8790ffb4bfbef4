import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  sendBounce,
  type BounceResult,
  type SendBounceOptions,
} from '../../../src/toolkit/index.ts'
import { CLOSE, FakeSmtpServer, type Script } from '../../support/fake-smtp-server.ts'
import { mxTable } from '../../support/mx-table.ts'

const MESSAGE = Buffer.from('Subject: x\r\n\r\nHello\r\n')

async function send(
  script: Script,
  options: Partial<SendBounceOptions> = {},
  message: Buffer = MESSAGE,
): Promise<{ result: BounceResult; server: FakeSmtpServer }> {
  await using server = await FakeSmtpServer.start(script, { host: '127.0.0.2' })
  const result = await sendBounce('b@example.net', message, {
    name: 'us.test',
    dns: mxTable({ 'example.net A': ['127.0.0.2'] }),
    port: server.port,
    ownAddresses: ['127.0.0.99'],
    tls: 'off',
    ...options,
  })
  return { result, server }
}

const noNull = (line: string): string => (line.startsWith('MAIL FROM:<>') ? '550 no' : '250 ok')

/** The values of pymilter's send_dsn with a message. */
describe('a bounce', () => {
  it('goes out from the null sender', async () => {
    const { result, server } = await send({})
    assert.deepEqual(result, { outcome: 'ok' })
    assert.match(server.commands[1]!, /^MAIL FROM:<> /)
    assert.deepEqual(server.messages, [MESSAGE])
  })

  it('goes out from postmaster if the null sender is refused', async () => {
    const { result, server } = await send({ MAIL: noNull })
    assert.equal(result.outcome, 'ok')
    assert.deepEqual(
      server.commands.slice(1, 4).map((line) => line.replace(/ SIZE=.*/, '')),
      ['MAIL FROM:<>', 'RSET', 'MAIL FROM:<postmaster@us.test>'],
    )
    assert.deepEqual(server.messages, [MESSAGE])
  })

  it('tries postmaster once', async () => {
    const { result, server } = await send({ MAIL: '550 nobody' })
    assert.deepEqual([result.code, result.outcome === 'refused' && result.step], [550, 'mail'])
    assert.equal(server.commands.filter((line) => line.startsWith('MAIL')).length, 2)
  })

  it('goes out from nobody else if you say so', async () => {
    const { result, server } = await send({ MAIL: noNull }, { fallbackSender: false })
    assert.equal(result.code, 550)
    assert.equal(server.commands.length, 2)
    const other = await send({ MAIL: '550 no' }, { sender: 'a@us.test' })
    assert.equal(other.server.commands.length, 2)
  })

  for (const [name, script, code] of [
    ['RCPT', { RCPT: '550 5.1.1 no' }, 550],
    ['DATA', { DATA: '451 no' }, 451],
    ['the message', { message: '554 no' }, 554],
    ['the greeting', { greeting: '554 no' }, 450],
    ['everything, without a word', { greeting: CLOSE }, 450],
    ['to say its name', { EHLO: '250' }, 553],
    ['to have another name than ours', { EHLO: '250 us.test' }, 553],
  ] as [string, Script, number][]) {
    it(`gives ${code} if the server refuses ${name}`, async () => {
      assert.equal((await send(script)).result.code, code)
    })
  }

  it('says when it may have arrived', async () => {
    const { result } = await send({ message: CLOSE })
    assert.deepEqual(
      [result.code, result.outcome === 'failed' && result.mayHaveArrived],
      [450, true],
    )
  })

  it('is not sent if it may be taken for two messages', async () => {
    const { result } = await send({}, {}, Buffer.from('a: b\r\n\r\n\n.\n\r\n'))
    assert.equal(result.code, 554)
  })
})
