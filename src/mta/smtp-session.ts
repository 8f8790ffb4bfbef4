import { MilterError, ProtocolError } from '../errors.ts'
import type { CommandMessage } from '../protocol/commands.ts'
import { CHUNK_SIZE, Step } from '../protocol/constants.ts'
import { wireMacroName } from '../protocol/macros.ts'
import { EDITS, type EditMessage } from '../protocol/edit-table.ts'
import { EVENTS } from '../protocol/event-table.ts'
import type { ReplyMessage } from '../protocol/replies.ts'
import { decodeText } from '../protocol/text.ts'
import type { MtaClient } from './client.ts'
import { MacroValues } from './macro-values.ts'
import {
  CONTENT_COMMANDS,
  OWN_RECEIVED,
  type EditFailure,
  type MacroCommand,
  type MessageResult,
  type QueuedMessage,
} from './models/model.ts'
import type { Outcome, OutcomeVerdict } from './outcome.ts'
import { Trace } from './trace.ts'
import {
  completeTransaction,
  type CompleteTransaction,
  type Transaction,
} from './transaction.ts'

/** The end of a message before its time, or of the whole session. */
interface Decision {
  readonly kind: 'accept' | 'discard' | 'refuse'
  readonly stage: MacroCommand
  readonly reply: string
  /** the filter is not told that the session is over: its connection is closed without ABORT and QUIT */
  readonly unheard?: boolean
}

/**
 * One SMTP session as a mail server has it with a client, seen from the filter: which commands, with
 * which macros, in which order, and what the answers mean.
 */
export class SmtpSession {
  readonly #client: MtaClient
  /** a verdict on the whole session */
  #decision: Decision | undefined
  #hungUp = false
  #helo: string | null | undefined
  #connected = false
  #messages = 0
  /** MAIL was sent and nothing has ended the message yet */
  #open = false

  constructor(client: MtaClient) {
    this.#client = client
  }

