import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { field, get, project, send, start, until, type Running } from './support/command.ts'

const MIB = 1_048_576
const MESSAGES = 50
const SIZE = 6 * MIB

/** Waits until all messages are there, so that all bodies are held at the same time. */
const FILTER = `
import { createHash } from 'node:crypto'
import { defineFilter } from 'tsmilter'
const waiting = []
export default defineFilter({
  name: 'digest',
  async message(mail) {
    if (mail.subject === 'all') {
      await new Promise((resolve) => {
        waiting.push(resolve)
        if (waiting.length === ${MESSAGES}) for (const go of waiting.splice(0)) go()
      })
    }
    const hash = createHash('sha256')
    for await (const piece of mail.body) hash.update(piece)
    mail.headers.append('X-Digest', hash.digest('hex'))
  },
})
`
const metricsOf = async (running: Running): Promise<string> => {
  const [, url] = /url=(http:\S+)/.exec(running.said)!
  return await (await get(`${url}/metrics`)).text()
}
async function metric(running: Running, name: string): Promise<number> {
  const line = (await metricsOf(running)).split('\n').find((one) => one.startsWith(`${name} `))
  return Number(line?.split(' ').at(-1))
}
const workerOf = (running: Running): string => /pids=(\d+)/.exec(running.said)![1]!
/** The most memory a process has had, in bytes. */
function memoryOf(pid: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s*(\d+) kB/m.exec(status)![1]) * 1_024
}
const LINUX = { skip: process.platform === 'linux' ? false : 'needs /proc' }

describe('tsmilter run with little memory', () => {
  it('takes fifty large messages at the same time', LINUX, async () => {
    const directory = project({ 'digest.mjs': FILTER })
    const args = ['digest.mjs', '--listen', 'unix:socket', '--telemetry', '0']
    // All bodies would stay in memory, were it not for the budget.
    const limits = ['--max-memory', '8M', '--limits-body-memory', '16M']
    await using running = await start([...args, ...limits], directory)
    const socket = `unix:${directory}/socket`
    const pid = workerOf(running)
    // The first ones warm the process up.
    for (let i = 0; i < 3; i++) await send(socket, `Subject: one\n\n${'x'.repeat(SIZE / 2)}`)
    assert.equal(await metric(running, 'tsmilter_spills_total{reason="memory"}'), 0)
    const before = memoryOf(pid)

    const bodies = Array.from({ length: MESSAGES }, (_, i) =>
      `message ${i}\r\n`.repeat(Math.ceil(SIZE / 12)),
    )
    const outcomes = await Promise.all(
      bodies.map((text) => send(socket, `Subject: all\r\n\r\n${text}`)),
    )
    for (const [i, outcome] of outcomes.entries()) {
      assert.equal(outcome.verdict, 'accept')
      const digest = createHash('sha256').update(bodies[i]!).digest('hex')
      assert.equal(field(outcome, 'X-Digest'), digest)
    }
    // Most of it is what waits for the garbage collector: 45 to 75 MiB where nothing else is done.
    const grown = (memoryOf(pid) - before) / MIB
    assert.ok(grown < (MESSAGES * SIZE) / 2 / MIB, `it has grown by ${grown} MiB`)

    const spills = await metric(running, 'tsmilter_spills_total{reason="memory"}')
    assert.ok(spills >= MESSAGES - 2 && spills <= MESSAGES, `${spills} bodies went to files`)
    assert.equal(await metric(running, 'tsmilter_memory_limit_bytes'), 8 * MIB)
    await until('no memory to be held', async () => {
      return (await metric(running, 'tsmilter_memory_bytes')) === 0
    })
    await until('files to be closed', () => readdirSync(`/proc/${pid}/fd`).length < 40)
    assert.equal(await metric(running, 'tsmilter_messages_total{verdict="accept"}'), 53)
  })
})
