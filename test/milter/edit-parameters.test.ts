import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { esmtpParameters, envelopeParameters } from '../../src/milter/envelope/parameters.ts'

/** What both mail servers take and what they do not: test/mail-servers/recipient-parameters and sender-parameters. */
const CASES = {
  recipient: {
    sent: [
      'NOTIFY=NEVER',
      'notify=never',
      'NOTIFY=SUCCESS',
      'Notify=Success,FAILURE,delay',
      'NOTIFY=SUCCESS,SUCCESS',
      'ORCPT=rfc822;dave@example.org',
      'orcpt=RFC822;d+2Bx@example.org',
      'ORCPT=rfc822;d+2bx@example.org',
      'ORCPT=rfc822;',
      'ORCPT=x400;a;b',
      'ORCPT=utf-8;d\\x{E9}@example.org',
      `ORCPT=rfc822;${'a'.repeat(493)}`,
      'NOTIFY=DELAY ORCPT=rfc822;dave@example.org',
      'ORCPT=rfc822;dave@example.org NOTIFY=DELAY',
    ],
    refused: [
      'NOTIFY',
      'NOTIFY=SOMETIMES',
      'NOTIFY=NEVER,SUCCESS',
      'NOTIFY=SUCCESS,NEVER',
      'NOTIFY=SUCCESS,',
      'NOTIFY=,SUCCESS',
      'ORCPT',
      'ORCPT=dave@example.org',
      'ORCPT=;dave@example.org',
      'ORCPT=a.b;dave@example.org',
      'ORCPT=rfc822;d+zz@example.org',
      'ORCPT=rfc822;d+2',
      'ORCPT=rfc822;d+00',
      'ORCPT=rfc822;dåve@example.org',
      `ORCPT=rfc822;${'a'.repeat(494)}`,
      'RET=HDRS',
      'SIZE=100',
      'X-OTHER',
      'X-OTHER=1',
      'NOTIFY=NEVER X-OTHER=1',
      'NOTIFY=NEVER NOTIFY=NEVER',
      'NOTIFY=NEVER notify=SUCCESS',
      'ORCPT=rfc822;a ORCPT=rfc822;b',
      'constructor=1',
    ],
  },
  sender: {
    sent: [
      'RET=HDRS',
      'ret=full',
      'ENVID=QQ314159',
      'ENVID=a+2Bb',
      `ENVID=${'a'.repeat(100)}`,
      'SIZE=0',
      'SIZE=999999999999999999',
      'SIZE=00000000000000000001',
      'BODY=7BIT',
      'BODY=8bitmime',
      'AUTH=<>',
      'AUTH=a+2Bb@example.org',
      'BY=3600;R',
      'BY=-60;nt',
      'BY=0;N',
      'BY=1;RT',
      'SMTPUTF8',
      'X-OTHER',
      'X-OTHER=1',
      'REQUIRETLS',
      'HOLDFOR=60',
      'MT-PRIORITY=-3',
      'BODY=8BITMIME SIZE=100 RET=HDRS ENVID=1 AUTH=<> BY=60;R SMTPUTF8 REQUIRETLS X-OTHER=1 MT-PRIORITY=3',
    ],
    refused: [
      'RET',
      'RET=SOME',
      'RET=HDRS,FULL',
      'ENVID',
      'ENVID=a+zz',
      'ENVID=a+00',
      `ENVID=${'a'.repeat(101)}`,
      'SIZE',
      'SIZE=many',
      'SIZE=-1',
      'BODY',
      'BODY=9BIT',
      'AUTH',
      'AUTH=a+b',
      'BY',
      'BY=3600',
      'BY=;R',
      'BY=3600;X',
      'RET=HDRS RET=FULL',
      'ENVID=1 envid=1',
      'SIZE=1 BODY',
      'SIZE=9223372036854775808',
      'SIZE=1234567890123456789',
      'BODY=BINARYMIME',
      'BY=0;R',
      'BY=-1;R',
      'BY=000000000;r',
      'SMTPUTF8=1',
      'REQUIRETLS=1',
      'NOTIFY=NEVER',
      'ORCPT=rfc822;a',
      'SMTPUTF8 smtputf8',
      'X-OTHER X-OTHER=1',
    ],
  },
} as const

for (const what of ['recipient', 'sender'] as const) {
  describe(`ESMTP parameters of a ${what} that a filter gives`, () => {
    for (const text of CASES[what].sent) {
      it(`may be sent: ${shortened(text)}`, () => {
        assert.equal(String(envelopeParameters(what, text)), text)
        assert.equal(String(envelopeParameters(what, text.split(' '))), text)
      })
    }
    for (const text of CASES[what].refused) {
      it(`are refused: ${shortened(text)}`, () => {
        const bad = { name: 'UsageError', code: 'INVALID_ADDRESS' }
        assert.throws(() => envelopeParameters(what, text), bad)
        assert.throws(() => envelopeParameters(what, text.split(' ')), bad)
      })
    }
  })
}

it('those that Sendmail may not know come last: it takes none after them', () => {
  assert.equal(
    String(
      envelopeParameters('sender', 'MT-PRIORITY=3 smtputf8 X-OTHER envid=1 RET=HDRS body=7BIT'),
    ),
    'body=7BIT RET=HDRS envid=1 smtputf8 MT-PRIORITY=3 X-OTHER',
  )
})

it('the two that a recipient can have are copied by name', () => {
  const from = esmtpParameters(['NOTIFY=NEVER', 'X-OTHER=1', 'ORCPT=rfc822;a'])
  const copied = [...from].filter(([name]) => name === 'NOTIFY' || name === 'ORCPT')
  assert.equal(String(envelopeParameters('recipient', copied)), 'NOTIFY=NEVER ORCPT=rfc822;a')
  assert.throws(() => envelopeParameters('recipient', from), /"X-OTHER=1"/)
})

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 37)}... (${text.length})` : text
}
