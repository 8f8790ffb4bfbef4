// What messages that were made to be slow cost: at n and 4n bytes. It is judged by the time of the processor,
// in all and between two turns of the event loop, never by the clock.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addFooter, defang } from '../../src/mime/index.ts'
import { MimeMessage, parseMime } from '../../src/mime/message.ts'
import { zip } from '../support/zip.ts'

/** In bytes; the large one is four times that. */
const SMALL = 100_000

/** Times as much as four times the size may cost: what is quadratic costs sixteen times as much. */
const LINEAR = 6
/** Times as long as the longest work at one go may be where there are turns. */
const SAME = 2
/** Milliseconds that are too short to be compared. */
const NOISE_IN_ALL = 50
const NOISE_AT_ONE_GO = 50

/** docs/mime.md, Limits: milliseconds at one go for any message of 10 MB. */
const BOUND = 500
/** Machines that are slower, or busy with the garbage of other threads. */
const SLOWER = 3

interface Cost {
  readonly all: number
  /** the longest work at one go */
  readonly longest: number
}

const milliseconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

async function costOf(run: () => Promise<unknown>): Promise<Cost> {
  let longest = 0
  let last = milliseconds()
  let isOver = false
  const look = (): void => {
    const now = milliseconds()
    longest = Math.max(longest, now - last)
    last = now
    if (!isOver) setImmediate(look)
  }
  setImmediate(look)
  const start = milliseconds()
  await run()
  const all = milliseconds() - start
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
  isOver = true
  return { all, longest }
}

type Make = (size: number) => Buffer
type Use = (bytes: Buffer) => Promise<unknown>

const minimumOf = (one: Cost, other: Cost): Cost => ({
  all: Math.min(one.all, other.all),
  longest: Math.min(one.longest, other.longest),
})

async function assertFair(make: Make, use: Use): Promise<void> {
  const small = make(SMALL)
  const large = make(4 * SMALL)
  let few: Cost = { all: Infinity, longest: Infinity }
  let many = few
  const grows = (): boolean => many.all > Math.max(NOISE_IN_ALL, LINEAR * few.all)
  const holds = (): boolean => many.longest > Math.max(NOISE_AT_ONE_GO, SAME * few.longest)
  for (let round = 0; round < 5 && (round === 0 || grows() || holds()); round++) {
    few = minimumOf(few, await costOf(() => use(small)))
    many = minimumOf(many, await costOf(() => use(large)))
  }
  const told = `${JSON.stringify(few)} of n, ${JSON.stringify(many)} of 4n`
  assert.ok(!grows(), `takes more than its share: ${told}`)
  assert.ok(!holds(), `is held longer the larger it is: ${told}`)
}

async function assertBound(make: Make, use: Use): Promise<void> {
  const bytes = make(10_000_000)
  let minimum = Infinity
  for (let round = 0; round < 3 && minimum > BOUND; round++) {
    minimum = Math.min(minimum, (await costOf(() => use(bytes))).longest)
  }
  assert.ok(minimum <= SLOWER * BOUND, `${minimum} ms at one go`)
}

// ---- messages

const fill = (pattern: string, size: number): string =>
  pattern.repeat(Math.ceil(size / pattern.length)).slice(0, size)

/** Rows up to a size, each with its number. */
function rows(size: number, row: (number: number) => string): string {
  const all: string[] = []
  for (let length = 0, number = 0; length < size; number++) {
    const next = row(number)
    all.push(next)
    length += next.length
  }
  return all.join('')
}

const message = (header: string, body: string): Buffer =>
  Buffer.from(`${header}\r\n\r\n${body}`, 'latin1')
const mixed =
  (part: (number: number) => string): Make =>
  (size) =>
    message(
      'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b',
      `${rows(size, (number) => `--b\r\n${part(number)}\r\n`)}--b--\r\n`,
    )
/** Parts with a field of nearly 16 KiB, of which no more is read. */
const fields = (pattern: string): Make =>
  mixed(() => `Content-Type: a/b; ${fill(pattern, 15_000)}\r\n\r\nx`)
const html =
  (pattern: string, before = '', parameters = ''): Make =>
  (size) =>
    message(`Content-Type: text/html${parameters}`, before + fill(pattern, size))
const svg =
  (pattern: string, before = ''): Make =>
  (size) =>
    message('Content-Type: image/svg+xml', before + fill(pattern, size))
const plain =
  (pattern: string, fieldsAbove = 'Content-Type: text/plain'): Make =>
  (size) =>
    message(fieldsAbove, fill(pattern, size))

const STRUCTURES: Readonly<Record<string, Make>> = {
  'deep nesting': (size) =>
    Buffer.from(
      rows(size, (n) => `Content-Type: multipart/mixed; boundary="b${n}"\r\n\r\n--b${n}\r\n`),
    ),
  'messages in messages': (size) =>
    Buffer.from(fill('Content-Type: message/rfc822\r\n\r\n', size)),
  'many parts': mixed(() => '\r\nx'),
  'parts without anything': (size) =>
    message('Content-Type: multipart/mixed; boundary=b', fill('--b\r\n', size)),
  'encoded messages': mixed(
    () =>
      'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQp4',
  ),
  'lines that are nearly boundaries': (size) =>
    message('Content-Type: multipart/mixed; boundary=b', fill('--bx\r\n-b\r\n--\r\n', size)),
  'several boundaries': (size) =>
    message(
      'Content-Type: multipart/mixed; boundary=b; boundary=c\r\nContent-Type: multipart/mixed; boundary=d',
      fill('--b\r\n\r\nx\r\n--c\r\n\r\ny\r\n--d\r\n\r\n', size),
    ),
  'lines that are no fields': (size) => Buffer.from(fill('no field\r\n', size)),
  'many parameters': fields('a=b;'),
  'one quoted parameter again and again': fields('name="\\"";'),
  'RFC 2231 continuations': mixed(
    () =>
      `Content-Type: a/b; ${Array.from({ length: 900 }, (_none, i) => `name*${i}*=%41`).join(';')}\r\n\r\nx`,
  ),
  'encoded words in a name': mixed(
    () =>
      `Content-Type: a/b; name="${fill('=?utf-7?Q?+AC4-?= =?hz?Q?~{x~}?=', 15_000)}"\r\n\r\nx`,
  ),
  'half encoded words in a name': mixed(
    () => `Content-Type: a/b; name="${fill('=?a?Q?', 15_000)}"\r\n\r\nx`,
  ),
  'open comments in a field': fields('('),
  'names in many charsets': mixed(
    (n) =>
      `Content-Disposition: attachment; filename="${n}=?utf-7?Q?+AC4-?="; filename*=iso-2022-kr''%0e%41`,
  ),
}

