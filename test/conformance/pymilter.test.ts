import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ACCEPT, Base, noReply, REJECT, TEMPFAIL } from '../../src/index.ts'
import { MtaClient, type Transaction } from '../../src/mta/index.ts'
import { deliver } from '../../src/testing/index.ts'
import { available, sourcePath, startFilter, temporaryDirectory } from './support/program.ts'

/** The same as fixtures/pymilter_filter.py. */
class Filter extends Base {
  count = 0
  subjects = 0
  size = 0
  @noReply override connect() {
    this.count = 0
  }
  override envfrom(sender: string) {
    this.subjects = 0
    this.size = 0
    if (!sender.startsWith('<spam')) return undefined
    this.setReply(550, '5.7.1', 'No spam, 100% sure')
    return REJECT
  }
  override envrcpt(recipient: string) {
    this.count++
    return recipient.startsWith('<later') ? TEMPFAIL : undefined
  }
  override header(name: string) {
    if (name.toLowerCase() === 'subject') this.subjects++
  }
  override body(chunk: Buffer) {
    this.size += chunk.length
  }
  override eom() {
    this.addHeader('X-Size', String(this.size))
    this.insertHeader(0, 'X-First', String(this.count))
    if (this.subjects > 0) this.changeHeader('Subject', 1, 'changed')
    this.deleteHeader('X-Gone', 1)
    this.addRecipient('<archive@example.net>')
    this.deleteRecipient('<bob@example.net>')
    this.changeFrom('<bounces@example.org>')
    if (this.size > 1000) this.replaceBody('too long\r\n')
    return ACCEPT
  }
}

const TRANSACTIONS: Readonly<Record<string, Transaction>> = {
  'a message as it should be': {},
  'several recipients, one of them refused': {
    to: ['bob@example.net', 'later@example.net', 'carol@example.net'],
  },
  'a sender that is refused': { from: 'spam@example.org' },
  'fields twice, folded, with 8-bit bytes, without Subject': {
    message: Buffer.from(
      'From: Alice <a@example.org>\r\nX-Gone: 1\r\nX-Gone: 2\r\nX-Fold: a\r\n\tb\xe9\r\n\r\n',
      'latin1',
    ),
  },
  'a long body': { message: `From: Alice <a@example.org>\r\n\r\n${'x'.repeat(70_000)}\r\n` },
  'no body and no fields': { message: '' },
}

describe('a filter on pymilter and the same one here', () => {
  if (!available('/usr/bin/python3', ['-c', 'import Milter'], 'python3-milter')) return
  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`do the same to mail behind ${mta}`, async () => {
      const socket = join(temporaryDirectory(), 'pymilter.sock')
      const script = sourcePath('test', 'conformance', 'fixtures', 'pymilter_filter.py')
      await startFilter('/usr/bin/python3', [script, socket], socket)
      for (const [what, transaction] of Object.entries(TRANSACTIONS)) {
        const given = { ...transaction, macros: { i: 'ID' } }
        await using client = await MtaClient.connect(`unix:${socket}`, { mta })
        const theirs = await client.deliver(given)
        const ours = await deliver(() => new Filter(), { mta, ...given })
        assert.equal(theirs.failure, undefined, theirs.trace.toString())
        for (const key of [
          'verdict',
          'reply',
          'stage',
          'sender',
          'recipients',
          'refused',
        ] as const) {
          assert.deepEqual(ours[key], theirs[key], `${what}: ${key}`)
        }
        const text = (message: Buffer | undefined): string | undefined =>
          message?.toString('latin1').replaceAll(/^(?:Date|Message-Id): .*\r\n/gm, '')
        assert.equal(text(ours.message), text(theirs.message), what)
      }
    })
  }
})
