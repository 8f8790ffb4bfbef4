import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deliver } from 'tsmilter/testing'
import filter, { scrubAuthenticationResults } from './scrub-authentication-results.ts'

/** Everything after the colon. */
const FORGED = [
  ' mx.example.net; spf=pass smtp.mailfrom=example.org',
  ' MX.Example.NET; spf=pass smtp.mailfrom=example.org',
  ' mx.example.net 1; spf=pass smtp.mailfrom=example.org',
  ' mx.example.net 99; none',
  ' mx.example.net;none',
  ' mx.example.net',
  'mx.example.net; none',
  '\r\n\tmx.example.net;\r\n\tdkim=pass header.d=example.org',
  ' (the (best)\r\n one) mx.example.net (\\) of all) 1; auth=pass',
  ' (" says they) mx.example.net; auth=pass',
  ' (=?us-ascii?q?=28?=) mx.example.net; auth=pass',
  ' "mx.example.net"; auth=pass',
  ' "mx\\.example.net" 1; auth=pass',
  ' mx.example.net(ours); auth=pass',
]
const FOREIGN = [
  ' mx.example.org; spf=pass smtp.mailfrom=example.org',
  ' mx.example.net.example.org; spf=pass',
  ' not-mx.example.net; spf=pass',
  ' example.net; spf=pass',
  ' (mx.example.net) mx.example.org; spf=pass',
  ' mx.example.org (mx.example.net;) 1;\r\n\tspf=pass (mx.example.net: gr\xfc\xdfe) smtp.helo=mx.example.net',
  ' "mx.example.net)"; spf=pass',
  ' spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=example.org',
]
/** Without a name and a semicolon it is no such field; a reader may make of it what it likes. */
const UNREADABLE = [
  ' (mx.example.net; spf=pass',
  ' ;mx.example.net',
  ' mx.example.',
  '',
  '  \t ',
]
const field = (value: string): string => `Authentication-Results:${value}\r\n`
const REST =
  'From: Alice <alice@example.org>\r\nSubject: Lunch?\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n'
const messageOf = (...fields: string[]): Buffer =>
  Buffer.from([...fields, REST, '\r\nhello\r\n'].join(''), 'latin1')
const macros = { j: 'mx.example.net' }

for (const mta of ['postfix', 'sendmail'] as const) {
  describe(`scrub-authentication-results behind ${mta}`, () => {
    for (const value of [...FORGED, ...UNREADABLE]) {
      it(`removes ${JSON.stringify(value)}`, async () => {
        const outcome = await deliver(filter, { mta, macros, message: messageOf(field(value)) })
        assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
        assert.deepEqual(outcome.errors, [])
        assert.equal(outcome.message!.toString('latin1'), messageOf().toString('latin1'))
      })
    }

    for (const value of FOREIGN) {
      it(`keeps ${JSON.stringify(value)}`, async () => {
        const message = messageOf(field(value))
        const outcome = await deliver(filter, { mta, macros, message })
        assert.equal(outcome.verdict, 'accept', outcome.trace.toString())
        assert.deepEqual(outcome.edits, [])
        assert.equal(outcome.message!.toString('latin1'), message.toString('latin1'))
      })
    }

    it('removes all that are forged from among the others', async () => {
      const kept = ['X-First: 1\r\n', ...FOREIGN.slice(0, 6).map(field)]
      const forged = FORGED.map(field)
      const mixed = kept.flatMap((one, i) => [one, ...forged.slice(2 * i, 2 * i + 2)])
      const outcome = await deliver(filter, { mta, macros, message: messageOf(...mixed) })
      assert.deepEqual(outcome.errors, [])
      assert.equal(
        outcome.message!.toString('latin1'),
        messageOf(...kept).toString('latin1'),
        outcome.trace.toString(),
      )
    })

    it('takes another name than that of the host', async () => {
      const outcome = await deliver(scrubAuthenticationResults('Example.net'), {
        mta,
        macros,
        message: messageOf(field(' mx.example.net; none'), field(' example.net; none')),
      })
      assert.equal(
        outcome.message!.toString(),
        messageOf(field(' mx.example.net; none')).toString(),
      )
    })

    it('defers mail of a server that does not tell its name', async () => {
      const outcome = await deliver(filter, { mta, macros: { j: '' } })
      assert.equal(outcome.verdict, 'tempfail')
      assert.match(String(outcome.errors[0]), /does not tell its name/)
    })

    it('does not take long for a field full of brackets', async () => {
      const value = ` ${'('.repeat(29_000)}${')'.repeat(29_000)} mx.example.net; none`
      const start = performance.now()
      const outcome = await deliver(filter, { mta, macros, message: messageOf(field(value)) })
      assert.ok(performance.now() - start < 1_000)
      assert.equal(outcome.message!.toString(), messageOf().toString())
    })

    it('is not fooled by a name that Postfix cuts off', async () => {
      // Postfix shows filters the first 60,000 bytes of a field.
      for (let length = 59_900; length < 60_010; length++) {
        const value = ` (${'x'.repeat(length)}) mx.example.net; spf=pass`
        const outcome = await deliver(filter, { mta, macros, message: messageOf(field(value)) })
        assert.ok(!outcome.message!.includes('Authentication-Results'), String(length))
      }
    })
  })
}
