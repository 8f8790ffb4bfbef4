import assert from 'node:assert/strict'
import { connect as connectSocket, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseListenAddress } from '../../src/net/listen-address.ts'
import { atEnd } from '../support/resources.ts'
import { abusedFilter, ARGS, withSubject } from './support/abused-filter.ts'
import { connect, field, launch, send, start, until, type Running } from './support/command.ts'
import { childrenOf, cpuTimeOf, descriptorsOf, limit, notLinux } from './support/process.ts'

const LARGE = withSubject('size', 'x'.repeat(70).concat('\r\n').repeat(5_000))

/** Connections that say nothing, and how many of them are still open. */
class Crowd {
  readonly #sockets: Socket[] = []
  open = 0

  constructor(running: Running, count: number) {
    const address = parseListenAddress(running.address) as { port: number; host: string }
    atEnd(() => this.leave())
    for (let n = 0; n < count; n++) {
      const socket = connectSocket(address)
      socket.on('error', () => {})
      socket.on('connect', () => this.open++)
      let connected = false
      socket.on('connect', () => (connected = true))
      socket.on('close', () => {
        if (connected) this.open--
        else this.refused++
      })
      this.#sockets.push(socket)
    }
  }

  refused = 0

  leave(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

/** Whether it waits instead of trying again and again: of two seconds, how many it computes. */
async function computes(pids: readonly number[]): Promise<number> {
  const before = pids.map(cpuTimeOf)
  await sleep(2_000)
  return pids.reduce((sum, pid, n) => sum + cpuTimeOf(pid) - before[n]!, 0)
}

describe('without descriptors', { skip: notLinux }, () => {
  it('a worker takes no more connections, serves those it has, and recovers', async () => {
    const { directory } = abusedFilter()
    await using running = await start(ARGS, directory)
    const [worker] = childrenOf(running.pid) as [number]
    const descriptors = [running.pid, worker].map(descriptorsOf)
    await using client = await connect(running.address)
    assert.equal((await client.deliver({})).verdict, 'accept')
    limit(worker, 'nofile', 60)
    const crowd = new Crowd(running, 200)
    // Those it has no descriptor for are not left waiting for ever.
    await running.says(/ERROR a worker has no descriptors left for connections/)
    await until('the end of the others', () => descriptorsOf(running.pid) === descriptors[0])
    await until('the news of it', () => crowd.open < 60)
    assert.ok(crowd.open > 20, `${crowd.open} connections`)
    assert.equal(field(await client.deliver({ message: withSubject('x') }), 'X-Seen'), 'test')
    const late = await send(running.address)
    assert.equal(late.verdict, 'tempfail')
    assert.equal(late.failure?.code, 'DISCONNECTED')
    // Nor can it open a file for a body; that message is deferred.
    const large = await client.deliver({ message: LARGE })
    assert.deepEqual([large.verdict, large.failure], ['tempfail', undefined])
    await running.says(/reason=SPILL_FAILED/)
    assert.match(running.said, /EMFILE/)
    assert.ok((await computes([running.pid, worker])) < 1, 'a busy loop')

    crowd.leave()
    await until('the end of the crowd', () => descriptorsOf(worker) < 50)
    for (let n = 0; n < 5; n++) {
      assert.equal(field(await send(running.address, LARGE), 'X-Size'), '360000')
    }
    assert.equal(field(await client.deliver({ message: LARGE }), 'X-Size'), '360000')
    assert.equal(running.count(/no descriptors left/), 1)
    assert.deepEqual(childrenOf(running.pid), [worker])
    assert.equal(await running.stop(), 0)
  })

  it('of one worker, connections go to the others', async () => {
    const { directory } = abusedFilter()
    await using running = await start([...ARGS, '--workers', '2'], directory)
    const [full] = childrenOf(running.pid) as [number]
    limit(full, 'nofile', 1)
    for (let n = 0; n < 10; n++) {
      assert.equal(field(await send(running.address, withSubject('x')), 'X-Seen'), 'test')
    }
    await running.says(/ERROR a worker has no descriptors left for connections/)
    assert.equal(await running.stop(), 0)
  })

  it('the primary closes what it cannot take, and goes on', async () => {
    const { directory } = abusedFilter()
    await using running = await start(ARGS, directory)
    const before = descriptorsOf(running.pid)
    await using client = await connect(running.address)
    assert.equal((await client.deliver({})).verdict, 'accept')
    limit(running.pid, 'nofile', before + 5)
    const crowd = new Crowd(running, 300)
    await until('the end of some', () => descriptorsOf(running.pid) === before)
    assert.equal((await client.deliver({})).verdict, 'accept')
    assert.ok((await computes([running.pid])) < 1, 'a busy loop')
    crowd.leave()
    await until('an answer', async () => (await send(running.address)).failure === undefined)
    assert.equal(running.count(/WARN|ERROR/), 0)
    assert.equal(await running.stop(), 0)
  })

  it('the primary closes waiting connections, to start a worker for the others', async () => {
    const { directory } = abusedFilter()
    await using running = await start(ARGS, directory)
    const [worker] = childrenOf(running.pid) as [number]
    const maximum = descriptorsOf(running.pid) + 20
    limit(running.pid, 'nofile', maximum)
    // A worker that takes nothing: all wait in the primary before another is to be started.
    process.kill(worker, 'SIGSTOP')
    const crowd = new Crowd(running, 300)
    await until('a full primary', () => descriptorsOf(running.pid) >= maximum - 2)
    process.kill(worker, 'SIGKILL')
    await running.says(/ERROR a worker has died/)
    await running.says(/ERROR cannot start a process: connections that wait are closed/)
    // What it starts has its limit.
    limit(running.pid, 'nofile', 'max')
    crowd.leave()
    await running.says(/INFO  a worker has taken the place of another/)
    assert.equal(field(await send(running.address, withSubject('x')), 'X-Seen'), 'test')
    assert.equal(await running.stop(), 0)
  })

  it('for as many connections as it should have, the command says so', async () => {
    const { directory } = abusedFilter()
    const running = launch([...ARGS, '--max-connections', '99999999'], directory)
    await using _ended = running
    await running.says(/INFO  ready/)
    assert.match(
      running.said,
      /WARN  the limit of descriptors \(ulimit -n\) is too low for maxConnections/,
    )
    assert.equal(await running.stop(), 0)
  })
})
