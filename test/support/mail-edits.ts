import { fc } from './property.ts'
import type { Mail } from '../../src/index.ts'

/** Random messages, and what filters do to them through the API of whole messages. */

export interface MailEdit {
  readonly what:
    | 'prepend'
    | 'append'
    | 'before'
    | 'after'
    | 'value'
    | 'raw'
    | 'extend'
    | 'remove'
    | 'set'
    | 'delete'
    | 'add recipient'
    | 'remove recipient'
    | 'sender'
    | 'body'
    | 'append to body'
  readonly at: number
  readonly name: string
  readonly text: string
}

const NAMES = ['X-A', 'x-a', 'X-B', 'Subject', 'Received', 'Comments', 'List-Id']
const TEXTS = [
  '1',
  'two words',
  'caf\u00e9',
  '\u65e5\u672c\u8a9e \u306e \u4ef6\u540d',
  'x'.repeat(90),
  `${'long '.repeat(210)}end`,
  'raw \udce9\udcff',
  '=?utf-8?q?no_word?=',
]
const RAW_VALUES = [
  ' 1',
  '2',
  '\tfolded\r\n two',
  '  ',
  ' caf\xe9',
  ' =?iso-8859-1?q?caf=E9?= x',
  ' a:b',
]
const ADDRESSES = [
  'bob@example.test',
  'carol@example.test',
  'dave@example.test',
  'erin@example.test',
]

export const mailEdits: fc.Arbitrary<MailEdit[]> = fc.array(
  fc.record({
    what: fc.constantFrom<MailEdit['what']>(
      'prepend',
      'append',
      'before',
      'after',
      'value',
      'raw',
      'extend',
      'remove',
      'set',
      'delete',
      'add recipient',
      'remove recipient',
      'sender',
      'body',
      'append to body',
    ),
    at: fc.nat({ max: 20 }),
    name: fc.constantFrom(...NAMES),
    text: fc.constantFrom(...TEXTS),
  }),
  { maxLength: 8 },
)

/** Fields that a mail server would add itself are there, and complete. */
const BASE = [
  'From: Alice <alice@example.test>',
  'To: bob@example.test',
  'Date: Tue, 24 Nov 2026 10:00:00 +0000',
  'Message-Id: <1@example.test>',
]

export const randomMessage: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...RAW_VALUES)), {
      maxLength: 6,
    }),
    fc.constantFrom('', 'hello\r\n', '.\r\n\xe9\xff\r\n', 'line\r\n'.repeat(20_000)),
  )
  .map(([fields, body]) =>
    Buffer.from(
      [...BASE, ...fields.map(([name, value]) => `${name}:${value}`), '', body].join('\r\n'),
      'latin1',
    ),
  )

/** Carries edits out, and tells what the mail is then. */
export async function edit(mail: Mail, edits: readonly MailEdit[]): Promise<View> {
  for (const one of edits) await carryOut(mail, one)
  return {
    header: Array.from(
      mail.headers,
      ({ name, raw }) => `${name}:${raw.toString('latin1')}\r\n`,
    ).join(''),
    body: (await mail.body.bytes()).toString('latin1'),
    sender: mail.sender.address,
    recipients: mail.recipients.addresses.sort(),
  }
}

export interface View {
  readonly header: string
  readonly body: string
  readonly sender: string
  readonly recipients: readonly string[]
}

async function carryOut(mail: Mail, { what, at, name, text }: MailEdit): Promise<void> {
  const fields = mail.headers.fields()
  // Those that every message has stay: without them a mail server adds its own.
  const own = fields.filter((one) => NAMES.includes(one.name))
  const field = own[at % Math.max(1, own.length)]
  const place = fields[at % fields.length]!
  const address = ADDRESSES[at % ADDRESSES.length]!
  switch (what) {
    case 'prepend':
      mail.headers.prepend(name, text)
      break
    case 'append':
      mail.headers.append(name, Buffer.from(RAW_VALUES[at % RAW_VALUES.length]!, 'latin1'))
      break
    case 'before':
      mail.headers.insertBefore(place, name, text)
      break
    case 'after':
      mail.headers.insertAfter(place, name, text)
      break
    case 'value':
      if (field !== undefined) field.value = text
      break
    case 'raw':
      if (field !== undefined)
        field.raw = Buffer.from(RAW_VALUES[at % RAW_VALUES.length]!, 'latin1')
      break
    case 'extend':
      if (field !== undefined) field.value = `[${at}] ${field.value}`
      break
    case 'remove':
      field?.remove()
      break
    case 'set':
      mail.headers.set(name, text)
      break
    case 'delete':
      mail.headers.delete(name)
      break
    case 'add recipient':
      mail.recipients.add(address)
      break
    case 'remove recipient':
      if (mail.recipients.length > 1) mail.recipients.remove(address)
      break
    case 'sender':
      mail.sender.replace(at % 3 === 0 ? '' : `new${at}@example.test`)
      break
    case 'body':
      mail.body.replace(at % 4 === 0 ? '' : `new ${at}\n`)
      break
    case 'append to body':
      await mail.body.replace(appended(mail, `more ${at}\r\n`))
      break
  }
}

async function* appended(mail: Mail, text: string): AsyncGenerator<Uint8Array> {
  const given = await mail.body.bytes()
  yield given
  yield Buffer.from(text)
}
