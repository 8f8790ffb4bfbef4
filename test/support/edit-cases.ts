import { fc } from './property.ts'
import type { EditMessage } from '../../src/protocol/index.ts'

/** Random messages and edits, of what filters and mail servers find hard. */

export interface EditCase {
  readonly sender: string
  readonly recipients: readonly string[]
  /** CRLF line ends, as a client sends it */
  readonly message: Buffer
  readonly edits: readonly EditMessage[]
  readonly leadingSpace: boolean
}

const NAMES = [
  'X-A',
  'x-a',
  'X-B',
  'X-Long-Name-Of-A-Field',
  'Subject',
  'Received',
  'List-Id',
  'Keywords',
] as const
/** Fields that one server or the other knows better than the client. */
const SPECIAL = [
  'Date',
  'Message-ID',
  'Comments',
  'Return-Path',
  'Content-Length',
  'MIME-Version',
  'Resent-Date',
  'Content-Type',
] as const

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

const word = fc.constantFrom(
  'a',
  'word',
  '%s',
  'caf\xe9',
  '\xc3\xa9',
  '"q"',
  ';x=y',
  ':',
  '<a@b>',
  '\xff\xfe',
  '.',
  '\x80\x9f',
  'x'.repeat(300),
)
const space = fc.constantFrom(' ', '  ', '\t', ' \t ')
const line = fc
  .array(fc.oneof({ weight: 3, arbitrary: word }, space), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join(''))

/** What stands after the colon in a message: with its leading space, folds as CRLF and white space. */
const received = fc
  .tuple(fc.constantFrom(' ', '', '  ', '\t'), fc.array(line, { maxLength: 3 }))
  .map(([space, lines]) => space + lines.map((one) => one.trimStart() || 'x').join('\r\n\t'))

const field = fc
  .tuple(fc.constantFrom(...NAMES, ...SPECIAL), received)
  .map(([name, value]) => `${name}:${value}`)

const bodyLine = fc.constantFrom(
  'hello',
  '',
  '.',
  '..x',
  'From here',
  ' space',
  '\xe9\x00\xff',
  'trail  ',
  'y'.repeat(998),
)
const body = fc.oneof(
  { withCrossShrink: true },
  fc
    .array(bodyLine, { maxLength: 6 })
    .map((lines) => lines.map((one) => `${one}\r\n`).join('')),
  fc.constant(`${'0123456789'.repeat(7)}\r\n`.repeat(1000)),
)

/** A value as a filter gives it, right or wrong. */
const edited = fc.oneof(
  { weight: 6, arbitrary: line },
  {
    weight: 2,
    arbitrary: fc
      .tuple(line, fc.constantFrom('\n\t', '\n ', '\n', '\r\n '), line)
      .map((parts) => parts.join('')),
  },
  { weight: 1, arbitrary: fc.constantFrom('', ' ', 'a\rb') },
)
const index = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 6 }) },
  fc.constantFrom(7, 8, 9, 10, 11, 12, 13, 100),
)
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...NAMES) },
  fc.constantFrom(...SPECIAL),
)

const address = fc.constantFrom(
  '<bob@example.test>',
  'bob@example.test',
  '<BOB@example.test>',
  '<carol@example.test>',
  '<dave@Example.Test>',
  '<dave@example.test>',
  '"a,b"@example.test',
  '<"a,b"@example.test>',
  '<"a b"@example.test>',
  '"ab"@example.test',
  '<ab@example.test>',
  '"a.b"@example.test',
  '<a.b@example.test>',
  '"a..b"@example.test',
  '""@example.test',
  '<"a\\"b"@example.test>',
  '"a\\\\b"@example.test',
  '<"a<b>c"@example.test>',
  '"a@b"@example.test',
  '<@hub.test:bob@example.test>',
  '<@one.test,@two.test:eve@example.test>',
  'eve@example.test.',
  'eve@[192.0.2.1]',
)
/** With a name or a comment, which `addrcpt_par` does not take in Sendmail. */
const namedAddress = fc.constantFrom(
  'Bob <bob@example.test>',
  '"Bob, B." <bob@example.test>',
  'eve@example.test (x, y)',
)
/** Sendmail takes each, Postfix the first. */
const severalAddresses = fc.constantFrom(
  'bob@example.test, eve@example.test',
  '<eve@example.test>,<bob@example.test>',
  '"a,b"@example.test, bob@example.test',
)
const recipientParameters = fc.constantFrom('', 'NOTIFY=NEVER', 'NOTIFY=SUCCESS,FAILURE')
const senderParameters = fc.constantFrom('', 'RET=HDRS', 'ENVID=abc', 'RET=FULL ENVID=x')

