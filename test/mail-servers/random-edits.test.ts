import assert from 'node:assert/strict'
import { it } from 'node:test'
import { inspect, isDeepStrictEqual } from 'node:util'
import { createTwoFilesPatch } from 'diff'
import { fc } from '../support/property.ts'
import { parseMessage } from '../../src/mta/message.ts'
import { envelopeAddress } from '../../src/mta/models/envelope.ts'
import { mailServerModel } from '../../src/mta/models/mail-server-model.ts'
import {
  OWN_RECEIVED,
  type AddedFields,
  type QueuedAddress,
  type MailServerModel,
  type ReceivedMessage,
} from '../../src/mta/models/model.ts'
import { editCase, type EditCase } from '../support/edit-cases.ts'
import { installedModel } from './support/installed.ts'
import type { MailServer } from './support/mail-server.ts'
import type { RawFilter } from './support/raw-filter.ts'
import { rawServer } from './support/raw-server.ts'
import { SmtpClient } from './support/smtp.ts'
import type { Delivered } from './support/sink.ts'
import { eachServer, withReceived } from './support/stack.ts'
import { SEED } from '../support/seed.ts'

/** How many cases; TSMILTER_EDIT_CASES asks for more (or fewer), TSMILTER_SEED repeats a run. */
const CASES = Number(process.env['TSMILTER_EDIT_CASES'] ?? 500)

/** In the place of the server's own, so that its place is compared too. */
const RECEIVED = `${OWN_RECEIVED.raw.toString('latin1')}\r\n`

/**
 * The same random edits go through the real server and through its model: what arrives must be equal
 * byte for byte.
 */
eachServer('random edits', (kind) => {
  const behind = rawServer(kind)
  const model = mailServerModel(installedModel(kind.name))

  it(`${CASES} cases, seed ${SEED}`, async () => {
    await fc.assert(
      fc.asyncProperty(editCase, async (one) => {
        const real = await sendThrough(behind.server, behind.filter, one)
        const expected = await modelled(model, one, real.delivered)
        const difference = differences(real.outcome, expected)
        if (difference !== '') throw new Error(`${describeCase(one)}\n${difference}`)
      }),
      { numRuns: CASES, seed: SEED, includeErrorInReport: true, reporter },
    )
  })
})

/** The smallest case that fails, and nothing else. */
function reporter(run: fc.RunDetails<[EditCase]>): void {
  if (!run.failed) return
  const cause =
    run.errorInstance instanceof Error ? run.errorInstance.message : run.errorInstance
  throw new Error(`seed ${run.seed}, path ${run.counterexamplePath}:\n${String(cause)}`)
}

function describeCase(one: EditCase): string {
  const edits = one.edits.map((edit) =>
    inspect(
      Object.fromEntries(
        Object.entries(edit).map(([key, value]) => [
          key,
          value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
        ]),
      ),
      { breakLength: Infinity },
    ),
  )
  return [
    `from ${one.sender} to ${one.recipients.join(', ')}, leading space ${one.leadingSpace}`,
    JSON.stringify(one.message.toString('latin1').slice(0, 1000)),
    ...edits,
  ].join('\n')
}

function differences(real: Result, model: Result): string {
  if (isDeepStrictEqual(real, model)) return ''
  const lines = (result: Result): string =>
    inspect({ ...result, message: result.message?.split('\r\n') }, { depth: 5, compact: false })
  return createTwoFilesPatch('real', 'model', lines(real), lines(model), '', '', { context: 2 })
}

interface Result {
  readonly reply: string
  readonly shown: { headers: unknown; body: string }
  readonly sender?: unknown
  readonly recipients?: unknown
  readonly message?: string
}

async function sendThrough(
  server: MailServer,
  filter: RawFilter,
  one: EditCase,
): Promise<{ outcome: Result; delivered: Delivered | undefined }> {
  filter.edits = one.edits
  filter.leadingSpace = one.leadingSpace
  const client = await SmtpClient.connect(server.port)
  let reply: string
  try {
    await client.command('EHLO client.test')
    const { data } = await client.send({
      from: one.sender,
      to: one.recipients,
      message: one.message,
    })
    reply = data!.text.slice(0, 3)
  } catch (error) {
    // A server that has crashed.
    if (!/closed|failed/.test((error as Error).message)) throw error
    reply = ''
  } finally {
    client.close()
  }
  const shown = {
    headers: filter.shown.headers,
    body: filter.shown.body.toString('latin1'),
  }
  if (reply !== '250') return { outcome: { reply, shown }, delivered: undefined }
  await server.idle()
  const delivered = server.sink.messages.splice(0)
  if (delivered.length === 0)
    return { outcome: { reply, shown, recipients: [] }, delivered: undefined }
  assert.equal(delivered.length, 1)
  const arrived = delivered[0]!
  return {
    outcome: {
      reply,
      shown,
      sender: described(envelopeAddress(wordsOf(arrived.sender))),
      recipients: arrived.recipients
        .map((to) => described(envelopeAddress(wordsOf(to))))
        .sort(),
      message: withReceived(arrived, RECEIVED).toString('latin1'),
    },
    delivered: arrived,
  }
}

async function modelled(
  model: MailServerModel,
  one: EditCase,
  delivered: Delivered | undefined,
): Promise<Result> {
  const { fields, body } = parseMessage(one.message)
  const received: ReceivedMessage = {
    sender: envelopeAddress([one.sender]),
    recipients: one.recipients.map((to) => envelopeAddress([to])),
    fields,
    body,
    added: addedFields(delivered),
  }
  const queued = model.queue(received)
  const shown = {
    headers: queued.shown().map((field) => {
      const value = field.value.toString('latin1')
      const hidden = !one.leadingSpace && value.startsWith(' ')
      return [field.name.toString('latin1'), hidden ? value.slice(1) : value]
    }),
    body: queued.body.toString('latin1'),
  }
  for (const edit of one.edits) {
    const failure = queued.apply(edit, { leadingSpace: one.leadingSpace, mayReplaceBody: true })
    if (failure?.effect === 'tempfail') return { reply: '451', shown }
    if (failure?.effect === 'crash') return { reply: '', shown }
  }
  const { sender, recipients, message } = queued.result(OWN_RECEIVED)
  if (recipients.length === 0) return { reply: '250', shown, recipients: [] }
  return {
    reply: '250',
    shown,
    sender: described(sender),
    recipients: recipients.map(described).sort(),
    message: message.toString('latin1'),
  }
}

/** An address and its parameters; there may be spaces in quotes. */
const wordsOf = (text: string): string[] => text.match(/(?:"(?:\\.|[^"\\])*"|\S)+/g) ?? []

/** SIZE, BODY and ORCPT are added by the hop to the next server. */
function described({ address, parameters }: QueuedAddress): string {
  const kept = parameters.filter((one) => !/^(?:SIZE|BODY|ORCPT|SMTPUTF8)\b/i.test(one))
  return [address, ...kept.sort()].join(' ')
}

/** What Sendmail wrote where the client had written nothing: known only afterwards. */
function addedFields(delivered: Delivered | undefined): AddedFields {
  const text = delivered?.data.toString('latin1') ?? ''
  return {
    host: 'mx.sendmail.test',
    date: /^(?:Resent-)?Date: (\w{3}, \d+ \w{3} \d{4} [\d:]+ GMT)\r$/m.exec(text)?.[1],
    messageId: /^(?:Resent-)?Message-Id: (<\w+\.\w+@mx\.sendmail\.test>)\r$/m.exec(text)?.[1],
  }
}
