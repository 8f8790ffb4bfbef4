import assert from 'node:assert/strict'
import { it } from 'node:test'
import { attachments, disclaimer, externalTag, headerRules } from '../../src/filters/index.ts'
import { compose } from '../../src/index.ts'
import { parseMime } from '../../src/mime/index.ts'
import { file, multipart, TEXT } from '../support/attachments.ts'
import { files } from '../filters/support.ts'
import { eachServer, message, Stack } from './support/stack.ts'

const config = files()
/** All clients of these tests are the machine itself. */
const STRANGER = { networks: [] }
const USER = { networks: ['127.0.0.0/8', '::1'] }
const DANGEROUS = Buffer.from(
  multipart([TEXT, file('a.exe')]).replace(
    'Subject: s',
    'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=',
  ),
)

eachServer('filters of the content', (kind) => {
  const send = async (stack: Stack, text: Buffer, to = ['<bob@example.test>']) => {
    const client = await stack.client()
    await client.command('EHLO client.test')
    const sent = await client.send({ from: '<a@other.example>', to, message: text })
    client.close()
    return sent
  }
  const delivered = async (stack: Stack, text: Buffer, to?: string[]): Promise<string> => {
    assert.equal((await send(stack, text, to)).data?.code, 250)
    return String((await stack.mta.sink.next()).data)
  }

  it('a message goes through all of them', async () => {
    const checks = config(
      'header_checks',
      '/^X-Secret:/ IGNORE\n/^X-Old: (.*)/ REPLACE X-New: $1\n',
    )
    await using stack = await Stack.start(kind)
    stack.filter = compose(
      attachments({ action: 'replace' }),
      headerRules({
        headerChecks: `pcre:${checks}`,
        rules: { add: 'X-Top', value: 'a', place: 'top' },
      }),
      externalTag({ ...STRANGER, subject: '[EXTERNAL]', banner: { text: 'From outside' } }),
      disclaimer({ ...USER, rules: { text: '-- \nExample Ltd.' } }),
    )
    const text = await delivered(
      stack,
      Buffer.from(`X-Secret: x\r\nX-Old: y\r\nX-External: no\r\n${String(DANGEROUS)}`),
    )
    const tree = parseMime(Buffer.from(text))
    assert.deepEqual(tree.headers.getAll('Subject'), ['[EXTERNAL] Gr\u00fc\u00dfe'])
    assert.match(text, /^Subject: \[EXTERNAL\] =\?utf-8\?q\?Gr=C3=BC=C3=9Fe\?=\r?$/m)
    assert.deepEqual(tree.headers.getAll('X-External'), ['yes'])
    assert.deepEqual(tree.headers.getAll('X-New'), ['y'])
    assert.deepEqual(tree.headers.getAll('X-Top'), ['a'])
    assert.equal(tree.headers.has('X-Secret') || tree.headers.has('X-Old'), false)
    assert.match(
      await tree.textParts[0]!.text(),
      /^From outside[^]*Hello[^]*-- \r?\nExample Ltd\./,
    )
    assert.deepEqual(
      tree.attachments.map(({ filename }) => filename),
      ['WARNING.TXT'],
    )
    // The same mail again gets no second tag.
    const again = await delivered(stack, Buffer.from(text))
    assert.deepEqual(parseMime(Buffer.from(again)).headers.getAll('Subject'), [
      '[EXTERNAL] Gr\u00fc\u00dfe',
    ])
  })

  it('forwarded mail keeps its subject', async () => {
    const virtual = config('virtual', 'bob@example.test bob@elsewhere.example\n')
    await using stack = await Stack.start(kind)
    stack.filter = externalTag({
      ...STRANGER,
      subject: '[EXTERNAL]',
      forwardedTable: `texthash:${virtual}`,
    })
    const text = await delivered(stack, message())
    assert.match(text, /^Subject: original\r?$/m)
    assert.match(text, /^X-External: yes\r?$/m)
    assert.match(
      await delivered(stack, message(), ['<carol@example.test>']),
      /^Subject: \[EXTERNAL\] original\r?$/m,
    )
  })

  it('dangerous attachments and bad headers are refused with the reason', async () => {
    await using stack = await Stack.start(kind)
    stack.filter = compose(
      attachments(),
      headerRules({ rules: { refuse: 'X-Bad', text: '5.6.0 100% bad' } }),
    )
    const refused = await send(stack, DANGEROUS)
    assert.match(
      JSON.stringify(refused.data),
      /550.{0,3}5\.7\.1 Attachment not accepted: a\.exe/,
    )
    const bad = await send(stack, message(['X-Bad: x']))
    assert.match(JSON.stringify(bad.data), /550.{0,3}5\.6\.0 100% bad/)
  })

  it('a message is held as it came', async () => {
    await using stack = await Stack.start(kind)
    stack.filter = attachments({ action: 'quarantine' })
    assert.equal((await send(stack, DANGEROUS)).data?.code, 250)
    await stack.mta.idle()
    const [held] = await stack.mta.held()
    assert.match(held!.content, /name="a\.exe"/)
  })
})
