import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { reply, type Handlers } from '../../src/index.ts'
import type { MailServerChoice, Outcome } from '../../src/mta/index.ts'
import { encodeFrame, encodeReply, Reply, type EditMessage } from '../../src/protocol/index.ts'
import { deliver } from '../../src/testing/index.ts'
import { clientOf, type Script } from './support.ts'

const POSTFIX = ['3.7', '3.10', '3.11'] as const
const SENDMAIL = ['8.17', '8.18.1', '8.18.2'] as const

const outcomeOf = async (mta: MailServerChoice, script: Script) => {
  const { client } = await clientOf(script, { mta })
  return await client.deliver({})
}

describe('what differs between versions of Postfix', () => {
  const cases: Record<string, (mta: MailServerChoice) => Promise<unknown>> = {
    'the macro v': async (mta) => {
      let version: string | undefined
      await deliver(() => ({ connect: (ctx) => void (version = ctx.macro('v')) }), { mta })
      return version
    },
    'a filter that fails at MAIL': async (mta) => {
      const { reply, closed } = await outcomeOf(mta, { answers: { M: encodeFrame(0x7a) } })
      return [reply.slice(0, 9), closed]
    },
    'a filter that fails at MAIL, shutdown configured': async (mta) => {
      const script = { answers: { M: encodeFrame(0x7a) } }
      const { client } = await clientOf(script, { mta, onFailure: 'shutdown' })
      return (await client.deliver({})).reply.slice(0, 9)
    },
    'a command it does not know': async (mta) => {
      const lines: string[] = []
      const filter = (): Handlers => ({ unknown: (_ctx, line) => void lines.push(line) })
      await deliver(filter, { mta, unknown: ['XFOO bar'] })
      return lines[0]
    },
    'a reply of 521 to it': async (mta) => {
      const filter = (): Handlers => ({ unknown: () => reply(521, '5.7.0', 'no') })
      return (await deliver(filter, { mta, unknown: ['XFOO bar'] })).reply.slice(0, 3)
    },
    'SHUTDOWN at end of message': async (mta) => {
      const { verdict, reply } = await outcomeOf(mta, {
        answers: { E: encodeReply({ type: 'shutdown' }) },
      })
      return [verdict, reply.slice(0, 3)]
    },
    'a second line without a code': async (mta) => {
      const bytes = Buffer.from('550-5.7.1 no\r\nand no\0')
      const { failure } = await outcomeOf(mta, {
        answers: { E: encodeFrame(Reply.REPLYCODE, bytes) },
      })
      return failure?.code
    },
    'a second line of another class': async (mta) => {
      const bytes = Buffer.from('550-5.7.1 no\r\n550 4.7.1 later\0')
      const { failure } = await outcomeOf(mta, {
        answers: { E: encodeFrame(Reply.REPLYCODE, bytes) },
      })
      return failure?.code
    },
  }
  const expected: Record<string, readonly [unknown, unknown, unknown]> = {
    'the macro v': ['Postfix 3.7.11', 'Postfix 3.10.13', 'Postfix 3.11.7'],
    'a filter that fails at MAIL': [
      ['451 4.7.1', false],
      ['421 4.7.1', true],
      ['421 4.7.1', true],
    ],
    'a filter that fails at MAIL, shutdown configured': ['451 4.3.5', '421 4.7.1', '421 4.7.1'],
    'a command it does not know': ['XFOO', 'XFOO bar', 'XFOO bar'],
    'a reply of 521 to it': ['521', '250', '250'],
    'SHUTDOWN at end of message': [
      ['discard', '250'],
      ['discard', '250'],
      ['tempfail', '421'],
    ],
    'a second line without a code': [undefined, undefined, 'INVALID_REPLY'],
    'a second line of another class': [undefined, undefined, 'INVALID_REPLY'],
  }
  for (const [what, seen] of Object.entries(cases)) {
    it(what, async () => {
      const all = await Promise.all(POSTFIX.map((postfix) => seen({ postfix })))
      assert.deepEqual(all, expected[what])
    })
  }

  it('a name alone is the version of Debian stable', async () => {
    assert.equal(await cases['the macro v']!('postfix'), 'Postfix 3.10.13')
    assert.equal(await cases['the macro v']!({ postfix: '3.10' }), 'Postfix 3.10.13')
  })
})

describe('what differs between versions of Sendmail', () => {
  const message =
    'From: a@example.org\nTo: b@example.net\nCc: c@example.net\nBcc: \nX-A: 1\n\nhello\n'
  const after = async (
    sendmail: (typeof SENDMAIL)[number],
    ...edits: EditMessage[]
  ): Promise<{ outcome: Outcome; fields: readonly string[] }> => {
    const frames = [...edits, { type: 'continue' } as const].map((one) => encodeReply(one))
    const { client } = await clientOf(
      { answers: { E: Buffer.concat(frames) } },
      { mta: { sendmail } },
    )
    const outcome = await client.deliver({ message })
    return {
      outcome,
      fields: outcome.message?.toString().match(/^(?:Cc|Bcc|To|X-A):.*$/gim) ?? [],
    }
  }
  const add = (name: string, value: string): EditMessage => ({ type: 'addheader', name, value })
  const change = (index: number, name: string, value: string): EditMessage => ({
    type: 'chgheader',
    index,
    name,
    value,
  })

  for (const sendmail of ['8.17', '8.18.1'] as const) {
    it(`${sendmail}: a field of recipients is added before the first of its name`, async () => {
      const { fields } = await after(sendmail, add('cc', 'd@example.net'))
      assert.deepEqual(fields.slice(1, 3), ['cc: d@example.net', 'Cc: c@example.net'])
    })
  }
  it('8.18.2: it is joined with the one that is there', async () => {
    const added = await after('8.18.2', add('cc', 'd@example.net'), add('CC', 'e@example.net'))
    assert.ok(added.fields.includes('Cc: c@example.net, d@example.net, e@example.net'))
    const changed = await after('8.18.2', change(2, 'To', 'd@example.net'))
    assert.ok(changed.fields.includes('To: b@example.net, d@example.net'))
    const other = await after('8.18.2', add('X-A', '2'))
    assert.deepEqual(other.fields.slice(-2), ['X-A: 2', 'X-A: 1'])
    const inserted = await after('8.18.2', {
      type: 'insheader',
      index: 1_000,
      name: 'Cc',
      value: 'd@example.net',
    })
    assert.deepEqual(
      inserted.fields.filter((one) => one.startsWith('Cc')),
      ['Cc: c@example.net', 'Cc: d@example.net'],
    )
  })
  it('8.18.2: it crashes where that one was deleted', async () => {
    for (const version of SENDMAIL) {
      const { outcome } = await after(version, change(1, 'Cc', ''), add('Cc', 'd@example.net'))
      const crashes = version === '8.18.2'
      assert.equal(outcome.verdict, crashes ? 'tempfail' : 'accept')
      assert.equal(outcome.closed, crashes)
      assert.equal(outcome.failure?.code, crashes ? 'EDIT_REFUSED' : undefined)
      if (crashes) assert.deepEqual([outcome.reply, outcome.message], ['', undefined])
    }
  })
  it('a bare CR is refused', async () => {
    for (const sendmail of SENDMAIL) {
      const outcome = await deliver(() => ({}), {
        mta: { sendmail },
        message: 'A: b\n\na\rb\n',
      })
      assert.equal(outcome.reply, '421 4.5.0 Bare carriage return (CR) not allowed')
      assert.ok(outcome.closed)
    }
  })
})
