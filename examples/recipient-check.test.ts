import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { deliver } from 'tsmilter/testing'
import { overHttp, recipientCheck, type Lookup } from './recipient-check.ts'

const THERE = ['bob@example.net', 'carol@example.net']
const asked: string[] = []
/** Knows two addresses, is down for one, and hangs for another until its signal fires. */
const directory: Lookup = async (address, signal) => {
  asked.push(address)
  if (address.startsWith('down')) throw new Error('connection refused')
  if (address.startsWith('slow')) await wait(60_000, undefined, { signal })
  return THERE.includes(address)
}

for (const mta of ['postfix', 'sendmail'] as const) {
  describe(`recipient-check behind ${mta}`, () => {
    it('refuses those that do not exist, and no others', async () => {
      const outcome = await deliver(recipientCheck(directory), {
        mta,
        to: ['bob@example.net', 'nobody@example.net', 'carol@example.net'],
      })
      assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
      assert.deepEqual(outcome.recipients, THERE)
      assert.deepEqual(
        outcome.refused.map(({ address }) => address),
        ['nobody@example.net'],
      )
      assert.match(outcome.refused[0]!.reply, /^550 5\.1\.1 .*No such user here$/)
      assert.deepEqual(outcome.errors, [])
    })

    for (const [trouble, address, cause] of [
      ['fails', 'down@example.net', /connection refused/],
      ['does not answer', 'slow@example.net', /did not answer at recipient within 50 ms/],
    ] as const) {
      it(`defers those for which the directory ${trouble}, and no others`, async () => {
        const outcome = await deliver(recipientCheck(directory, 50), {
          mta,
          to: ['bob@example.net', address, 'nobody@example.net', 'carol@example.net'],
        })
        assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
        assert.deepEqual(outcome.recipients, THERE)
        assert.deepEqual(
          outcome.refused.map((one) => [one.address, one.reply.slice(0, 3)]),
          [
            [address, '451'],
            ['nobody@example.net', '550'],
          ],
        )
        assert.match(String(outcome.errors[0]), cause)
      })
    }

    it('has recipients deferred whatever the program does with errors elsewhere', async () => {
      for (const onError of ['accept', 'continue', 'reject'] as const) {
        const { refused } = await deliver(recipientCheck(directory, 50), {
          mta,
          to: ['bob@example.net', 'down@example.net'],
          filter: { onError },
        })
        assert.deepEqual(
          refused.map((one) => [one.address, one.reply.slice(0, 3)]),
          [['down@example.net', '451']],
        )
      }
    })

    it('tells the directory that nobody waits any longer', async () => {
      let reason: unknown
      const hanging: Lookup = (_address, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            reject(signal.reason as Error)
          })
        })
      await deliver(recipientCheck(hanging, 50), { mta })
      assert.match(String(reason), /did not answer/)
    })

    it('asks for nothing but recipients', async () => {
      asked.length = 0
      const { trace } = await deliver(recipientCheck(directory), { mta })
      assert.deepEqual(asked, ['bob@example.net'])
      const content = ['header', 'eoh', 'body']
      assert.ok(!trace.entries.some(({ message }) => content.includes(message?.type ?? '')))
    })
  })
}

it('asks a directory over HTTP', async () => {
  const server = createServer((request, response) => {
    const address = decodeURIComponent(request.url!.slice(1))
    response.statusCode =
      address === 'down@example.net' ? 503 : THERE.includes(address) ? 200 : 404
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const lookup = overHttp(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    const { recipients, refused } = await deliver(recipientCheck(lookup), {
      to: ['bob@example.net', 'nobody/x?@example.net', 'down@example.net'],
    })
    assert.deepEqual(recipients, ['bob@example.net'])
    assert.deepEqual(
      refused.map(({ reply }) => reply.slice(0, 3)),
      ['550', '451'],
    )
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
