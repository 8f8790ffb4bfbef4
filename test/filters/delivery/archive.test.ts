import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { archive, bcc, type ArchiveOptions } from '../../../src/filters/index.ts'
import { inspectArchive } from '../../../src/filters/delivery/inspect-delivery.ts'
import { compose, defineFilter } from '../../../src/index.ts'
import { deliver, type TestTransaction } from '../../../src/testing/index.ts'
import { resultsIn } from '../support.ts'
import { HttpService, status } from './http-service.ts'

const folder = mkdtempSync(join(tmpdir(), 'archive-'))
after(() => rmSync(folder, { recursive: true }))
let count = 0
const newFolder = (): string => {
  const path = join(folder, String(++count))
  mkdirSync(path)
  return path
}
const key = join(folder, 'key')
writeFileSync(key, 'a key of at least sixteen bytes\n')
const token = join(folder, 'token')
writeFileSync(token, 'Bearer abc\n')

const MESSAGE = Buffer.from(
  'From: a@example.org\r\nSubject: caf\xe9\r\n\r\nHello\r\n\xff\0 \n.\r\n',
  'latin1',
)
const clock = (): number => Date.UTC(2026, 10, 30, 12)
const filesIn = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .sort()
const send = async (options: ArchiveOptions, transaction: TestTransaction = {}) =>
  await deliver(await archive({ clock, ...options }), {
    message: MESSAGE,
    from: 'a@example.org',
    to: ['b@example.net', { address: 'c@example.net', parameters: ['NOTIFY=NEVER'] }],
    macros: { i: 'ABC123' },
    ...transaction,
  })

describe('archive: what is kept', () => {
  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`the exact bytes and the envelope (${mta})`, async () => {
      const directory = newFolder()
      const outcome = await send({ directory }, { mta, authenticated: 'alice' })
      assert.equal(outcome.verdict, 'accept')
      assert.deepEqual(outcome.edits, [])
      assert.deepEqual(resultsIn(outcome.log), ['passed archived'])
      const [eml = '', json = ''] = filesIn(directory)
      const kept = readFileSync(join(directory, eml))
      const digest = createHash('sha256').update(kept).digest('hex')
      assert.equal(eml, `2026/11/30/ABC123-${digest.slice(0, 16)}.eml`)
      assert.equal(json, eml.replace('.eml', '.json'))
      assert.ok(kept.equals(MESSAGE), kept.toString('latin1'))
      const record = JSON.parse(readFileSync(join(directory, json), 'utf8')) as object
      assert.deepEqual(
        { ...record, server: '', client: undefined },
        {
          version: 1,
          time: '2026-11-30T12:00:00.000Z',
          queueId: 'ABC123',
          server: '',
          sender: { address: 'a@example.org', parameters: [] },
          recipients: [
            { address: 'b@example.net', parameters: [] },
            { address: 'c@example.net', parameters: ['NOTIFY=NEVER'] },
          ],
          client: undefined,
          size: MESSAGE.length,
          sha256: digest,
        },
      )
      assert.match(JSON.stringify(record), /"login":"alice"/)
    })
  }

  it('a large message, which is in a file', async () => {
    const directory = newFolder()
    const body = Buffer.alloc(3_000_000, 'x'.repeat(70) + '\r\n')
    const message = Buffer.concat([Buffer.from('From: a@example.org\r\n\r\n'), body])
    await send({ directory }, { message, filter: { limits: { bodyMemory: 1_000 } } })
    const eml = filesIn(directory).find((name) => name.endsWith('.eml'))!
    assert.ok(readFileSync(join(directory, eml)).equals(message))
  })

  it('what the filters before have left', async () => {
    const directory = newFolder()
    const tag = defineFilter({
      name: 'tag',
      message: (mail) => void mail.headers.append('X-Tag', 'yes'),
    })
    const keeps = await archive({ directory, clock })
    await deliver(compose(tag, bcc({ rules: { to: 'x@example.org' } }), keeps), {
      message: MESSAGE,
      to: ['b@example.net'],
    })
    const [eml = '', json = ''] = filesIn(directory)
    assert.match(readFileSync(join(directory, eml), 'latin1'), /^X-Tag: yes\r$/m)
    assert.match(readFileSync(join(directory, json), 'utf8'), /"x@example.org"/)
  })

  it('once for the same queue id and the same bytes', async () => {
    const directory = newFolder()
    await send({ directory })
    const before = filesIn(directory)
    const outcome = await send({ directory })
    assert.deepEqual(resultsIn(outcome.log), ['passed archived-already'])
    assert.deepEqual(filesIn(directory), before)
    await send({ directory }, { macros: { i: 'ABC124' } })
    await send({ directory }, { message: 'From: x@example.org\r\n\r\nother\r\n' })
    assert.equal(filesIn(directory).length, 6)
  })

  it('in a folder of the root, whatever the queue id is', async () => {
    const directory = newFolder()
    await send({ directory }, { macros: { i: '../../../x/y' } })
    assert.match(filesIn(directory)[0]!, /^2026\/11\/30\/_+x_y-[\da-f]{16}\.eml$/)
  })

  it('with the mode that you want, whatever the umask is', async () => {
    const directory = newFolder()
    await send({ directory, mode: 0o640 })
    for (const name of filesIn(directory)) {
      assert.equal(statSync(join(directory, name)).mode & 0o777, 0o640)
    }
    assert.equal(statSync(join(directory, '2026')).mode & 0o050, 0o050)
  })

  it('not while it observes', async () => {
    const directory = newFolder()
    const outcome = await send({ directory, observe: true })
    assert.deepEqual(resultsIn(outcome.log), ['skipped observed'])
    assert.deepEqual(filesIn(directory), [])
  })

  it('without what a process that was killed has left', async () => {
    const directory = newFolder()
    await archive({ directory })
    const old = join(directory, 'tmp', 'old')
    writeFileSync(old, 'x')
    writeFileSync(join(directory, 'tmp', 'new'), 'x')
    utimesSync(old, 1, 1)
    await archive({ directory })
    assert.deepEqual(filesIn(directory), ['tmp/new'])
  })
})

