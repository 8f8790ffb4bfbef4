import assert from 'node:assert/strict'
import { it } from 'node:test'
import { envelopeParameters } from '../../src/milter/envelope/parameters.ts'
import { mailServerModel } from '../../src/mta/models/mail-server-model.ts'
import type { EditMessage } from '../../src/protocol/index.ts'
import { installedModel } from './support/installed.ts'
import { afterRawEdits } from './support/raw-edits.ts'
import { rawServer } from './support/raw-server.ts'
import { eachServer } from './support/stack.ts'

const CHANGED = 'new@example.test'

/** What becomes of the ESMTP parameters of a sender that a filter changes: the real server and its model. */
eachServer('a sender changed with', (kind) => {
  const behind = rawServer(kind)
  const model = mailServerModel(installedModel(kind.name))

  /** The sender as it is handed on, or how the server fails. */
  async function real(edit: EditMessage, client: string): Promise<string> {
    const arrived = await afterRawEdits(behind.server, behind.filter, [edit], client)
    return typeof arrived === 'string' ? arrived : shown(arrived.sender.split(' '))
  }

  function modelled(edit: EditMessage, client: string): string {
    const queued = model.queue({
      sender: { address: 'alice@example.test', parameters: client.split(' ') },
      recipients: [{ address: 'bob@example.test', parameters: [] }],
      fields: [],
      body: Buffer.alloc(0),
    })
    const failure = queued.apply(edit, { leadingSpace: false, mayReplaceBody: true })
    if (failure !== undefined) return failure.effect
    const { address, parameters } = queued.result().sender
    return shown([`<${address}>`, ...parameters])
  }

  for (const parameters of [
    'RET=HDRS',
    'ret=full',
    'RET=SOME',
    'RET=',
    'RET',
    'ENVID=two',
    'ENVID=a+2bb',
    'ENVID=a+41',
    'ENVID=a+zz',
    'ENVID=',
    'ENVID',
    `ENVID=${'x'.repeat(100)}`,
    `ENVID=${'x'.repeat(101)}`,
    'BODY=8BITMIME',
    'BODY=7BIT',
    'BODY=other',
    'BODY',
    'SIZE=100',
    'SIZE=many',
    'SIZE',
    'SMTPUTF8',
    'AUTH=<>',
    'AUTH=a+2bb@example.test',
    'AUTH=a+zz RET=HDRS',
    'AUTH',
    'BY=abc',
    'BY',
    'X-OTHER=1',
    'X-OTHER',
    'NOTIFY=NEVER',
    'RET=HDRS RET=FULL',
    'RET=FULL RET=HDRS',
    'RET=HDRS RET=SOME',
    'ENVID=a ENVID=b RET=HDRS',
    'RET=HDRS ENVID=q',
    'RET=HDRS X-OTHER=1',
    'X-OTHER=1 RET=HDRS',
    'X-OTHER=1 RET',
    'RET=SOME ENVID=q',
    '  RET=HDRS  ',
    '\tRET=HDRS\tENVID=z',
    'RET =HDRS',
    '=1',
    '<>',
    '',
  ]) {
    const edit = { type: 'chgfrom' as const, address: `<${CHANGED}>`, parameters }
    for (const client of ['RET=FULL ENVID=one', 'BODY=8BITMIME']) {
      it(`${JSON.stringify(parameters)}, which the client sent with ${client}`, async () => {
        const found = await real(edit, client)
        assert.equal(modelled(edit, client), found)
        if (isSent(parameters)) assert.notEqual(found, 'crash')
      })
    }
  }
})

/** In one order, without those that servers add or the next one has to offer. */
function shown([address, ...parameters]: readonly string[]): string {
  const kept = parameters.filter((one) => !/^(?:SIZE|AUTH|BY|SMTPUTF8)\b/i.test(one))
  return [address, ...kept.sort()].join(' ')
}

/** Whether the library sends it. */
function isSent(parameters: string): boolean {
  try {
    envelopeParameters('sender', parameters)
    return true
  } catch {
    return false
  }
}
