import assert from 'node:assert/strict'
import { it } from 'node:test'
import { compose, defineFilter } from '../../src/index.ts'
import { dkimSign, type DkimSignOptions } from '../../src/filters/index.ts'
import { addFooter } from '../../src/mime/index.ts'
import { available } from '../conformance/support/program.ts'
import { byDkimpy, KEYS, MESSAGES } from '../conformance/support/dkim.ts'
import { eachServer, FROM, Stack, TO } from './support/stack.ts'

/** Servers write bodies with CRLF at their ends, and NUL is theirs to replace. */
const SENT = Object.entries(MESSAGES).filter(
  ([name]) => name !== 'no line end' && name !== 'a NUL',
)

async function delivered(stack: Stack, message: string, words: string[] = []): Promise<Buffer> {
  const client = await stack.client()
  await client.command('EHLO client.test')
  const { data } = await client.send({
    from: `${FROM}${words.map((word) => ` ${word}`).join('')}`,
    to: [TO],
    message: Buffer.from(message, 'latin1'),
  })
  assert.equal(data?.code, 250)
  client.close()
  const { data: text } = await stack.mta.sink.next()
  return Buffer.from(text)
}

eachServer('signatures by dkimSign', (kind) => {
  if (!available('/usr/bin/python3', ['-c', 'import dkim, nacl'], 'python3-dkim')) return
  const sign = (options: Partial<DkimSignOptions> = {}) => dkimSign({ keys: KEYS, ...options })

  for (const canonicalization of ['relaxed/relaxed', 'simple/simple'] as const) {
    it(`${canonicalization}: verify at the next hop`, async () => {
      await using stack = await Stack.start(kind)
      stack.filter = sign({ canonicalization })
      for (const [name, message] of SENT) {
        const text = await delivered(stack, message)
        // Sendmail writes lists of addresses anew (commaize).
        const written =
          kind.name === 'sendmail' &&
          canonicalization === 'simple/simple' &&
          name === 'folded fields'
        assert.equal(
          byDkimpy(text),
          written ? 'fail,fail' : 'pass,pass',
          `${name}: ${String(text)}`,
        )
      }
    })
  }

  it('verify after a tag and a footer in the same composition', async () => {
    await using stack = await Stack.start(kind)
    stack.filter = compose(
      defineFilter({
        name: 'tag',
        message: (mail) => void (mail.subject = `[\u00e9xtern] ${mail.subject}`),
      }),
      defineFilter({
        name: 'footer',
        message: async (mail) =>
          void (await addFooter(await mail.mime(), { text: 'Caf\u00e9\n' })),
      }),
      sign(),
    )
    for (const name of [
      'usual',
      'folded fields',
      '8-bit text in the body',
      'spaces everywhere',
    ]) {
      const text = await delivered(stack, MESSAGES[name]!)
      assert.equal(byDkimpy(text), 'pass,pass', `${name}: ${String(text)}`)
    }
  })
})
