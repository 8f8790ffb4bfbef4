import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import type { lookup as lookUp } from 'node:dns'
import { describe, it } from 'node:test'
import {
  webhook,
  type WebhookOptions,
  type WebhookRequest,
} from '../../../src/filters/index.ts'
import { AddressPolicy } from '../../../src/filters/http/address-policy.ts'
import { inspectWebhook } from '../../../src/filters/webhook/inspect-webhook.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../../src/testing/index.ts'
import { HttpService, status } from '../delivery/http-service.ts'
import { files, resultsIn } from '../support.ts'

const file = files()
const SECRET = 'a secret of sixteen or more'
const secretFile = file('secret', `${SECRET}\n`)
const MESSAGE = Buffer.from(
  'Date: Mon, 30 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nFrom: a@example.org\r\nTo: b@example.net\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\r\nHello \xff\r\n',
  'latin1',
)
const usual: TestTransaction = {
  message: MESSAGE,
  from: 'a@example.org',
  to: ['b@example.net'],
  client: { address: '192.0.2.7', hostname: 'mx.example.com' },
}
const answering = (answer: object | string) =>
  HttpService.start((_, response) =>
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer)),
  )
const ask = async (
  service: HttpService,
  options: Partial<WebhookOptions> = {},
  transaction: TestTransaction = {},
): Promise<TestOutcome> => {
  const given = { url: service.url, secretFile, allowAddresses: '127.0.0.1', ...options }
  const outcome = await deliver(webhook(given), { ...usual, ...transaction })
  assert.deepEqual(outcome.errors, [])
  return outcome
}

describe('webhook: the request', () => {
  it('has the envelope, the client and the header, and is signed', async () => {
    await using service = await HttpService.start(status(204))
    const outcome = await ask(service, {}, { authenticated: 'alice' })
    assert.deepEqual(resultsIn(outcome.log), ['passed passed'])
    const { method, headers, body } = service.requests[0]!
    assert.equal(method, 'POST')
    const sent = JSON.parse(String(body)) as WebhookRequest
    assert.deepEqual(sent, {
      version: 1,
      id: headers['webhook-id'],
      filter: 'webhook',
      observe: false,
      queueId: sent.queueId,
      server: sent.server,
      client: {
        address: '192.0.2.7',
        hostname: 'mx.example.com',
        helo: 'mx.example.com',
        login: 'alice',
        tls: null,
      },
      sender: { address: 'a@example.org', parameters: [] },
      recipients: [{ address: 'b@example.net', parameters: [] }],
      content: 'header',
      fields: sent.fields,
      raw: MESSAGE.subarray(0, MESSAGE.indexOf('\r\n\r\n') + 2).toString('base64'),
    })
    assert.deepEqual(sent.fields?.at(-1), { name: 'Subject', value: 'caf\u00e9' })
    const signed = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${String(body)}`
    const mac = createHmac('sha256', SECRET).update(signed).digest('base64')
    assert.equal(headers['webhook-signature'], `v1,${mac}`)
    assert.ok(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1_000) < 300)
  })

  for (const length of [0, 1, 2, 3, 200_000]) {
    it(`has the whole message, if you say so: ${length} bytes more`, async () => {
      await using service = await HttpService.start(status(204))
      const message = Buffer.concat([MESSAGE, Buffer.alloc(length, 'x')])
      await ask(service, { content: 'whole' }, { message })
      const { content, raw } = JSON.parse(String(service.requests[0]!.body)) as WebhookRequest
      assert.equal(content, 'whole')
      assert.ok(Buffer.from(raw!, 'base64').equals(message))
    })
  }

  it('has the header only, if the message is too large', async () => {
    await using service = await HttpService.start(status(204))
    const message = Buffer.concat([MESSAGE, Buffer.alloc(2_000, 'x')])
    await ask(service, { content: 'whole', maxSize: 1_024 }, { message })
    const { content } = JSON.parse(String(service.requests[0]!.body)) as WebhookRequest
    assert.equal(content, 'header')
  })

  it('has no content, if you say so', async () => {
    await using service = await HttpService.start(status(204))
    await ask(service, { content: 'none' })
    const sent = JSON.parse(String(service.requests[0]!.body)) as WebhookRequest
    assert.equal(sent.raw ?? sent.fields, undefined)
  })

  it('takes a secret of Standard Webhooks', async () => {
    await using service = await HttpService.start(status(204))
    const key = Buffer.from(SECRET).toString('base64')
    await ask(service, { secretFile: file('whsec', `whsec_${key}\n`) })
    const { headers, body } = service.requests[0]!
    const signed = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${String(body)}`
    const mac = createHmac('sha256', SECRET).update(signed).digest('base64')
    assert.equal(headers['webhook-signature'], `v1,${mac}`)
  })
})

