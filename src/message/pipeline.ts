import { MilterError, type InterruptedError } from '../errors.ts'
import { isThenable } from '../milter/answer.ts'
import { channels } from '../diagnostics/channels.ts'
import {
  keepsLeadingSpace,
  type LiveConnectionContext,
  type LiveMessageContext,
} from '../milter/context.ts'
import type { AnyHandler, FilterObject, HandlerTable } from '../milter/filter-object.ts'
import type { MessageLimits } from '../options/types.ts'
import type { FilterSettings } from '../milter/options.ts'
import { Action } from '../protocol/constants.ts'
import type { HeaderView } from '../protocol/commands.ts'
import { formatSmtpReply } from '../protocol/smtp-reply.ts'
import type { MaybePromise } from '../session/events.ts'
import { ACCEPT, CONTINUE, endsMessage, reply, type Verdict } from '../session/verdict.ts'
import type { FilterSet, PipelineEvents } from './filter-set.ts'
import type { ComposedFilter } from './definition.ts'
import type { FilterStage } from './stage-context.ts'
import { EnvelopeAddress, type EnvelopeWords } from '../milter/envelope/envelope-address.ts'
import { recordOf } from './field-record.ts'
import { FilterCalls } from './filter-calls.ts'
import { LiveMail } from './mail.ts'
import { OpenMessage } from './open-message.ts'
import { describePlan, planMail, sendPlan } from './plan/plan.ts'
import { LiveStageContext } from './live-stage-context.ts'

/**
 * Runs whole-message filters on one SMTP session. It collects the message, calls each filter at its stages with the
 * mail as the filters before have left it, and sends the edits of all of them at the end.
 *
 * The result is the same as if the mail server called the filters one after the other: the first refusal wins, ACCEPT
 * is for its own filter only, and each filter sees the edits of those before.
 */
export class Pipeline implements FilterObject, PipelineEvents {
  readonly handlers: HandlerTable
  readonly actions: number
  readonly callsFilters = true
  readonly #filterSet: FilterSet
  /** filters that have accepted all mail of the connection */
  readonly #acceptedAll = new Set<ComposedFilter>()
  #message: OpenMessage | undefined
  readonly #calls: FilterCalls
  readonly #settings: FilterSettings
  readonly #limits: MessageLimits

  constructor(filterSet: FilterSet, settings: FilterSettings) {
    this.#filterSet = filterSet
    this.#settings = settings
    // Limits in the configuration override those in the code of filters: the administrator knows the machine.
    this.#limits = { ...filterSet.limits, ...settings.limits }
    this.#calls = new FilterCalls(settings)
    this.handlers = filterSet.handlers
    this.actions = filterSet.actions
  }

  call(handler: AnyHandler, context: LiveConnectionContext, args: readonly unknown[]): unknown {
    return handler.call(this, context as never, ...(args as never[]))
  }

