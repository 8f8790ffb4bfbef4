import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { parseMime } from '../../src/mime/index.ts'
import { parsePostal } from './postal.ts'

/** Every name that some program reads is among those that are looked at. */

const namesIn = (fields: string): readonly string[] =>
  parseMime(Buffer.from(`${fields}\r\n\r\nx\r\n`, 'utf8')).filenames
const disposition = (parameters: string): readonly string[] =>
  namesIn(`Content-Disposition: attachment; ${parameters}`)

describe('file names that programs read in their own way', () => {
  const cases: [parameters: string, name: string][] = [
    ['filename="=?ibm850?B?cmVjaG51bmcuanM=?="', 'rechnung.js'],
    ['filename="=?cp437?Q?rechnung=2Ejs?="', 'rechnung.js'],
    ['filename="=?utf-7?Q?a+AC4-js?="', 'a.js'],
    ['filename="=?unicode-1-1-utf-7?B?YStBQzQtanM=?="', 'a.js'],
    ['filename="=?hz-gb-2312?Q?a.js?="', 'a.js'],
    ['filename="=?iso-2022-kr?B?GyQpQ2EuanM=?="', 'a.js'],
    ['filename="=?x-unknown?Q?a.js?="', 'a.js'],
    ['filename="=?utf-16be?B?AGEALgBqAHM=?="', 'a.js'],
    ['filename="=?utf-16?B?AGEALgBqAHM=?="', 'a.js'],
    ['filename="=?utf-8?B?YS5=?= =?utf-8?B?anM=?="', 'a.js'],
    ['filename="=?utf-8?B?YS5q*cw==?="', 'a.js'],
    ['filename="=?utf-8?Q?a.j= 73?="', 'a.js'],
    // Programs put the contents of words together before they decode them.
    ['filename="=?utf-8?B?YS5qc?= =?utf-8?B?w==?="', 'a.js'],
    ['filename="=?utf-8?Q?a=2?= =?utf-8?Q?ejs?="', 'a.js'],
    ['filename*0="=?utf-8?B?YS5qc?=";filename*1="=?utf-8?B?w==?="', 'a.js'],
    ['filename="=??Q?a.js?="', 'a.js'],
    ['filename="=?utf-8?B?xxa.js?="', 'xxa.js'],
    ["filename=it's'x.js", 'x.js'],
    ['filename*1=x;filename*0*="\'\'a.js"', 'a.js'],
    ['filename(c)*=(c)a.js', 'a.js'],
    ['filename*="=?UTF-8?B?YS5qcw==?="', 'a.js'],
    ["filename*=utf-8''=?UTF-8?B?YS5qcw==?=", 'a.js'],
    ["filename*=utf-7''a+AC4-js", 'a.js'],
    ["filename*=ibm850''a%2ejs", 'a.js'],
    ["filename*=x-unknown''a%2ejs", 'a.js'],
    ["filename*=utf-16be''%00a%00.%00j%00s", 'a.js'],
    ['filename*0=a.txt; filename*0=a.js', 'a.js'],
    ['filename*0=a.; filename*1=txt; filename*1=js', 'a.js'],
    ['filename*0=a.; filename*1=js; filename*1=txt', 'a.js'],
    ['filename*0=a; filename*2=.js', 'a.js'],
    ['filename*1=.js; filename*0=a', 'a.js'],
    ["filename*0=utf-8''a; filename*1*=%2ejs", 'a.js'],
    ["filename*=utf-8''a; filename*1*=%2ejs", 'a.js'],
    ['filename="a.js\0.txt"', 'a.js'],
    ['filename="a.\0js"', 'a.js'],
    ['file\0name="a.js"', 'a.js'],
    ['filename="<a.js>"', 'a.js'],
    ['filename=<a.js>', 'a.js'],
    ['filename=a\\.js', 'a.js'],
    ['filename="a".js', 'a.js'],
    ['filename=a".js"', 'a.js'],
    ['filename="a.js"junk', 'a.js'],
    ['x="\\"; filename=a.js', 'a.js'],
    ['x="y\\\\"; filename=a.js', 'a.js'],
    ['x="; filename=a.js', 'a.js'],
    ['(c)filename=a.js', 'a.js'],
    ['filename(c)=a.js', 'a.js'],
    ['filename=(c)a.js', 'a.js'],
    ['filename=a.js (c)', 'a.js'],
    ['filename="a.js" (c; d)', 'a.js'],
    ['filename="=?utf-8?B?YS5qc?==?utf-8?B?w==?==?utf-8?Q?=2?==?utf-8?Q?ejs?="', 'a.j.js'],
    ['filename=a.js (c)(d)', 'a.js'],
    ['filename=a.js (c)(d', 'a.js'],
    ['x=y filename=a.js', 'a.js'],
    ['x=y, filename=a.js', 'a.js'],
  ]
  for (const [parameters, name] of cases) {
    it(`${JSON.stringify(parameters)}: ${name}`, () => {
      const names = disposition(parameters)
      assert.ok(names.includes(name), JSON.stringify(names))
    })
  }

  it('the usual one comes first', () => {
    assert.equal(disposition('filename="a b.txt"')[0], 'a b.txt')
    assert.deepEqual(disposition('filename="a b.txt"'), ['a b.txt'])
    assert.deepEqual(disposition('filename=a.txt'), ['a.txt'])
    assert.deepEqual(disposition("filename*=utf-8''a%20b.txt"), ['a b.txt'])
  })
})

