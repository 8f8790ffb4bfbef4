import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError } from '../../src/errors.ts'
import {
  MIME_PROBLEMS,
  parseMime,
  type MimeLimits,
  type MimeProblemCode,
} from '../../src/mime/index.ts'
import { CORPUS, sample } from './corpus.ts'
import { see } from './tree.ts'

const crlf = (...lines: string[]): string => lines.map((line) => `${line}\r\n`).join('')
const MIXED = 'Content-Type: multipart/mixed; boundary=b'

interface Case {
  readonly message: string
  /** where the part begins that has it */
  readonly at: number
  readonly limits?: Partial<MimeLimits>
}

const CASES: Record<MimeProblemCode, Case> = {
  NO_BOUNDARY: { message: crlf('Content-Type: multipart/mixed', '', 'x'), at: 0 },
  NO_DELIMITER: { message: crlf(MIXED, '', 'x'), at: 0 },
  NOT_CLOSED: { message: crlf(MIXED, '', '--b', '', 'x'), at: 0 },
  TEXT_AFTER_CLOSE: { message: crlf(MIXED, '', '--b', '', '--b--', '--b', '', 'x'), at: 0 },
  NO_EMPTY_LINE: { message: crlf(MIXED, '', '--b', 'A: b', '--b--'), at: MIXED.length + 9 },
  NOT_A_FIELD: { message: crlf('no field', 'A: b', '', 'x'), at: 0 },
  BARE_CR: { message: crlf('A: b\rC: d', '', 'x'), at: 0 },
  BAD_CONTENT_TYPE: { message: crlf('Content-Type: image', '', 'x'), at: 0 },
  SEVERAL_TYPES: { message: crlf('Content-Type: a/b', 'content-type: c/d', '', 'x'), at: 0 },
  SEVERAL_ENCODINGS: {
    message: crlf(
      'Content-Transfer-Encoding: 7bit',
      'Content-Transfer-Encoding: base64',
      '',
      'YQ==',
    ),
    at: 0,
  },
  SEVERAL_BOUNDARIES: {
    message: crlf(`${MIXED}; boundary=c`, '', '--b', '', 'x', '--b--'),
    at: 0,
  },
  BOUNDARY_OF_LEAF: {
    message: crlf('Content-Type: text/plain; boundary=b', '', '--b', '', 'x', '--b--'),
    at: 0,
  },
  TOO_MANY_BOUNDARIES: {
    message: crlf(
      `Content-Type: multipart/mixed${['a', 'b', 'c', 'd', 'e'].map((one) => `; boundary=${one}`).join('')}`,
      '',
      '--a',
      '--b',
      '--c',
      '--d',
      '--e',
    ),
    at: 0,
  },
  UNKNOWN_ENCODING: { message: crlf('Content-Transfer-Encoding: x-foo', '', 'x'), at: 0 },
  ENCODED_MULTIPART: {
    message: crlf(MIXED, 'Content-Transfer-Encoding: base64', '', '--b', '', 'x', '--b--'),
    at: 0,
  },
  TOO_DEEP: {
    message: crlf(MIXED, '', '--b', `${MIXED}2`, '', '--b2', '', 'x', '--b2--', '--b--'),
    at: MIXED.length + 9,
    limits: { depth: 2 },
  },
  TOO_MANY_PARTS: {
    message: crlf(MIXED, '', '--b', '', 'x', '--b', '', 'y', '--b--'),
    at: 0,
    limits: { parts: 2 },
  },
  FIELD_TOO_LONG: {
    message: crlf(`Content-Disposition: inline; x=${'x'.repeat(17_000)}`, '', 'x'),
    at: 0,
  },
  TOO_MANY_FIELDS: {
    message: crlf(...Array.from({ length: 101 }, () => 'Content-Type: a/b'), '', 'x'),
    at: 0,
  },
  HEADER_TOO_LARGE: {
    message: crlf(`A: ${'x'.repeat(100)}`, '', 'x'),
    at: 0,
    limits: { headerBytes: 50 },
  },
}

