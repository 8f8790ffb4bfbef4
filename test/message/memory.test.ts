import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import {
  ALL_ACTIONS,
  ALL_STEPS,
  Command,
  encodeCommand,
  encodeFrame,
  FrameDecoder,
  Reply,
} from '../../src/protocol/index.ts'
import { killAtEnd } from '../support/resources.ts'

const MIB = 1_048_576
/**
 * What a message of any size may need, with a body as it came and another one in its place: in use at a
 * time, and on top of that what waits for the garbage collector. docs/messages.md states both.
 */
const IN_USE = 4 * MIB
const PROCESS = 96 * MIB
const CHUNK = Buffer.alloc(65_535, 'line\r\n')

interface Told {
  readonly size: number
  readonly inUse: number
  readonly peak: number
}

describe('a message of 100 MB', () => {
  it('needs a bounded amount of memory, both ways', async () => {
    const child = killAtEnd(
      fork(new URL('fixtures/large-bodies.js', import.meta.url), {
        stdio: 'inherit',
        execArgv: ['--expose-gc'],
      }),
    )
    const [{ address }] = (await once(child, 'message')) as [{ address: string }]
    const port = Number(/:(\d+)@/.exec(address)![1])
    const one = async (size: number): Promise<Told> => {
      const [[told], received] = await Promise.all([
        once(child, 'message') as Promise<[Told]>,
        send(port, size),
      ])
      assert.equal(told.size, size)
      assert.equal(received, size)
      return told
    }
    // The first one warms the process up.
    const small = await one(2 * MIB)
    const large = await one(100 * MIB)
    // Once more: what is kept of a message would add up.
    const again = await one(100 * MIB)
    for (const { inUse } of [large, again]) {
      assert.ok(inUse - small.inUse < IN_USE, `${(inUse - small.inUse) / MIB} MiB in use`)
    }
    assert.ok(again.peak - small.peak < PROCESS, `${(again.peak - small.peak) / MIB} MiB`)
    child.disconnect()
    await once(child, 'exit')
  })
})

/** Plays the mail server for one message of `size` bytes; gives the size of the body that comes back. */
async function send(port: number, size: number): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  const frames = new FrameDecoder(MIB)
  let received = 0
  const done = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', (data: Buffer) => {
      frames.push(data)
      while (frames.next()) {
        if (frames.command === Reply.REPLBODY) received += frames.end - frames.start
        if (frames.command === Reply.CONTINUE) resolve()
      }
    })
  })
  const write = async (bytes: Buffer): Promise<void> => {
    if (!socket.write(bytes)) await once(socket, 'drain')
  }
  await write(
    encodeCommand({
      type: 'optneg',
      offer: { version: 6, actions: ALL_ACTIONS, steps: ALL_STEPS },
    }),
  )
  await write(encodeCommand({ type: 'mail', words: ['<a@example.org>'] }))
  await write(encodeCommand({ type: 'rcpt', words: ['<b@example.net>'] }))
  await write(encodeCommand({ type: 'header', name: 'Subject', value: ' large' }))
  for (let left = size; left > 0; left -= CHUNK.length) {
    await write(encodeFrame(Command.BODY, CHUNK.subarray(0, left)))
  }
  await write(encodeFrame(Command.EOM))
  await done
  socket.end(encodeFrame(Command.QUIT))
  return received
}
