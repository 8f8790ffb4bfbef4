import { fc } from '../support/property.ts'
import { CORPUS } from './corpus.ts'

/** Seeded damage to the messages of the corpus. */

/** What the lines of a message are made of. */
const SHARDS = [
  '\r\n',
  '\n',
  '\r',
  '\r\r\n',
  '\r\n\r\n',
  '--',
  '\n--b1',
  '\r\n--b1--\r\n',
  '\n--b1\n',
  ':',
  ';',
  '"',
  '=',
  '\0',
  ' ',
  '	',
  'ÿ',
  '\xA0',
  '(',
  '\\',
  "'",
  '*0*=',
  '=?',
  '?=',
  'Content-Type: ',
  'Content-Transfer-Encoding: base64\r\n',
  'multipart/digest; boundary=b1\n',
  'message/rfc822\r\n\r\n',
  '\nContent-Type: text/plain\n',
  '\nContent-Type: message/rfc822\n',
].map((text) => Buffer.from(text, 'latin1'))

const ratio = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
type Change = (bytes: Buffer) => Buffer
const at = (bytes: Buffer, where: number): number => Math.floor(bytes.length * where)

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(ratio, fc.nat(255)).map(([where, byte]): Change => (bytes) => {
    const copy = Buffer.from(bytes)
    if (copy.length > 0) copy[at(copy, where)] = byte
    return copy
  }),
  fc.tuple(ratio, fc.nat(60)).map(([where, size]): Change => (bytes) => {
    const i = at(bytes, where)
    return Buffer.concat([bytes.subarray(0, i), bytes.subarray(i + size)])
  }),
  fc.tuple(ratio, fc.nat(120)).map(([where, size]): Change => (bytes) => {
    const i = at(bytes, where)
    return Buffer.concat([bytes.subarray(0, i + size), bytes.subarray(i)])
  }),
  fc.tuple(ratio, fc.constantFrom(...SHARDS)).map(([where, shard]): Change => (bytes) => {
    const i = at(bytes, where)
    return Buffer.concat([bytes.subarray(0, i), shard, bytes.subarray(i)])
  }),
  fc.tuple(ratio, ratio, fc.constantFrom(...CORPUS)).map(
    ([where, from, other]): Change =>
      (bytes) =>
        Buffer.concat([
          bytes.subarray(0, at(bytes, where)),
          other.bytes.subarray(at(other.bytes, from)),
        ]),
  ),
  fc.constantFrom('\n', '\r', '\r\r\n', '').map(
    (eol): Change =>
      (bytes) =>
        Buffer.from(bytes.toString('latin1').replaceAll('\r\n', eol), 'latin1'),
  ),
)

/** A message of the corpus, with a few changes; large ones seldom. */
export const mutant: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.constantFrom(...CORPUS.filter(({ bytes }) => bytes.length < 20_000)),
    fc.array(change, { minLength: 1, maxLength: 6 }),
  )
  .map(([{ bytes }, changes]) => changes.reduce((result, one) => one(result), bytes))
