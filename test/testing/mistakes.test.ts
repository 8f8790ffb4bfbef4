import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MtaClient } from '../../src/mta/index.ts'
import { deliver, openSession } from '../../src/testing/index.ts'

const usage =
  (code: string, text: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof Error && error.name === 'UsageError', String(error))
    assert.equal((error as Error & { code: string }).code, code)
    assert.match(error.message, text)
    return true
  }

/** What JavaScript can give, and the types forbid. */
const wrong = (value: unknown): never => value as never

describe('mistakes in a test', () => {
  for (const filter of [{ eom: () => {} }, undefined, null, 'filter']) {
    it(`a filter that is ${filter === null ? 'null' : typeof filter}`, async () => {
      const expected = usage(
        'INVALID_HANDLER',
        /takes the result of defineFilter, or a function/,
      )
      await assert.rejects(deliver(wrong(filter)), expected)
      await assert.rejects(openSession(wrong(filter)), expected)
    })
  }

  it('a misspelt field has the name that was meant', async () => {
    const expected = usage(
      'INVALID_OPTION',
      /no field "mesage"; did you mean message\? The fields are: /,
    )
    await assert.rejects(
      deliver(() => ({}), wrong({ mesage: 'x' })),
      expected,
    )
  })

  for (const [filter, text] of [
    [{ maxMemry: 1 }, /^maxMemry is not an option of a filter; did you mean maxMemory\?/],
    [{ limits: { header: 1 } }, /^limits\.header is not an option .* mean headers\?/],
    [{ listen: 'inet:0' }, /^listen is not an option of a filter/],
    [{ maxEdits: 0 }, /^the option maxEdits takes a whole number, 1 or more; it got 0$/],
    [[5], /^the options of a filter are an object; it got \[ 5 \]$/],
    [new Map(), /^the options of a filter are an object; it got Map/],
    [null, /^the options of a filter are an object; it got null$/],
  ] as const) {
    it(`an option of the filter that is wrong: ${JSON.stringify(filter)}`, async () => {
      const expected = usage('INVALID_OPTION', text)
      const given = wrong({ filter })
      await assert.rejects(
        deliver(() => ({}), given),
        expected,
      )
      await assert.rejects(
        openSession(() => ({}), given),
        expected,
      )
    })
  }

  for (const name of ['sender', 'recipients', 'headers', 'onfailure', 'deadlines']) {
    it(`a field ${name}, which there is not`, async () => {
      const expected = usage(
        'INVALID_OPTION',
        new RegExp(`no field "${name}".* The fields are: `),
      )
      const given = wrong({ [name]: 'x' })
      await assert.rejects(
        deliver(() => ({}), given),
        expected,
      )
      await assert.rejects(
        openSession(() => ({}), given),
        expected,
      )
      const session = await openSession(() => ({}))
      await assert.rejects(session.deliver(given), expected)
      await session.close()
    })
  }

  for (const [given, message] of [
    [{ onFailure: 'temfail' }, /onFailure is "temfail"; with postfix it can be accept, reject/],
    [{ onFailure: null }, /onFailure is null; with postfix it can be /],
    [
      { mta: 'sendmail', onFailure: 'quarantine' },
      /with sendmail it can be accept, reject, tempfail, shutdown$/,
    ],
    [
      { mta: 'exim' },
      /mta is "exim"; it can be postfix, sendmail, or one of them with a version/,
    ],
    [{ mta: null }, /mta is null; it can be /],
    [{ mta: {} }, /mta is {}; it can be /],
    [{ mta: { postfix: '3.7', sendmail: '8.17' } }, /; it can be /],
    [{ mta: { toString: '3.7' } }, /; it can be /],
    [
      { mta: { postfix: '3.8' } },
      /versions of postfix that are known are 3.7, 3.10, 3.11; take/,
    ],
    [
      { mta: { sendmail: 8.17 } },
      /versions of sendmail that are known are 8.17, 8.18.1, 8.18.2/,
    ],
  ] as const) {
    it(JSON.stringify(given), async () => {
      const expected = usage('INVALID_OPTION', message)
      await assert.rejects(
        deliver(() => ({}), wrong(given)),
        expected,
      )
      await assert.rejects(MtaClient.connect('inet:1@127.0.0.1', wrong(given)), expected)
    })
  }

  it('the From line of an mbox is no part of the message', async () => {
    for (const end of ['\n', '\r\n']) {
      const lines = [
        'From alice@example.org Tue Nov 24 10:00:00 2026',
        'Subject: x',
        '',
        'From me',
        '',
      ]
      const { message } = await deliver(() => ({}), { message: lines.join(end) })
      assert.equal(message?.toString(), 'Subject: x\r\n\r\nFrom me\r\n')
    }
  })

  it('nor is a quoted one, nor are several', async () => {
    for (const start of [
      '>From a@b\n',
      '>>From a@b\n',
      '>From a@b\nFrom c@d\n',
      '>From x\n>From y\n',
    ]) {
      const given = `${start}Subject: x\n\n>From me\n`
      const { message } = await deliver(() => ({}), { message: given })
      assert.equal(message?.toString(), 'Subject: x\r\n\r\n>From me\r\n')
    }
    const { message } = await deliver(() => ({}), { message: '> From x\nSubject: x\n' })
    assert.equal(message?.toString(), '\r\n> From x\r\nSubject: x\r\n')
  })

  it('a byte order mark at the start is an error: servers take all of it for the body', async () => {
    for (const message of [
      '\ufeffSubject: x\n\nhello\n',
      Buffer.from('\ufeffFrom x\nSubject: x\n\nhello\n'),
    ]) {
      await assert.rejects(
        deliver(() => ({}), { message }),
        usage('INVALID_OPTION', /byte order mark/),
      )
    }
  })
})
