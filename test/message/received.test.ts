import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compose, defineFilter, type HeadersMail } from '../../src/index.ts'
import { deliver } from '../../src/testing/index.ts'

const MESSAGE =
  'Received: from a\r\nFrom: a@x\r\nDate: d\r\nMessage-ID: <1@x>\r\nSubject: x\r\n\r\nhello\r\n'

/** New fields as they are inserted: number and name. */
async function inserts(
  mta: 'postfix' | 'sendmail',
  ...edits: ((mail: HeadersMail) => void)[]
): Promise<string> {
  const filters = edits.map((headers, i) => defineFilter({ name: `f${i}`, headers }))
  const outcome = await deliver(compose(...filters), { message: MESSAGE, mta })
  assert.deepEqual(outcome.errors, [])
  return outcome.edits
    .map((edit) => ('index' in edit ? `${edit.index} ${String(edit.name)}` : edit.type))
    .join(', ')
}

const first = (mail: HeadersMail) => mail.headers.fields()[0]!
const before =
  (name: string) =>
  (mail: HeadersMail): void => {
    mail.headers.insertBefore(first(mail), name, 'x')
  }
const insertFirst =
  (name: string) =>
  (mail: HeadersMail): void => {
    mail.headers.insertFirst(name, 'x')
  }
const prepend =
  (name: string) =>
  (mail: HeadersMail): void => {
    mail.headers.prepend(name, 'x')
  }

describe("a new field above the client's first", () => {
  // Sendmail counts nine fields of its own, Received among them, and begins at 0.
  for (const [mta, below] of [
    ['postfix', 1],
    ['sendmail', 8],
  ] as const) {
    it(`is above the Received of ${mta} or below it`, async () => {
      assert.equal(await inserts(mta, prepend('A')), '0 A')
      assert.equal(await inserts(mta, before('A')), `${below} A`)
      assert.equal(await inserts(mta, before('B'), prepend('A')), `${below} B, 0 A`)
      assert.equal(await inserts(mta, before('B'), before('A')), `${below} B, ${below} A`)
    })

    it(`is right below the Received of ${mta}, whatever other filters put on top`, async () => {
      assert.equal(await inserts(mta, insertFirst('A')), `${below} A`)
      assert.equal(
        await inserts(mta, prepend('B'), insertFirst('A'), prepend('C'), insertFirst('D')),
        `${below} A, ${below} D, 0 B, 0 C`,
      )
      assert.equal(await inserts(mta, before('B'), insertFirst('A')), `${below} B, ${below} A`)
    })

    it(`is there without a look at the header, behind ${mta}`, async () => {
      const filter = defineFilter({
        name: 'blind',
        reads: [],
        message: ({ headers }) => {
          headers.insertFirst('A', 'x')
          headers.prepend('B', 'x')
          headers.insertFirst('C', 'x')
        },
      })
      const { message, errors } = await deliver(filter, {
        message: MESSAGE,
        mta,
        received: true,
      })
      assert.deepEqual(errors, [])
      assert.match(
        String(message),
        /^B: x\r\nReceived: by [^]*?\r\nC: x\r\nA: x\r\nReceived: from a\r\n/,
      )
    })

    it(`keeps its place among others behind ${mta}`, async () => {
      assert.equal(await inserts(mta, prepend('B'), before('A')), '0 B, 0 A')
    })

    it(`is below still if it is changed, behind ${mta}`, async () => {
      assert.equal(
        await inserts(mta, before('A'), (mail) => {
          mail.headers.field('A')!.value = 'y'
        }),
        `${below} A`,
      )
    })
  }

  it("stays on top where Sendmail's own fields are replaced", async () => {
    assert.match(await inserts('sendmail', before('X'), before('Resent-Date')), /^(?!.*8 )/)
  })
})