const addresses = fc
  .tuple(
    fc.constantFrom('', ' ', '   '),
    fc.array(
      fc.constantFrom(
        'bob@example.test',
        '"Bob, B." <bob@example.test>',
        'carol@example.test',
        '<dave@example.test>',
      ),
      { minLength: 1, maxLength: 6 },
    ),
    fc.constantFrom(', ', ',', ',\n\t', ' , '),
  )
  .map(([space, list, comma]) => bytes(space + list.join(comma)))
const ADDRESS_FIELDS = ['To', 'From', 'Cc', 'Reply-To', 'Sender'] as const

const headerEdit: fc.Arbitrary<EditMessage> = fc.oneof(
  fc.record({ type: fc.constant('addheader' as const), name, value: edited.map(bytes) }),
  fc.record({
    type: fc.constantFrom('insheader' as const, 'chgheader' as const),
    index,
    name,
    value: edited.map(bytes),
  }),
  fc.record({
    type: fc.constant('addheader' as const),
    name: fc.constantFrom(...ADDRESS_FIELDS),
    value: addresses,
  }),
  fc.record({
    type: fc.constantFrom('insheader' as const, 'chgheader' as const),
    index,
    name: fc.constantFrom(...ADDRESS_FIELDS),
    value: fc.oneof(addresses, fc.constant(bytes(''))),
  }),
)
const envelopeEdit: fc.Arbitrary<EditMessage> = fc.oneof(
  fc.record({
    type: fc.constantFrom('addrcpt' as const, 'delrcpt' as const),
    address: fc.oneof({ weight: 6, arbitrary: address }, namedAddress, severalAddresses),
  }),
  fc.record({
    type: fc.constant('addrcpt_par' as const),
    address,
    parameters: recipientParameters,
  }),
  fc.record({
    type: fc.constant('chgfrom' as const),
    address: fc.oneof(
      fc.constantFrom('<new@example.test>', 'new@example.test', '<>'),
      address,
      namedAddress,
    ),
    parameters: fc.option(senderParameters, { nil: undefined }),
  }),
)
const chunk = fc
  .constantFrom('', 'line\r\n', 'half', '\r', '\n', 'bare\rcr', '.\r\n', 'lf\n', '\xe9\x00\r\n')
  .map(bytes)
const bodyEdits: fc.Arbitrary<EditMessage[]> = fc.array(
  fc.record({ type: fc.constant('replbody' as const), chunk }),
  { minLength: 1, maxLength: 4 },
)

const edits: fc.Arbitrary<EditMessage[]> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: headerEdit.map((one) => [one]) },
      { weight: 2, arbitrary: envelopeEdit.map((one) => [one]) },
      { weight: 1, arbitrary: bodyEdits },
    ),
    { maxLength: 8 },
  )
  .map((groups) => groups.flat())

/** A comma or bracket is needed for Sendmail to read lists of addresses as the RFCs have them. */
const BASE = ['From: Alice <alice@example.test>', 'To: bob@example.test']

export const editCase: fc.Arbitrary<EditCase> = fc.record({
  sender: fc.constantFrom(
    '<alice@example.test>',
    '<>',
    '<"a.l"@example.test>',
    '<"a,l"@example.test>',
  ),
  recipients: fc.constantFrom<string[][]>(
    ['<bob@example.test>'],
    ['<bob@example.test>', '<carol@example.test>'],
    ['<Dave@example.test>', '<bob@example.test>'],
    ['<"a,b"@example.test>', '<"ab"@example.test>', '<a.b@example.test>'],
  ),
  message: fc
    .tuple(fc.array(field, { maxLength: 6 }), body)
    .map(([fields, text]) => bytes(`${[...BASE, ...fields].join('\r\n')}\r\n\r\n${text}`)),
  edits,
  leadingSpace: fc.boolean(),
})
