import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ZipBudget } from '../../src/mime/attachments/zip-budget.ts'
import { checkAttachments } from '../../src/mime/attachments/attachment-findings.ts'
import { addFooter, rewriteHtmlPart, sanitizeHtml } from '../../src/mime/index.ts'
import { MimeMessage, parseMime } from '../../src/mime/message.ts'
import { file, multipart } from '../support/attachments.ts'
import { assertGrowth } from '../support/growth.ts'
import { zip } from '../support/zip.ts'

/** A mail does not keep the process from others: turns of work and memory are counted, not the clock. */

/** How often others had a turn while something went on. */
async function turnsOfOthers(run: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let over = false
  const count = (): void => {
    if (over) return
    turns++
    setImmediate(count)
  }
  setImmediate(count)
  await run()
  over = true
  return turns
}

const readings = (n: number): Buffer =>
  Buffer.from(
    'no field\r\nContent-Type: multipart/mixed; boundary=b; boundary=c\r\n' +
      'Content-Type: multipart/mixed; boundary=b\r\n\r\n' +
      '--b\r\nno field\r\nContent-Type: a/b; name="a\\"";name="b"\r\n\r\nx\r\n'.repeat(n) +
      '--b--\r\n--b\r\n\r\nx',
  )
const base64 = (n: number): Buffer =>
  Buffer.from(
    `Content-Type: a/b; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n${'QUJD=QUJD-'.repeat(n)}`,
  )

describe('others have turns', () => {
  const cases: [what: string, make: (n: number) => Buffer, n: number][] = [
    ['between parts and readings', readings, 1_000],
    ['between pieces of a part', base64, 200_000],
    [
      'in a zip with many files',
      (n) =>
        Buffer.from(
          file(
            'a.zip',
            zip(Array.from({ length: n }, (_none, i) => ({ name: `${i}`, content: 'x' }))),
          ),
        ),
      1_200,
    ],
  ]
  for (const [what, make, n] of cases) {
    it(`${what}, the more the larger it is`, async () => {
      const message = parseMime(make(8 * n))
      const turns = await turnsOfOthers(() => checkAttachments(message))
      assert.ok(turns >= 3, `${turns} turns`)
    })
  }

  const readers: [what: string, text: string, read: (bytes: Buffer) => Promise<unknown>][] = [
    [
      'while a tree is read',
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--\r\n'.repeat(2_000_000)}`,
      (bytes) => MimeMessage.read(bytes),
    ],
    [
      'while HTML is cleaned',
      `Content-Type: text/html\r\n\r\n${'<b>'.repeat(300_000)}`,
      (bytes) =>
        rewriteHtmlPart(parseMime(bytes), async (html) => (await sanitizeHtml(html)).html),
    ],
    [
      'while a footer is looked for',
      `Subject: x\r\n\r\n${'> x\r\n'.repeat(500_000)}`,
      (bytes) => addFooter(parseMime(bytes), { text: 'a footer', once: true }),
    ],
  ]
  for (const [what, text, read] of readers) {
    it(what, async () => {
      const bytes = Buffer.from(text)
      const turns = await turnsOfOthers(() => read(bytes))
      assert.ok(turns >= 3, `${turns} turns`)
    })
  }
})

describe('fields that are read in a dozen ways', () => {
  const fields = (n: number): Buffer =>
    Buffer.from(
      'Content-Type: multipart/mixed; boundary=b\r\n\r\n' +
        `--b\r\nContent-Type: a/b; ${'a=b;'.repeat(4_000)}\r\n\r\nx\r\n`.repeat(n),
    )

  it('are read up to a share of the message, and what is more is found', async () => {
    const [few, many] = await Promise.all(
      [10, 40].map((n) => checkAttachments(parseMime(fields(n)))),
    )
    assert.deepEqual(few, [])
    assert.deepEqual(
      many!.map(({ reason }) => reason),
      ['TOO_MANY_READINGS'],
    )
  })
})

describe('work grows with the size of the mail', () => {
  it('with many readings', () =>
    assertGrowth(readings, 100, (bytes) => checkAttachments(parseMime(bytes))))

  it('with messages in each other that can be read in several ways', () => {
    const nested = (n: number): Buffer => {
      let text = file('x.txt')
      for (let i = 0; i < 6; i++) {
        const fields =
          'no field\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64'
        text = `${fields}\r\nnofields\r\n\r\n${Buffer.from(text).toString('base64')}\r\n`
        if (i === 0) text += 'A'.repeat(n)
      }
      return Buffer.from(text)
    }
    return assertGrowth(nested, 20_000, (bytes) => checkAttachments(parseMime(bytes)))
  })
})

describe('unpacked bytes', () => {
  it('are in memory for one message at a time', async (t) => {
    let inside = 0
    let maximum = 0
    let entered = 0
    // oxlint-disable-next-line typescript/unbound-method -- called with the budget at hand
    const { enter, leave } = ZipBudget.prototype
    const within = new Set<ZipBudget>()
    t.mock.method(ZipBudget.prototype, 'enter', async function (this: ZipBudget) {
      await enter.call(this)
      if (within.has(this)) return
      within.add(this)
      entered++
      maximum = Math.max(maximum, ++inside)
    })
    t.mock.method(ZipBudget.prototype, 'leave', function (this: ZipBudget) {
      if (within.delete(this)) inside--
      leave.call(this)
    })
    const inner = zip([{ name: 'x.txt', content: 'x'.repeat(100_000) }])
    const outer = zip([{ name: 'in.zip', content: inner, deflate: true }])
    const check = (): Promise<unknown> =>
      checkAttachments(parseMime(multipart([file('a.zip', outer)])), {
        limits: { ratio: 10_000 },
      })
    for (const n of [4, 16]) {
      entered = maximum = 0
      await Promise.all(Array.from({ length: n }, check))
      assert.equal(entered, n)
      assert.equal(maximum, 1)
      assert.equal(inside, 0)
    }
  })
})
