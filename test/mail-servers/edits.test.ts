import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import type { EndOfMessageContext, Handlers } from '../../src/index.ts'
import { eachServer, FROM, message, Stack, TO, withoutReceived } from './support/stack.ts'

type Edit = (ctx: EndOfMessageContext) => void

eachServer('edits', (kind) => {
  const postfix = kind.name === 'postfix'
  let stack: Stack
  before(async () => {
    stack = await Stack.start(kind, { unix: true })
  })
  after(async () => stack[Symbol.asyncDispose]())

  async function edited(
    edit: Edit,
    original: Buffer = message(),
    { to = [TO], ...handlers }: Handlers & { to?: readonly string[] } = {},
  ): Promise<{ sender: string; recipients: string[]; text: string; raw: string }> {
    stack.filter = () => ({ ...handlers, eom: edit })
    const client = await stack.client()
    try {
      await client.command('EHLO client.test')
      const { data } = await client.send({ from: FROM, to, message: original })
      assert.equal(data?.text.slice(0, 3), '250', data?.text)
    } finally {
      client.close()
    }
    const arrived = await stack.mta.sink.next()
    return {
      sender: arrived.sender.split(' ')[0]!,
      recipients: arrived.recipients.map((one) => one.split(' ')[0]!).sort(),
      text: withoutReceived(arrived).toString('latin1'),
      raw: arrived.data.toString('latin1'),
    }
  }
  /** The standard message with some lines changed. */
  const expected = (change: (lines: string[]) => string[], body = 'Hello\r\n'): string =>
    `${change(message().toString('latin1').split('\r\n').slice(0, 5)).join('\r\n')}\r\n\r\n${body}`

  it('addHeader goes to the end', async () => {
    const { text } = await edited((ctx) => ctx.addHeader('X-New', 'value'))
    assert.equal(
      text,
      expected((lines) => [...lines, 'X-New: value']),
    )
  })

  it('addHeader of a name that is there: last for Postfix, before the first for Sendmail', async () => {
    const { text } = await edited((ctx) => ctx.addHeader('Subject', 'second'))
    assert.equal(
      text,
      expected((lines) => lines.toSpliced(postfix ? 5 : 4, 0, 'Subject: second')),
    )
  })

  it('insertHeader 0 is the top, 1 below Received, a large index the end', async () => {
    const top = await edited((ctx) => ctx.insertHeader(0, 'X-Top', 'value'))
    assert.match(top.raw, /^X-Top: value\r\nReceived:/)
    const second = await edited((ctx) => ctx.insertHeader(1, 'X-Second', 'value'))
    assert.equal(
      second.text,
      expected((lines) => ['X-Second: value', ...lines]),
    )
    const last = await edited((ctx) => ctx.insertHeader(10_000, 'X-Last', 'value'))
    assert.equal(
      last.text,
      expected((lines) => [...lines, 'X-Last: value']),
    )
  })

  it('changeHeader changes the n-th of a name', async () => {
    const original = message(['X-Many: one', 'X-Many: two', 'X-Many: three'])
    const { text } = await edited((ctx) => ctx.changeHeader('X-Many', 2, 'changed'), original)
    assert.equal(text, original.toString('latin1').replace('X-Many: two', 'X-Many: changed'))
  })

  it('changeHeader of a name that is not there adds it', async () => {
    const { text } = await edited((ctx) => ctx.changeHeader('X-Missing', 1, 'value'))
    assert.equal(
      text,
      expected((lines) => [...lines, 'X-Missing: value']),
    )
  })

  it('deleteHeader deletes the n-th, from the last to the first', async () => {
    const original = message(['X-Many: one', 'X-Many: two', 'X-Many: three'])
    const { text } = await edited((ctx) => {
      for (const index of [3, 1]) ctx.deleteHeader('x-many', index)
    }, original)
    assert.equal(
      text,
      expected((lines) => [...lines, 'X-Many: two']),
    )
  })

  it('a folded value arrives folded', async () => {
    for (const value of ['first\n\tsecond\n third', 'first\r\n\tsecond\r\n third']) {
      const { text } = await edited((ctx) => ctx.insertHeader(10_000, 'X-Fold', value))
      assert.equal(
        text,
        expected((lines) => [...lines, 'X-Fold: first\r\n\tsecond\r\n third']),
      )
    }
  })

  it('values with and without white space arrive as written, whatever was negotiated', async () => {
    for (const header of [undefined, (): void => {}]) {
      const { text } = await edited(
        (ctx) => {
          ctx.insertHeader(10_000, 'X-One', 'v')
          ctx.insertHeader(10_001, 'X-Two', ' v')
        },
        message(),
        header === undefined ? {} : { header },
      )
      assert.equal(
        text,
        expected((lines) => [...lines, 'X-One: v', 'X-Two:  v']),
      )
    }
  })

  it('8-bit values of every kind arrive as they were sent', async () => {
    const { text } = await edited((ctx) => {
      ctx.insertHeader(10_000, 'X-Text', 'café')
      ctx.insertHeader(10_001, 'X-Bytes', Buffer.from('caf\xe9', 'latin1'))
      ctx.insertHeader(10_002, 'X-Escaped', 'caf\udce9')
    })
    const utf8 = Buffer.from('café').toString('latin1')
    assert.equal(
      text,
      expected((lines) => [
        ...lines,
        `X-Text: ${utf8}`,
        'X-Bytes: caf\xe9',
        'X-Escaped: caf\xe9',
      ]),
    )
  })

  it('addRecipient, with parameters and without, and twice the same', async () => {
    const { recipients } = await edited((ctx) => {
      ctx.addRecipient('<carol@example.test>')
      ctx.addRecipient('<dave@example.test>', 'NOTIFY=NEVER')
      ctx.addRecipient('<carol@example.test>')
    })
    assert.deepEqual(recipients, [
      '<bob@example.test>',
      '<carol@example.test>',
      '<dave@example.test>',
    ])
  })

  it('deleteRecipient, also of one that is not there', async () => {
    const { recipients } = await edited(
      (ctx) => {
        ctx.deleteRecipient(TO)
        ctx.deleteRecipient('<nobody@example.test>')
      },
      message(),
      { to: [TO, '<carol@example.test>'] },
    )
    assert.deepEqual(recipients, ['<carol@example.test>'])
  })

  it('changeFrom, also to the null sender', async () => {
    assert.equal(
      (await edited((ctx) => ctx.changeFrom('<new@example.test>'))).sender,
      '<new@example.test>',
    )
    assert.equal((await edited((ctx) => ctx.changeFrom('<>'))).sender, '<>')
    const withParameters = await edited((ctx) =>
      ctx.changeFrom('<new@example.test>', 'RET=HDRS'),
    )
    assert.equal(withParameters.sender, '<new@example.test>')
  })

  for (const size of [0, 1, 65_535, 65_536, 200_000]) {
    it(`replaceBody with ${size} bytes`, async () => {
      const body = Buffer.alloc(size, `${'0123456789'.repeat(7)}\r\n`).toString('latin1')
      const { text } = await edited((ctx) => ctx.replaceBody(body))
      // Both end an unfinished last line.
      const whole =
        body === '' || body.endsWith('\r\n') ? body : `${body.replace(/\r$/, '')}\r\n`
      assert.equal(
        text,
        expected((lines) => lines, whole),
      )
    })
  }

  it('replaceBody in pieces, with other edits between the calls', async () => {
    const { text, recipients } = await edited((ctx) => {
      ctx.replaceBody('first\r')
      ctx.addRecipient('<carol@example.test>')
      ctx.replaceBody('\nsecond\r\n')
      ctx.insertHeader(10_000, 'X-New', 'value')
    })
    assert.equal(
      text,
      expected((lines) => [...lines, 'X-New: value'], 'first\r\nsecond\r\n'),
    )
    assert.equal(recipients.length, 2)
  })

  it('many edits together', async () => {
    const { text, sender, recipients } = await edited((ctx) => {
      for (let i = 0; i < 200; i++) ctx.insertHeader(10_000 + i, `X-Number-${i}`, String(i))
      ctx.changeHeader('Subject', 1, 'changed')
      ctx.changeFrom('<new@example.test>')
      for (let i = 0; i < 50; i++) ctx.addRecipient(`<user${i}@example.test>`)
      ctx.replaceBody('new\r\n')
    })
    assert.equal(
      text,
      expected(
        (lines) => [
          ...lines.slice(0, 4),
          'Subject: changed',
          ...Array.from({ length: 200 }, (_, i) => `X-Number-${i}: ${i}`),
        ],
        'new\r\n',
      ),
    )
    assert.deepEqual([sender, recipients.length], ['<new@example.test>', 51])
  })
})
