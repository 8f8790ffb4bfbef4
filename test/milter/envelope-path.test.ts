import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkPath } from '../../src/milter/envelope/envelope-path.ts'
import {
  envelopeParameters,
  esmtpParameters,
  type EsmtpParameters,
} from '../../src/milter/envelope/parameters.ts'
import { encodeText } from '../../src/protocol/text.ts'

const bad = { name: 'UsageError', code: 'INVALID_ADDRESS' }

describe('an address of the envelope', () => {
  for (const one of [
    'a@example.org',
    '<a@example.org>',
    'postmaster',
    '<Postmaster>',
    'a.b+c=d%e!f@x-y.example',
    '"a b"@x',
    '"a@b, c"@x',
    '"a\\"b>"@x',
    '<"">',
    'a."b c".d@x',
    'a..b.@docomo.example',
    'a@[192.0.2.1]',
    'a@[IPv6:2001:db8::1]',
    'jörg@exämple.org',
    '\udce9@b',
    '<@r.example,@s:a@b>',
    'a@host_name',
    'a@b.',
    'SRS0=x=y=z.example=a@b',
    '|not-a-program@x',
  ]) {
    it(`may be sent: ${one}`, () => {
      checkPath('recipient', encodeText(one))
      checkPath('sender', encodeText(one))
    })
  }

  for (const one of [
    'c@example.test, d@example.test',
    'c@example.test,d@example.test',
    '<c@x>,<d@x>',
    '<c@x> <d@x>',
    'c@example.test NOTIFY=NEVER',
    '<c@x> NOTIFY=NEVER',
    'c d@example.test',
    'a@b c',
    ' a@b',
    'a@b ',
    'a@b;',
    'a@b;c@d',
    'g: a@b;',
    '"a@b',
    'a"@b',
    '"a"b@c',
    'a"b"@c',
    '"a\\"@b',
    'c@d@e',
    'a@',
    '@b',
    '@r:b',
    '<@r:>',
    'a@b..c',
    'a@.b',
    'a@[1',
    'a@]',
    'a@[]',
    'a@[1]b',
    'a@b(c)',
    'Bob <b@x>',
    '<a@b',
    'a@b>',
    '<<a@b>>',
    'a\\@b',
    'a:b@c',
    'mailto:a@b',
    'a@"b"',
    ',',
    '.',
  ]) {
    it(`is refused: ${one}`, () => {
      assert.throws(() => checkPath('recipient', encodeText(one)), bad)
      assert.throws(() => checkPath('sender', encodeText(one)), bad)
    })
  }

  it('may be empty for a sender', () => {
    checkPath('sender', encodeText('<>'))
    assert.throws(() => checkPath('recipient', encodeText('<>')), bad)
  })

  it('is checked in time that grows with its length', () => {
    for (const unit of ['"', '.', 'a.', '"."', '\\"', '@a,', 'a@', '""', '[']) {
      for (const start of ['', '@', '"', 'a@']) {
        const text = start + unit.repeat(60_000 / unit.length)
        try {
          checkPath('recipient', encodeText(text))
        } catch (error) {
          assert.equal((error as { code: string }).code, 'INVALID_ADDRESS')
        }
      }
    }
  })
})

describe('ESMTP parameters', () => {
  for (const one of [
    'HOLDFOR=60',
    'RET=HDRS  ENVID=Q+41',
    'SMTPUTF8',
    'AUTH=a+40b',
    'AUTH=<>',
  ]) {
    it(`may be sent: ${one}`, () =>
      assert.equal(String(envelopeParameters('sender', one)), one.replace('  ', ' ')))
  }

  const REFUSED = [
    'NOTIFY=',
    '=NEVER',
    'A=B=C',
    'A,B=C',
    '<a@b>',
    'A\tB',
    'A=(\x7f',
    'X\n',
    'X\0',
  ]
  for (const one of REFUSED) {
    it(`are refused: ${JSON.stringify(one)}`, () => {
      assert.throws(() => envelopeParameters('sender', one), bad)
      assert.throws(() => envelopeParameters('sender', encodeText(one)), bad)
      assert.throws(() => envelopeParameters('sender', [one]), bad)
    })
  }

  const WORDS = ['ENVID=Q,1', 'SMTPUTF8', 'X=\udce9']
  const given: [what: string, given: EsmtpParameters][] = [
    ['text', WORDS.join(' ')],
    ['text with spaces around it', `  ${WORDS.join('   ')} `],
    ['bytes', encodeText(WORDS.join(' '))],
    ['a list of words', WORDS],
    ['a set', new Set(WORDS)],
    ['a map', esmtpParameters(WORDS)],
    ['a list of pairs', [...esmtpParameters(WORDS)]],
  ]
  for (const [what, one] of given) {
    it(`are the same given as ${what}`, () =>
      assert.deepEqual(envelopeParameters('sender', one), encodeText(WORDS.join(' '))))
  }

  it('may be none', () => {
    for (const none of [undefined, '', ' ', Buffer.alloc(0), [], new Map<string, null>()]) {
      assert.equal(envelopeParameters('sender', none), undefined)
    }
  })

  it('cannot bring others with them', () => {
    assert.throws(() => envelopeParameters('sender', ['NOTIFY=NEVER RET=HDRS']), bad)
    assert.throws(() => envelopeParameters('sender', new Map([['ENVID', 'a RET=HDRS']])), bad)
    assert.throws(() => envelopeParameters('sender', ['']), bad)
  })

  it('are nothing else', () => {
    for (const wrong of [null, 5, {}, [5], [null], new Uint16Array([65])]) {
      assert.throws(() => envelopeParameters('sender', wrong as never), bad)
    }
  })
})