  async deliver(given: Transaction): Promise<Outcome> {
    const transaction = completeTransaction(given, this.#client.model)
    return await new Delivery(this, this.#client, transaction).run()
  }

  /** CONNECT and HELO, where they have not been yet. */
  async begin(delivery: Delivery): Promise<Decision | undefined> {
    if (this.#client.choice === undefined) await this.#client.negotiate()
    const { peer, helo } = delivery.transaction
    if (!this.#connected) {
      this.#connected = true
      this.#settle(await delivery.step('connect', { type: 'connect', peer }))
    }
    if (this.#decision === undefined && helo !== null && helo !== this.#helo) {
      if (this.#open && !this.#client.model.abortsBetweenMessages) this.#abort()
      this.#helo = helo
      this.#settle(await delivery.step('helo', { type: 'helo', name: helo }))
    }
    return this.#decision
  }

  #settle(decision: Decision | undefined): void {
    if (decision === undefined) return
    const { model } = this.#client
    // DISCARD has no meaning for a session: for Sendmail the filter is done, at CONNECT.
    if (decision.kind === 'discard' && (model.name === 'postfix' || decision.stage === 'helo'))
      return
    this.#decision = decision.kind === 'discard' ? { ...decision, kind: 'accept' } : decision
    const how = model.leaves[this.#decision.kind === 'accept' ? 'accepted' : 'refused']
    if (how !== 'at the end') this.#client.leave(how)
  }

  messageBegins(): void {
    if (this.#messages++ > 0 && this.#client.model.abortsBetweenMessages) this.#abort()
    this.#open = true
  }

  /**
   * Sendmail aborts a message that this filter has discarded at RCPT or DATA, if it answers MAIL; one that is
   * over for another reason needs no ABORT. Postfix sends it when the next one begins.
   */
  messageEnds(decision?: Decision): void {
    this.#open = false
    if (this.#client.model.abortsBetweenMessages) return
    if (decision?.kind !== 'discard' || decision.stage === 'mail') return
    if (this.#client.handling('mail') === 'answered') this.#abort()
  }

  /** What Postfix sends before QUIT once there was a message; Sendmail nothing. */
  beforeQuit(): void {
    if (this.#messages === 0 || !this.#client.model.abortsBetweenMessages) return
    // One when the message is reset, one when the session is.
    this.#abort()
    this.#abort()
  }

  /** The server ends the session, and with it everything that would come: Postfix resets it, with ABORT. */
  hangUp(decision: Decision): void {
    if (this.#hungUp) return
    this.#hungUp = true
    if (this.#client.failure !== undefined || decision.unheard === true) {
      this.#decision ??= decision
      this.#client.leave('silently')
      return
    }
    if (this.#decision === undefined) {
      if (this.#messages === 0 && this.#client.model.abortsBetweenMessages) this.#abort()
      this.beforeQuit()
      this.#decision = decision
    }
    this.#client.leave()
  }

  /** With 421, or as the server does; for later messages of the session the client is told nothing more. */
  get hungUp(): boolean {
    return this.#hungUp
  }

  #abort(): void {
    if (this.#decision === undefined) this.#client.notify({ type: 'abort' })
  }
}

/** One message in a session. */
class Delivery {
  readonly transaction: CompleteTransaction
  readonly #session: SmtpSession
  readonly #client: MtaClient
  readonly #macros: MacroValues
  readonly #edits: EditMessage[] = []
  readonly #ignored: { edit: EditMessage; reason: string }[] = []
  readonly #refused: { address: string; reply: string }[] = []
  readonly #violationStart: number
  #queued: QueuedMessage | undefined
  /** what the server fails the message for: a new body in parts, or the like */
  #spoilt: EditFailure | undefined

  constructor(session: SmtpSession, client: MtaClient, transaction: CompleteTransaction) {
    this.#session = session
    this.#client = client
    this.transaction = transaction
    this.#macros = new MacroValues(client.model, transaction)
    this.#violationStart = client.violations.length
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
    const before = await this.#session.begin(this)
    if (before?.kind === 'refuse') return this.#refusal(before)
    if (before?.kind === 'accept') return this.#passed('eom')
    for (const line of this.transaction.unknown) {
      const shown = this.#client.model.unknownLine(line)
      const answer = await this.step('unknown', { type: 'unknown', line: shown })
      if (answer === undefined || !this.#client.model.takesForUnknown(answer.reply)) continue
      if (this.#endsSession(answer)) return this.#refusal(answer)
    }
    this.#session.messageBegins()
    const decision = await this.#envelope()
    if (decision !== undefined) {
      this.#session.messageEnds(decision)
      return this.#decided(decision)
    }
    const refusal = this.#client.model.refusal(this.transaction.message)
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
    const last = await this.step('eom', { type: 'eom', chunk: EMPTY })
    this.#session.messageEnds()
    const passes = last === undefined || last.kind === 'accept'
    if (this.#spoilt?.effect === 'crash') return this.#crashed(this.#spoilt.reason)
    // Sendmail fails only a message that would pass; Postfix does not read on to the verdict.
    if (this.#spoilt !== undefined && (passes || this.#client.model.failsFilterForEdits))
      return this.#refusedEdit(this.#spoilt.reason)
    return passes ? this.#passed('eom') : this.#decided(last)
  }

  async #envelope(): Promise<Decision | undefined> {
    const { sender, recipients } = this.transaction
    const mail = await this.step(
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
    return await this.step('data', { type: 'data' })
  }

  async #recipient(
    recipient: CompleteTransaction['recipients'][number],
  ): Promise<Decision | undefined> {
    const words = [`<${recipient.address}>`, ...recipient.parameters]
    const shown = this.#client.agreed(Step.RCPT_REJ)
    const refused = recipient.refused
    if (refused === undefined) return await this.step('rcpt', { type: 'rcpt', words }, words[0])
    // The server's own refusal stands, whatever the filter says to it.
    if (shown) await this.step('rcpt', { type: 'rcpt', words }, words[0])
    return { kind: 'refuse', stage: 'rcpt', reply: refused }
  }

  #receive(): QueuedMessage {
    const { sender, recipients, message } = this.transaction
    const refused = new Set(this.#refused.map(({ address }) => address))
    return this.#client.model.queue({
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
        if (this.#client.model.skipAtHeader === 'header') break
        skipBody = true
      } else if (answer !== undefined) return answer
    }
    const end = await this.step('eoh', { type: 'eoh' })
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
    return this.#client.agreed(Step.HDR_LEADSPC)
  }

  /** A command with its macros, and what its answer means. SKIP is to go on, where it cannot be. */
  async step(
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
    const reply = await this.#client.command(command, (edit) => this.#edit(edit))
    return reply === undefined ? undefined : this.#decide(stage, reply, address)
  }

  #sendMacros(stage: MacroCommand): void {
    const { model, options, choice } = this.#client
    // Macros of the content go with their command only; the others also where it is declined.
    if (CONTENT_COMMANDS.has(stage) && this.#client.handling(stage) === 'declined') return
    if (!this.#client.knows(stage)) return
    const asked = choice?.macros?.get(EVENTS[LIST_OF[stage]].macros!)
    const configured = options.macroLists?.[LIST_OF[stage]]
    const wanted = stage === 'unknown' ? [] : this.#list(stage, asked, configured)
    if (wanted.length === 0 && !model.sendsEmptyMacros) return
    const pairs = this.#macros.pairs(stage, wanted)
    // A name that was asked for twice comes twice.
    this.#client.notify({
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
    const { model } = this.#client
    const usual = model.macros[stage]
    // Sendmail sends none before header and body, whatever is asked for.
    if ((stage === 'header' || stage === 'body') && usual.length === 0) return usual
    // An empty wish is none for Postfix, and "no macros" for Sendmail.
    if (asked !== undefined && (asked.length > 0 || model.name === 'sendmail')) return asked
    return configured ?? usual
  }

  #edit(edit: EditMessage): void {
    this.#edits.push(edit)
    const failure = this.#queued?.apply(edit, {
      leadingSpace: this.#leadingSpace,
      mayReplaceBody: ((this.#client.choice?.actions ?? 0) & EDITS.replbody.action) !== 0,
    })
    if (failure === undefined) return
    if (failure.effect !== 'ignored') this.#spoilt ??= failure
    this.#ignored.push({ edit, reason: failure.reason })
  }

  #decide(
    stage: MacroCommand,
    reply: ReplyMessage,
    address: string | undefined,
  ): Decision | 'skip' | undefined {
    const { model } = this.#client
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
          throw this.#client.fail('UNEXPECTED_REPLY', `shutdown in answer to ${stage}`)
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
        const text = this.#client.replyText
        return { kind: 'refuse', stage, reply: model.ownReply(text, stage, address) }
      }
      default:
        return undefined
    }
  }

  /** The server hangs up with this one: the client says nothing more. */
  #endsSession({ kind, reply }: Decision): boolean {
    const { hangsUpAfter } = this.#client.model
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
    const { received = false } = this.#client.options
    const result = (this.#queued ?? this.#receive()).result(received ? OWN_RECEIVED : undefined)
    const verdict = result.quarantine === undefined ? 'accept' : 'quarantine'
    return this.#outcome(verdict, this.#macros.acceptance, stage, result)
  }

  /** Postfix gives the filter up for it, Sendmail only the message. */
  #refusedEdit(reason: string): Outcome {
    const { model } = this.#client
    if (model.failsFilterForEdits) throw this.#client.fail('EDIT_REFUSED', reason)
    const failure = new ProtocolError('EDIT_REFUSED', `the filter sent ${reason}`)
    const reply = model.reply('tempfail', 'eom')
    return { ...this.#outcome('tempfail', reply, 'eom', undefined), failure }
  }

  /** The server's process for this client has died: the client hears nothing, and comes again later. */
  #crashed(reason: string): Outcome {
    const failure = new ProtocolError('EDIT_REFUSED', `the filter sent ${reason}`)
    this.#session.hangUp({ kind: 'refuse', stage: 'eom', reply: '', unheard: true })
    return { ...this.#outcome('tempfail', '', 'eom', undefined), failure }
  }

  #failed(error: MilterError): Outcome {
    const { model, onFailure } = this.#client
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
    const { sender, recipients } = this.transaction
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
    const sent = this.#client.trace.entries.findLast(
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
    trace.entries.push(...this.#client.trace.entries)
    const envelope = {
      sender: result?.sender ?? this.transaction.sender,
      recipients: result?.recipients ?? this.transaction.recipients,
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
      failure: this.#client.failure,
      violations: this.#client.violations.slice(this.#violationStart),
      trace,
    }
  }
}

const EMPTY = Buffer.alloc(0)

/** Failures that Postfix takes for a wrong set-up of its own. */
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
