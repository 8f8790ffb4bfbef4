import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { checkMilter } from '../../src/cli/check.ts'
import { MtaClient } from '../../src/mta/index.ts'
import { until } from '../support/resources.ts'
import { deliverTo } from './support/deliver.ts'
import { available, run, startFilter, temporaryDirectory } from './support/program.ts'

/** Where libmilter's documentation has its sample filter, in Debian. */
const PAGE = '/usr/share/doc/sendmail-doc/libmilter/html/sample.html'

const FIELDS = [
  'From: Alice <alice@example.org>',
  'Subject: one',
  '\ttwo',
  'Date: Tue, 24 Nov 2026 10:00:00 +0000',
  'Message-ID: <1@example.org>',
  '',
].join('\r\n')

/** The program on the page, which puts its files into a directory of the test instead of /tmp. */
function sample(directory: string): string {
  const page = readFileSync(PAGE, 'latin1')
  return page
    .slice(page.indexOf('<PRE>') + 5, page.indexOf('</PRE>'))
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replace('/tmp/msg.', join(directory, 'msg.'))
}

describe("libmilter's sample filter", () => {
  if (
    !available('test', ['-e', PAGE], 'sendmail-doc') ||
    !available(
      'gcc',
      ['-E', '-include', 'libmilter/mfapi.h', '-x', 'c', '/dev/null'],
      'gcc with libmilter-dev',
    )
  )
    return
  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`archives mail behind ${mta}`, async () => {
      const directory = temporaryDirectory()
      const program = join(directory, 'sample')
      writeFileSync(`${program}.c`, sample(directory))
      run('gcc', ['-w', '-o', program, `${program}.c`, '-lmilter', '-lpthread'])
      const socket = join(directory, 'sample.sock')
      await startFilter(
        program,
        ['-p', `unix:${socket}`, '-a', '<archive@example.net>', '-r', 'carol@example.net'],
        socket,
      )
      const { healthy, line } = await checkMilter(`unix:${socket}`, 5_000)
      assert.ok(healthy, line)
      await using client = await MtaClient.connect(`unix:${socket}`, { mta })
      // Two messages in a session, the second with a body of more than one chunk.
      for (const body of ['Hello\r\n', `${'x'.repeat(70_000)}\r\n`]) {
        const outcome = await deliverTo(client, {
          fromParameters: ['BODY=8BITMIME'],
          to: ['bob@example.net', 'carol@example.net', 'dave@example.net'],
          message: `${FIELDS}\r\n${body}`,
        })
        assert.equal(outcome.verdict, 'accept')
        assert.deepEqual(
          outcome.refused.map(({ address }) => address),
          ['carol@example.net'],
        )
        assert.deepEqual(outcome.recipients, [
          'bob@example.net',
          'dave@example.net',
          'archive@example.net',
        ])
        const message = outcome.message!.toString()
        const archive = /^X-Archived: (msg\.\w+)@/m.exec(message)?.[1]
        assert.equal(message.replace(/^X-Archived: .*\r\n/m, ''), `${FIELDS}\r\n${body}`)
        assert.equal(
          readFileSync(join(directory, archive!), 'latin1'),
          [
            'Connect from mail.example.org, No TLS (mail.example.org [192.0.2.10])',
            '',
            'FROM alice@example.org (2 arguments)',
            'RCPT bob@example.net (1 argument)',
            'RCPT carol@example.net -- REJECTED',
            'RCPT dave@example.net (1 argument)',
            `${FIELDS.replaceAll('\r\n', '\n')}\n${body}`,
          ].join('\n'),
        )
      }
      // A message that comes to nothing leaves nothing behind.
      const refused = await deliverTo(client, { to: 'carol@example.net' })
      assert.deepEqual([refused.verdict, refused.stage], ['reject', 'rcpt'])
      await client[Symbol.asyncDispose]()
      await until(
        () => readdirSync(directory).filter((name) => name.startsWith('msg.')).length === 2,
      )
    })
  }
})