describe('problems of a message', () => {
  for (const [code, { message, at, limits }] of Object.entries(CASES)) {
    it(code, () => {
      const { problems } = parseMime(message, { limits })
      assert.ok(
        problems.some((one) => one.code === code && one.offset === at),
        JSON.stringify(problems),
      )
    })
  }

  it('are all reported here', () => {
    assert.deepEqual(Object.keys(CASES).toSorted(), Object.keys(MIME_PROBLEMS).toSorted())
  })

  it('are not seen in ordinary messages', () => {
    for (const name of [
      'plain text',
      'signed',
      'digest',
      'delivery status',
      'names of RFC 2231',
    ]) {
      assert.deepEqual(parseMime(sample(name)).problems, [], name)
      assert.deepEqual(parseMime(sample(name)).otherReadings(), [], name)
    }
  })
})

describe('limits', () => {
  for (const value of [0, -1, 1.5, Number.NaN, Infinity]) {
    it(`refuse ${value}`, () => {
      assert.throws(
        () => parseMime('', { limits: { depth: value } }),
        (error) => error instanceof UsageError && error.code === 'INVALID_OPTION',
      )
    })
  }

  it('cut what is deeper, and keep it', () => {
    const { message, limits } = CASES.TOO_DEEP
    const [part] = parseMime(message, { limits }).children
    assert.deepEqual(part!.children, [])
    assert.equal(part!.raw.toString(), '--b2\r\n\r\nx\r\n--b2--')
  })

  it('give the rest to the last part', () => {
    const { message, limits } = CASES.TOO_MANY_PARTS
    const parts = parseMime(message, { limits }).children
    assert.deepEqual(
      parts.map(({ raw }) => raw.toString()),
      ['x\r\n--b\r\n\r\ny\r\n--b--\r\n'],
    )
  })
})

describe('other readings', () => {
  it('the last of several types', () => {
    const [other, ...more] = parseMime(
      sample('two fields Content-Type, text first'),
    ).otherReadings()
    assert.deepEqual(more, [])
    assert.equal(other!.type, 'multipart/mixed')
    assert.equal(other!.isMultipart, true)
    assert.deepEqual(
      other!.textParts.map(({ raw }) => raw.toString()),
      ['one'],
    )
  })

  it('the first type is a multipart, the last is text', () => {
    const message = parseMime(sample('two fields Content-Type'))
    assert.equal(message.type, 'multipart/mixed')
    assert.deepEqual(message.types, ['multipart/mixed', 'text/plain'])
    const [other] = message.otherReadings()
    assert.equal(other!.type, 'text/plain')
    assert.deepEqual(other!.children, [])
    assert.equal(other!.parameter('boundary'), undefined)
  })

  it('the last of several encodings', () => {
    const message = parseMime(CASES.SEVERAL_ENCODINGS.message)
    assert.equal(message.bytes().toString(), 'YQ==\r\n')
    const [other] = message.otherReadings()
    assert.equal(other!.encoding, 'base64')
    assert.equal(other!.bytes().toString(), 'a')
  })

  it('the last of several boundaries', () => {
    const [other] = parseMime(sample('two boundaries')).otherReadings()
    assert.deepEqual(
      other!.textParts.map(({ raw }) => raw.toString()),
      ['two'],
    )
  })

  it('parts behind the closing delimiter', () => {
    const [other] = parseMime(sample('part behind the closing delimiter')).otherReadings()
    assert.deepEqual(
      other!.textParts.map(({ raw }) => raw.toString()),
      ['Hello.', 'hidden'],
    )
  })

  it('a line that is no field ends the header', () => {
    const [other] = parseMime(sample('line without a colon')).otherReadings()
    assert.equal(other!.raw.toString(), crlf('this is no field', 'X-After: yes', '', 'body'))
  })

  it('hold each difference alone and all together', () => {
    const message = parseMime(
      crlf('no field', 'Content-Type: a/b', 'Content-Type: c/d', '', 'x'),
    )
    assert.equal(message.otherReadings().length, 3)
  })

  it('are not to be edited', async () => {
    for (const { bytes } of CORPUS) {
      for (const other of parseMime(bytes).otherReadings()) {
        for (const part of other.walk()) {
          const refused = (error: unknown): boolean =>
            error instanceof UsageError && error.code === 'WRONG_STAGE'
          assert.throws(() => part.headers.append('X', 'y'), refused)
          assert.throws(() => part.setContent(Buffer.from('x')), refused)
          await assert.rejects(part.setText('x'), refused)
        }
        assert.ok(other.toBytes().equals(bytes))
      }
    }
  })

  it('see the same where nothing is in doubt', () => {
    const message = parseMime(sample('two boundaries'))
    assert.equal(see(message).type, see(message.otherReadings()[0]!).type)
  })
})
