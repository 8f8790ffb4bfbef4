import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkParameters, checkPath } from '../../src/milter/envelope-path.ts'
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
    'NOTIFY=NEVER',
    'RET=HDRS  ENVID=Q+41',
    'SMTPUTF8',
    'ORCPT=rfc822;a+40b',
    'AUTH=<>',
  ]) {
    it(`may be sent: ${one}`, () => checkParameters(encodeText(one)))
  }
  for (const one of ['NOTIFY=', '=NEVER', 'A=B=C', 'A,B=C', '<a@b>', 'A\tB', 'A=(\x7f']) {
    it(`are refused: ${one}`, () => assert.throws(() => checkParameters(encodeText(one)), bad))
  }
})
