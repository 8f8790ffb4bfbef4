import { Command, Step } from '../protocol/constants.ts'
import type { CommandMessage, Peer } from '../protocol/commands.ts'
import type { EditMessage, ReplyMessage } from '../protocol/replies.ts'
import { decodeText, encodeText } from '../protocol/text.ts'
import { CHUNK_SIZE } from '../protocol/constants.ts'
import type { MtaClient } from './client.ts'
import { Field, formatFields, parseMessage, type ParsedMessage } from './message.ts'

/** One message and where it comes from. */
export interface Transaction {
  readonly peer: Peer
  readonly helo: string
  readonly sender: string
  readonly recipients: readonly string[]
  /** with CRLF line ends */
  readonly message: Buffer
  /** macros to send before a command */
  readonly macros?: Partial<Record<CommandMessage['type'], Readonly<Record<string, string>>>>
}

/** One command and what became of it. */
export interface Exchange {
  readonly command: CommandMessage
  /** what was agreed on for it */
  readonly handling: 'declined' | 'silent' | 'answered'
  readonly reply: ReplyMessage | undefined
}

export interface Outcome {
  readonly exchanges: readonly Exchange[]
  /** the reply that decided about the message */
  readonly verdict: ReplyMessage
  readonly edits: readonly EditMessage[]
  readonly sender: string
  readonly recipients: readonly string[]
  /** as it would be delivered; undefined if it is not */
  readonly message: Buffer | undefined
}

const COMMAND_OF: Partial<Record<CommandMessage['type'], Command>> = {
  connect: Command.CONNECT,
  helo: Command.HELO,
  mail: Command.MAIL,
  rcpt: Command.RCPT,
  data: Command.DATA,
  eoh: Command.EOH,
  eom: Command.EOM,
}

/**
 * Plays one SMTP session with one message against a filter, the way Postfix does. The client must
 * have negotiated.
 */
export async function play(
  client: MtaClient,
  transaction: Transaction,
  onExchange: (exchange: Exchange) => void = () => {},
): Promise<Outcome> {
  const exchanges: Exchange[] = []
  const edits: EditMessage[] = []
  const steps = client.choice?.steps ?? 0
  const parsed = parseMessage(transaction.message)
  const recipients: string[] = []

  const step = async (command: CommandMessage): Promise<ReplyMessage | undefined> => {
    const macros = transaction.macros?.[command.type]
    const code = COMMAND_OF[command.type]
    if (macros !== undefined && code !== undefined) client.macros(code, macros)
    const reply = await client.command(command, (edit) => {
      if (edit.type !== 'progress') edits.push(edit as EditMessage)
    })
    const exchange = { command, handling: client.handling(command.type), reply }
    exchanges.push(exchange)
    onExchange(exchange)
    return reply
  }
  const done = (verdict: ReplyMessage): Outcome => {
    const passes = verdict.type === 'continue' || verdict.type === 'accept'
    const result = passes
      ? applyEdits(
          { ...transaction, recipients, parsed },
          edits,
          (steps & Step.HDR_LEADSPC) !== 0,
        )
      : { sender: transaction.sender, recipients, message: undefined }
    return { exchanges, verdict, edits, ...result }
  }

  for (const command of openingCommands(transaction)) {
    const reply = await step(command)
    if (reply !== undefined && isDecision(reply)) return done(reply)
  }
  for (const recipient of transaction.recipients) {
    const reply = await step({ type: 'rcpt', words: [recipient] })
    if (reply?.type === 'accept' || reply?.type === 'discard') return done(reply)
    if (reply === undefined || !isDecision(reply)) recipients.push(recipient)
    else if (recipients.length === 0 && recipient === transaction.recipients.at(-1))
      return done(reply)
  }
  for (const command of contentCommands(parsed, (steps & Step.HDR_LEADSPC) !== 0)) {
    const reply = await step(command)
    if (reply?.type === 'skip') break
    if (reply !== undefined && isDecision(reply)) return done(reply)
  }
  return done((await step({ type: 'eom', chunk: Buffer.alloc(0) }))!)
}

function isDecision(reply: ReplyMessage): boolean {
  return reply.type !== 'continue' && reply.type !== 'skip'
}

function openingCommands({ peer, helo, sender }: Transaction): CommandMessage[] {
  return [
    { type: 'connect', peer },
    { type: 'helo', name: helo },
    { type: 'mail', words: [sender] },
  ]
}

function* contentCommands(
  { fields, body }: ParsedMessage,
  leadingSpace: boolean,
): Generator<CommandMessage> {
  yield { type: 'data' }
  for (const { name, value } of fields) {
    const text = decodeText(value).replaceAll('\r\n', '\n')
    const shown = leadingSpace || !text.startsWith(' ') ? text : text.slice(1)
    yield { type: 'header', name: decodeText(name), value: shown }
  }
  yield { type: 'eoh' }
  for (let i = 0; i < body.length; i += CHUNK_SIZE) {
    yield { type: 'body', chunk: body.subarray(i, i + CHUNK_SIZE) }
  }
}

interface Envelope {
  readonly sender: string
  readonly recipients: readonly string[]
  readonly parsed: ParsedMessage
}

/** What Postfix makes of the edits, without the header it adds itself. */
function applyEdits(
  { sender, recipients, parsed }: Envelope,
  edits: readonly EditMessage[],
  leadingSpace: boolean,
): { sender: string; recipients: string[]; message: Buffer } {
  const fields = [...parsed.fields]
  const to = [...recipients]
  let from = sender
  let body: Buffer[] | undefined
  const field = (name: string | Uint8Array, value: string | Uint8Array): Field =>
    Field.of(
      encodeText(name),
      Buffer.concat([Buffer.from(leadingSpace ? '' : ' '), encodeText(value)]),
    )
  for (const edit of edits) {
    switch (edit.type) {
      case 'addheader':
        fields.push(field(edit.name, edit.value))
        break
      case 'insheader':
        // Its own Received counts for Postfix, and is not here.
        fields.splice(Math.max(0, edit.index - 1), 0, field(edit.name, edit.value))
        break
      case 'chgheader':
        changeField(fields, field(edit.name, edit.value), edit.index, edit.value.length === 0)
        break
      case 'addrcpt':
      case 'addrcpt_par':
        to.push(String(edit.address))
        break
      case 'delrcpt':
        to.splice(0, to.length, ...to.filter((one) => one !== edit.address))
        break
      case 'chgfrom':
        from = String(edit.address)
        break
      case 'replbody':
        ;(body ??= []).push(Buffer.from(edit.chunk))
        break
      case 'quarantine':
        break
    }
  }
  const message = Buffer.concat([
    formatFields(fields),
    Buffer.from('\r\n'),
    body ? Buffer.concat(body) : parsed.body,
  ])
  return { sender: from, recipients: to, message }
}

function changeField(fields: Field[], changed: Field, index: number, remove: boolean): void {
  const name = changed.name.toString('latin1').toLowerCase()
  let count = 0
  const at = fields.findIndex(
    (one) =>
      one.name.toString('latin1').toLowerCase() === name && ++count >= Math.max(index, 1),
  )
  if (at === -1) {
    if (!remove) fields.push(changed)
  } else if (remove) fields.splice(at, 1)
  else fields[at] = changed
}
