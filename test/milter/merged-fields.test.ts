import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defineFilter } from '../../src/message/define-filter.ts'
import type { EndOfMessageContext } from '../../src/milter/context.ts'
import type { Handlers } from '../../src/milter/handlers.ts'
import { ServersMet } from '../../src/milter/mail-server/servers-met.ts'
import { Action, ALL_ACTIONS, ALL_STEPS, Step } from '../../src/protocol/constants.ts'
import type { ReplyMessage } from '../../src/protocol/replies.ts'
import { deliver } from '../../src/testing/deliver.ts'
import {
  Command,
  connect,
  eom,
  FULL_OFFER,
  header,
  macros,
  mail,
  Wire,
} from '../support/wire.ts'

const END = 0x7fffffff
const steps = ALL_STEPS & ~Step.HDR_LEADSPC

interface Case {
  /** of CONNECT */
  readonly told?: Readonly<Record<string, string>>
  readonly actions?: number
  /** the filter is shown them */
  readonly fields?: readonly string[]
}

/** What goes out for the edits of a message, but for the verdict. */
function sent(edit: (ctx: EndOfMessageContext) => void, one: Case = {}): ReplyMessage[] {
  const { told = { v: '8.18.2' }, actions = ALL_ACTIONS, fields } = one
  const handlers: Handlers = { connect: () => {}, eom: edit }
  if (fields !== undefined) handlers.header = () => {}
  const wire = Wire.negotiated(
    () => handlers,
    {},
    { ...FULL_OFFER, steps, actions },
    {
      servers: new ServersMet(),
    },
  )
  wire.send(macros(Command.CONNECT, told), connect(), mail())
  for (const name of fields ?? []) wire.send(header(name, ' v'))
  wire.take()
  wire.send(eom())
  assert.deepEqual(wire.errors(), [])
  return wire.take().slice(0, -1)
}

const inserted = (name: string): ReplyMessage => ({
  type: 'insheader',
  index: END,
  name,
  value: 'v',
})
const added = (name: string): ReplyMessage => ({ type: 'addheader', name, value: 'v' })
const changed = (name: string, index: number, value = 'v'): ReplyMessage => ({
  type: 'chgheader',
  index,
  name,
  value,
})