describe('archive: a disk that fails', () => {
  const broken = async (options: Partial<ArchiveOptions>) => {
    const directory = newFolder()
    const filter = await archive({ directory, clock, ...options })
    rmSync(directory, { recursive: true })
    return await deliver(filter, { message: MESSAGE })
  }

  it('defers, and leaves nothing', async () => {
    const outcome = await broken({})
    assert.equal(outcome.verdict, 'tempfail')
    assert.match(outcome.reply, /^451 4\.3\.0 The message cannot be archived now/)
    assert.deepEqual(resultsIn(outcome.log), ['deferred failed'])
  })

  it('lets pass, if you say so', async () => {
    const outcome = await broken({ onFailure: 'pass' })
    assert.equal(outcome.verdict, 'accept')
    assert.deepEqual(resultsIn(outcome.log), ['passed failed'])
  })

  it('a place that cannot be written to', async () => {
    const directory = newFolder()
    writeFileSync(join(directory, '2026'), 'a file in the way of a folder')
    const outcome = await send({ directory })
    assert.equal(outcome.verdict, 'tempfail')
    assert.deepEqual(filesIn(directory), ['2026'])
  })
})

describe('archive: on a server', () => {
  it('puts the envelope, then the message', async () => {
    await using service = await HttpService.start(status(201))
    const outcome = await send({ http: { url: `${service.url}/a/` } })
    assert.deepEqual(resultsIn(outcome.log), ['passed archived'])
    const [json, eml] = service.requests
    assert.match(json!.path, /^\/a\/2026\/11\/30\/ABC123-[\da-f]{16}\.json$/)
    assert.equal(eml!.path, json!.path.replace('.json', '.eml'))
    assert.ok(eml!.body.equals(MESSAGE))
    assert.deepEqual(
      [eml!.method, eml!.headers['content-type'], eml!.headers['if-none-match']],
      ['PUT', 'message/rfc822', '*'],
    )
    assert.equal(eml!.headers['content-length'], String(MESSAGE.length))
  })

  const answers: [string, Parameters<typeof HttpService.start>[0], string, number][] = [
    ['has it already', status(412), 'passed archived-already', 2],
    ['refuses', status(403), 'deferred failed', 1],
    [
      'redirects',
      (_, response) => void response.writeHead(302, { location: '/' }).end(),
      'deferred failed',
      1,
    ],
    ['promises only', status(202), 'deferred failed', 1],
    ['is out of order', status(503), 'deferred failed', 3],
    ['breaks the connection', (_, response) => void response.destroy(), 'deferred failed', 3],
    ['lies', (_, response) => void response.socket!.end('220 hello\r\n'), 'deferred failed', 3],
    [
      'answers without end',
      (_, response) => void response.writeHead(201).end('x'.repeat(100_000)),
      'deferred failed',
      1,
    ],
  ]
  for (const [name, answer, result, requests] of answers) {
    it(`that ${name}: ${result}`, async () => {
      await using service = await HttpService.start(answer)
      const outcome = await send({ http: { url: service.url } })
      assert.deepEqual(resultsIn(outcome.log), [result], JSON.stringify(outcome.log))
      assert.equal(service.requests.length, requests)
    })
  }

  it('that works again at the second try', async () => {
    await using service = await HttpService.start((request, response) => {
      response.writeHead(service.requests.length === 1 ? 500 : 201).end(request.path)
    })
    const outcome = await send({ http: { url: service.url } })
    assert.deepEqual(resultsIn(outcome.log), ['passed archived'])
    assert.equal(service.requests.length, 3)
  })

  it('that does not answer: within the deadline', async () => {
    await using service = await HttpService.start(() => {})
    const outcome = await send({ http: { url: service.url }, deadline: 100 })
    assert.deepEqual(resultsIn(outcome.log), ['deferred failed'])
    assert.equal(service.requests.length, 1)
  })

  it('that is not there', async () => {
    const service = await HttpService.start(status(201))
    const { url } = service
    await service[Symbol.asyncDispose]()
    const outcome = await send({ http: { url }, deadline: 300 })
    assert.deepEqual(resultsIn(outcome.log), ['deferred failed'])
  })

  it('an answer before the message was sent counts', async () => {
    const { createServer } = await import('node:net')
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end('HTTP/1.1 507 Full\r\nContent-Length: 0\r\n\r\n'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const outcome = await send({ http: { url: `http://127.0.0.1:${port}` } })
    server.close()
    assert.match(JSON.stringify(outcome.log), /answers 507/)
  })
})

describe('archive: marks', () => {
  const outside = { client: { address: '192.0.2.7' } }
  const inside = { client: { address: '127.0.0.1' } }
  const marked = async (): Promise<Buffer> => {
    const outcome = await send({ directory: newFolder(), markKeyFile: key }, outside)
    assert.match(String(outcome.message), /^X-Tsmilter-Copied: archive [\da-f]{32}\r$/m)
    return outcome.message!
  }
  const cases: [string, TestTransaction, (message: string) => string, string][] = [
    ['of your own server', inside, (text) => text, 'skipped marked'],
    [
      'after a hop that adds a field',
      inside,
      (text) => `Received: x\r\n${text}`,
      'skipped marked',
    ],
    ['of a stranger', outside, (text) => text, 'passed archived'],
    ['with another body', inside, (text) => text.replace('Hello', 'Other'), 'passed archived'],
    ['with another author', inside, (text) => text.replace('a@', 'x@'), 'passed archived'],
    [
      'that is forged',
      inside,
      (text) => text.replace(/archive \w{8}/, 'archive 00000000'),
      'passed archived',
    ],
  ]
  for (const [name, from, change, result] of cases) {
    it(`${name}: ${result}`, async () => {
      const message = Buffer.from(change((await marked()).toString('latin1')), 'latin1')
      const outcome = await send(
        { directory: newFolder(), markKeyFile: key },
        { message, ...from },
      )
      assert.deepEqual(resultsIn(outcome.log), [result])
    })
  }

  it('are not in the copy', async () => {
    const directory = newFolder()
    await send({ directory, markKeyFile: key })
    const eml = filesIn(directory).find((name) => name.endsWith('.eml'))!
    assert.ok(readFileSync(join(directory, eml)).equals(MESSAGE))
  })
})

describe('archive: mistakes', () => {
  const short = join(folder, 'short')
  writeFileSync(short, 'x\n')
  const cases: [string, ArchiveOptions, RegExp][] = [
    ['no place', {}, /needs either directory or http/],
    [
      'two places',
      { directory: '/x', http: { url: 'https://x.example' } },
      /cannot stand beside/,
    ],
    ['no directory', { directory: join(folder, 'none') }, /none is not there; create it/],
    ['a relative directory', { directory: 'x' }, /absolute path/],
    ['a file', { directory: key }, /cannot be written \(E/],
    ['a mode for nobody', { directory: folder, mode: 0o040 }, /owner reads and writes/],
    ['a password in the URL', { http: { url: 'https://a:b@x.example' } }, /without a password/],
    [
      'a secret for everybody',
      { http: { url: 'http://x.example', authorizationFile: token } },
      /https:/,
    ],
    ['another protocol', { http: { url: 'ftp://x.example' } }, /http\.url takes/],
    [
      'no key',
      { directory: folder, markKeyFile: join(folder, 'none') },
      /none cannot be read \(ENOENT\)/,
    ],
    ['a short key', { directory: folder, markKeyFile: short }, /at least 16/],
  ]
  for (const [name, options, message] of cases) {
    it(name, async () => {
      await assert.rejects(archive(options), { code: 'INVALID_OPTION', message })
    })
  }

  it('are found before mail comes', async () => {
    const directory = newFolder()
    const levels = async (given: object): Promise<string[]> => {
      const found: string[] = []
      for await (const { level } of inspectArchive(given as never)) found.push(level)
      return found
    }
    assert.deepEqual(await levels({ directory, onFailure: 'pass' }), ['ok', 'warning'])
    assert.deepEqual(await levels({ directory: join(directory, 'x') }), ['error'])
    assert.deepEqual(await levels({ http: { url: 'https://x.example' } }), ['warning'])
    assert.deepEqual(filesIn(directory), [])
    chmodSync(directory, 0o700)
  })
})
