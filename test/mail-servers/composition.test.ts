import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as arc from '../conformance/support/arc.ts'
import { COMPOSED, everything } from '../conformance/support/composition.ts'
import { byDkimpy, byMailauth } from '../conformance/support/dkim.ts'
import { byOpendkim, startOpendkim } from '../conformance/support/opendkim.ts'
import { available } from '../conformance/support/program.ts'
import { eachServer, FROM, Stack, TO } from './support/stack.ts'

/** Servers write bodies with CRLF at their ends, and NUL is theirs to replace. */
const SENT = Object.entries(COMPOSED).filter(
  ([name]) => name !== 'no line end' && name !== 'a NUL',
)

/** What the next hop gets; undefined for a message that the server does not take. */
async function delivered(stack: Stack, message: Buffer): Promise<Buffer | undefined> {
  const client = await stack.client()
  await client.command('EHLO client.test')
  const { data } = await client.send({ from: FROM, to: [TO], message })
  client.close()
  // Sendmail, to a bare CR.
  if (data?.code === 421) return undefined
  assert.equal(data?.code, 250, String(message))
  return Buffer.from((await stack.mta.sink.next()).data)
}

eachServer('a message that is checked, tagged, signed and sealed', (kind) => {
  const hasDkimpy = available('/usr/bin/python3', ['-c', 'import dkim, nacl'], 'python3-dkim')
  const hasOpendkim = available('opendkim', ['-V'], 'opendkim')
  if (!hasDkimpy || !hasOpendkim) return

  it('verifies at the next hop, and at the one after it', async () => {
    const opendkim = await startOpendkim()
    // As installed.
    const config = kind.name === 'postfix' ? ['smtp_line_length_limit = 998'] : []
    await using stack = await Stack.start(kind, { mta: { config } })
    stack.filter = everything()
    const refused: string[] = []
    for (const [name, text] of SENT) {
      let message: Buffer | undefined = Buffer.from(text, 'latin1')
      for (const seals of ['1:ok', '2:ok,1:ok']) {
        message = await delivered(stack, message)
        if (message === undefined) {
          refused.push(name)
          break
        }
        const about = `${name}: ${message.toString('latin1')}`
        assert.equal(await byMailauth(message), 'pass,pass', about)
        assert.equal((await arc.byMailauth(message)).result, 'pass', about)
        assert.equal(byDkimpy(message), 'pass,pass', about)
        assert.equal(arc.byDkimpy(message), `pass ${seals}`, about)
        assert.deepEqual(await byOpendkim(opendkim, message), ['pass', 'pass'], about)
      }
    }
    assert.ok(
      refused.every((name) => kind.name === 'sendmail' && name.startsWith('a bare CR')),
      refused.join(),
    )
  })
})
