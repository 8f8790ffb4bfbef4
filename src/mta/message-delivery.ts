import { MilterError, ProtocolError } from '../errors.ts'
import type { CommandMessage } from '../protocol/commands.ts'
import { CHUNK_SIZE, Step } from '../protocol/constants.ts'
import { EDITS, type EditMessage } from '../protocol/edit-table.ts'
import { EVENTS } from '../protocol/event-table.ts'
import { wireMacroName } from '../protocol/macros.ts'
import type { ReplyMessage } from '../protocol/replies.ts'
import { decodeText } from '../protocol/text.ts'
import type { MacroStageName } from './client-options.ts'
import { MacroValues } from './macro-values.ts'
import type { MilterConnection } from './milter-connection.ts'
import type { FailureAction } from './models/failure-action.ts'
import {
  CONTENT_COMMANDS,
  OWN_RECEIVED,
  type EditFailure,
  type MacroCommand,
  type MessageResult,
  type QueuedMessage,
} from './models/model.ts'
import type { Outcome, OutcomeVerdict } from './outcome.ts'
import type { Decision, SmtpSession } from './smtp-session.ts'
import { Trace } from './trace.ts'
import type { CompleteTransaction } from './transaction.ts'

/** The options of the client that matter for messages. */
export interface DeliveryOptions {
  readonly onFailure: FailureAction
  readonly macroLists: Partial<Record<MacroStageName, readonly string[]>> | undefined
  /** whether the outcome has the server's own Received field */
  readonly received: boolean
}

/**
 * One message of an SMTP session, between the mail server and the filter: the commands and macros in their order, the
 * meaning of the answers, and the outcome.
 */
export class MessageDelivery {
  readonly #transaction: CompleteTransaction
  readonly #options: DeliveryOptions
  readonly #session: SmtpSession
  readonly #connection: MilterConnection
  readonly #macros: MacroValues
  readonly #edits: EditMessage[] = []
  readonly #ignored: { edit: EditMessage; reason: string }[] = []
  readonly #refused: { address: string; reply: string }[] = []
  readonly #violationStart: number
  #queued: QueuedMessage | undefined
  /** the edit for which the server fails the message, such as a new body in parts */
  #failedEdit: EditFailure | undefined

  constructor(
    session: SmtpSession,
    connection: MilterConnection,
    transaction: CompleteTransaction,
    options: DeliveryOptions,
  ) {
    this.#session = session
    this.#connection = connection
    this.#transaction = transaction
    this.#options = options
    this.#macros = new MacroValues(connection.model, transaction)
    this.#violationStart = connection.violations.length
  }

  async run(): Promise<Outcome> {
    try {
      return await this.#play()
    } catch (error) {
      if (!(error instanceof MilterError)) throw error
      return this.#failed(error)
    }
  }

