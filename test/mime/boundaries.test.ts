import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { addFooter, checkAttachments, parseMime } from '../../src/mime/index.ts'
import { parseStructure } from '../../src/mime/tree/parser.ts'
import { assertGrowth } from '../support/growth.ts'
import { parsePostal } from './postal.ts'

/** A file that some program sees, whatever it takes for the boundary, is looked at. */

const crlf = (text: string): string => text.replaceAll(/\r?\n/g, '\r\n')

/** A program between two delimiters, in a message with such fields. */
const around = (fields: string, boundary = 'bb', close = `--${boundary}--`): string =>
  crlf(
    `${fields}\n\n--${boundary}\nContent-Type: text/plain\n\nhi\n--${boundary}\n` +
      'Content-Type: application/octet-stream; name=evil.exe\n' +
      'Content-Disposition: attachment; filename=evil.exe\n' +
      `Content-Transfer-Encoding: base64\n\naGVsbG8K\n${close}\n`,
  )

const reasons = async (message: string): Promise<string[]> => [
  ...new Set(
    (await checkAttachments(parseMime(Buffer.from(message, 'latin1')))).map(
      ({ reason }) => reason,
    ),
  ),
]

describe('a program is found between delimiters that some program sees', () => {
  const fields = [
    // mailparser, postal-mime, Python's email or several of them read these so.
    'multipart/mixed; boundary=bb"";',
    'multipart/mixed; boundary=bb""',
    'multipart/mixed; boundary=bb"c"',
    'multipart/mixed; boundary="bb"; boundary=cc; boundary*=dd',
    'multipart/mixed; boundary=bb; boundary=cc; boundary*=dd',
    'multipart/mixed; boundary=cc; boundary=bb; boundary*=dd',
    ...Array.from(',/<[)=@?', (one) => `multipart/mixed; boundary=bb${one}`),
    'multipart/mixed; boundary=bb, x=y',
    'multipart/mixed; boundary=<bb>',
    'multipart/mixed; boundary="<bb>"',
    'multipart/mixed; boundary=\\bb',
    'multipart/mixed; boundary=bb\\',
    // mailparser divides a part of any type.
    'text/plain; boundary=bb',
    'text/html; charset=utf-8; Boundary = "bb"',
    'image/png; boundary=bb',
    "text/plain; boundary*=utf-8''bb",
    'text/plain;\n boundary*0=b;\n boundary*1=b',
    'text/plain; x="\\"; boundary=bb',
    'message/rfc822; boundary=bb',
    'mulitpart/mixed; boundary=bb',
    "'multipart/mixed'; boundary=bb",
    'mixed; boundary=bb',
    'x/multipart/mixed; boundary=bb',
    'text/plain; bound\0ary=bb',
    "multipart/mixed; boundary*=utf-8''bb\xa0",
    "multipart/mixed=?utf-8?q?; boundary*0*=''b;boundary*1=b?=",
  ]
  for (const field of fields) {
    it(field, async () => {
      assert.deepEqual(await reasons(around(`Content-Type: ${field}`)), ['DANGEROUS_EXTENSION'])
    })
  }

  it('bytes that are not ASCII', async () => {
    const message = around('Content-Type: multipart/mixed; boundary=b\xe9; boundary=c', 'b\xe9')
    assert.deepEqual(await reasons(message), ['DANGEROUS_EXTENSION'])
  })

  it('a vertical tab at the end', async () => {
    const message = around('Content-Type: multipart/mixed; boundary=bb\v', 'bb\v')
    assert.deepEqual(await reasons(message), ['DANGEROUS_EXTENSION'])
  })

  it('another type counts, and its boundary is read differently', async () => {
    const message = around(
      'Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=bb,',
    )
    assert.deepEqual(await reasons(message), ['DANGEROUS_EXTENSION'])
  })

  it('of a multipart in another one, each of which is read differently', async () => {
    const inner = around(
      'Content-Type: multipart/mixed; boundary=i1; boundary=i2; boundary*=i3',
      'i1',
    )
    const outer = (boundary: string): string =>
      crlf(
        `Content-Type: multipart/mixed; boundary=o1; boundary*=o2\n\n--${boundary}\n${inner}--o1--\n--o2--\n--i2\n--i3\n`,
      )
    for (const boundary of ['o1', 'o2']) {
      assert.deepEqual(await reasons(outer(boundary)), ['DANGEROUS_EXTENSION'], boundary)
    }
  })

  it('in a part that is encoded, and in an attached message', async () => {
    const inner = around('Content-Type: text/plain; boundary=bb')
    assert.deepEqual(await reasons(`Content-Type: message/rfc822\r\n\r\n${inner}`), [
      'DANGEROUS_EXTENSION',
    ])
    const encoded = around(
      'Content-Type: text/plain; boundary=bb\nContent-Transfer-Encoding: base64',
    )
    assert.deepEqual(await reasons(encoded), ['DANGEROUS_EXTENSION'])
  })
})

