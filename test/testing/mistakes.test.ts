import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MtaClient } from '../../src/mta/index.ts'
import { deliver, openSession } from '../../src/testing/index.ts'

const usage =
  (code: string, text: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof Error && error.name === 'UsageError', String(error))
    assert.equal((error as Error & { code: string }).code, code)
    assert.match(error.message, text)
    return true
  }

/** What JavaScript can give, and the types forbid. */
const wrong = (value: unknown): never => value as never

describe('mistakes in a test', () => {
  for (const filter of [{ eom: () => {} }, undefined, null, 'filter']) {
    it(`a filter that is ${filter === null ? 'null' : typeof filter}`, async () => {
      const expected = usage(
        'INVALID_HANDLER',
        /takes what defineFilter has made, or a function/,
      )
      await assert.rejects(deliver(wrong(filter)), expected)
      await assert.rejects(openSession(wrong(filter)), expected)
    })
  }

  for (const name of ['sender', 'recipients', 'headers', 'onfailure', 'deadlines']) {
    it(`a field ${name}, which there is not`, async () => {
      const expected = usage('INVALID_OPTION', new RegExp(`no field "${name}"; there are `))
      const given = wrong({ [name]: 'x' })
      await assert.rejects(
        deliver(() => ({}), given),
        expected,
      )
      await assert.rejects(
        openSession(() => ({}), given),
        expected,
      )
      const session = await openSession(() => ({}))
      await assert.rejects(session.deliver(given), expected)
      await session.close()
    })
  }

  for (const onFailure of ['shutdown', 'quarantine', 'temfail', null]) {
    it(`onFailure: ${onFailure}`, async () => {
      const expected = usage(
        'INVALID_OPTION',
        /onFailure is .*; it can be tempfail, accept, reject/,
      )
      await assert.rejects(
        deliver(() => ({}), wrong({ onFailure })),
        expected,
      )
      await assert.rejects(
        MtaClient.connect('inet:1@127.0.0.1', wrong({ onFailure })),
        expected,
      )
    })
  }

  it('the From line of an mbox is no part of the message', async () => {
    for (const end of ['\n', '\r\n']) {
      const lines = [
        'From alice@example.org Tue Nov 24 10:00:00 2026',
        'Subject: x',
        '',
        'From me',
        '',
      ]
      const { message } = await deliver(() => ({}), { message: lines.join(end) })
      assert.equal(message?.toString(), 'Subject: x\r\n\r\nFrom me\r\n')
    }
  })
})
