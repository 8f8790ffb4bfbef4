import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { scan, type ScanOptions } from '../../../src/filters/index.ts'
import { inspectScan } from '../../../src/filters/scan/inspect-scan.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'
import { HttpService } from '../delivery/http-service.ts'
import { files, resultsIn } from '../support.ts'

const file = files()

/** A daemon that answers after it has seen the end of a question. */
class Daemon implements AsyncDisposable {
  questions: Buffer[] = []
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(isOver: (question: Buffer) => boolean, answer: (socket: Socket) => void) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket)
      let question = Buffer.alloc(0)
      let answered = false
      const look = (ended: boolean): void => {
        if (answered || !(ended || isOver(question))) return
        answered = true
        this.questions.push(question)
        answer(socket)
      }
      socket.on('error', () => {})
      socket.on('data', (piece) => {
        question = Buffer.concat([question, piece])
        look(false)
      })
      socket.on('end', () => look(true))
    })
  }

  static async start(
    isOver: (question: Buffer) => boolean,
    answer: (socket: Socket) => void,
  ): Promise<Daemon> {
    const daemon = new Daemon(isOver, answer)
    daemon.#server.listen(0, '127.0.0.1')
    await once(daemon.#server, 'listening')
    return daemon
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

const ends = (bytes: string) => (question: Buffer) =>
  question.toString('latin1').endsWith(bytes)
const clamdWith = (answer: string | ((socket: Socket) => void)) =>
  Daemon.start(
    ends('\0\0\0\0'),
    typeof answer === 'string' ? (socket) => socket.end(answer) : answer,
  )
const spamdWith = (answer: string) =>
  Daemon.start(
    () => false,
    (socket) => socket.end(answer),
  )
const rspamdWith = (answer: object | string, code = 200) =>
  HttpService.start((_, response) =>
    response.writeHead(code).end(typeof answer === 'string' ? answer : JSON.stringify(answer)),
  )

const MESSAGE =
  'From: a@example.org\r\nX-Virus-Status: Clean\r\nX-Spam-Flag: NO\r\nSubject: x\r\n\r\nHello\r\n'
const play = (options: ScanOptions, transaction: TestTransaction = {}): Promise<TestOutcome> =>
  deliver(scan(options), { message: MESSAGE, from: 'a@example.org', ...transaction })
const header = (outcome: TestOutcome): string => String(outcome.message).split('\r\n\r\n')[0]!
const spamAnswer = (isSpam: string, score: number, body = 'A,B_C'): string =>
  `SPAMD/1.1 0 EX_OK\r\nContent-length: ${body.length}\r\nSpam: ${isSpam} ; ${score} / 5.0\r\n\r\n${body}`

describe('scan: clamd', () => {
  const cases: [string, string, Partial<ScanOptions>, string, RegExp | undefined][] = [
    ['clean', 'stream: OK\0', {}, 'passed clean', /^X-Virus-Status: Clean$/m],
    ['infected', 'stream: Eicar-Test FOUND\0', {}, 'refused infected', undefined],
    [
      'infected, tagged',
      'stream: Bad \x1bName FOUND\0',
      { infected: 'tag' },
      'changed infected',
      /^X-Virus-Status: Infected \(Bad__Name\)$/m,
    ],
    [
      'infected, held',
      'stream: X FOUND\0',
      { infected: 'quarantine' },
      'held infected',
      /Infected/,
    ],
    [
      'too much for it',
      'INSTREAM size limit exceeded. ERROR\0',
      {},
      'deferred failed',
      undefined,
    ],
    ['a lie', 'stream: OK FOUND ERROR\0', {}, 'deferred failed', undefined],
    ['half an answer', 'stream: OK', {}, 'deferred failed', undefined],
    ['no answer', '', {}, 'deferred failed', undefined],
    ['too long an answer', `stream: ${'x'.repeat(5_000)}`, {}, 'deferred failed', undefined],
    ['no answer, open', '', { onFailure: 'pass' }, 'passed failed', /^Subject: x$/m],
    [
      'infected, observed',
      'stream: X FOUND\0',
      { observe: true },
      'would be refused infected',
      /NO/,
    ],
  ]
  for (const mta of ['postfix', 'sendmail'] as const) {
    for (const [name, answer, options, result, fields] of cases) {
      it(`${name} (${mta})`, async () => {
        await using daemon = await clamdWith(answer)
        const outcome = await play({ clamd: daemon.address, ...options }, { mta })
        assert.deepEqual(outcome.errors, [])
        assert.deepEqual(resultsIn(outcome.log), [result], JSON.stringify(outcome.log))
        if (fields !== undefined) {
          const seen = header(outcome).replaceAll('\r', '')
          assert.match(seen, fields)
          // The forged one is gone.
          const count = seen.match(/^X-Virus-Status:/gm)?.length ?? 0
          assert.ok(options.observe || count === Number(!options.onFailure), seen)
        }
      })
    }
  }

  it('gets the whole message in pieces', async () => {
    await using daemon = await clamdWith('stream: OK\0')
    const message =
      `From: a@example.org\r\n\r\n${'x'.repeat(78)}\r\n`.repeat(1) + 'y'.repeat(300_000)
    await play({ clamd: daemon.address }, { message })
    const [question] = daemon.questions
    let at = 'zINSTREAM\0'.length
    assert.equal(question!.toString('latin1', 0, at), 'zINSTREAM\0')
    const pieces: Buffer[] = []
    for (;;) {
      const size = question!.readUInt32BE(at)
      if (size === 0) break
      pieces.push(question!.subarray(at + 4, at + 4 + size))
      at += 4 + size
    }
    assert.equal(at + 4, question!.length)
    assert.equal(Buffer.concat(pieces).toString('latin1'), message)
  })

  it('that does not read the message, but answers', async () => {
    await using daemon = await Daemon.start(
      (question) => question.length > 10,
      (socket) => socket.pause().end('INSTREAM size limit exceeded. ERROR\0'),
    )
    const message = `From: a@example.org\r\n\r\n${'y'.repeat(5_000_000)}`
    const outcome = await play({ clamd: daemon.address }, { message })
    assert.match(JSON.stringify(outcome.log), /size limit exceeded/)
  })

  it('that never answers: the next one is asked, and this one last from now on', async () => {
    await using slow = await clamdWith(() => {})
    await using good = await clamdWith('stream: OK\0')
    const filter = scan({ clamd: ['127.0.0.1:1', slow.address, good.address], deadline: 600 })
    for (let i = 0; i < 2; i++) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other
      const outcome = await deliver(filter, { message: MESSAGE })
      assert.deepEqual(resultsIn(outcome.log), ['passed clean'])
    }
    assert.equal(slow.questions.length, 1)
    assert.equal(good.questions.length, 2)
  })

  it('that never answers, alone: within the deadline', async () => {
    await using slow = await clamdWith(() => {})
    const outcome = await play({ clamd: slow.address, deadline: 100 })
    assert.deepEqual(resultsIn(outcome.log), ['deferred failed'])
    assert.match(outcome.reply, /^451 4\.7\.1/)
  })

  for (const [tooLarge, verdict, result] of [
    ['pass', 'accept', 'skipped too-large'],
    ['quarantine', 'quarantine', 'held too-large'],
    ['refuse', 'reject', 'refused too-large'],
  ] as const) {
    it(`a message that is too large: ${tooLarge}`, async () => {
      const message = `${MESSAGE}${'x'.repeat(2_000)}\r\n`
      const options: ScanOptions = { clamd: '127.0.0.1:1', maxSize: 1_024, tooLarge }
      const outcome = await play(options, { message })
      assert.equal(outcome.verdict, verdict)
      assert.deepEqual(resultsIn(outcome.log), [result])
      if (outcome.message) assert.doesNotMatch(header(outcome), /X-Virus-Status/)
    })
  }
})

describe('scan: spamd', () => {
  const cases: [string, string, Partial<ScanOptions>, string, RegExp | undefined][] = [
    [
      'ham',
      spamAnswer('False', 1.5),
      {},
      'passed clean',
      /^X-Spam-Status: No, score=1\.5 required=5 tests=A,B_C$/m,
    ],
    ['spam', spamAnswer('True', 6), {}, 'changed spam', /^X-Spam-Flag: YES$/m],
    [
      'below tagAt',
      spamAnswer('True', 6),
      { tagAt: 7 },
      'passed clean',
      /No, score=6 required=7/,
    ],
    ['above tagAt', spamAnswer('False', 4), { tagAt: 3.5 }, 'changed spam', /Yes, score=4/],
    ['above quarantineAt', spamAnswer('True', 9), { quarantineAt: 9 }, 'held spam', /YES/],
    [
      'above refuseAt',
      spamAnswer('True', 15),
      { quarantineAt: 9, refuseAt: 15 },
      'refused spam',
      undefined,
    ],
    ['a failure', 'SPAMD/1.0 76 Bad header line\r\n\r\n', {}, 'deferred failed', undefined],
    ['a lie', 'HTTP/1.1 200 OK\r\n\r\n', {}, 'deferred failed', undefined],
    ['half an answer', spamAnswer('True', 6).slice(0, -2), {}, 'deferred failed', undefined],
    ['no score', 'SPAMD/1.1 0 EX_OK\r\n\r\nA', {}, 'deferred failed', undefined],
  ]
  for (const [name, answer, options, result, fields] of cases) {
    it(name, async () => {
      await using daemon = await spamdWith(answer)
      const outcome = await play({ spamd: daemon.address, ...options })
      assert.deepEqual(outcome.errors, [])
      assert.deepEqual(resultsIn(outcome.log), [result], JSON.stringify(outcome.log))
      if (fields !== undefined) assert.match(header(outcome).replaceAll('\r', ''), fields)
      if (fields !== undefined) assert.doesNotMatch(header(outcome), /X-Spam-Flag: NO/)
    })
  }

  it('gets the length, the client and the sender, each in one line', async () => {
    await using daemon = await spamdWith(spamAnswer('False', 1))
    await play(
      { spamd: daemon.address, user: 'mail' },
      {
        helo: 'evil\u0001.example',
        client: { address: '192.0.2.7', hostname: 'mx.example.com' },
      },
    )
    const text = String(daemon.questions[0])
    const [, length] =
      /^SYMBOLS SPAMC\/1\.5\r\nContent-length: (\d+)\r\nUser: mail\r\n\r\n/.exec(text)!
    const body = text.slice(text.indexOf('\r\n\r\n') + 4)
    assert.equal(body.length, Number(length))
    assert.match(
      body,
      /^X-Envelope-From: <a@example\.org>\r\nReceived: from evil\?\.example \(mx\.example\.com \[192\.0\.2\.7\]\)\r\n\tby \S+ \(Postfix\) with ESMTP id \S+;\r\n\t/,
    )
    assert.ok(body.endsWith(MESSAGE))
  })
})

describe('scan: rspamd', () => {
  const usual = { action: 'no action', score: 1, required_score: 15, symbols: { B: {}, A: {} } }
  const cases: [string, object | string, Partial<ScanOptions>, string, RegExp | undefined][] = [
    ['ham', usual, {}, 'passed clean', /^X-Spam-Status: No, score=1 required=15 tests=B,A$/m],
    [
      'add header',
      { ...usual, action: 'add header' },
      {},
      'changed spam',
      /^X-Spam-Flag: YES$/m,
    ],
    ['reject', { ...usual, action: 'reject' }, {}, 'refused spam', undefined],
    [
      'reject, only tagged',
      { ...usual, action: 'reject' },
      { followActions: false },
      'changed spam',
      /YES/,
    ],
    ['greylist', { ...usual, action: 'greylist' }, {}, 'deferred soft-reject', undefined],
    ['soft reject', { ...usual, action: 'soft reject' }, {}, 'deferred soft-reject', undefined],
    ['by score', { ...usual, score: 8 }, { quarantineAt: 8 }, 'held spam', undefined],
    [
      'its fields',
      {
        ...usual,
        milter: {
          add_headers: {
            'X-One': { value: 'a', order: 0 },
            'X-Two': ['b', { value: 'c' }],
            'Bad Name': 'x',
            'X-Bad': 7,
            'X-Fold': 'a\n\tb',
          },
          remove_headers: { Subject: 0 },
        },
      },
      {},
      'passed clean',
      /^X-Fold: a\n\tb\nX-Two: c\nX-Two: b\nX-One: a\n(?!.*^Subject)/ms,
    ],
    [
      'not its fields',
      { ...usual, milter: { remove_headers: { Subject: 0 } } },
      { followFields: false },
      'passed clean',
      /^Subject: x$/m,
    ],
    ['no JSON', '<html>', {}, 'deferred failed', undefined],
    ['another JSON', '[1]', {}, 'deferred failed', undefined],
    ['an unknown action', { ...usual, action: 'dance' }, {}, 'deferred failed', undefined],
    ['no score', { action: 'reject' }, {}, 'deferred failed', undefined],
  ]
  for (const [name, answer, options, result, fields] of cases) {
    it(name, async () => {
      await using service = await rspamdWith(answer)
      const outcome = await play({ rspamd: `127.0.0.1:${service.port}`, ...options })
      assert.deepEqual(outcome.errors, [])
      assert.deepEqual(resultsIn(outcome.log), [result], JSON.stringify(outcome.log))
      if (fields !== undefined)
        assert.match(`${header(outcome)}\n`.replaceAll('\r', ''), fields)
    })
  }

  it('gets what the mail server knows, and a password', async () => {
    await using service = await rspamdWith(usual)
    await play(
      { rspamd: `127.0.0.1:${service.port}`, passwordFile: file('password', 'secret\n') },
      {
        authenticated: 'alice',
        to: ['b@example.net', 'c@example.net'],
        client: { address: '192.0.2.7' },
      },
    )
    const { method, path, headers, body } = service.requests[0]!
    assert.deepEqual([method, path, String(body)], ['POST', '/checkv2', MESSAGE])
    const { from, rcpt, ip, user, password } = headers
    assert.deepEqual(
      { from, rcpt, ip, user, password },
      {
        from: 'a@example.org',
        rcpt: 'b@example.net, c@example.net',
        ip: '192.0.2.7',
        user: 'alice',
        password: 'secret',
      },
    )
  })

  for (const code of [403, 500]) {
    it(`answers ${code}`, async () => {
      await using service = await rspamdWith(usual, code)
      const outcome = await play({ rspamd: `127.0.0.1:${service.port}` })
      assert.deepEqual(resultsIn(outcome.log), ['deferred failed'])
    })
  }
})

describe('scan: mistakes', () => {
  const cases: [string, ScanOptions, RegExp][] = [
    ['no scanner', {}, /needs either/],
    ['two', { clamd: '/x', spamd: '/y' }, /cannot stand beside/],
    ['no address', { clamd: 'localhost' }, /HOST:PORT/],
    ['a score for viruses', { clamd: '/x', refuseAt: 5 }, /refuseAt is only for/],
    ['a user of rspamd', { rspamd: '/x', user: 'x' }, /user is only for spamd/],
    ['scores in the wrong order', { spamd: '/x', tagAt: 9, refuseAt: 5 }, /rising order/],
    [
      'no password',
      { rspamd: '/x', passwordFile: '/nowhere' },
      /passwordFile: \/nowhere cannot be read/,
    ],
  ]
  for (const [name, options, message] of cases) {
    it(name, () => {
      assert.throws(() => scan(options), { code: 'INVALID_OPTION', message })
    })
  }

  it('daemons are looked at before mail comes', async () => {
    await using daemon = await clamdWith('stream: OK\0')
    const found: string[] = []
    const settings = { clamd: [daemon.address, '127.0.0.1:1', '/nowhere'] } as never
    const tools = { signal: new AbortController().signal } as never
    for await (const { level, path } of inspectScan(settings, tools)) {
      found.push(`${level} ${path.join('.')}`)
    }
    assert.deepEqual(found, ['ok clamd.0', 'warning clamd.1', 'warning clamd.2'])
  })
})