describe('webhook: the answer', () => {
  const edits = [
    { edit: 'addField', name: 'X-New', value: 'one' },
    { edit: 'setField', name: 'Subject', value: 'two' },
    { edit: 'addRecipient', address: 'c@example.net' },
    { edit: 'removeRecipient', address: 'b@example.net' },
  ]
  const cases: [string, object | string, Partial<WebhookOptions>, string, string][] = [
    ['nothing', {}, {}, 'accept', 'passed passed'],
    ['refuse', { verdict: 'refuse', text: 'No' }, {}, 'reject', 'refused refused'],
    ['defer', { verdict: 'defer' }, {}, 'tempfail', 'deferred deferred'],
    ['quarantine', { verdict: 'quarantine', text: 'x' }, {}, 'quarantine', 'held held'],
    ['discard', { verdict: 'discard' }, { allow: 'discard' }, 'discard', 'discarded discarded'],
    ['edits', { version: 1, edits }, {}, 'accept', 'changed edited'],
    [
      'observed',
      { verdict: 'refuse' },
      { observe: true },
      'accept',
      'would be refused refused',
    ],
    ['discard, not allowed', { verdict: 'discard' }, {}, 'tempfail', 'deferred failed'],
    [
      'a sender, not allowed',
      { edits: [{ edit: 'setSender', address: 'x@example.org' }] },
      {},
      'tempfail',
      'deferred failed',
    ],
    ['fields, not allowed', { edits }, { allow: [] }, 'tempfail', 'deferred failed'],
    ['another version', { version: 2 }, {}, 'tempfail', 'deferred failed'],
    ['another verdict', { verdict: 'accept' }, {}, 'tempfail', 'deferred failed'],
    ['another name', { verdct: 'refuse' }, {}, 'tempfail', 'deferred failed'],
    [
      'another name in an edit',
      { edits: [{ ...edits[0], x: 1 }] },
      {},
      'tempfail',
      'deferred failed',
    ],
    [
      'text with a line break',
      { verdict: 'refuse', text: 'a\r\nb' },
      {},
      'tempfail',
      'deferred failed',
    ],
    [
      'a value with a line break',
      { edits: [{ ...edits[0], value: 'a\nX: b' }] },
      {},
      'tempfail',
      'deferred failed',
    ],
    [
      'a name that is none',
      { edits: [{ ...edits[0], name: 'a b' }] },
      {},
      'tempfail',
      'deferred failed',
    ],
    [
      'an address that is none',
      { edits: [{ edit: 'addRecipient', address: 'a b>' }] },
      {},
      'tempfail',
      'deferred failed',
    ],
    [
      'too many edits',
      { edits: Array.from({ length: 101 }, () => edits[0]) },
      {},
      'tempfail',
      'deferred failed',
    ],
    [
      'a field that was not sent',
      { edits: [edits[1]] },
      { content: 'none' },
      'tempfail',
      'deferred failed',
    ],
    [
      'an edit that fails after one that does not',
      { edits: [edits[0], { edit: 'setField', name: 'Message-ID', value: 'caf\u00e9' }] },
      { onFailure: 'pass' },
      'tempfail',
      'deferred edit-failed',
    ],
    ['no JSON', '<html>', {}, 'tempfail', 'deferred failed'],
    ['a list', '[]', {}, 'tempfail', 'deferred failed'],
    ['no JSON, and mail passes', '<html>', { onFailure: 'pass' }, 'accept', 'passed failed'],
    ['too much', { text: 'x'.repeat(70_000) }, {}, 'tempfail', 'deferred failed'],
  ]
  for (const mta of ['postfix', 'sendmail'] as const) {
    for (const [name, answer, options, verdict, result] of cases) {
      it(`${name} (${mta})`, async () => {
        await using service = await answering(answer)
        const outcome = await ask(service, options, { mta })
        assert.equal(outcome.verdict, verdict, JSON.stringify(outcome.log))
        assert.deepEqual(
          resultsIn(outcome.log),
          [result].filter((one) => !one.startsWith('disc')),
        )
        if (name === 'edits') {
          assert.match(String(outcome.message), /^Subject: two\r\n[^]*^X-New: one\r$/m)
          assert.deepEqual(outcome.recipients, ['c@example.net'])
        }
        if (name === 'refuse') assert.match(outcome.reply, /^550 5\.7\.1 No/)
      })
    }
  }

  it('a sender, if you allow it', async () => {
    await using service = await answering({ edits: [{ edit: 'setSender', address: '' }] })
    const outcome = await ask(service, { allow: 'sender' })
    assert.equal(outcome.sender, '')
  })
})

