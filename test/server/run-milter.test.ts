import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { runMilter } from '../../src/server/run-milter.ts'
import { MtaClient } from '../../src/mta/client.ts'
import { atEnd, killAtEnd, until } from '../support/resources.ts'
import { eom, mail } from '../support/wire.ts'

describe('runMilter', { timeout: 120_000 }, () => {
  let directory: string
  let path: string
  let child: ChildProcess
  let lines: string[]
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tsmilter-'))
    path = join(directory, 'x.sock')
    lines = []
  })
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  function runner(slow: string): ChildProcess {
    const fixture = join(import.meta.dirname, 'fixtures', 'run-milter.js')
    return killAtEnd(fork(fixture, [`unix:${path}`, slow], { silent: true }))
  }
  async function start(slow = '0'): Promise<void> {
    child = runner(slow)
    child.on('message', (text) => lines.push(text as string))
    await line(/listening/)
  }
  const line = (wanted: RegExp): Promise<void> =>
    until(() => lines.some((one) => wanted.test(one)))
  async function exit(): Promise<[number | null, string | null]> {
    if (child.exitCode !== null || child.signalCode !== null)
      return [child.exitCode, child.signalCode]
    return (await once(child, 'exit')) as [number | null, string | null]
  }
  async function inMessage(): Promise<{ answer: Promise<unknown>; edits: string[] }> {
    const client = await MtaClient.connect(`unix:${path}`)
    atEnd(() => client.destroy())
    await client.negotiate()
    await client.command(mail())
    const edits: string[] = []
    const answer = client.command(eom(), (edit) => edits.push(edit.type))
    await line(/^eom$/)
    return { answer, edits }
  }

  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    it(`finishes what is in progress at ${signal}, and returns`, async () => {
      await start('300')
      const { answer, edits } = await inMessage()
      child.kill(signal)
      assert.deepEqual(await answer, { type: 'continue' })
      assert.deepEqual(edits, ['addheader'])
      // Waited for: the last words of a process can arrive after the news of its end.
      await line(/^returned$/)
      assert.deepEqual(await exit(), [0, null])
      assert.equal(lines.at(-1), 'returned')
      assert.equal(existsSync(path), false)
    })
  }

  it('stops at once at SIGINT: what waits for an answer is deferred', async () => {
    await start('600000')
    const { answer } = await inMessage()
    child.kill('SIGINT')
    assert.deepEqual(await answer, { type: 'tempfail' })
    assert.deepEqual(await exit(), [0, null])
    assert.equal(existsSync(path), false)
  })

  it('does not wait after a second signal', async () => {
    await start('600000')
    const { answer } = await inMessage()
    child.kill('SIGTERM')
    await line(/stopping/)
    child.kill('SIGTERM')
    assert.deepEqual(await answer, { type: 'tempfail' })
    assert.deepEqual(await exit(), [0, null])
  })

  for (const stop of [{ deadline: '10s' }, { quiet: -1 }, { delay: 5 }, 5]) {
    it(`refuses the option stop at once, not at SIGTERM: ${JSON.stringify(stop)}`, async () => {
      const options = { listen: 'inet:0@127.0.0.1', factory: () => ({ eom() {} }), stop }
      await assert.rejects(runMilter('test', options as never), {
        name: 'UsageError',
        code: 'INVALID_OPTION',
        message: /stop/,
      })
    })
  }

  it('fails with the reason when it cannot listen', async () => {
    await start()
    const second = runner('0')
    let output = ''
    second.stderr!.on('data', (text: Buffer) => (output += text.toString()))
    const [code] = (await once(second, 'exit')) as [number]
    assert.notEqual(code, 0)
    assert.match(output, /ADDRESS_IN_USE/)
  })
})
