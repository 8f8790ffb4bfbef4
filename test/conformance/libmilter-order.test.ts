import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ACCEPT, DISCARD, REJECT, serve, silentLogger, type Handlers } from '../../src/index.ts'
import {
  Command,
  encodeCommand,
  FrameDecoder,
  type CommandMessage,
} from '../../src/protocol/index.ts'
import { atEnd } from '../support/resources.ts'
import {
  abort,
  body,
  connect as connectCommand,
  data,
  eoh,
  eom,
  FULL_OFFER,
  header,
  helo,
  macros,
  mail,
  quitNc,
  rcpt,
  unknown,
} from '../support/wire.ts'
import {
  available,
  run,
  sourcePath,
  startFilter,
  temporaryDirectory,
} from './support/program.ts'

const COMMANDS: Readonly<Record<string, CommandMessage>> = {
  O: { type: 'optneg', offer: FULL_OFFER },
  C: connectCommand(),
  H: helo(),
  M: mail('<c@example.org>'),
  R: rcpt('<c@example.net>'),
  T: data,
  L: header('X-A', ' b'),
  N: eoh,
  B: body('-'),
  E: eom(),
  P: eom('-'),
  A: abort,
  K: quitNc,
  U: unknown('XFOO'),
  V: macros(Command.CONNECT, { v: 'Postfix 3.11.6' }),
  // Refused, accepted and dropped ones.
  m: mail('<r@example.org>'),
  a: mail('<a@example.org>'),
  d: rcpt('<d@example.net>'),
  r: rcpt('<r@example.net>'),
}

const VERDICTS = { r: REJECT, a: ACCEPT, d: DISCARD }

/**
 * Orders that no mail server should send, and what each answers, one letter for one reply; `x` is the
 * end of the connection. Where they differ libmilter says nothing, and a mail server waits until its
 * timeout (libmilter/engine.c drops a command that is not in its table of states). Here every command
 * that wants an answer gets one: `t` where there is no message, the verdict again where it was given,
 * `c` where a stage was left out.
 */
const ORDERS: readonly [commands: string, libmilter: string, ours: string][] = [
  // Alike.
  ['OCHMRTLNBE', 'Occccccccc', 'Occccccccc'],
  ['OM', 'Oc', 'Oc'],
  ['OCMM', 'Occc', 'Occc'],
  ['OCMH', 'Occc', 'Occc'],
  ['OCMRH', 'Occcc', 'Occcc'],
  ['OCMRTU', 'Occccc', 'Occccc'],
  ['OCMRE', 'Occcc', 'Occcc'],
  ['OCMA', 'Occ', 'Occ'],
  ['OCA', 'Oc', 'Oc'],
  ['OCMAA', 'Occ', 'Occ'],
  ['OCMrR', 'Occrc', 'Occrc'],
  ['OCMRTLNP', 'Occccccc', 'Occccccc'],
  ['OCMRTLNBP', 'Occcccccc', 'Occcccccc'],
  ['OCK', 'Oc', 'Oc'],
  ['OCMRTLNBEKC', 'Occccccccc', 'Occccccccc'],
  ['OCUKC', 'Occc', 'Occc'],
  ['OCUM', 'Occc', 'Occc'],
  ['OCMRUM', 'Occccc', 'Occccc'],
  ['OCMRTLNBEMRE', 'Occccccccccc', 'Occccccccccc'],
  ['OCMRTNBE', 'Occccccc', 'Occccccc'],
  // Unanswered by libmilter.
  ['OO', 'O', 'Ox'],
  ['OCC', 'Oc', 'Occ'],
  ['OR', 'O', 'Ot'],
  ['OB', 'O', 'Ot'],
  ['OE', 'O', 'Ot'],
  ['OCR', 'Oc', 'Oct'],
  ['OCE', 'Oc', 'Oct'],
  ['OCMRTUL', 'Occccc', 'Occcccc'],
  ['OCMRLE', 'Occcc', 'Occccc'],
  ['OCMRTE', 'Occcc', 'Occccc'],
  ['OCMRTLB', 'Occccc', 'Occcccc'],
  ['OCMRTBE', 'Occcc', 'Occcccc'],
  ['OCMRTLNBL', 'Occccccc', 'Occccccct'],
  ['OCMRTLNBEE', 'Occcccccc', 'Occcccccct'],
  ['OCMRTLNBEL', 'Occcccccc', 'Occcccccct'],
  ['OCMAR', 'Occ', 'Occt'],
  ['OVCaR', 'Oca', 'Ocac'],
  ['OVCaRTLNBE', 'Oca', 'Ocacccccc'],
  // Of a server that may let pass more than was accepted (docs/protocol.md).
  ['OCaR', 'Oca', 'Occc'],
  ['OCaRTLNBE', 'Oca', 'Occccccca'],
  ['OCmR', 'Ocr', 'Ocrr'],
  ['OCdR', 'Oc', 'Octt'],
  ['OCMdR', 'Occdc', 'Occdd'],
  ['OCMdRTLNBE', 'Occdcccccc', 'Occddddddd'],
  ['OCMrTE', 'Occrc', 'Occrcc'],
  ['OCMrLE', 'Occrc', 'Occrcc'],
  ['OCKC', 'Oc', 'Occ'],
  ['OCHKC', 'Occ', 'Occc'],
  ['OCMKC', 'Occ', 'Occc'],
]

