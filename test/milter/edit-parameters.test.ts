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
      'SIZE=12345678901234567890',
      'BODY=7BIT',
      'BODY=8bitmime',
      'BODY=BINARYMIME',
      'AUTH=<>',
      'AUTH=a+2Bb@example.org',
      'BY=3600;R',
      'BY=-60;nt',
      'SMTPUTF8',
      'X-OTHER',
      'X-OTHER=1',
      'SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=1 AUTH=<>',
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

it('the two that a recipient can have are copied by name', () => {
  const from = esmtpParameters(['NOTIFY=NEVER', 'X-OTHER=1', 'ORCPT=rfc822;a'])
  const copied = [...from].filter(([name]) => name === 'NOTIFY' || name === 'ORCPT')
  assert.equal(String(envelopeParameters('recipient', copied)), 'NOTIFY=NEVER ORCPT=rfc822;a')
  assert.throws(() => envelopeParameters('recipient', from), /"X-OTHER=1"/)
})

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 37)}... (${text.length})` : text
}
