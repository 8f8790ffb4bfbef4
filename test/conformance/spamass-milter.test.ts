import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { MtaClient } from '../../src/mta/index.ts'
import { deliverTo } from './support/deliver.ts'
import { available, startFilter, temporaryDirectory } from './support/program.ts'

/** The line that SpamAssassin gives a thousand points, for tests like these. */
const GTUBE = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'

/** spamd with the rules that come with it and no network, and spamass-milter before it. */
async function startSpamassMilter(...options: readonly string[]): Promise<string> {
  const directory = temporaryDirectory()
  const path = (name: string): string => join(directory, name)
  await startFilter(
    'spamd',
    [
      '--local',
      '--nouser-config',
      `--helper-home-dir=${directory}`,
      '--max-children=1',
      '--syslog=stderr',
      `--socketpath=${path('spamd.sock')}`,
      // What /etc/spamassassin may have otherwise.
      '--cf=use_bayes 0',
      '--cf=required_score 5',
      '--cf=report_safe 1',
      '--cf=rewrite_header Subject [spam]',
    ],
    path('spamd.sock'),
  )
  const socket = path('spamass-milter.sock')
  await startFilter(
    'spamass-milter',
    ['-p', socket, ...options, '--', '-U', path('spamd.sock')],
    socket,
  )
  return `unix:${socket}`
}

const text = (...lines: readonly string[]): string => `${lines.join('\r\n')}\r\n`

const FIELDS = [
  'From: Alice <alice@example.org>',
  'To: bob@example.net',
  'Subject: A message',
  'Date: Tue, 24 Nov 2026 10:00:00 +0000',
  'Message-ID: <1@example.org>',
]
const BODY = ['', 'Hello  ', '', 'how are you?', '']
const SPAM = text(...FIELDS, '', 'Hello', GTUBE)

/** The score depends on the rules and on the day, so only what must be there is looked at. */
const STATUS = 'X-Spam-Status: No, score=\\S+ required=5\\.0 .*\\r\\n(?:[\\t ].*\\r\\n)*'
const OTHERS = '(?:X-Spam-Level: \\*+\\r\\n)?X-Spam-Checker-Version: SpamAssassin .*\\r\\n'

describe('spamass-milter', () => {
  if (!available('spamd', ['--version'], 'spamd')) return
  if (!available('spamass-milter', ['-h'], 'spamass-milter')) return
  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`refuses spam and marks other mail behind ${mta}`, async () => {
      await using client = await MtaClient.connect(await startSpamassMilter('-r', '15'), {
        mta,
      })
      const marked = async (message: string): Promise<string> => {
        const outcome = await deliverTo(client, { message })
        assert.equal(outcome.verdict, 'accept')
        return outcome.message!.toString()
      }
      const fields = text(...FIELDS)
      const body = text(...BODY)

      const message = await marked(fields + body)
      assert.ok(message.startsWith(fields) && message.endsWith(body), message)
      const added = message.slice(fields.length, -body.length)
      assert.match(added, new RegExp(`^${STATUS}${OTHERS}$`))

      const spam = await deliverTo(client, { message: SPAM })
      assert.deepEqual(
        [spam.verdict, spam.stage, spam.reply],
        ['reject', 'eom', '550 5.7.1 Blocked by SpamAssassin'],
      )

      // What the sender says himself is changed where it is, or deleted.
      const claimed = await marked(
        text('X-Spam-Status: No, I say', 'X-Spam-Flag: NO') + fields + body,
      )
      const end = claimed.indexOf(fields)
      assert.match(claimed.slice(0, end), new RegExp(`^${STATUS}$`))
      assert.match(claimed.slice(end + fields.length, -body.length), new RegExp(`^${OTHERS}$`))
    })

    it(`wraps spam up behind ${mta}`, async () => {
      await using client = await MtaClient.connect(await startSpamassMilter(), { mta })
      const outcome = await deliverTo(client, { message: SPAM, macros: { i: 'QUEUED' } })
      assert.equal(outcome.verdict, 'accept')
      const message = outcome.message!.toString()
      assert.match(message, /^X-Spam-Flag: YES\r$/m)
      assert.match(message, /^X-Spam-Status: Yes, score=1\d\d\d\./m)
      assert.match(message, /^Subject: \[spam\] A message\r$/m)
      const boundary = /^Content-Type: multipart\/mixed; boundary="(.*)"\r$/m.exec(message)?.[1]
      const original = message.split(`--${boundary}`)[2]!
      assert.ok(original.endsWith(`\r\n${SPAM}\r\n`), original)
      // It makes up a Received field for SpamAssassin of what it was told. Postfix has no queue id yet
      // when it looks, at MAIL.
      assert.match(original, /^X-Envelope-From: <alice@example\.org>\r$/m)
      assert.match(original, /^X-Envelope-To: <bob@example\.net>\r$/m)
      assert.match(
        original,
        /^Received: from mail\.example\.org \(mail\.example\.org \[192\.0\.2\.10\]\)\r$/m,
      )
      const id = mta === 'postfix' ? 'unknown' : 'QUEUED'
      assert.match(
        original,
        new RegExp(`^\\tby mx\\.example\\.net \\(.*\\) with SMTP id ${id}\\r$`, 'm'),
      )
    })
  }
})