describe('fields that the mail server would merge', () => {
  for (const [what, told] of [
    ['Sendmail 8.18.2', { v: '8.18.2' }],
    ['Sendmail that does not tell its version', { if_name: 'mx' }],
    ['an unknown server', { j: 'mx' }],
  ] as const) {
    it(`are inserted at the end: ${what}`, () => {
      for (const name of ['To', 'Cc', 'Bcc', 'Apparently-To', 'CC', 'apparently-to']) {
        assert.deepEqual(
          sent((ctx) => ctx.addHeader(name, 'v'), { told }),
          [inserted(name)],
        )
        assert.deepEqual(
          sent((ctx) => ctx.addHeader(Buffer.from(name), 'v'), { told }),
          [inserted(name)],
        )
      }
    })
  }

  it('are added as any other where the server is known not to', () => {
    for (const v of ['Postfix 3.7.11', 'Postfix', '8.17.1.9', '8.18.1']) {
      assert.deepEqual(
        sent((ctx) => ctx.addHeader('Cc', 'v'), { told: { v } }),
        [added('Cc')],
      )
      assert.deepEqual(
        sent((ctx) => ctx.changeHeader('Cc', 2, 'v'), { told: { v }, fields: ['Cc'] }),
        [changed('Cc', 2)],
      )
    }
  })

  it('are these four, and no others', () => {
    for (const name of ['Subject', 'From', 'Reply-To', 'Resent-To', 'Cc-', 'X-To', 'T'])
      assert.deepEqual(
        sent((ctx) => ctx.addHeader(name, 'v')),
        [added(name)],
      )
  })

  it('are inserted where a change is of one that is known not to be there', () => {
    const fields = ['To', 'Cc', 'cc', 'Subject']
    const rows: readonly [name: string, index: number, ReplyMessage][] = [
      ['Cc', 1, changed('Cc', 1)],
      ['Cc', 2, changed('Cc', 2)],
      ['Cc', 3, inserted('Cc')],
      ['CC', 3, inserted('CC')],
      ['To', 2, inserted('To')],
      ['Bcc', 1, inserted('Bcc')],
      ['Subject', 2, changed('Subject', 2)],
    ]
    for (const [name, index, frame] of rows) {
      assert.deepEqual(
        sent((ctx) => ctx.changeHeader(name, index, 'v'), { fields }),
        [frame],
      )
    }
  })

  it('have their numbers: deleted ones still, and those of this filter', () => {
    assert.deepEqual(
      sent(
        (ctx) => {
          ctx.deleteHeader('Cc', 1)
          ctx.changeHeader('Cc', 1, 'v')
          ctx.changeHeader('Cc', 2, 'v')
          ctx.changeHeader('Cc', 2, 'v')
          ctx.deleteHeader('Cc', 9)
          ctx.insertHeader(0, 'Cc', 'v')
          ctx.changeHeader('Cc', 3, 'v')
          ctx.changeHeader('Cc', 9, '')
        },
        { fields: ['Cc'] },
      ),
      [
        changed('Cc', 1, ''),
        changed('Cc', 1),
        inserted('Cc'),
        changed('Cc', 2),
        changed('Cc', 9, ''),
        { type: 'insheader', index: 0, name: 'Cc', value: 'v' },
        changed('Cc', 3),
        changed('Cc', 9, ''),
      ],
    )
  })

  it('are changed as asked if the filter gets no header', () => {
    assert.deepEqual(
      sent((ctx) => ctx.changeHeader('Cc', 2, 'v')),
      [changed('Cc', 2)],
    )
  })

  it('are not inserted without the action for it', () => {
    assert.deepEqual(
      sent((ctx) => ctx.changeHeader('Cc', 2, 'v'), {
        fields: ['Cc'],
        actions: Action.CHGHDRS,
      }),
      [changed('Cc', 2)],
    )
  })

  it('are changed and deleted by whole messages as they are elsewhere', async () => {
    const filter = defineFilter({
      name: 'copies',
      message(mail) {
        mail.headers.delete('Cc')
        mail.headers.append('Cc', 'new@example.test')
        mail.headers.append('Cc', 'second@example.test')
        mail.headers.set('To', 'changed@example.test')
      },
    })
    const message = 'From: a@example.test\nTo: b@example.test\nCc: c@example.test\n\nhi\n'
    const edits = async (v: string): Promise<unknown> => {
      const outcome = await deliver(filter, {
        mta: 'sendmail',
        message,
        macros: { v },
      })
      assert.equal(outcome.message?.toString().match(/^Cc:/gm)?.length, 2)
      return outcome.edits
    }
    assert.deepEqual(await edits('8.18.2'), await edits('8.18.1'))
  })

  it('are in the message as they were meant, in each version of Sendmail', async () => {
    const edits: readonly [edit: (ctx: EndOfMessageContext) => void, copies: string[]][] = [
      [(ctx) => ctx.addHeader('Cc', 'new@a.test'), ['Cc: c@a.test', 'Cc: new@a.test']],
      [(ctx) => ctx.changeHeader('Cc', 2, 'new@a.test'), ['Cc: c@a.test', 'Cc: new@a.test']],
      [
        (ctx) => {
          ctx.deleteHeader('Cc', 1)
          ctx.addHeader('Cc', 'new@a.test')
        },
        ['Cc: new@a.test'],
      ],
    ]
    for (const sendmail of ['8.17', '8.18.1', '8.18.2'] as const) {
      for (const [edit, copies] of edits) {
        const outcome = await deliver((): Handlers => ({ header: () => {}, eom: edit }), {
          mta: { sendmail },
          message: 'From: a@a.test\nCc: c@a.test\n\nhi\n',
        })
        assert.equal(outcome.verdict, 'accept')
        assert.deepEqual(outcome.message!.toString().match(/^Cc:.*$/gm), copies)
      }
    }
  })

  it('are counted anew in each message', () => {
    const wire = Wire.negotiated(
      () => ({ header: () => {}, eom: (ctx) => ctx.changeHeader('Cc', 1, 'v') }),
      {},
      { ...FULL_OFFER, steps },
      { servers: new ServersMet() },
    )
    for (const fields of [['Cc'], []]) {
      wire.send(mail(), ...fields.map((name) => header(name, ' v')))
      wire.take()
      wire.send(eom())
      assert.equal(wire.answers(), `${fields.length > 0 ? 'chgheader' : 'insheader'} continue`)
    }
  })
})
