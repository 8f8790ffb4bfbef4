import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defineFilter, type ErrorPolicy } from '../../src/index.ts'
import { observe } from '../../src/diagnostics/channels.ts'
import { deliver } from '../../src/testing/index.ts'
import { atEnd, until } from '../support/resources.ts'
import { slowDisk } from '../support/slow-disk.ts'
import { body, eom, header, mail, rcpt, Wire } from '../support/wire.ts'

const IN_FILES = { bodyMemory: 0 }

describe('a slow disk', () => {
  for (const onError of ['continue', 'tempfail'] as const satisfies ErrorPolicy[]) {
    it(`never shows a filter a body that is not whole: onError is ${onError}`, async () => {
      const seen: string[] = []
      const filter = defineFilter({
        name: 'reads',
        limits: IN_FILES,
        onError,
        async message(message) {
          seen.push(String(await message.body.bytes()))
        },
      })
      const wire = Wire.negotiated(filter, { onError, deadlines: { body: 30 } })
      const slow = slowDisk()
      wire.send(mail(), rcpt(), header('Subject', ' s'))
      // Each is written behind the work of others, and not waited for that long.
      for (const piece of ['one', 'two', 'three']) {
        wire.send(body(piece))
        await until(() => !wire.session.handling)
      }
      wire.send(eom())
      await slow
      await until(() => !wire.session.handling)
      assert.deepEqual(seen, [])
      assert.equal(wire.answers(), onError)
      const codes = wire.log.map(({ fields }) => (fields['err'] as { code?: string }).code)
      assert.equal(codes[0], 'DEADLINE_EXCEEDED')
    })
  }

  it('is no failure of a filter when the mail server leaves meanwhile', async () => {
    const filter = defineFilter({ name: 'reads', limits: IN_FILES, message: () => {} })
    const wire = Wire.negotiated(filter)
    const slow = slowDisk()
    wire.send(mail(), rcpt(), header('Subject', ' s'), body('one'), eom())
    assert.equal(wire.session.handling, true)
    wire.session.end('eof')
    await slow
    await until(() => wire.session.closed)
    assert.deepEqual(
      wire.log.filter(({ level }) => level === 'error' || level === 'warn'),
      [],
    )
  })

  it('is waited for where the body that counts is an earlier one', async () => {
    const large = 'line\r\n'.repeat(1_000)
    let opened = 0
    let slow: Promise<void> | undefined
    const filter = defineFilter({
      name: 'replaces',
      limits: IN_FILES,
      async message({ body: own }) {
        const before = opened
        // The file is there, and what is to be in it comes after the work of others.
        atEnd(observe({ 'tsmilter:spill': () => void (slow ??= slowDisk()) }))
        own.replace(large)
        async function* fails(): AsyncGenerator<string> {
          yield await Promise.reject(new Error('no more'))
        }
        await own.replace(fails()).catch(() => {})
        await until(() => opened > before)
      },
    })
    atEnd(observe({ 'tsmilter:spill': () => void opened++ }))
    const outcome = await deliver(filter, { message: 'Subject: s\r\n\r\nsmall\r\n' })
    assert.deepEqual(outcome.errors, [])
    assert.equal(outcome.message!.toString(), `Subject: s\r\n\r\n${large}`)
    await slow
  })
})