  async #play(): Promise<Outcome> {
    const before = await this.#session.begin(
      this.#transaction,
      async (stage, command) => await this.#send(stage, command),
    )
    if (before?.kind === 'refuse') return this.#refusal(before)
    if (before?.kind === 'accept') return this.#passed('eom')
    for (const line of this.#transaction.unknown) {
      const shown = this.#connection.model.unknownLine(line)
      const answer = await this.#send('unknown', { type: 'unknown', line: shown })
      if (answer === undefined || !this.#connection.model.takesForUnknown(answer.reply))
        continue
      if (this.#endsSession(answer)) return this.#refusal(answer)
    }
    this.#session.messageBegins()
    const decision = await this.#envelope()
    if (decision !== undefined) {
      this.#session.messageEnds(decision)
      return this.#decided(decision)
    }
    const refusal = this.#connection.model.refusal(this.#transaction.message)
    if (refusal !== undefined) {
      this.#session.messageEnds()
      return this.#refusal({ kind: 'refuse', stage: 'data', reply: refusal, unheard: true })
    }
    this.#queued = this.#receive()
    const early = await this.#content(this.#queued)
    if (early !== undefined) {
      this.#session.messageEnds()
      return this.#decided(early)
    }
    const last = await this.#send('eom', { type: 'eom', chunk: EMPTY })
    this.#session.messageEnds()
    const passes = last === undefined || last.kind === 'accept'
    if (this.#failedEdit?.effect === 'crash') return this.#crashed(this.#failedEdit.reason)
    // Sendmail fails only a message that would otherwise pass. Postfix does not read on up to the verdict.
    if (
      this.#failedEdit !== undefined &&
      (passes || this.#connection.model.failsFilterForEdits)
    )
      return this.#refusedEdit(this.#failedEdit.reason)
    return passes ? this.#passed('eom') : this.#decided(last)
  }

  async #envelope(): Promise<Decision | undefined> {
    const { sender, recipients } = this.#transaction
    const mail = await this.#send(
      'mail',
      {
        type: 'mail',
        words: [`<${sender.address}>`, ...sender.parameters],
      },
      `<${sender.address}>`,
    )
    if (mail !== undefined) return mail
    let last: Decision | undefined
    for (const recipient of recipients) {
      this.#macros.recipient = recipient
      const answer = await this.#recipient(recipient)
      if (answer === undefined) this.#macros.accepted++
      else if (answer.kind === 'refuse') {
        this.#refused.push({ address: recipient.address, reply: answer.reply })
        last = answer
        if (this.#endsSession(answer)) return answer
      } else return answer
    }
    if (this.#macros.accepted === 0) return last
    return await this.#send('data', { type: 'data' })
  }

  async #recipient(
    recipient: CompleteTransaction['recipients'][number],
  ): Promise<Decision | undefined> {
    const words = [`<${recipient.address}>`, ...recipient.parameters]
    const shown = this.#connection.agreed(Step.RCPT_REJ)
    const refused = recipient.refused
    if (refused === undefined)
      return await this.#send('rcpt', { type: 'rcpt', words }, words[0])
    // The server's own refusal stands, whatever the filter answers.
    if (shown) await this.#send('rcpt', { type: 'rcpt', words }, words[0])
    return { kind: 'refuse', stage: 'rcpt', reply: refused }
  }

  #receive(): QueuedMessage {
    const { sender, recipients, message } = this.#transaction
    const refused = new Set(this.#refused.map(({ address }) => address))
    return this.#connection.model.queue({
      sender,
      recipients: recipients.filter(({ address }) => !refused.has(address)),
      fields: message.fields,
      body: message.body,
      added: this.#macros.added,
    })
  }

  async #content(queued: QueuedMessage): Promise<Decision | undefined> {
    const leadingSpace = this.#leadingSpace
    let skipBody = false
    for (const field of queued.shown()) {
      const value = decodeText(field.value)
      const shown = leadingSpace || !value.startsWith(' ') ? value : value.slice(1)
      const answer = await this.#step('header', {
        type: 'header',
        name: decodeText(field.name),
        value: shown,
      })
      if (answer === 'skip') {
        if (this.#connection.model.skipAtHeader === 'header') break
        skipBody = true
      } else if (answer !== undefined) return answer
    }
    const end = await this.#send('eoh', { type: 'eoh' })
    if (end !== undefined) return end
    const body = skipBody ? EMPTY : queued.body
    for (let i = 0; i < body.length; i += CHUNK_SIZE) {
      const chunk = body.subarray(i, i + CHUNK_SIZE)
      const answer = await this.#step('body', { type: 'body', chunk })
      if (answer === 'skip') break
      if (answer !== undefined) return answer
    }
    return undefined
  }

  get #leadingSpace(): boolean {
    return this.#connection.agreed(Step.HDR_LEADSPC)
  }

  /** Sends a command with its macros, and returns the meaning of its answer. A misplaced SKIP means "continue". */
  async #send(
    stage: MacroCommand,
    command: CommandMessage,
    address?: string,
  ): Promise<Decision | undefined> {
    const answer = await this.#step(stage, command, address)
    return answer === 'skip' ? undefined : answer
  }

  async #step(
    stage: MacroCommand,
    command: CommandMessage,
    address?: string,
  ): Promise<Decision | 'skip' | undefined> {
    this.#sendMacros(stage)
    const reply = await this.#connection.command(command, (edit) => this.#edit(edit))
    return reply === undefined ? undefined : this.#decide(stage, reply, address)
  }

  #sendMacros(stage: MacroCommand): void {
    const { model, choice } = this.#connection
    // Macros of the content are sent only with their command. The others are sent even if the command is declined.
    if (CONTENT_COMMANDS.has(stage) && this.#connection.handling(stage) === 'declined') return
    if (!this.#connection.knows(stage)) return
    const asked = choice?.macros?.get(EVENTS[LIST_OF[stage]].macros!)
    const configured = this.#options.macroLists?.[LIST_OF[stage]]
    const wanted = stage === 'unknown' ? [] : this.#list(stage, asked, configured)
    if (wanted.length === 0 && !model.sendsEmptyMacros) return
    const pairs = this.#macros.pairs(stage, wanted)
    // A name that the filter asked for twice is sent twice.
    this.#connection.notify({
      type: 'macro',
      command: EVENTS[stage].command,
      pairs: pairs.map(([name, value]) => [wireMacroName(name), value]),
    })
  }

  #list(
    stage: MacroCommand,
    asked: readonly string[] | undefined,
    configured: readonly string[] | undefined,
  ): readonly string[] {
    const { model } = this.#connection
    const usual = model.macros[stage]
    // Sendmail sends no macros before header and body, whatever the filter asks for.
    if ((stage === 'header' || stage === 'body') && usual.length === 0) return usual
    // Postfix ignores an empty list. For Sendmail it means "no macros".
    if (asked !== undefined && (asked.length > 0 || model.name === 'sendmail')) return asked
    return configured ?? usual
  }

  #edit(edit: EditMessage): void {
    this.#edits.push(edit)
    const failure = this.#queued?.apply(edit, {
      leadingSpace: this.#leadingSpace,
      mayReplaceBody: ((this.#connection.choice?.actions ?? 0) & EDITS.replbody.action) !== 0,
    })
    if (failure === undefined) return
    if (failure.effect !== 'ignored') this.#failedEdit ??= failure
    this.#ignored.push({ edit, reason: failure.reason })
  }

  #decide(
    stage: MacroCommand,
    reply: ReplyMessage,
    address: string | undefined,
  ): Decision | 'skip' | undefined {
    const { model } = this.#connection
    switch (reply.type) {
      case 'continue':
        return undefined
      case 'skip':
        return 'skip'
      case 'accept':
        return { kind: 'accept', stage, reply: '' }
      case 'discard':
        return { kind: 'discard', stage, reply: '' }
      case 'shutdown':
        if (model.shutdown === 'unknown')
          throw this.#connection.fail('UNEXPECTED_REPLY', `shutdown in answer to ${stage}`)
        if (model.shutdown === 'loses content' && CONTENT_COMMANDS.has(stage))
          return { kind: 'discard', stage, reply: '' }
        return {
          kind: 'refuse',
          stage,
          reply: model.reply(reply.type, stage, address),
          unheard: !CONTENT_COMMANDS.has(stage),
        }
      case 'reject':
      case 'tempfail':
        return { kind: 'refuse', stage, reply: model.reply(reply.type, stage, address) }
      case 'replycode': {
        const text = this.#connection.replyText
        return { kind: 'refuse', stage, reply: model.ownReply(text, stage, address) }
      }
      default:
        return undefined
    }
  }

  /** Whether the server closes the session with this reply. */
  #endsSession({ kind, reply }: Decision): boolean {
    const { hangsUpAfter } = this.#connection.model
    return kind === 'refuse' && hangsUpAfter.includes(reply.slice(0, 3))
  }

  // ---- outcomes

  #decided(decision: Decision): Outcome {
    if (decision.kind === 'refuse') return this.#refusal(decision)
    if (decision.kind === 'accept') return this.#passed(decision.stage)
    return this.#outcome('discard', this.#macros.acceptance, decision.stage, undefined)
  }

  #refusal(decision: Decision): Outcome {
    if (this.#endsSession(decision)) this.#session.hangUp(decision)
    const { stage, reply } = decision
    return this.#outcome(reply.startsWith('4') ? 'tempfail' : 'reject', reply, stage, undefined)
  }

  #passed(stage: MacroCommand): Outcome {
    const { received } = this.#options
    const result = (this.#queued ?? this.#receive()).result(received ? OWN_RECEIVED : undefined)
    const verdict = result.quarantine === undefined ? 'accept' : 'quarantine'
    return this.#outcome(verdict, this.#macros.acceptance, stage, result)
  }

  /** Postfix gives up the filter, and Sendmail only the message. */
  #refusedEdit(reason: string): Outcome {
    const { model } = this.#connection
    if (model.failsFilterForEdits) throw this.#connection.fail('EDIT_REFUSED', reason)
    const failure = new ProtocolError('EDIT_REFUSED', `the filter sent ${reason}`)
    const reply = model.reply('tempfail', 'eom')
    return { ...this.#outcome('tempfail', reply, 'eom', undefined), failure }
  }

  /** The server's process for this client has died: the client gets no reply, and tries again later. */
  #crashed(reason: string): Outcome {
    const failure = new ProtocolError('EDIT_REFUSED', `the filter sent ${reason}`)
    this.#session.hangUp({ kind: 'refuse', stage: 'eom', reply: '', unheard: true })
    return { ...this.#outcome('tempfail', '', 'eom', undefined), failure }
  }

  #failed(error: MilterError): Outcome {
    const { model } = this.#connection
    const { onFailure } = this.#options
    const misconfigured = CONFIGURATION.has(error.code) && model.name === 'postfix'
    const stage = this.#stageOfFailure()
    if (onFailure === 'accept') return this.#passed(stage)
    if (onFailure === 'quarantine') {
      return {
        ...this.#passed(stage),
        verdict: 'quarantine',
        quarantine: 'the filter has failed',
      }
    }
    const { sender, recipients } = this.#transaction
    const reply = model.failureReply(onFailure, {
      at: stage,
      misconfigured,
      sender: `<${sender.address}>`,
      lastRecipient: `<${recipients.at(-1)!.address}>`,
    })
    return this.#refusal({ kind: 'refuse', stage, reply })
  }

  /** The command that was sent last. */
  #stageOfFailure(): MacroCommand {
    const sent = this.#connection.trace.entries.findLast(
      ({ from, message }) => from === 'mta' && message !== undefined && message.type in EVENTS,
    )
    return (sent?.message?.type as MacroCommand | undefined) ?? 'connect'
  }

  #outcome(
    verdict: OutcomeVerdict,
    reply: string,
    stage: MacroCommand,
    result: MessageResult | undefined,
  ): Outcome {
    const trace = new Trace()
    trace.entries.push(...this.#connection.trace.entries)
    const envelope = {
      sender: result?.sender ?? this.#transaction.sender,
      recipients: result?.recipients ?? this.#transaction.recipients,
    }
    return {
      verdict,
      reply,
      closed: this.#session.hungUp,
      stage,
      message: result?.message,
      sender: envelope.sender.address,
      recipients: result === undefined ? [] : envelope.recipients.map(({ address }) => address),
      envelope: {
        sender: envelope.sender,
        recipients: result === undefined ? [] : envelope.recipients,
      },
      refused: this.#refused,
      quarantine: result?.quarantine,
      edits: this.#edits,
      ignored: this.#ignored,
      failure: this.#connection.failure,
      violations: this.#connection.violations.slice(this.#violationStart),
      trace,
    }
  }
}

const EMPTY = Buffer.alloc(0)

/** Failures that Postfix takes for an error in its own configuration. */
const CONFIGURATION: ReadonlySet<string> = new Set(['INVALID_REPLY', 'EDIT_REFUSED'])

/** Postfix sends the macros of eoh before each header, and those of eom before each chunk. */
const LIST_OF = {
  connect: 'connect',
  helo: 'helo',
  mail: 'mail',
  rcpt: 'rcpt',
  data: 'data',
  header: 'eoh',
  eoh: 'eoh',
  body: 'eom',
  eom: 'eom',
  unknown: 'connect',
} as const