  cutOff(reason: InterruptedError): void {
    this.#calls.stop(reason)
    // A write that is still running is not waited for, and no later piece may be written next to it.
    if (this.#message?.adding === true) this.#message.fail(reason)
  }

  messageOver(): void {
    this.#message?.end()
    this.#message = undefined
  }

  // ---- events

  connect(ctx: LiveConnectionContext): MaybePromise<Verdict> {
    return this.#ask(0, {
      stage: 'connect',
      context: ctx,
      message: undefined,
      invoke: ({ connect }, view) => connect!(view.connection, view),
    })
  }

  helo(ctx: LiveConnectionContext, name: string): MaybePromise<Verdict> {
    return this.#ask(0, {
      stage: 'helo',
      context: ctx,
      message: undefined,
      invoke: ({ helo }, view) => helo!(name, view),
    })
  }

  sender(ctx: LiveMessageContext, words: EnvelopeWords): MaybePromise<Verdict> {
    const message = this.#open()
    message.sender = new EnvelopeAddress(words)
    message.hold(message.sender.held)
    if (message.refused) return this.#refuse(ctx, message)
    if (!this.#filterSet.declared.has('sender')) return CONTINUE
    return this.#ask(0, {
      stage: 'sender',
      context: ctx,
      message,
      invoke: ({ sender }, view) => sender!(message.sender, view),
    })
  }

  recipient(ctx: LiveMessageContext, words: EnvelopeWords): MaybePromise<Verdict> {
    const message = this.#opened()
    const recipient = new EnvelopeAddress(words)
    if (message.refused) return this.#refuse(ctx, message)
    const { answersRecipients, minRecipientsLimit } = this.#filterSet
    const { length } = message.recipients
    // If RCPT is answered, the client sends the message to the others later. If it is not, the message fails.
    if (answersRecipients) {
      const maximum = this.#settings.limits.recipients ?? minRecipientsLimit
      if (length >= maximum) return TOO_MANY_RECIPIENTS
    } else if (length >= this.#limits.recipients) {
      message.fail(tooManyRecipients(this.#limits))
      return CONTINUE
    }
    if (!this.#filterSet.declared.has('recipient')) {
      return this.#takeRecipient(ctx, message, recipient)
    }
    const verdict = this.#ask(0, {
      stage: 'recipient',
      context: ctx,
      message,
      invoke: ({ recipient: handler }, view) => handler!(recipient, view),
    })
    const taken = (answer: Verdict): Verdict =>
      endsMessage(answer) ? answer : this.#takeRecipient(ctx, message, recipient)
    return verdict instanceof Promise ? verdict.then(taken) : taken(verdict)
  }

  #takeRecipient(
    ctx: LiveMessageContext,
    message: OpenMessage,
    recipient: EnvelopeAddress,
  ): Verdict {
    message.hold(recipient.held)
    if (message.refused) return this.#refuse(ctx, message)
    message.recipients.push(recipient)
    return CONTINUE
  }

  takeField(ctx: LiveMessageContext, view: HeaderView): void {
    const message = this.#opened()
    if (message.refused) return
    const limits = this.#limits
    message.headerBytes += view.size
    if (message.fields.length >= limits.headers) message.fail(tooManyFields(limits))
    else if (message.headerBytes > limits.headerBytes) message.fail(headerTooLarge(limits))
    if (message.failure !== undefined) return
    const record = recordOf(view, !keepsLeadingSpace(ctx.negotiated))
    const { fields } = message
    message.hold(record.heldAfter(fields[fields.length - 1]))
    if (message.refused) this.#refuse(ctx, message)
    else fields.push(record)
  }

  endOfHeaders(ctx: LiveMessageContext): MaybePromise<Verdict> {
    const message = this.#opened()
    if (message.refused) return this.#refuse(ctx, message)
    const verdict = this.#advance(ctx, message, false)
    // No filter has anything more to do: the mail server need not send the rest.
    const final = (answer: Verdict): Verdict =>
      answer === CONTINUE && message.isDone(this.#filterSet.members) && !message.edited
        ? ACCEPT
        : answer
    return verdict instanceof Promise ? verdict.then(final) : final(verdict)
  }

  body(_ctx: LiveMessageContext, chunk: Buffer): void | Promise<void> {
    const message = this.#opened()
    if (message.refused || message.failure !== undefined) return undefined
    try {
      const added = message.body.add(chunk)
      if (added === undefined) return undefined
      message.adding = true
      return added
        .catch((error: unknown) => message.fail(error))
        .finally(() => (message.adding = false))
    } catch (error) {
      return message.fail(error)
    }
  }

  endOfMessage(ctx: LiveMessageContext): MaybePromise<Verdict> {
    const message = this.#opened()
    if (message.refused) return this.#refuse(ctx, message)
    const verdict = this.#advance(ctx, message, true)
    if (verdict instanceof Promise) {
      return verdict.then((answer) => this.#finish(ctx, message, answer))
    }
    return this.#finish(ctx, message, verdict)
  }

  close(ctx: LiveConnectionContext): MaybePromise<unknown> {
    this.messageOver()
    const pending: Promise<Verdict>[] = []
    for (const member of this.#filterSet.members) {
      const { close } = member.definition
      if (close === undefined) continue
      const view = new LiveStageContext(ctx, member, undefined)
      const done = this.#calls.run(member, 'close', ctx, view, () => close(view))
      if (done instanceof Promise) pending.push(done)
    }
    return pending.length > 0 ? Promise.all(pending).then(() => undefined) : undefined
  }

  // ---- messages

  #open(): OpenMessage {
    this.#message?.end()
    const { memory } = this.#settings
    this.#message = new OpenMessage(this.#limits, memory, this.#filterSet.readsHeaders)
    for (const member of this.#acceptedAll) this.#message.accept(member)
    return this.#message
  }

  /** A message without MAIL has the null sender. */
  #opened(): OpenMessage {
    return this.#message ?? this.#open()
  }

  /**
   * The answer if there is no memory for a message. It is not `onError`: nothing is wrong with the message, and to
   * reject it would lose it.
   */
  #refuse(ctx: LiveMessageContext, message: OpenMessage): Verdict {
    const { overload } = this.#settings
    const { members, declared } = this.#filterSet
    if (members.every((member) => member.shadow || message.hasAccepted(member))) return CONTINUE
    // No filter has a stage for messages.
    if (!OF_MESSAGES.some((stage) => declared.has(stage))) return CONTINUE
    if (!message.refusalTold) {
      message.refusalTold = true
      ctx.failure = 'MEMORY_EXHAUSTED'
      tellOverload(ctx, this.#settings)
    }
    return overload.verdict
  }

  // ---- early stages

  #ask(from: number, question: Question): MaybePromise<Verdict> {
    const { members } = this.#filterSet
    const { stage, context, message } = question
    for (let i = from; i < members.length; i++) {
      const member = members[i]!
      if (member.definition[stage] === undefined || this.#hasAccepted(member, message)) continue
      const view = new LiveStageContext(context, member, message)
      const answer = this.#calls.run(member, stage, context, view, () =>
        question.invoke(member.definition, view),
      )
      if (answer instanceof Promise) {
        return answer.then(
          (verdict) =>
            this.#judge(member, stage, context, message, verdict) ?? this.#ask(i + 1, question),
        )
      }
      const final = this.#judge(member, stage, context, message, answer)
      if (final !== undefined) return final
    }
    return members.every((member) => this.#hasAccepted(member, message)) ? ACCEPT : CONTINUE
  }

  #hasAccepted(member: ComposedFilter, message: OpenMessage | undefined): boolean {
    return message === undefined ? this.#acceptedAll.has(member) : message.hasAccepted(member)
  }

  /** What a verdict means for the message; undefined if the next filter should be called. */
  #judge(
    member: ComposedFilter,
    stage: FilterStage,
    context: LiveConnectionContext,
    message: OpenMessage | undefined,
    verdict: Verdict,
    edits?: readonly string[],
  ): Verdict | undefined {
    member.watch?.({
      stage,
      verdict: verdict.kind,
      reply: replyText(verdict),
      edits: edits ?? [],
    })
    if (member.shadow && (verdict.kind !== 'continue' || edits !== undefined)) {
      context.log.info(
        { filter: member.name, stage, verdict: verdict.kind, reply: replyText(verdict), edits },
        'a shadow filter would have done this',
      )
    }
    if (verdict.kind === 'continue') return undefined
    const onlyOne =
      stage === 'recipient' && verdict.kind !== 'accept' && verdict.kind !== 'discard'
    if ((verdict.kind === 'accept' || member.shadow) && !onlyOne) {
      if (message === undefined) this.#acceptedAll.add(member)
      else message.accept(member)
    }
    if (verdict.kind === 'accept' || member.shadow) return undefined
    if (!onlyOne) context.decidedBy = member.name
    context.log.info(
      { filter: member.name, stage, verdict: verdict.kind, reply: replyText(verdict) },
      onlyOne ? 'a filter refuses a recipient' : 'a filter decides on the message',
    )
    return verdict
  }

  // ---- content

  /**
   * Continues with the filters where it has stopped: for each, the stage headers and then the stage message. At end of
   * headers it stops before the first filter that needs the body.
   */
  #advance(
    ctx: LiveMessageContext,
    message: OpenMessage,
    atEnd: boolean,
  ): MaybePromise<Verdict> {
    const { members } = this.#filterSet
    while (message.next < members.length) {
      const member = members[message.next]!
      const stage = message.nextStage(member)
      if (stage === 'message' && !atEnd) return CONTINUE
      message.step(member)
      if (stage === undefined) continue
      const final = this.#onMail(member, stage, ctx, message)
      if (final instanceof Promise) {
        return final.then((verdict) => verdict ?? this.#advance(ctx, message, atEnd))
      }
      if (final !== undefined) return final
    }
    return CONTINUE
  }

  #onMail(
    member: ComposedFilter,
    stage: 'headers' | 'message',
    ctx: LiveMessageContext,
    message: OpenMessage,
  ): MaybePromise<Verdict | undefined> {
    const { definition } = member
    const limits = this.#limitsOf(member)
    const failure =
      message.failure ?? (limits === this.#limits ? undefined : excess(message, member, limits))
    if (failure !== undefined) {
      const verdict = this.#calls.failed(member, stage, ctx, failure)
      return this.#judge(member, stage, ctx, message, verdict)
    }
    const mail = new LiveMail(ctx, member, message.state, stage === 'message', message, limits)
    const answer = this.#calls.run(member, stage, ctx, mail, () => {
      const result: unknown =
        stage === 'headers' ? definition.headers!(mail) : definition.message!(mail)
      if (isThenable(result)) return complete(mail, result)
      const body = mail.settled()
      return body === undefined ? result : body.then(() => result)
    })
    if (answer instanceof Promise) {
      return answer.then((verdict) => this.#taken(member, stage, ctx, message, mail, verdict))
    }
    return this.#taken(member, stage, ctx, message, mail, answer)
  }

  #limitsOf(member: ComposedFilter): MessageLimits {
    if (this.#filterSet.members.length === 1) return this.#limits
    return { ...member.limits, ...this.#settings.limits }
  }

  /** The edits count if the handler has not failed and lets the message pass. */
  #taken(
    member: ComposedFilter,
    stage: 'headers' | 'message',
    ctx: LiveMessageContext,
    message: OpenMessage,
    mail: LiveMail,
    verdict: Verdict,
  ): Verdict | undefined {
    const passes = verdict.kind === 'continue' || verdict.kind === 'accept'
    const before = message.state
    const after = mail.failed || !passes ? before : mail.result()
    if (!member.shadow) message.state = after
    const plan =
      (member.shadow || member.watch !== undefined) && after !== before
        ? describePlan(planMail(before, after, ctx.mailServer.kind))
        : undefined
    return this.#judge(member, stage, ctx, message, verdict, plan)
  }

  /** Sends the edits that make the mail server's message the same as ours. */
  #finish(
    ctx: LiveMessageContext,
    message: OpenMessage,
    verdict: Verdict,
  ): MaybePromise<Verdict> {
    if (endsMessage(verdict) || !message.edited) return verdict
    const { given, state } = message
    const mayChange = (ctx.negotiated.actions & Action.CHGHDRS) !== 0
    const plan = planMail(given, state, ctx.mailServer.kind, mayChange)
    if (plan.body === undefined) {
      sendPlan(ctx, plan)
      return verdict
    }
    const { body } = plan
    // A part that the mail server has not sent cannot be compared.
    const { readsBody } = this.#filterSet
    return (readsBody ? given.body.equals(body) : NOT_THE_SAME).then((same) => {
      sendPlan(ctx, plan)
      if (same) return verdict
      if (body.inMemory) ctx.replaceBodyWith(body.pieces())
      else ctx.replaceBodyFrom(body)
      return verdict
    })
  }
}