const FILES: Readonly<Record<string, Make>> = {
  'many begin lines of uuencode': plain('begin 644 a\r\n'),
  'many files in uuencode': plain('begin 644 a\r\n#86)C\r\nend\r\n'),
  'many begin lines of yEnc': plain('=ybegin line=128 size=3 name=a\r\nabc\r\n'),
  'base64 with padding everywhere': plain(
    'QUJD=',
    'Content-Type: a/b\r\nContent-Transfer-Encoding: base64',
  ),
  'a zip with many entries': (size) => {
    const files = Array.from({ length: size / 140 }, (_none, i) => ({
      name: `${i}`,
      content: 'x',
    }))
    return message(
      'Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64',
      zip(files).toString('base64'),
    )
  },
  'a zip of nothing but marks': plain(
    'PK\x03\x04PK\x01\x02PK\x05\x06',
    'Content-Type: application/zip; name=a.zip',
  ),
}

const MARKUP: Readonly<Record<string, Make>> = {
  'tag soup': html('<a b=c><!x></b '),
  'handlers in all tags': html('<a onclick=c>'),
  'unclosed comments': html('<!--'),
  'unclosed attributes': html('<a b="'),
  'unclosed style sheets': html('<style>'),
  'conditions in one another': html('<!--[if mso]>'),
  'open drawings': html('<svg>'),
  'scripts in drawings': html('<svg><script>'),
  'attributes of one tag': html('b=c ', '<a '),
  'many style sheets of escapes': html('<style>\\41 {}</style>'),
  'meta elements': html('<meta charset=utf-8>'),
  UTF7: html('+ADw-b+AD4-', '', '; charset=utf-7'),
  HZ: html('~{VPND~}<b>', '', '; charset=hz-gb-2312'),
  'ISO-2022-JP': html('\x1b$BAB\x1b(B<b>', '', '; charset=iso-2022-jp'),
  'HTML in many parts': mixed(() => 'Content-Type: text/html\r\n\r\n<b onclick=x>'),
  'attributes of SVG without an end': svg('<a b="'),
  'document types': svg('<!doctype'),
}

// ---- what is done to them

const clean: Use = async (bytes) =>
  await defang(await MimeMessage.read(bytes), { html: { keepRemote: false } })
const footer: Use = async (bytes) =>
  await addFooter(await MimeMessage.read(bytes), {
    text: 'Grüße',
    html: '<p>Grüße',
    once: true,
  })

describe('four times the message takes four times the work, and no longer at one go', () => {
  for (const [name, make] of Object.entries({ ...STRUCTURES, ...FILES, ...MARKUP })) {
    it(name, () => assertFair(make, clean))
  }
})

describe('four times the addresses take four times the work', () => {
  const of =
    (pattern: string): Make =>
    (size) =>
      message(`To: ${fill(pattern, size)}`, 'x')
  const lists: Readonly<Record<string, Make>> = {
    groups: of('a@b:;'),
    names: of('"a" <a@b>,'),
    comments: of('a@b (c),'),
    'open comments': of('('),
    'encoded words': of('=?utf-8?Q?a?= '),
    'open quotes': of('"'),
    'open brackets': of('<'),
    backslashes: of('"\\'),
  }
  for (const [name, make] of Object.entries(lists)) {
    it(name, async () => {
      const small = make(SMALL / 4)
      const large = make(SMALL)
      const read = (bytes: Buffer): Promise<Cost> =>
        costOf(() => Promise.resolve(parseMime(bytes).headers.mailboxes('To')))
      let few = Infinity
      let many = Infinity
      for (let round = 0; round < 5; round++) {
        few = Math.min(few, (await read(small)).all)
        many = Math.min(many, (await read(large)).all)
        if (many <= Math.max(NOISE_IN_ALL, LINEAR * few)) return
      }
      assert.fail(`${few} ms of n, ${many} ms of 4n`)
    })
  }
})

describe('no message of 10 MB holds the event loop longer than docs/mime.md says', () => {
  const cases: [name: string, make: Make, use: Use][] = [
    ['a style sheet of escapes', html('\\41 ', '<style>'), clean],
    ['a style sheet', html('a{b:c}', '<style>'), clean],
    ['tags', html('<a onclick=c>'), clean],
    ['one tag of XML', svg(' b="\'"', '<a'), clean],
    [
      'quoted-printable in one line',
      plain('=3Cb', 'Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable'),
      clean,
    ],
    ['a footer below short lines', plain('> x\r\n'), footer],
    [
      'a footer below what has to be encoded',
      plain('\xe9=', 'Content-Type: text/plain; charset=iso-8859-1'),
      footer,
    ],
    ['a footer in HTML', html('<a style="color:red">'), footer],
  ]
  for (const [name, make, use] of cases) it(name, () => assertBound(make, use))
})
