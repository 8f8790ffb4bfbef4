import assert from 'node:assert/strict'
import { it } from 'node:test'
import { compose, defineFilter } from '../../src/index.ts'
import { arcSeal, dkimSign } from '../../src/filters/index.ts'
import { addFooter } from '../../src/mime/index.ts'
import {
  authenticated,
  AUTHSERV_ID,
  byDkimpy,
  byMailauth,
  tag,
} from '../conformance/support/arc.ts'
import { byDkimpy as signaturesByDkimpy, KEYS, MESSAGES } from '../conformance/support/dkim.ts'
import { available } from '../conformance/support/program.ts'
import { eachServer, FROM, Stack, TO } from './support/stack.ts'

/** Servers write bodies with CRLF at their ends, and NUL is theirs to replace. */
const SENT = Object.entries(MESSAGES).filter(
  ([name]) => name !== 'no line end' && name !== 'a NUL',
)

async function delivered(stack: Stack, message: Buffer): Promise<Buffer> {
  const client = await stack.client()
  await client.command('EHLO client.test')
  const { data } = await client.send({ from: FROM, to: [TO], message })
  assert.equal(data?.code, 250)
  client.close()
  return Buffer.from((await stack.mta.sink.next()).data)
}

eachServer('seals by arcSeal', (kind) => {
  if (!available('/usr/bin/python3', ['-c', 'import dkim, nacl'], 'python3-dkim')) return
  // Clients of tests are on this machine.
  const seal = arcSeal({ authservId: AUTHSERV_ID, keys: KEYS, networks: [] })
  const footer = defineFilter({
    name: 'footer',
    message: async (mail) => void (await addFooter(await mail.mime(), { text: 'Caf\u00e9\n' })),
  })

  it('verify at the next hop, and at the one after it', async () => {
    await using stack = await Stack.start(kind)
    stack.filter = compose(authenticated(), tag, seal)
    for (const [name, text] of SENT) {
      let message: Buffer = Buffer.from(text, 'latin1')
      for (const seals of ['1:ok', '2:ok,1:ok']) {
        message = await delivered(stack, message)
        assert.equal(byDkimpy(message), `pass ${seals}`, `${name}: ${String(message)}`)
        const { result, why } = await byMailauth(message)
        assert.equal(result, 'pass', `${name}: ${String(why)} ${String(message)}`)
      }
    }
  })

  it('verify after a tag, a footer and a signature in the same composition', async () => {
    await using stack = await Stack.start(kind)
    const sign = dkimSign({ keys: KEYS })
    stack.filter = compose(authenticated(), tag, footer, sign, seal)
    for (const name of ['usual', 'folded fields', '8-bit text in the body']) {
      const message = await delivered(stack, Buffer.from(MESSAGES[name]!, 'latin1'))
      assert.equal(byDkimpy(message), 'pass 1:ok', `${name}: ${String(message)}`)
      assert.equal(signaturesByDkimpy(message), 'pass,pass', name)
      assert.equal((await byMailauth(message)).result, 'pass', name)
    }
  })
})
