import assert from 'node:assert/strict'
import { it } from 'node:test'
import { envelopeParameters } from '../../src/milter/envelope/parameters.ts'
import { mailServerModel } from '../../src/mta/models/mail-server-model.ts'
import type { QueuedAddress } from '../../src/mta/models/model.ts'
import type { EditMessage } from '../../src/protocol/index.ts'
import { installedModel } from './support/installed.ts'
import { afterRawEdits } from './support/raw-edits.ts'
import { RawFilter } from './support/raw-filter.ts'
import { rawServer } from './support/raw-server.ts'
import { eachServer } from './support/stack.ts'

const ADDED = '<dave@example.test>'

/** What becomes of the ESMTP parameters of a recipient that a filter adds: the real server and its model. */
eachServer('a recipient added with', (kind) => {
  const behind = rawServer(kind)
  const model = mailServerModel(installedModel(kind.name))

  /** The recipient as it is handed on, undefined if it is not there; or how the server fails. */
  async function real(edits: readonly EditMessage[]): Promise<string | undefined> {
    const arrived = await afterRawEdits(behind.server, behind.filter, edits)
    if (typeof arrived === 'string') return arrived
    return arrived.recipients.find((one) => one.startsWith(ADDED))
  }

  function modelled(edits: readonly EditMessage[]): string | undefined {
    const queued = model.queue({
      sender: { address: 'alice@example.test', parameters: [] },
      recipients: [{ address: 'bob@example.test', parameters: [] }],
      fields: [],
      body: Buffer.alloc(0),
    })
    const terms = { leadingSpace: false, mayReplaceBody: true }
    for (const edit of edits) {
      const failure = queued.apply(edit, terms)
      if (failure !== undefined) return failure.effect
    }
    const found = queued.result().recipients.find(({ address }) => `<${address}>` === ADDED)
    return found && handedOn(found)
  }

  /** Postfix gives the next server an ORCPT where there is none (smtp_proto.c). */
  function handedOn({ address, parameters }: QueuedAddress): string {
    const own = kind.name === 'postfix' && !parameters.some((one) => one.startsWith('ORCPT='))
    const added = own ? [`ORCPT=rfc822;${address}`] : []
    return [`<${address}>`, ...added, ...parameters].join(' ')
  }

  for (const parameters of [
    'NOTIFY=NEVER',
    'notify=success',
    'NOTIFY=DELAY,FAILURE,SUCCESS',
    'NOTIFY=SUCCESS,SUCCESS',
    'NOTIFY=NEVER,SUCCESS',
    'NOTIFY=SOMETIMES',
    'NOTIFY=SUCCESS,',
    'NOTIFY=SUCCESS,SOMETIMES',
    'NOTIFY=',
    'NOTIFY',
    'NOTIFY=NEVER NOTIFY=SUCCESS',
    'NOTIFY=SOMETIMES NOTIFY=SUCCESS',
    'ORCPT=rfc822;dave@example.org',
    'orcpt=RFC822;dave@example.org',
    'ORCPT=rfc822;d+2Bx@example.org',
    'ORCPT=rfc822;d+2bx@example.org',
    'ORCPT=rfc822;d+zz@example.org',
    'ORCPT=rfc822;a+20b',
    'ORCPT=utf-8;dave@example.org',
    'ORCPT=rfc822;',
    'ORCPT=;dave@example.org',
    'ORCPT=dave@example.org',
    'ORCPT=',
    'ORCPT',
    'ORCPT=rfc822;one@example.org ORCPT=rfc822;two@example.org',
    'ORCPT=one ORCPT=rfc822;two@example.org',
    'NOTIFY=SUCCESS ORCPT=rfc822;dave@example.org',
    'ORCPT=rfc822;dave@example.org NOTIFY=SUCCESS,DELAY',
    '  NOTIFY=SUCCESS   ORCPT=rfc822;dave@example.org  ',
    '\tNOTIFY=SUCCESS\tORCPT=rfc822;dave@example.org',
    'X-OTHER=1',
    'X-OTHER',
    'SIZE=100',
    'NOTIFY=SUCCESS X-OTHER=1',
    'X-OTHER=1 NOTIFY=SUCCESS',
    'NOTIFY=SUCCESS RRVS=2014-04-03T23:01:00Z',
    '=1 NOTIFY=SUCCESS',
    'NOTIFY =SUCCESS',
    '<>',
    'NOTIFY=SUCCESS NOTIFY=SUCCESS',
    'NOTIFY=SUCCESS,NEVER',
    'X-OTHER=1 NOTIFY',
    'NOTIFY=SOMETIMES NOTIFY',
    'ORCPT=rfc822;one@example.org ORCPT=two',
    'ORCPT=x400;a;b',
    "ORCPT=x_!#$%&'*+/?^`{|}~;dave",
    'ORCPT=a.b;dave@example.org',
    'ORCPT=rfc822;+41',
    'ORCPT=rfc822;a+00b',
    'ORCPT=utf-8;d\\x{E9}@example.org',
    'ORCPT=utf-8;d\\x{zz}@example.org',
    'ORCPT=utf-8;dé@example.org',
    'ORCPT=rfc822;dé@example.org',
    `ORCPT=rfc822;${'a'.repeat(493)}`,
    `ORCPT=rfc822;${'a'.repeat(600)}`,
  ]) {
    it(JSON.stringify(parameters), async () => {
      const edits = [{ type: 'addrcpt_par' as const, address: ADDED, parameters }]
      const found = await real(edits)
      assert.equal(modelled(edits), found)
      if (!isSent(parameters)) return
      // What a filter may send arrives, all of it.
      for (const [name] of parameters.matchAll(/\w+(?==)/g)) {
        assert.match(found ?? '', new RegExp(` ${name}=`, 'i'))
      }
    })
  }
})

/** Without DSN Sendmail takes neither of them, and nothing tells a filter. */
eachServer('a recipient added where there are no delivery status notifications', (kind) => {
  if (kind.name !== 'sendmail') return
  it('costs the client its step if it has NOTIFY', async () => {
    const filter = await RawFilter.start()
    await using server = await kind.start({
      milters: [filter.address],
      config: ["define(`confPRIVACY_FLAGS', `noreceipts')dnl"],
    })
    const edit = { type: 'addrcpt_par' as const, address: ADDED, parameters: 'NOTIFY=NEVER' }
    assert.equal(await afterRawEdits(server, filter, [edit]), 'ignored')
    filter.close()
  })
})

/** Whether the library sends it. */
function isSent(parameters: string): boolean {
  try {
    return envelopeParameters('recipient', parameters) !== undefined
  } catch {
    return false
  }
}