describe('webhook: a service that fails', () => {
  it('is asked again with the same id', async () => {
    await using service = await HttpService.start((_, response) => {
      response.writeHead(service.requests.length === 1 ? 503 : 204).end()
    })
    const outcome = await ask(service)
    assert.deepEqual(resultsIn(outcome.log), ['passed passed'])
    const ids = service.requests.map(({ headers }) => headers['webhook-id'])
    assert.equal(ids.length, 2)
    assert.equal(ids[0], ids[1])
  })

  it('redirects: nobody follows', async () => {
    await using other = await HttpService.start(status(204))
    await using service = await HttpService.start((_, response) =>
      response.writeHead(307, { location: other.url }).end(),
    )
    const outcome = await ask(service)
    assert.deepEqual(resultsIn(outcome.log), ['deferred failed'])
    assert.equal(other.requests.length, 0)
  })

  it('does not answer: within the deadline', async () => {
    await using service = await HttpService.start(() => {})
    const outcome = await ask(service, { deadline: 100 })
    assert.deepEqual(resultsIn(outcome.log), ['deferred failed'])
  })

  it('sends its answer slowly: within the deadline', async () => {
    await using service = await HttpService.start((_, response) => response.write('{'))
    const outcome = await ask(service, { deadline: 100, onFailure: 'pass' })
    assert.deepEqual(resultsIn(outcome.log), ['passed failed'])
  })
})

describe('webhook: where requests may go', () => {
  const policy = new AddressPolicy([])
  for (const address of [
    '127.0.0.1',
    '127.1.2.3',
    '0.0.0.0',
    '10.1.1.1',
    '100.64.0.1',
    '169.254.169.254',
    '172.31.0.1',
    '192.168.1.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fc00::1',
    'fd12::1',
    'fe80::1',
    'ff02::1',
  ]) {
    it(`not to ${address}`, () => assert.equal(policy.allows(address), false))
  }
  for (const address of ['8.8.8.8', '172.32.0.1', '2a00:1450::1', '::ffff:8.8.8.8']) {
    it(`to ${address}`, () => assert.equal(policy.allows(address), true))
  }

  /** A name that leads to another address each time. */
  const rebinding = (...answers: readonly string[][]) => {
    let asked = 0
    const lookup = ((_host, _options, callback: (...given: unknown[]) => void) => {
      const found = answers[Math.min(asked++, answers.length - 1)]!
      callback(
        null,
        found.map((address) => ({ address, family: 4 })),
      )
    }) as typeof lookUp
    return { lookup, asked: () => asked }
  }

  it('not to a name that leads to a private address', async () => {
    await using service = await HttpService.start(status(204))
    const { lookup } = rebinding(['127.0.0.1'])
    const url = `https://example.org:${service.port}/`
    const outcome = await ask(service, { url, lookup, allowAddresses: [], deadline: 5_000 })
    assert.match(JSON.stringify(outcome.log), /example\.org leads to 127\.0\.0\.1/)
    assert.equal(service.requests.length, 0)
  })

  it('to the good addresses of a name only, and looked up once for a connection', async () => {
    await using service = await HttpService.start(status(204))
    const { lookup, asked } = rebinding(['10.0.0.1', '127.0.0.1'], ['10.0.0.1'])
    const url = `http://example.org:${service.port}/`
    const outcome = await ask(service, { url, lookup })
    assert.deepEqual(resultsIn(outcome.log), ['passed passed'])
    assert.equal(asked(), 1)
  })
})

describe('webhook: mistakes', () => {
  const url = 'https://example.org/'
  const cases: [string, WebhookOptions, RegExp][] = [
    ['no service', { secretFile } as never, /needs url/],
    ['no secret', { url } as never, /needs secretFile/],
    ['a secret that is not there', { url, secretFile: '/nowhere' }, /ENOENT/],
    ['a short secret', { url, secretFile: file('short', 'x\n') }, /16 or more/],
    ['an empty secret', { url, secretFile: file('empty', '\n') }, /is empty/],
    ['no encryption', { url: 'http://example.org/', secretFile }, /https:/],
    ['a private address', { url: 'https://10.0.0.1/', secretFile }, /allowAddresses/],
    [
      'a loopback address in disguise',
      { url: 'https://0x7f.1/', secretFile },
      /allowAddresses/,
    ],
    ['an IPv6 address', { url: 'https://[::1]/', secretFile }, /allowAddresses/],
    ['a password', { url: 'https://a:b@example.org/', secretFile }, /without a password/],
  ]
  for (const [name, options, message] of cases) {
    it(name, () => {
      assert.throws(() => webhook(options), { code: 'INVALID_OPTION', message })
    })
  }

  it('are looked at before mail comes', async () => {
    const found: string[] = []
    const look = async (settings: object): Promise<void> => {
      for await (const { level } of inspectWebhook(settings as never)) found.push(level)
    }
    await look({ url: 'https://127.0.0.1/', allowAddresses: [], onFailure: 'pass' })
    await look({ url: 'https://127.0.0.1/', allowAddresses: ['127.0.0.1'] })
    assert.deepEqual(found, ['error', 'warning', 'ok'])
  })
})
