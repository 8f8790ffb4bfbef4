import assert from 'node:assert/strict'
import { it } from 'node:test'
import { compose, defineFilter } from '../../src/index.ts'
import { dkimSign, type DkimSignOptions } from '../../src/filters/index.ts'
import { addFooter } from '../../src/mime/index.ts'
import { available } from '../conformance/support/program.ts'
import { byDkimpy, byMailauth, DOMAIN, KEYS, MESSAGES } from '../conformance/support/dkim.ts'
import type { StartOptions } from './support/mail-server.ts'
import { startPostfix } from './support/postfix.ts'
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
        const wanted = written ? 'fail,fail' : 'pass,pass'
        assert.equal(byDkimpy(text), wanted, `${name}: ${String(text)}`)
        assert.equal(await byMailauth(text), wanted, `${name}: ${String(text)}`)
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
      assert.equal(await byMailauth(text), 'pass,pass', `${name}: ${String(text)}`)
    }
  })

  it('lines of the header that are too long: told, or folded before', async () => {
    // As installed. Sendmail breaks lines at MAXLINE, 2048 bytes.
    const config = kind.name === 'postfix' ? ['smtp_line_length_limit = 998'] : []
    await using stack = await Stack.start(kind, { mta: { config } })
    const subject = 'word '.repeat(500)
    for (const [longLines, wanted] of [
      ['warn', 'fail,fail'],
      ['fold', 'pass,pass'],
    ] as const) {
      stack.filter = sign({ longLines })
      const text = await delivered(stack, MESSAGES['usual']!.replace('hello', subject))
      assert.equal(byDkimpy(text), wanted, longLines)
      assert.equal(await byMailauth(text), wanted, longLines)
      const unfolded = text.toString('latin1').replaceAll(/\r\n(?=[ \t])/g, '')
      if (longLines === 'fold') assert.ok(unfolded.includes(`\r\nSubject: ${subject.trim()}`))
    }
  })

  it('a message that comes through twice has one signature of each key', async () => {
    await using stack = await Stack.start(kind)
    stack.filter = sign()
    const once = await delivered(stack, MESSAGES['8-bit text in the body']!)
    const twice = await delivered(stack, once.toString('latin1'))
    assert.equal(twice.toString('latin1').match(/^DKIM-Signature:/gm)?.length, 2)
    assert.equal(byDkimpy(twice), 'pass,pass')
  })

  if (kind.name !== 'postfix') return

  it('mail of sendmail(1) and bounces', async () => {
    const start = (options: StartOptions) =>
      startPostfix({
        ...options,
        nonSmtpdMilters: true,
        config: [
          `myorigin = ${DOMAIN}`,
          'internal_mail_filter_classes = bounce',
          'transport_maps = inline:{ { bounce.test = error:5.1.1 no such user } }',
        ],
      })
    await using stack = await Stack.start({ name: 'postfix', missing: () => undefined, start })
    stack.filter = sign()
    const postfix = stack.mta as Awaited<ReturnType<typeof startPostfix>>
    const message = Buffer.from(MESSAGES['usual']!.replaceAll('\r\n', '\n'), 'latin1')
    await postfix.submit(`alice@${DOMAIN}`, ['bob@example.net'], message)
    const { data } = await postfix.sink.next()
    assert.equal(byDkimpy(data), 'pass,pass', String(data))

    await postfix.submit(`alice@${DOMAIN}`, ['nobody@bounce.test'], message)
    const { data: bounce, sender } = await postfix.sink.next()
    assert.match(sender, /^<>/)
    assert.match(String(bounce), new RegExp(`^From: .*<MAILER-DAEMON@${DOMAIN}>`, 'm'))
    assert.equal(byDkimpy(bounce), 'pass,pass', String(bounce))
    assert.equal(await byMailauth(bounce), 'pass,pass')
  })
})
