import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { defineFilter, type EndOfMessageContext, type Handlers } from '../../src/index.ts'
import { defectsOf } from '../../src/milter/mail-server/known-defects.ts'
import { mailServer } from '../../src/milter/mail-server/mail-server.ts'
import { MacroStage } from '../../src/protocol/index.ts'
import type { MailServer } from './support/mail-server.ts'
import { RawFilter } from './support/raw-filter.ts'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, message, Stack, TO, withoutReceived } from './support/stack.ts'

const ORIGINAL = message(['Cc: carol@example.test'])

async function send(server: MailServer): Promise<string[]> {
  const client = await SmtpClient.connect(server.port)
  try {
    await client.command('EHLO client.test')
    const { data } = await client.send({ from: FROM, to: [TO], message: ORIGINAL })
    assert.equal(data?.code, 250, data?.text)
  } finally {
    client.close()
  }
  const text = withoutReceived(await server.sink.next()).toString('latin1')
  return text.split('\r\n\r\n', 1)[0]!.split('\r\n')
}

const copies = (lines: readonly string[]): string[] =>
  lines.filter((line) => /^cc:/i.test(line))

eachServer('fields that a mail server merges', (kind) => {
  it('are merged where the table says so', async () => {
    const filter = await RawFilter.start()
    const server = await kind.start({ milters: [filter.address] })
    try {
      filter.edits = [{ type: 'addheader', name: 'Cc', value: 'new@example.test' }]
      filter.macroLists = new Map([[MacroStage.CONNECT, ['v']]])
      const arrived = copies(await send(server))
      const merges = defectsOf(mailServer(filter.serverVersion, false)).has(
        'sendmail-merges-additions',
      )
      assert.equal(arrived.length, merges ? 1 : 2)
    } finally {
      await server.stop()
      filter.close()
    }
  })

  let stack: Stack
  before(async () => {
    stack = await Stack.start(kind)
  })
  after(async () => stack[Symbol.asyncDispose]())

  const cases: Record<string, [edit: (ctx: EndOfMessageContext) => void, copies: string[]]> = {
    'an addition': [
      (ctx) => ctx.addHeader('Cc', 'new@example.test'),
      ['Cc: carol@example.test', 'Cc: new@example.test'],
    ],
    'an addition after a deletion': [
      (ctx) => {
        ctx.deleteHeader('Cc', 1)
        ctx.addHeader('Cc', 'new@example.test')
      },
      ['Cc: new@example.test'],
    ],
    'a change of one that is not there': [
      (ctx) => ctx.changeHeader('Cc', 2, 'new@example.test'),
      ['Cc: carol@example.test', 'Cc: new@example.test'],
    ],
  }
  for (const [what, [edit, expected]] of Object.entries(cases)) {
    it(`${what} arrives as it was meant`, async () => {
      stack.filter = (): Handlers => ({ header: () => {}, eom: edit })
      const lines = await send(stack.mta)
      assert.deepEqual(copies(lines).toSorted(), expected.toSorted())
    })
  }

  it('and those of whole messages, too', async () => {
    stack.filter = defineFilter({
      name: 'copies',
      message(mail) {
        mail.headers.delete('Cc')
        mail.headers.append('Cc', 'new@example.test')
        mail.headers.append('Cc', 'second@example.test')
      },
    }) as never
    const lines = await send(stack.mta)
    assert.deepEqual(copies(lines), ['Cc: new@example.test', 'Cc: second@example.test'])
  })
})