const NOT_THE_SAME = Promise.resolve(false)

function tellOverload(ctx: LiveMessageContext, settings: FilterSettings): void {
  const { answer } = settings.overload
  const maxMemory = settings.memory.limit
  settings.limitedLog.write(
    ctx.log,
    'warn',
    { code: 'MEMORY_EXHAUSTED', maxMemory },
    answer === 'accept'
      ? 'no memory for a message: it passes unfiltered'
      : 'no memory for a message: try again later',
  )
  if (channels.messageOverload.hasSubscribers) {
    channels.messageOverload.publish({
      connection: ctx.id,
      queueId: ctx.queueId,
      maxMemory,
      answer,
    })
  }
}

/** The client should send the message to the other recipients later (RFC 5321, section 4.5.3.1.10). */
const TOO_MANY_RECIPIENTS = reply(452, '4.5.3', 'Too many recipients')

const tooLarge = (what: string): MilterError =>
  new MilterError('MESSAGE_TOO_LARGE', `the message has ${what}`)
const tooManyRecipients = ({ recipients }: MessageLimits): MilterError =>
  tooLarge(`more than ${recipients} recipients (limits.recipients)`)
const tooManyFields = ({ headers }: MessageLimits): MilterError =>
  tooLarge(`more than ${headers} header fields (limits.headers)`)
