import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import {
  compose,
  defineFilter,
  type MilterError,
  shadow,
  type FilterDefinition,
  type Mail,
  type MessageFilter,
} from '../../src/index.ts'
import type { ReadKind } from '../../src/message/stage-context.ts'
import { deliver } from '../../src/testing/index.ts'

const SERVERS = ['postfix', 'sendmail'] as const
const nothing = (): void => {}
// Nothing is missing that Sendmail would add.
const OWN = 'Date: then\r\nFrom: a@example.org\r\nMessage-Id: <1@example.org>\r\n'
const MESSAGE = `${OWN}X-A:one\r\nSubject: x\r\nX-A: two\r\n\r\nhello\r\n`

const reading = (
  reads: readonly ReadKind[] | undefined,
  message: (mail: Mail) => void | Promise<void>,
): MessageFilter => defineFilter({ name: 'test', reads, message })

/** What came, a word a frame, without macros and answers. */
async function sent(filter: MessageFilter): Promise<string> {
  const outcome = await deliver(filter, { message: MESSAGE })
  assert.deepEqual(outcome.errors, [])
  return outcome.trace.entries
    .filter(({ from, message }) => from === 'mta' && message?.type !== 'macro')
    .map(({ message }) => message!.type)
    .join(' ')
}

describe('what a filter does not read', () => {
  it('is not sent', async () => {
    const before = 'optneg connect helo mail rcpt'
    assert.equal(await sent(reading([], nothing)), `${before} eom`)
    assert.equal(await sent(reading(['body'], nothing)), `${before} body eom`)
    const header = Array(6).fill('header').join(' ')
    assert.equal(await sent(reading(['headers'], nothing)), `${before} ${header} eom`)
    assert.equal(
      await sent(reading(['headers', 'body'], nothing)),
      await sent(reading(undefined, nothing)),
    )
  })

  for (const mta of SERVERS) {
    it(`can be added to, with the same result: ${mta}`, async () => {
      const name = fc.constantFrom('X-A', 'X-New', 'Subject')
      const value = fc
        .constantFrom('short', 'Grüße', 'word '.repeat(40).trim())
        .map((text) => text)
      const raw = fc
        .constantFrom('bare', ' spaced', '  two', '\ttab')
        .map((text) => Buffer.from(text))
      const place = fc.constantFrom('append' as const, 'prepend' as const)
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(place, name, fc.oneof(value, raw)), { maxLength: 6 }),
          async (edits) => {
            const apply = (mail: Mail): void => {
              for (const [how, ...field] of edits) mail.headers[how](...field)
              mail.recipients.add('archive@example.net')
            }
            const blind = await deliver(reading([], apply), { mta, message: MESSAGE })
            const seeing = await deliver(reading(undefined, apply), { mta, message: MESSAGE })
            assert.deepEqual(blind.errors, [])
            assert.equal(blind.message!.toString(), seeing.message!.toString())
            assert.deepEqual(blind.recipients, seeing.recipients)
          },
        ),
        { numRuns: 100 },
      )
    })

    it(`is not taken for missing: ${mta}`, async () => {
      const filter = reading([], (mail) => {
        mail.headers.append('Date', 'now')
        mail.headers.prepend('From', 'me@example.org')
      })
      const { message } = await deliver(filter, { mta, message: MESSAGE })
      assert.match(
        message!.toString(),
        /^From: me@example\.org\r\nDate: then\r\nFrom: a@[^]*\r\nDate: now\r\n\r\n/,
      )
    })
  }

  for (const mta of SERVERS) {
    it(`can be replaced, as the whole body: ${mta}`, async () => {
      for (const [given, became] of [
        ['one\ntwo\n', 'one\r\ntwo\r\n'],
        [Buffer.from('bytes\r\n'), 'bytes\r\n'],
        [['a', 'b\r\n'], 'ab\r\n'],
        ['', ''],
      ] as const) {
        const filter = reading([], async (mail) => {
          assert.equal(mail.body.replaced, false)
          await mail.body.replace(given as string)
          assert.equal(mail.body.replaced, true)
          // It is the filter's own.
          assert.equal(String(await mail.body.bytes()), became)
          assert.equal(mail.body.size, became.length)
        })
        const { message, errors, trace } = await deliver(filter, { mta, message: MESSAGE })
        assert.deepEqual(errors, [])
        assert.equal(String(message), MESSAGE.replace('hello\r\n', became))
        assert.ok(!trace.entries.some((entry) => entry.message?.type === 'header'))
      }
    })
  }

  it('is replaced for the filters behind it', async () => {
    const seen: string[] = []
    const blind = reading([], (mail) => mail.body.replace('new\n'))
    const looks = reading(
      ['body'],
      async (mail) => void seen.push(String(await mail.body.bytes())),
    )
    const { message, errors } = await deliver(compose(looks, blind, looks), {
      message: MESSAGE,
    })
    assert.deepEqual(errors, [])
    assert.deepEqual(seen, ['hello\r\n', 'new\r\n'])
    assert.match(String(message), /\r\n\r\nnew\r\n$/)
  })

  it('leaves fields of the own to be changed and removed', async () => {
    const filter = reading([], ({ headers }) => {
      const first = headers.append('X-First', '1')
      const second = headers.append('X-Second', '2')
      headers.prepend('X-Top', 'top')
      first.value = 'one'
      assert.equal(headers.delete(second), 1)
      assert.equal(first.value, 'one')
    })
    const { message } = await deliver(filter, { message: MESSAGE })
    assert.equal(
      message!.toString(),
      MESSAGE.replace('\r\n\r\n', '\r\nX-First: one\r\n\r\n').replace(/^/, 'X-Top: top\r\n'),
    )
  })

  it('cannot be looked at', async () => {
    const needsHeaders: readonly ((mail: Mail) => unknown)[] = [
      (mail) => mail.headers.length,
      (mail) => mail.headers.get('Subject'),
      (mail) => mail.headers.getAll('Subject'),
      (mail) => mail.headers.has('Subject'),
      (mail) => mail.headers.fields(),
      (mail) => [...mail.headers],
      (mail) => mail.headers.set('Subject', 'y'),
      (mail) => mail.headers.delete('Subject'),
      (mail) => mail.headers.insertBefore('Subject', 'X', 'y'),
      (mail) => mail.headers.insertAfter('Subject', 'X', 'z'),
      (mail) => mail.subject,
      (mail) => (mail.subject = 'y'),
      (mail) => (mail.from = undefined),
      (mail) => mail.rawHeader(),
    ]
    const needsBody: readonly ((mail: Mail) => unknown)[] = [
      (mail) => mail.body.size,
      (mail) => mail.body.bytes(),
      (mail) => mail.body[Symbol.asyncIterator]().next(),
      (mail) => mail.raw(),
      (mail) => mail.rawChunks().next(),
      (mail) => mail.mime(),
    ]
    const refused = async (
      reads: readonly ReadKind[],
      needed: string,
      looks: readonly ((mail: Mail) => unknown)[],
    ): Promise<void> => {
      let seen = 0
      const filter = reading(reads, async (mail) => {
        for (const look of looks) {
          await assert.rejects(async () => look(mail), {
            code: 'NOT_READ',
            message: new RegExp(`the filter "test" does not have "${needed}" in its "reads"`),
          })
          seen++
        }
      })
      const outcome = await deliver(filter, { message: MESSAGE })
      assert.deepEqual(outcome.errors, [])
      assert.equal(outcome.message!.toString(), MESSAGE)
      assert.equal(seen, looks.length)
    }
    await refused([], 'headers', needsHeaders)
    await refused(['body'], 'headers', needsHeaders)
    await refused(['headers'], 'body', needsBody)
    await refused(['body'], 'headers', [(mail) => mail.raw(), (mail) => mail.mime()])
  })

  it('is a failure like others, if that is not caught', async () => {
    const filter = defineFilter({
      name: 'test',
      reads: [],
      onError: 'reject',
      message: (mail) => void mail.subject,
    })
    const { verdict, errors } = await deliver(filter)
    assert.equal(verdict, 'reject')
    assert.equal((errors[0] as MilterError).code, 'NOT_READ')
  })

  it('may be read by others of a composition', async () => {
    const add = (name: string) => reading([], (mail) => void mail.headers.append(name, 'yes'))
    const seen: string[] = []
    const looks = reading(['headers'], (mail) => {
      seen.push([...mail.headers].map(({ name }) => name).join(' '))
      mail.headers.delete('X-A')
      assert.throws(() => mail.body.size, { code: 'NOT_READ' })
    })
    for (const mta of SERVERS) {
      const filter = compose(add('X-Before'), looks, shadow(add('X-Never')), add('X-After'))
      const { message, errors } = await deliver(filter, { mta, message: MESSAGE })
      assert.deepEqual(errors, [])
      assert.equal(
        message!.toString(),
        `${OWN}Subject: x\r\nX-Before: yes\r\nX-After: yes\r\n\r\nhello\r\n`,
      )
    }
    assert.deepEqual(seen, Array(2).fill('Date From Message-Id X-A Subject X-A X-Before'))
  })

  it('has to be possible', () => {
    const cases: readonly (readonly [Partial<FilterDefinition>, string, RegExp])[] = [
      [{ message: nothing, reads: ['header' as 'headers'] }, 'INVALID_OPTION', /headers, body/],
      [{ headers: nothing, reads: ['headers', 'body'] }, 'INVALID_HANDLER', /no stage/],
      [{ sender: nothing, reads: ['headers'] }, 'INVALID_HANDLER', /no stage/],
      [
        { headers: nothing, message: nothing, reads: ['body'] },
        'INVALID_HANDLER',
        /needs "headers"/,
      ],
    ]
    for (const [definition, code, message] of cases) {
      assert.throws(() => defineFilter({ name: 'test', ...definition }), { code, message })
    }
  })
})
