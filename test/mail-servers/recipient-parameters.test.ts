import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { mailServerModel } from '../../src/mta/models/mail-server-model.ts'
import type { QueuedAddress } from '../../src/mta/models/model.ts'
import type { EditMessage } from '../../src/protocol/index.ts'
import { installedModel } from './support/installed.ts'
import type { MailServer } from './support/mail-server.ts'
import { RawFilter } from './support/raw-filter.ts'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, message, TO } from './support/stack.ts'

const ADDED = '<dave@example.test>'

/** What becomes of the ESMTP parameters of a recipient that a filter adds: the real server and its model. */
eachServer('a recipient added with', (kind) => {
  let filter: RawFilter
  let server: MailServer
  const model = mailServerModel(installedModel(kind.name))
  before(async () => {
    filter = await RawFilter.start()
    server = await kind.start({ milters: [filter.address] })
  })
  after(async () => {
    await server.stop()
    filter.close()
  })

  /** The recipient as it is handed on, undefined if it is not there; or how the server fails. */
  async function real(edits: readonly EditMessage[]): Promise<string | undefined> {
    filter.edits = edits
    const client = await SmtpClient.connect(server.port)
    try {
      await client.command('EHLO client.test')
      const { data } = await client.send({ from: FROM, to: [TO], message: message() })
      // A line of Sendmail's for debugging; the reply comes after it.
      if (data!.text.startsWith('olderrors=')) return 'ignored'
      assert.equal(data!.code, 250, data!.text)
    } catch (error) {
      if (!/closed the connection/.test((error as Error).message)) throw error
      return 'crash'
    } finally {
      client.close()
      await server.idle()
    }
    const [arrived] = server.sink.messages
    return arrived!.recipients.find((one) => one.startsWith(ADDED))
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
  ]) {
    it(JSON.stringify(parameters), async () => {
      const edits = [{ type: 'addrcpt_par' as const, address: ADDED, parameters }]
      server.sink.messages.splice(0)
      assert.equal(modelled(edits), await real(edits))
    })
  }
})
