import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { MtaClient } from '../../src/mta/client.ts'
import { eom, mail } from '../support/wire.ts'

describe('runMilter', () => {
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
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })

  async function start(slow = '0'): Promise<void> {
    child = fork(
      join(import.meta.dirname, 'fixtures', 'run-milter.js'),
      [`unix:${path}`, slow],
      { silent: true },
    )
    child.on('message', (text) => lines.push(text as string))
    await line(/listening/)
  }
  async function line(wanted: RegExp): Promise<void> {
    while (!lines.some((one) => wanted.test(one))) await once(child, 'message')
  }
  async function exit(): Promise<[number | null, string | null]> {
    if (child.exitCode !== null || child.signalCode !== null)
      return [child.exitCode, child.signalCode]
    return (await once(child, 'exit')) as [number | null, string | null]
  }
  async function inMessage(): Promise<{ answer: Promise<unknown>; edits: string[] }> {
    const client = await MtaClient.connect(`unix:${path}`)
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
      assert.deepEqual(await exit(), [0, null])
      assert.equal(lines.at(-1), 'returned')
      assert.equal(existsSync(path), false)
    })
  }

  it('stops at once at SIGINT: what is owed is deferred', async () => {
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

  it('fails with the reason when it cannot listen', async () => {
    await start()
    const second = fork(
      join(import.meta.dirname, 'fixtures', 'run-milter.js'),
      [`unix:${path}`, '0'],
      { silent: true },
    )
    let output = ''
    second.stderr!.on('data', (text: Buffer) => (output += text.toString()))
    const [code] = (await once(second, 'exit')) as [number]
    assert.notEqual(code, 0)
    assert.match(output, /ADDRESS_IN_USE/)
  })
})
