/** The ready-made filter `scan` with the real clamd and the real spamd. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { scan } from '../../src/filters/index.ts'
import { deliver, type TestOutcome } from '../../src/testing/index.ts'
import { resultsIn } from '../filters/support.ts'
import { available, startFilter, temporaryDirectory } from './support/program.ts'

const message = (text: string): string =>
  `Date: Mon, 30 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nFrom: a@example.org\r\nTo: b@example.net\r\nSubject: hello\r\n\r\n${text}\r\n`

async function play(
  filter: ReturnType<typeof scan>,
  text: string,
): Promise<{ told: string | undefined; said: string; outcome: TestOutcome }> {
  const outcome = await deliver(filter, { message: message(text), timeouts: 60_000 })
  assert.deepEqual(outcome.errors, [])
  const line = outcome.log.find(({ fields }) => 'names' in fields || 'why' in fields)
  const { names, why } = line?.fields ?? {}
  return { told: resultsIn(outcome.log)[0], said: JSON.stringify(names ?? why), outcome }
}

describe('scan and clamd', () => {
  if (!available('clamd', ['--version'], 'clamav-daemon')) return

  it('finds what its signatures name, and says what is too large for it', async () => {
    const directory = temporaryDirectory()
    const path = (name: string): string => join(directory, name)
    const bad = 'A text that only this test calls a virus.'
    const bytes = Buffer.from(message(bad))
    const digest = createHash('md5').update(bytes).digest('hex')
    writeFileSync(path('test.hdb'), `${digest}:${bytes.length}:Test.Signature\n`)
    const lines = [
      'Foreground yes',
      `LocalSocket ${path('clamd.sock')}`,
      `DatabaseDirectory ${directory}`,
      'StreamMaxLength 1M',
      '',
    ]
    writeFileSync(path('clamd.conf'), lines.join('\n'))
    await startFilter('clamd', ['-c', path('clamd.conf')], path('clamd.sock'))
    const filter = scan({ clamd: path('clamd.sock') })

    const found = await play(filter, bad)
    assert.equal(found.told, 'refused infected', found.said)
    assert.equal(found.said, '["Test.Signature.UNOFFICIAL"]')
    assert.match(found.outcome.reply, /has a virus: Test\.Signature\.UNOFFICIAL/)
    assert.equal((await play(filter, 'Hello')).told, 'passed clean')
    const large = await play(filter, 'x'.repeat(3_000_000))
    assert.equal(large.told, 'deferred failed')
    assert.match(large.said, /size limit exceeded|EPIPE|ECONNRESET/)
  })
})

/** The line that SpamAssassin gives a thousand points, for tests like these. */
const GTUBE = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'

describe('scan and spamd', () => {
  if (!available('spamd', ['--version'], 'spamd')) return

  it('gives score and rules, and knows the client', async () => {
    const directory = temporaryDirectory()
    const socket = join(directory, 'spamd.sock')
    const args = [
      '--local',
      '--nouser-config',
      `--helper-home-dir=${directory}`,
      '--max-children=1',
      '--syslog=stderr',
      `--socketpath=${socket}`,
      '--cf=use_bayes 0',
      '--cf=required_score 5',
      '--cf=header TEST_CLIENT X-Spam-Relays-Untrusted =~ /ip=192\\.0\\.2\\.10 /',
      '--cf=score TEST_CLIENT 0.1',
    ]
    await startFilter('spamd', args, socket)
    const { told, said, outcome } = await play(scan({ spamd: socket }), GTUBE)
    assert.equal(told, 'changed spam', said)
    assert.match(said, /"GTUBE"/)
    assert.match(said, /"TEST_CLIENT"/)
    assert.match(
      String(outcome.message),
      /^X-Spam-Status: Yes, score=\d+(?:\.\d+)? required=5 /m,
    )
    assert.match(String(outcome.message), /^X-Spam-Flag: YES\r$/m)
    const ham = await play(scan({ spamd: socket }), 'Hello, how are you?')
    assert.equal(ham.told, 'passed clean', ham.said)
    const refused = await play(scan({ spamd: socket, refuseAt: 900 }), GTUBE)
    assert.equal(refused.told, 'refused spam')
  })
})
