import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mailServerModel, type MailServerModel } from '../../src/mta/index.ts'
import type { EditMessage } from '../../src/protocol/index.ts'

/** What becomes of an address in an edit; the random edits hold it to the real servers. */
const after = (
  model: MailServerModel,
  edit: EditMessage,
  recipients: readonly string[] = [],
) => {
  const queued = model.queue({
    sender: { address: 'a@example.org', parameters: [] },
    recipients: recipients.map((address) => ({ address, parameters: [] })),
    fields: [],
    body: Buffer.alloc(0),
  })
  queued.apply(edit, { leadingSpace: false, mayReplaceBody: true })
  const { sender, recipients: now } = queued.result()
  return { sender: sender.address, recipients: now.map(({ address }) => address) }
}

const POSTFIX = mailServerModel('postfix')
const SENDMAIL = mailServerModel('sendmail')

describe('an address in an edit of the envelope', () => {
  for (const [text, postfix, sendmail] of [
    ['<"a,b"@example.test>', ['"a,b"@example.test'], ['"a,b"@example.test']],
    ['"ab"@example.test', ['ab@example.test'], ['"ab"@example.test']],
    ['"a.b"@example.test', ['a.b@example.test'], ['"a.b"@example.test']],
    ['"a..b"@example.test', ['"a..b"@example.test'], ['"a..b"@example.test']],
    ['""@example.test', ['""@example.test'], ['""@example.test']],
    [
      String.raw`"a\"b"@example.test`,
      [String.raw`"a\"b"@example.test`],
      [String.raw`"a\"b"@example.test`],
    ],
    ['<"a<b>c"@example.test>', ['"a<b>c"@example.test'], ['"a<b>c"@example.test']],
    ['<@hub.test:a@example.test>', ['a@example.test'], ['a@example.test']],
    ['<@one.test,@two.test:a@example.test>', ['a@example.test'], ['a@example.test']],
    ['"Joe, X" <a@example.test>', ['a@example.test'], ['a@example.test']],
    ['a@example.test (x, y)', ['a@example.test'], ['a@example.test']],
    ['a@example.test.', ['a@example.test'], ['a@example.test']],
    ['"a,b"@c.test, d@c.test', ['"a,b"@c.test'], ['"a,b"@c.test', 'd@c.test']],
  ] as const) {
    it(`${text} is added as each server reads it`, () => {
      const edit = { type: 'addrcpt', address: text } as const
      assert.deepEqual(after(POSTFIX, edit).recipients, postfix)
      assert.deepEqual(after(SENDMAIL, edit).recipients, sendmail)
    })

    if (sendmail.length > 1) continue
    it(`${text} becomes the sender`, () => {
      const edit = { type: 'chgfrom', address: text } as const
      assert.equal(after(POSTFIX, edit).sender, postfix[0])
      assert.equal(after(SENDMAIL, edit).sender, sendmail[0])
    })
  }

  it('is deleted where it is the same: Postfix looks at no route, and Sendmail at each of a list', () => {
    const there = ['"a,b"@c.test', 'd@c.test', '"ab"@c.test']
    const gone = (model: MailServerModel, address: string): readonly string[] =>
      after(model, { type: 'delrcpt', address }, there).recipients
    assert.deepEqual(gone(POSTFIX, '"a,b"@c.test, d@c.test'), ['d@c.test', 'ab@c.test'])
    assert.deepEqual(gone(SENDMAIL, '"a,b"@c.test, d@c.test'), ['"ab"@c.test'])
    assert.deepEqual(gone(POSTFIX, 'ab@c.test'), ['"a,b"@c.test', 'd@c.test'])
    assert.deepEqual(gone(SENDMAIL, 'ab@c.test'), there)
    assert.equal(gone(POSTFIX, '<@hub.test:d@c.test>').length, 3)
    assert.equal(gone(SENDMAIL, '<@hub.test:d@c.test>').length, 2)
  })
})
