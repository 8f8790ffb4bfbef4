import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { QuarantineStore } from '../../src/filters/delivery/quarantine-store.ts'
import { archive, bcc, quarantine, scan, webhook } from '../../src/filters/index.ts'
import { compose, defineFilter } from '../../src/index.ts'
import { HttpService } from '../filters/delivery/http-service.ts'
import { files } from '../filters/support.ts'
import { eachServer, message, Stack } from './support/stack.ts'

const file = files()
const root = mkdtempSync(join(tmpdir(), 'delivery-'))
after(() => rmSync(root, { recursive: true }))
let count = 0
const newFolder = (): string => {
  const path = join(root, String(++count))
  mkdirSync(path)
  return path
}

eachServer('filters that deliver and ask', (kind) => {
  const send = async (stack: Stack, to = ['<bob@example.test>']) => {
    const client = await stack.client()
    await client.command('EHLO client.test')
    const sent = await client.send({ from: '<alice@example.test>', to, message: message() })
    client.close()
    return sent
  }

  it('archive and bcc: a copy on the disk, and one more recipient', async () => {
    const directory = newFolder()
    await using stack = await Stack.start(kind)
    stack.filter = compose(
      bcc({ rules: { to: 'audit@example.test', direction: 'local' } }),
      await archive({ directory }),
    )
    assert.equal((await send(stack)).data?.code, 250)
    // The two recipients may come together or one by one.
    const recipients: string[] = []
    while (recipients.length < 2) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other
      recipients.push(...(await stack.mta.sink.next()).recipients)
    }
    assert.match(recipients.sort().join(' '), /audit@example\.test.*bob@example\.test/)
    const kept = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()
    const eml = kept.find((name) => name.endsWith('.eml'))!
    assert.deepEqual(readFileSync(join(directory, eml)), message())
    const record = readFileSync(join(directory, eml.replace('.eml', '.json')), 'utf8')
    assert.match(record, /"queueId": "\w+"/)
    assert.match(record, /"audit@example\.test"/)
  })

  it('quarantine: what is held is released with the same bytes', async () => {
    const directory = newFolder()
    await using stack = await Stack.start(kind)
    const holds = defineFilter({ name: 'holds', message: (mail) => mail.quarantine('a test') })
    stack.filter = compose(holds, await quarantine({ directory }))
    assert.equal((await send(stack)).data?.code, 250)
    const [held] = await new QuarantineStore(directory).list()
    // Here the port without the filter is the same one, after the filter has gone.
    stack.filter = () => ({})
    const output = { out: () => {}, err: (text: string) => assert.fail(text) }
    const server = `127.0.0.1:${stack.mta.port}`
    const args = ['quarantine', 'release', directory, held!.id, '--server', server]
    assert.equal(await main(args, output), 0)
    const { data, sender, recipients } = await stack.mta.sink.next()
    assert.ok(String(data).endsWith(String(message())), String(data))
    assert.match(sender, /alice@example\.test/)
    assert.match(recipients.join(' '), /bob@example\.test/)
    assert.deepEqual(await new QuarantineStore(directory).list(), [])
  })

  it('scan and webhook: fields, and a refusal', async () => {
    const scanner = createServer((socket) => {
      socket.on('error', () => {})
      socket.on('data', (piece) => {
        if (piece.subarray(-4).equals(Buffer.alloc(4))) socket.end('stream: OK\0')
      })
    })
    await new Promise<void>((resolve) => scanner.listen(0, '127.0.0.1', resolve))
    const { port } = scanner.address() as { port: number }
    let answer: object = { edits: [{ edit: 'addField', name: 'X-Hook', value: 'yes' }] }
    await using service = await HttpService.start((_, response) =>
      response.end(JSON.stringify(answer)),
    )
    const secretFile = file('secret', 'a secret of sixteen or more\n')
    await using stack = await Stack.start(kind)
    stack.filter = compose(
      scan({ clamd: `127.0.0.1:${port}` }),
      webhook({ url: service.url, secretFile, allowAddresses: '127.0.0.1', content: 'whole' }),
    )
    assert.equal((await send(stack)).data?.code, 250)
    const { data } = await stack.mta.sink.next()
    assert.match(String(data), /^X-Virus-Status: Clean\r?\nX-Hook: yes\r?$/m)
    const { raw } = JSON.parse(String(service.requests[0]!.body)) as { raw: string }
    assert.match(
      Buffer.from(raw, 'base64').toString(),
      /Subject: original\r\nX-Virus-Status: Clean/,
    )
    answer = { verdict: 'refuse', text: 'Not today' }
    assert.match(JSON.stringify((await send(stack)).data), /550.{0,12}5\.7\.1.*Not today/)
    scanner.close()
  })
})