const headerTooLarge = ({ headerBytes }: MessageLimits): MilterError =>
  tooLarge(`a header of more than ${headerBytes} bytes (limits.headerBytes)`)

/**
 * A message is collected with the largest limits of all filters. This is the error for a filter with lower limits, as
 * if it ran alone. Parts that the filter does not read do not count.
 */
function excess(
  { state }: OpenMessage,
  { reads }: ComposedFilter,
  limits: MessageLimits,
): MilterError | undefined {
  const { recipients, fields, body } = state
  if (recipients.length > limits.recipients) return tooManyRecipients(limits)
  if (reads.has('headers')) {
    if (fields.length > limits.headers) return tooManyFields(limits)
    const bytes = fields.reduce((sum, field) => sum + field.size - LINE_END, 0)
    if (bytes > limits.headerBytes) return headerTooLarge(limits)
  }
  if (!reads.has('body') || body.size <= limits.bodySize) return undefined
  return tooLarge(`a body of more than ${limits.bodySize} bytes (limits.bodySize)`)
}

const LINE_END = 2

const OF_MESSAGES: readonly FilterStage[] = ['sender', 'recipient', 'headers', 'message']

/** Calls each filter that has the stage. */
interface Question {
  readonly stage: 'connect' | 'helo' | 'sender' | 'recipient'
  readonly context: LiveConnectionContext
  readonly message: OpenMessage | undefined
  invoke(definition: ComposedFilter['definition'], view: LiveStageContext): unknown
}

/** A handler is done when the body it has given is there too. */
async function complete(mail: LiveMail, result: PromiseLike<unknown>): Promise<unknown> {
  const value = await result
  await mail.settled()
  return value
}

const replyText = (verdict: Verdict): string | undefined =>
  verdict.reply === undefined ? undefined : formatSmtpReply(verdict.reply)
