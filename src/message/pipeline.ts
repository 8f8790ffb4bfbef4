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
import { StageView } from './stage-view.ts'

/**
 * Whole-message filters on one SMTP session: collects what comes, calls each filter at its stages with
 * what those before it have made of the mail, and sends the plan for all of them at the end.
 *
 * It does to mail what the same filters would do one after the other behind the mail server: the
 * first refusal wins, ACCEPT is a word for its filter alone, and each sees the edits of those before.
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
    // Who runs the filters knows the machine; what their code says is for where nobody has said anything.
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
    // What has not been written is not waited for, and what comes next must not go beside it.
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
    // Where nobody hears the answer the message fails; else the client sends the rest by itself.
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
    // Nobody has anything more to do with it: the rest need not be sent.
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
      const view = new StageView(ctx, member, undefined)
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

  /** A message without MAIL is one from nobody. */
  #opened(): OpenMessage {
    return this.#message ?? this.#open()
  }

  /**
   * The answer for a message there is no memory for. It is not `onError`: nothing is wrong with the
   * message, and to reject it would lose it.
   */
  #refuse(ctx: LiveMessageContext, message: OpenMessage): Verdict {
    const { overload } = this.#settings
    const { members, declared } = this.#filterSet
    if (members.every((member) => member.shadow || message.hasAccepted(member))) return CONTINUE
    // Nobody wants to see a message.
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
      const view = new StageView(context, member, message)
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

  /** What a verdict means for the message; undefined if the next filter is to be asked. */
  #judge(
    member: ComposedFilter,
    stage: FilterStage,
    context: LiveConnectionContext,
    message: OpenMessage | undefined,
    verdict: Verdict,
    edits?: readonly string[],
  ): Verdict | undefined {
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
   * Goes on with the filters where it has stopped: for each its stage headers, then its stage message.
   * At end of headers it stops before the first filter that needs the body.
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
      member.shadow && after !== before
        ? describePlan(planMail(before, after, ctx.mailServer.kind))
        : undefined
    return this.#judge(member, stage, ctx, message, verdict, plan)
  }

  /** Sends what makes the mail server's message like ours. */
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
    // What was not sent is not known to be the same.
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

/** RFC 5321, section 4.5.3.1.10: the client is to send the message to the others afterwards. */
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
 * Of a message that was collected with larger limits: what a filter that has lower ones of its own fails on, as it
 * would alone. What it does not read does not count for it.
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

/** A question to each filter that has the stage. */
interface Question {
  readonly stage: 'connect' | 'helo' | 'sender' | 'recipient'
  readonly context: LiveConnectionContext
  readonly message: OpenMessage | undefined
  invoke(definition: ComposedFilter['definition'], view: StageView): unknown
}

/** A handler is done when the body it has given is there too. */
async function complete(mail: LiveMail, result: PromiseLike<unknown>): Promise<unknown> {
  const value = await result
  await mail.settled()
  return value
}

const replyText = (verdict: Verdict): string | undefined =>
  verdict.reply === undefined ? undefined : formatSmtpReply(verdict.reply)
