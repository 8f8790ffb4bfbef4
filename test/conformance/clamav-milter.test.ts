import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MtaClient } from '../../src/mta/index.ts'
import { deliverTo } from './support/deliver.ts'
import { available, startFilter, temporaryDirectory } from './support/program.ts'

/** All that clamd here knows. Its real signatures come over the network, and take it long to read. */
const VIRUS = 'a harmless line that clamd takes for a virus'

/** clamd and clamav-milter, with what is to become of a message that has the virus. */
async function startClamav(onInfected: string): Promise<string> {
  const directory = temporaryDirectory()
  const path = (name: string): string => join(directory, name)
  mkdirSync(path('signatures'))
  const signature = Buffer.from(VIRUS).toString('hex')
  writeFileSync(path('signatures/test.ndb'), `Harmless.Line:0:*:${signature}\n`)
  writeFileSync(
    path('clamd.conf'),
    [
      `LocalSocket ${path('clamd.sock')}`,
      `DatabaseDirectory ${path('signatures')}`,
      `TemporaryDirectory ${directory}`,
      'Foreground yes',
      '',
    ].join('\n'),
  )
  const socket = path('clamav-milter.sock')
  writeFileSync(
    path('clamav-milter.conf'),
    [
      `MilterSocket unix:${socket}`,
      `ClamdSocket unix:${path('clamd.sock')}`,
      `TemporaryDirectory ${directory}`,
      'Foreground yes',
      `OnInfected ${onInfected}`,
      'RejectMsg This is %v',
      'AddHeader Replace',
      'ReportHostname mx.example.net',
      '',
    ].join('\n'),
  )
  await startFilter('clamd', ['-c', path('clamd.conf')], path('clamd.sock'))
  await startFilter('clamav-milter', ['-c', path('clamav-milter.conf')], socket)
  const address = `unix:${socket}`
  // It takes mail before it has found clamd, in another thread, and puts it off until then.
  const deadline = Date.now() + 30_000
  for (;;) {
    await using client = await MtaClient.connect(address)
    const outcome = await deliverTo(client, {})
    if (outcome.verdict === 'accept') return address
    assert.ok(Date.now() < deadline, outcome.trace.toString())
    await sleep(20)
  }
}

const FIELDS = [
  'From: Alice <alice@example.org>',
  'To: bob@example.net',
  'Subject:  two spaces,',
  '\tand a fold',
  'Date: Tue, 24 Nov 2026 10:00:00 +0000',
  'Message-ID: <1@example.org>',
  'MIME-Version: 1.0',
]
const FOUND = ['X-Virus-Scanned: clamav-milter at mx.example.net', 'X-Virus-Status: Clean']

const text = (...lines: readonly string[]): string => `${lines.join('\r\n')}\r\n`

/** Without the version of what is installed. */
const unversioned = (message: Buffer | undefined): string =>
  message!.toString('latin1').replace(/(?<=clamav-milter )[\d.]+ /, '')

describe('clamav-milter', () => {
  if (!available('clamd', ['--version'], 'clamd')) return
  if (!available('clamav-milter', ['--version'], 'clamav-milter')) return
  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`says behind ${mta} what is clean`, async () => {
      await using client = await MtaClient.connect(await startClamav('Reject'), { mta })
      const body = ['', 'Hello  ', '', 'caf\xe9', '.', 'x'.repeat(900)]
      const long = Array.from({ length: 200 }, () => body).flat()
      for (const lines of [body, long, ['']]) {
        const outcome = await deliverTo(client, {
          message: Buffer.from(text(...FIELDS, ...lines), 'latin1'),
        })
        assert.equal(outcome.verdict, 'accept')
        assert.equal(unversioned(outcome.message), text(...FIELDS, ...FOUND, ...lines))
      }
    })

    it(`takes away behind ${mta} what the sender says about viruses`, async () => {
      await using client = await MtaClient.connect(await startClamav('Reject'), { mta })
      const outcome = await deliverTo(client, {
        message: text(
          'X-Virus-Status: Clean, I say',
          'X-Virus-Scanned: 1',
          ...FIELDS,
          '',
          'Hello',
        ),
      })
      // Sendmail adds a field before the first of its name, also where that one is deleted.
      assert.equal(
        unversioned(outcome.message),
        mta === 'postfix'
          ? text(...FIELDS, ...FOUND, '', 'Hello')
          : text(...FOUND.toReversed(), ...FIELDS, '', 'Hello'),
      )
    })

    for (const [onInfected, verdict, reply] of [
      ['Reject', 'reject', /^550 5\.7\.1 This is Harmless\.Line/],
      ['Defer', 'tempfail', /^451 4\.\d\.\d /],
      ['Blackhole', 'discard', /^250 /],
      ['Quarantine', 'quarantine', /^250 /],
    ] as const) {
      it(`finds a virus behind ${mta}, also in base64: ${onInfected}`, async () => {
        await using client = await MtaClient.connect(await startClamav(onInfected), { mta })
        const encoded = Buffer.from(`Hello\r\n${VIRUS}\r\n`).toString('base64')
        for (const message of [
          text(...FIELDS, '', 'Hello', VIRUS),
          text(
            ...FIELDS,
            'Content-Type: application/octet-stream',
            'Content-Transfer-Encoding: base64',
            '',
            encoded,
          ),
        ]) {
          const outcome = await deliverTo(client, { message })
          assert.deepEqual([outcome.verdict, outcome.stage], [verdict, 'eom'])
          assert.match(outcome.reply, reply)
          if (verdict === 'quarantine')
            assert.equal(outcome.quarantine, 'quarantined by clamav-milter')
        }
      })
    }
  }
})
