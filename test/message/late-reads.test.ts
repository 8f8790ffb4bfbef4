import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compose, defineFilter, type Mail } from '../../src/index.ts'
import { deliver } from '../../src/testing/index.ts'

/** Bodies that stay in memory, and one that goes to a file. */
const BODIES: Readonly<Record<string, string>> = {
  'a small body': 'line\r\n',
  'a body of several pieces': 'line\r\n'.repeat(30_000),
  'a body in a file': 'line\r\n'.repeat(300_000),
}
const READS: Readonly<Record<string, (mail: Mail) => Promise<unknown>>> = {
  'body.bytes()': (mail) => mail.body.bytes(),
  'raw()': (mail) => mail.raw(),
  'mime()': (mail) => mail.mime(),
  'body, by iteration': (mail) => drain(mail.body),
  'rawChunks()': (mail) => drain(mail.rawChunks()),
}

async function drain(chunks: AsyncIterable<Buffer>): Promise<number> {
  let size = 0
  for await (const chunk of chunks) size += chunk.length
  return size
}

const GONE = { name: 'MilterError', code: 'BODY_GONE' }
const quiet = defineFilter({ name: 'quiet', reads: ['body'], message: () => {} })

for (const [what, body] of Object.entries(BODIES)) {
  describe(`${what} that is read late`, () => {
    const message = `From: a@example.org\r\n\r\n${body}`

    for (const [name, read] of Object.entries(READS)) {
      it(`is gone after the handler: ${name}`, async () => {
        let kept: Mail | undefined
        const outcome = await deliver(
          defineFilter({
            name: 'keeps',
            message(mail) {
              kept = mail
            },
          }),
          { message },
        )
        assert.equal(outcome.verdict, 'accept')
        await assert.rejects(read(kept!), GONE)
      })

      it(`is gone while the next filter of a composition works: ${name}`, async () => {
        let kept: Mail | undefined
        let late: Promise<unknown> | undefined
        const first = defineFilter({
          name: 'first',
          async message(mail) {
            kept = mail
            // Also where it was read before.
            await read(mail)
          },
        })
        const second = defineFilter({
          name: 'second',
          async message(mail) {
            late = read(kept!)
            await assert.rejects(late, GONE)
            await read(mail)
          },
        })
        const outcome = await deliver(compose(first, second), { message })
        assert.deepEqual(outcome.errors, [])
        assert.equal(outcome.verdict, 'accept')
        assert.ok(late)
      })

      it(`is gone where nobody waited for the read: ${name}`, async () => {
        let reading: Promise<unknown> | undefined
        await deliver(
          defineFilter({
            name: 'forgets',
            message(mail) {
              reading = read(mail)
              reading.catch(() => {})
            },
          }),
          { message },
        )
        await assert.rejects(reading!, GONE)
      })
    }

    it('stays readable after a read in time, and may become the new body', async () => {
      let bytes: Buffer | undefined
      const outcome = await deliver(
        compose(
          defineFilter({
            name: 'reads',
            edits: ['body'],
            async message(mail) {
              bytes = await mail.body.bytes()
              // Nobody waits for it: the handler is over when it is read.
              void mail.body.replace(
                (async function* () {
                  yield* mail.body
                  yield 'footer\r\n'
                })(),
              )
            },
          }),
          quiet,
        ),
        { message },
      )
      assert.deepEqual(outcome.errors, [])
      assert.equal(String(bytes), body)
      assert.ok(outcome.message!.toString('latin1').endsWith(`line\r\nfooter\r\n`))
    })
  })
}