/**
 * Sends everything at once, and gives the letters of what comes back until nothing more comes.
 * @param expected so much is waited for longer, as machines are busy
 */
async function answers(
  target: { path: string } | { port: number; host: string },
  commands: string,
  expected: string,
): Promise<string> {
  const socket = connect(target as { path: string })
  atEnd(() => socket.destroy())
  const frames = new FrameDecoder(1_000_000)
  let letters = ''
  let heard = Date.now()
  let over = false
  socket.on('error', () => (over = true))
  socket.on('close', () => (over = true))
  socket.on('data', (chunk: Buffer) => {
    heard = Date.now()
    frames.push(chunk)
    while (frames.next()) {
      frames.take()
      letters += String.fromCharCode(frames.command)
    }
  })
  socket.write(Buffer.concat(commands.split('').map((one) => encodeCommand(COMMANDS[one]!))))
  const patience = (): number => (letters.length < expected.length ? 10_000 : 300)
  while (!over && Date.now() - heard < patience()) await sleep(10)
  socket.destroy()
  return letters + (over ? 'x' : '')
}

describe('orders that are not legal', () => {
  if (
    !available(
      'gcc',
      ['-E', '-include', 'libmilter/mfapi.h', '-x', 'c', '/dev/null'],
      'gcc with libmilter-dev',
    )
  )
    return
  it('are always answered here, and left unanswered by libmilter where the table says so', async () => {
    const directory = temporaryDirectory()
    const program = join(directory, 'filter')
    run('gcc', [
      '-o',
      program,
      sourcePath('test', 'conformance', 'fixtures', 'libmilter_filter.c'),
      '-lmilter',
      '-lpthread',
    ])
    const path = join(directory, 'filter.sock')
    await startFilter(program, [path, '0'], path)
    const server = await serve(
      (): Handlers => ({
        negotiate: () => ({ steps: 0 }),
        envfrom: (_ctx, from) => VERDICTS[from[1] as 'r'],
        envrcpt: (_ctx, to) => VERDICTS[to[1] as 'r'],
      }),
      { listen: 'inet:0@127.0.0.1', logger: silentLogger() },
    )
    atEnd(() => server.close({ deadline: 0 }))
    const port = Number(/:(\d+)@/.exec(server.addresses[0]!)![1])
    const found = await Promise.all(
      ORDERS.map(async ([commands, libmilter, ours]) => [
        commands,
        await answers({ path }, commands, libmilter),
        await answers({ port, host: '127.0.0.1' }, commands, ours),
      ]),
    )
    assert.deepEqual(found, ORDERS)
  })
})
