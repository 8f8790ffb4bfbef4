import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { compose, defineFilter, type MessageFilter } from '../../src/index.ts'
import { deliver, type TestOutcome } from '../../src/testing/index.ts'
import {
  edit,
  mailEdits,
  randomMessage,
  type MailEdit,
  type View,
} from '../support/mail-edits.ts'

const SERVERS = ['postfix', 'sendmail'] as const

/** A filter that carries out edits and keeps what its mail was then. */
function editing(edits: readonly MailEdit[], views: View[] = []): MessageFilter {
  return defineFilter({
    name: 'editing',
    async message(mail) {
      views.push(await edit(mail, edits))
    },
  })
}

function shown({ message, sender, recipients }: TestOutcome): View {
  const text = message!.toString('latin1')
  const end = text.indexOf('\r\n\r\n') + 2
  return {
    header: text.slice(0, end),
    body: text.slice(end + 2),
    sender,
    recipients: [...recipients].sort(),
  }
}

describe('a mail', () => {
  for (const mta of SERVERS) {
    it(`${mta}: arrives as the filter saw it last`, async () => {
      await fc.assert(
        fc.asyncProperty(randomMessage, mailEdits, async (message, edits) => {
          const views: View[] = []
          const outcome = await deliver(editing(edits, views), {
            mta,
            message,
            from: 'alice@example.test',
            to: ['bob@example.test', 'carol@example.test'],
          })
          assert.deepEqual(outcome.errors, [])
          assert.deepEqual(outcome.violations, [])
          assert.deepEqual(shown(outcome), views[0], outcome.trace.toString())
        }),
        { numRuns: 300 },
      )
    })

    it(`${mta}: two filters as one do what they do one after the other`, async () => {
      await fc.assert(
        fc.asyncProperty(randomMessage, mailEdits, mailEdits, async (message, one, other) => {
          const given = {
            mta,
            message,
            from: 'alice@example.test',
            to: ['bob@example.test', 'carol@example.test'],
          }
          const first = await deliver(editing(one), given)
          const second = await deliver(editing(other), {
            mta,
            message: first.message!,
            from: first.sender,
            to: [...first.recipients],
          })
          const together = await deliver(compose(editing(one), editing(other)), given)
          assert.deepEqual(together.errors, [])
          assert.deepEqual(shown(together), shown(second))
          assert.ok(
            together.edits.length <= first.edits.length + second.edits.length,
            together.trace.toString(),
          )
        }),
        { numRuns: 150 },
      )
    })

    it(`${mta}: raw() is exactly what came`, async () => {
      await fc.assert(
        fc.asyncProperty(randomMessage, async (message) => {
          let raw: Buffer | undefined
          const pieces: Buffer[] = []
          const outcome = await deliver(
            defineFilter({
              name: 'raw',
              async message(mail) {
                mail.headers.prepend('X-Not-In-It', 'yes')
                raw = await mail.raw()
                for await (const piece of mail.rawChunks()) pieces.push(piece)
              },
            }),
            { mta, message },
          )
          assert.deepEqual(outcome.errors, [])
          assert.equal(raw?.toString('latin1'), message.toString('latin1'))
          assert.deepEqual(Buffer.concat(pieces), raw)
        }),
        { numRuns: 100 },
      )
    })
  }
})
