import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { encodeText } from '../../src/protocol/text.ts'
import { noReply, type Handlers } from '../../src/index.ts'
import { eachServer, FROM, message, Stack, TO, withoutReceived } from './support/stack.ts'

eachServer('bytes', (kind) => {
  let stack: Stack
  before(async () => {
    stack = await Stack.start(kind, {
      mta: { config: kind.name === 'postfix' ? ['smtpd_tls_security_level = none'] : [] },
    })
  })
  after(async () => stack[Symbol.asyncDispose]())

  async function send(filter: () => Handlers, original: Buffer): Promise<Buffer> {
    stack.filter = filter
    const client = await stack.client()
    try {
      await client.command('EHLO client.test')
      const { data } = await client.send({
        from: `${FROM} BODY=8BITMIME`,
        to: [TO],
        message: original,
      })
      assert.equal(data?.text.slice(0, 3), '250', data?.text)
    } finally {
      client.close()
    }
    return withoutReceived(await stack.mta.sink.next())
  }

  const strange: [string, Buffer][] = [
    [
      '8-bit and invalid UTF-8 headers',
      message(['X-Latin: caf\xe9', 'X-Bad: \xc3\x28 \xff\xfe', 'X-Utf8: caf\xc3\xa9']),
    ],
    [
      'white space of every kind',
      message([
        'X-None:v',
        'X-Two:  v',
        'X-Tab:\tv',
        'X-Trail: v  ',
        'X-Empty:',
        'X-Fold: a\r\n\tb\r\n   c',
      ]),
    ],
    ['duplicates in order', message(['X-Same: 1', 'x-same: 2', 'X-Same: 1'])],
    ['dots and long lines', message([], `.\r\n..\r\n.x\r\n${'y'.repeat(900)}\r\n`)],
    [
      '8-bit body',
      message(
        [],
        Buffer.from(
          [...Array(256).keys()]
            .filter((b) => b !== 0 && b !== 10 && b !== 13)
            .concat([13, 10]),
        ),
      ),
    ],
    ['no body', message([], '')],
    [
      'a body of exactly one chunk and more',
      message([], Buffer.alloc(65_536 * 2 + 7 * 72, `${'z'.repeat(70)}\r\n`)),
    ],
  ]
  for (const [name, original] of strange) {
    it(`${name}: unharmed by a filter that looks at everything`, async () => {
      let body = Buffer.alloc(0)
      const seen: string[] = []
      const arrived = await send(
        () => ({
          header: (ctx, header, value) => {
            seen.push(`${header}:${ctx.raw.value.toString('latin1')}`)
            assert.ok(ctx.raw.exact)
            assert.equal(
              encodeText(value).length,
              ctx.raw.value.length - Number(ctx.raw.value[0] === 0x20),
            )
          },
          body: (_ctx, chunk) => {
            body = Buffer.concat([body, chunk])
          },
        }),
        original,
      )
      const whole = original.toString('latin1').endsWith('\r\n')
        ? original
        : Buffer.concat([original, Buffer.from('\r\n')])
      assert.equal(arrived.toString('latin1'), whole.toString('latin1'))
      const [head, ...rest] = whole.toString('latin1').split('\r\n\r\n')
      assert.equal(
        seen.join('\n'),
        head!.replaceAll('\r\n', '\n'),
        'the raw form is the exact header',
      )
      assert.equal(body.toString('latin1'), rest.join('\r\n\r\n'))
    })
  }

  it('headers that a filter copies are the same bytes', async () => {
    const fields = ['X-A: caf\xe9', 'X-B:  two', 'X-C:\ttab', 'X-D: a\r\n\tb']
    const arrived = await send(() => {
      const copies: [string, string][] = []
      return {
        header: (_ctx, name, value) => {
          if (name.startsWith('X-')) copies.push([name.replace('X-', 'Y-'), value])
        },
        eom: (ctx) =>
          copies.forEach(([name, value], i) => ctx.insertHeader(10_000 + i, name, value)),
      }
    }, message(fields))
    const expected = message([...fields, ...fields.map((field) => field.replace('X-', 'Y-'))])
    assert.equal(arrived.toString('latin1'), expected.toString('latin1'))
  })

  it('every stage without a reply: the same message, the same facts', async () => {
    const calls: string[] = []
    const note = (name: string): (() => void) => noReply(() => void calls.push(name))
    const arrived = await send(
      () => ({
        connect: note('connect'),
        helo: note('helo'),
        envfrom: note('envfrom'),
        envrcpt: note('envrcpt'),
        data: note('data'),
        header: note('header'),
        eoh: note('eoh'),
        body: note('body'),
        eom: (ctx) => ctx.insertHeader(10_000, 'X-Calls', calls.join(' ')),
      }),
      message(),
    )
    const headers = Array(5).fill('header').join(' ')
    assert.equal(
      arrived.toString('latin1'),
      message([`X-Calls: connect helo envfrom envrcpt data ${headers} eoh body`]).toString(
        'latin1',
      ),
    )
  })
})