const token = fc.constantFrom(
  ...(
    "a .js .txt \" \\ \\\" ; ; = ( ) (c) , < > ' %2e %41 * ?  é \t utf-8'' =?utf-8?Q?x=2ejs?= =?utf-8?B?YS5qcw==?= " +
    '=?ibm850?Q?b?= =?x-y?B?YS5qcw==?= =?utf-7?Q?a+AC4-js?= =?utf-8?B?YS5qc?= =?utf-8?B?w==?= =?utf-8?Q?=2?= =?utf-8?Q?ejs?= =? ?= name filename name= filename= filename=" name=" ' +
    'filename*= filename*0= filename*0*= filename*1= filename*1*= name*= name*0= name*1*= x='
  ).split(/(?<! ) /),
  '; filename="',
  '; name="',
  '; filename=',
  ' ',
  '\r\n ',
  "; filename*=utf-8''",
  '; filename*0="',
  '; filename*1="',
  "; filename*0*=iso-8859-1''",
  '; filename*1*=',
)
const junk = fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join(''))
const fieldsOf = fc
  .tuple(
    fc.constantFrom('attachment', 'inline', '', 'x'),
    junk,
    fc.constantFrom('a/b', 'text/html', 'x'),
    junk,
  )
  .map(
    ([one, first, two, second]) =>
      `Content-Disposition: ${one}${first}\r\nContent-Type: ${two}${second}`,
  )

/**
 * What is no text to any of them is another thing to each, spaces are theirs, and Python may write a
 * header anew before it reads it, with other quotes, backslashes and brackets.
 */
const plain = (name: string): string =>
  name
    .replaceAll(/[^ -~]+|["\\()]/g, '')
    .replaceAll(/ +/g, ' ')
    .trim()

function assertSeen(fields: string, name: string | null | undefined, reader: string): void {
  if (name === null || name === undefined || plain(name) === '') return
  const names = namesIn(fields).map(plain)
  assert.ok(
    names.includes(plain(name)),
    `${reader} reads ${JSON.stringify(name)}, here are ${JSON.stringify(names)}, of ${JSON.stringify(fields)}`,
  )
}

interface MailparserResult {
  readonly attachments: readonly { readonly filename?: string | false }[]
}
const MAILPARSER: string = 'mailparser'
const mailparser = import(MAILPARSER) as Promise<{
  readonly simpleParser: (bytes: Buffer) => Promise<MailparserResult>
}>

const whole = (fields: string): Buffer => Buffer.from(`${fields}\r\n\r\nx\r\n`, 'utf8')

describe('every name in a random odd field', () => {
  it('that postal-mime reads', async () => {
    await fc.assert(
      fc.asyncProperty(fieldsOf, async (fields) => {
        const { attachments } = await parsePostal(whole(fields))
        for (const { filename } of attachments) assertSeen(fields, filename, 'postal-mime')
      }),
      { numRuns: 2_000 },
    )
  })

  it('that mailparser reads', async () => {
    const { simpleParser } = await mailparser
    await fc.assert(
      fc.asyncProperty(fieldsOf, async (fields) => {
        const { attachments } = await simpleParser(whole(fields))
        for (const { filename } of attachments) {
          if (filename !== false) assertSeen(fields, filename, 'mailparser')
        }
      }),
      { numRuns: 1_000 },
    )
  })

  // It reads bytes that are not ASCII as an escape in one of its policies.
  const samples = fc
    .sample(fieldsOf, { numRuns: 2_000 })
    .map((fields) => fields.replaceAll('é', 'e'))
  const python = spawnSync('python3', ['-c', PYTHON()], {
    input: JSON.stringify(samples),
    encoding: 'utf8',
    maxBuffer: 1e8,
  })
  it("that Python's email reads", { skip: python.status !== 0 && 'no python3' }, () => {
    const read = JSON.parse(python.stdout) as [string | null, string | null][]
    for (const [i, [old, next]] of read.entries()) {
      assertSeen(samples[i]!, old, 'Python')
      // The newer policy writes a broken header anew and reads that: what a name ends in is what counts.
      const end = /\.[a-z]+$/.exec(plain(next ?? ''))?.[0]
      const names = namesIn(samples[i]!).map(plain)
      assert.ok(
        end === undefined || names.some((name) => name.endsWith(end)),
        `Python reads ${JSON.stringify(next)}, here are ${JSON.stringify(names)}, of ${JSON.stringify(samples[i])}`,
      )
    }
  })
})

/** By both of its policies; what it cannot read at all is no name. */
function PYTHON(): string {
  return `
import email, email.policy, json, sys
def name(fields, policy):
    try:
        message = email.message_from_bytes((fields + '\\r\\n\\r\\nx\\r\\n').encode('utf-8'), policy=policy)
        found = message.get_filename()
        return None if found is None else found.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')
    except Exception:
        return None
policies = [email.policy.compat32, email.policy.default]
print(json.dumps([[name(fields, policy) for policy in policies] for fields in json.load(sys.stdin)]))
`
}