describe('a boundary that no line has', () => {
  const cases = [
    'multipart/mixed; boundary=bb; x="(c) <y>"',
    'multipart/mixed; boundary=bb,',
    'multipart/mixed; boundary="bb"',
  ]
  for (const field of cases) {
    it(`is not one: ${field}`, () => {
      const boundary = field.endsWith(',') ? 'bb,' : 'bb'
      const message = parseMime(around(`Content-Type: ${field}`, boundary))
      assert.deepEqual(message.problems, [])
      assert.deepEqual(message.otherReadings(), [])
    })
  }

  it('makes no multipart of a text', () => {
    const message = parseMime(
      'Content-Type: text/plain; boundary=bb\r\n\r\n--bbb\r\n -- bb\r\n',
    )
    assert.deepEqual(message.problems, [])
    assert.deepEqual(message.guesses, [])
  })

  it('or of a part that only names the boundary of the multipart around it', () => {
    const part = 'Content-Type: text/plain; boundary=b\r\n\r\nx'
    const message = parseMime(
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${part}\r\n--b\r\n${part}\r\n--b--\r\n`,
    )
    assert.deepEqual(message.problems, [])
    assert.deepEqual(
      message.children.map(({ guesses }) => guesses),
      [[], []],
    )
  })
})

describe('a text that may be a multipart', () => {
  const text = around('Content-Type: text/plain; boundary=bb')

  it('is a multipart in another reading', () => {
    const message = parseMime(text)
    assert.deepEqual(message.problems, [{ code: 'BOUNDARY_OF_LEAF', offset: 0 }])
    assert.deepEqual(message.children, [])
    const [other, ...more] = message.otherReadings()
    assert.deepEqual(more, [])
    assert.equal(other!.type, 'multipart/mixed')
    assert.deepEqual(
      other!.attachments.map(({ filename }) => filename),
      ['evil.exe'],
    )
  })

  it('is not edited as a text', async () => {
    const message = parseMime(text)
    assert.deepEqual(message.guesses, ['type'])
    await assert.rejects(message.setText((await message.text()).replace('hi', 'ho')), {
      code: 'GUESSED_PART',
    })
    await addFooter(message, { text: 'footer', position: 'top' })
    assert.equal(message.type, 'multipart/mixed')
    assert.equal(
      message.children.at(-1)!.raw.toString('latin1'),
      text.slice(text.indexOf('--bb')),
    )
  })

  it('is a text when it has another one', async () => {
    const message = parseMime(text)
    await message.setText('all new', { force: true })
    assert.deepEqual(message.guesses, [])
  })
})

describe('bounds', () => {
  it('more boundaries than are tried are a finding', async () => {
    const names = ['a1', 'a2', 'a3', 'a4', 'a5']
    const field = `Content-Type: multipart/mixed${names.map((one) => `; boundary=${one}`).join('')}`
    const lines = names.map((one) => `--${one}\n\nx\n`).join('')
    const message = parseMime(crlf(`${field}\n\n${lines}`))
    assert.ok(message.problems.some(({ code }) => code === 'TOO_MANY_BOUNDARIES'))
    assert.ok((await reasons(crlf(`${field}\n\n${lines}`))).includes('TOO_MANY_BOUNDARIES'))
  })

  it('also where each comes to light in another reading', async () => {
    const level = (i: number): string => `Content-Type: text/plain; boundary=b${i}\n\n--b${i}\n`
    const levels = Array.from({ length: 6 }, (_none, i) => level(i)).join('')
    assert.ok((await reasons(crlf(`${levels}\nx\n`))).includes('TOO_MANY_READINGS'))
  })

  const part = (i: number): string =>
    `--o\r\nContent-Type: multipart/mixed; boundary="=?utf-8?q?b${i}?="; x=(y)\r\n\r\n--b${i}\r\n\r\nx\r\n`
  const many = (n: number): Buffer =>
    Buffer.from(
      `Content-Type: multipart/mixed; boundary=o\r\n\r\n${Array.from({ length: n }, (_none, i) => part(i)).join('')}`,
    )
  it('of fields that are read in all ways', () => {
    const codes = (n: number): string[] => [
      ...new Set(parseMime(many(n)).problems.map(({ code }) => code)),
    ]
    assert.ok(!codes(2).includes('TOO_MANY_BOUNDARIES'))
    assert.ok(codes(5_000).includes('TOO_MANY_BOUNDARIES'))
  })

  const limits = { depth: 1_000, parts: 1_000_000, headerBytes: 100_000_000 }
  const parse = (bytes: Buffer): unknown => parseStructure(bytes, limits)
  const cases: [name: string, n: number, make: (n: number) => Buffer][] = [
    ['parts with several boundaries', 5_000, many],
    [
      'lines of a boundary of a text',
      50_000,
      (n) => Buffer.from(`Content-Type: text/plain; boundary=b\r\n\r\n${'--b\r\n'.repeat(n)}`),
    ],
    [
      'lines of nearly a boundary',
      50_000,
      (n) =>
        Buffer.from(
          `Content-Type: text/plain; boundary=${'b'.repeat(60)}\r\n\r\n${'--bbbb\r\n'.repeat(n)}`,
        ),
    ],
    [
      'a long field',
      100_000,
      (n) =>
        Buffer.from(`Content-Type: multipart/mixed; ${'x="a"; '.repeat(n)}boundary=b\r\n\r\nx`),
    ],
    [
      'comments in a field',
      100_000,
      (n) => Buffer.from(`Content-Type: text/plain; ${'('.repeat(n)}boundary=b\r\n\r\nx`),
    ],
  ]
  for (const [name, n, make] of cases) {
    it(`${name}: time grows with the size`, () => assertGrowth(make, n, parse))
  }
})

// ---- against other programs

const junk = fc.constantFrom(
  '',
  '',
  '',
  ';',
  ' ',
  ',',
  '"',
  "'",
  '(c)',
  '(',
  ')',
  '\\',
  '=',
  '\t',
  '\n ',
  '<',
  '>',
  '/',
  ':',
  ';;',
  '%00',
  '\0',
  '[',
  'x',
  '; x="',
  '; x=y',
  '; y=(',
  '*',
  '?=',
  '\r',
  '\v',
  '\f',
  '@',
  '"";',
  '" "',
  '=?utf-8?q?',
  '; boundary=cc',
  '; charset="utf-8"',
  '&',
  '{',
  '\x7f',
  '\x1b',
)
const type = fc.constantFrom(
  'multipart/mixed',
  'Multipart/Mixed',
  'multipart/alternative',
  'multipart',
  'multipart/x',
  'multipart/digest',
  'text/plain',
  'application/octet-stream',
  'message/rfc822',
  'image/png',
  'text/html',
)
const parameter = fc.constantFrom(
  'boundary=bb',
  'boundary="bb"',
  'Boundary=bb',
  'boundary*=bb',
  "boundary*=utf-8''bb",
  'boundary*0=b;boundary*1=b',
  "boundary*0*=''b;boundary*1=b",
  'boundary=\nbb',
  'boundary="b\\b"',
  'boundary',
  'boundary="bb',
  'boundary=b b',
  'boundary = bb',
  'boundary=bb ',
  'boundary*0=bb',
)
const field = fc
  .tuple(
    type,
    junk,
    fc.constantFrom(';', ';', ';', ''),
    fc.constantFrom(' ', '', '\n '),
    junk,
    parameter,
    junk,
    junk,
  )
  .map((pieces) => `Content-Type: ${pieces.join('')}`)
const message = fc
  .tuple(
    field,
    fc.oneof(
      { weight: 5, arbitrary: fc.constant('') },
      { weight: 1, arbitrary: field.map((one) => `\n${one}`) },
    ),
    fc.constantFrom('bb', 'bb', 'bb', 'bb ', 'bb\t', 'bbx', 'bb\r', 'bb\v'),
    fc.constantFrom('--bb--', '--bb--', '', '--bb-', '--bb --'),
  )
  .map(([one, two, boundary, close]) =>
    around(`MIME-Version: 1.0\n${one}${two}`, boundary, close),
  )

async function assertSeen(text: string, reader: string): Promise<void> {
  const found = await reasons(text)
  assert.ok(
    found.length > 0,
    `${reader} sees a program in ${JSON.stringify(text.split('\r\n\r\n')[0])}`,
  )
}

const MAILPARSER: string = 'mailparser'
const mailparser = import(MAILPARSER) as Promise<{
  readonly simpleParser: (
    bytes: Buffer,
  ) => Promise<{ readonly attachments: readonly { readonly filename?: string | false }[] }>
}>

describe('a program in a message with an odd Content-Type', () => {
  it('that mailparser or postal-mime sees', async () => {
    const { simpleParser } = await mailparser
    await fc.assert(
      fc.asyncProperty(message, async (text) => {
        const bytes = Buffer.from(text, 'latin1')
        const sees = (list: readonly { filename?: string | false | null }[]): boolean =>
          list.some(({ filename }) => filename === 'evil.exe')
        if (sees((await simpleParser(bytes)).attachments)) await assertSeen(text, 'mailparser')
        if (sees((await parsePostal(bytes)).attachments)) await assertSeen(text, 'postal-mime')
      }),
      { numRuns: 1_000 },
    )
  })

  const samples = fc.sample(message, { numRuns: 2_000 })
  const python = spawnSync('python3', ['-c', PYTHON()], {
    input: JSON.stringify(samples),
    encoding: 'utf8',
    maxBuffer: 1e8,
  })
  it("that Python's email sees", { skip: python.status !== 0 && 'no python3' }, async () => {
    const seen = JSON.parse(python.stdout) as boolean[]
    assert.ok(seen.filter(Boolean).length > 40, `${seen.filter(Boolean).length}`)
    for (const [i, text] of samples.entries()) if (seen[i]!) await assertSeen(text, 'Python')
  })
})

/** Whether one of its policies sees a file of that name. */
function PYTHON(): string {
  return `
import email, email.policy, json, sys
def sees(text, policy):
    try:
        message = email.message_from_bytes(text.encode('latin-1'), policy=policy)
        return any(part.get_filename() == 'evil.exe' for part in message.walk())
    except Exception:
        return False
policies = [email.policy.compat32, email.policy.default]
print(json.dumps([any(sees(text, policy) for policy in policies) for text in json.load(sys.stdin)]))
`
}
