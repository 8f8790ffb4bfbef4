import { InterruptedError } from '../errors.ts'
import { EVENTS } from '../protocol/event-table.ts'
import type { MemoryBudget } from '../session/memory-budget.ts'
import type { Verdict } from '../session/verdict.ts'
import { bounded } from '../diagnostics/bounded-text.ts'
import {
  channels,
  type ClientRefused,
  type FailureCause,
  type HandlerDone,
  type HandlerFailed,
  type MessageDone,
  type MessageVerdict,
} from '../diagnostics/channels.ts'
import type { LiveConnectionContext, LiveMessageContext } from './context.ts'
import { NO_EDIT_COUNTS, type EditCounts } from '../diagnostics/edit-counts.ts'
import { ContentRecord } from '../diagnostics/message-content.ts'
import { envelopeAddress } from './envelope/parameters.ts'
import type { Stage } from '../protocol/stages.ts'

/** The longest reason that is published. */
const MAX_REASON = 200

/** The telemetry of one message, while it lasts. It is made only if the channel of messages has subscribers. */
export class MessageRecord {
  /** where the message is; a verdict before MAIL comes from a failure at connect or HELO */
  stage: Stage = 'connect'
  sender: string | undefined
  /** asked about at the moment */
  recipient: string | undefined
  readonly content: ContentRecord | undefined
  bodyBytes = 0
  edits: EditCounts = NO_EDIT_COUNTS
  quarantine: string | undefined
  /** why what was going on was not waited for: no handler may have failed, but a new body half sent */
  cutOff: string | undefined
  #handlerMilliseconds = 0
  #recipients = 0
  #refused = 0
  readonly #began = performance.now()

  constructor(memory: MemoryBudget) {
    this.content = ContentRecord.ifAsked(memory)
  }

  /** An event has been answered. */
  took(stage: Stage, milliseconds: number, verdict: Verdict): void {
    this.#handlerMilliseconds += milliseconds
    if (stage !== 'envrcpt') return
    if (verdict.kind === 'reject' || verdict.kind === 'tempfail') {
      this.#refused++
      return
    }
    this.#recipients++
    this.content?.addRecipient(envelopeAddress(this.recipient ?? ''))
  }

  /**
   * @param context of the message, not yet closed
   * @param verdict the last word; undefined if the message was abandoned without one
   */
  publish(context: LiveMessageContext, verdict: Verdict | undefined): void {
    const last = isAbandoned(context) ? undefined : verdict
    const kind = messageVerdict(last)
    const sender = this.sender ?? context.macro('mail_addr')
    const decided = decision(context, last)
    const cutOff = last?.kind === 'tempfail' ? this.cutOff : undefined
    const event: MessageDone = {
      connection: context.id,
      message: context.message,
      ...clientOf(context),
      queueId: context.queueId,
      user: bounded(context.macro('auth_authen')) || undefined,
      sender: sender === undefined ? undefined : bounded(envelopeAddress(sender)),
      recipients: isTold(context) ? this.#recipients : undefined,
      refusedRecipients: this.#refused,
      verdict: kind,
      ...decided,
      reason: decided.reason ?? cutOff,
      stage: this.stage,
      edits: kind === 'accept' ? this.edits : NO_EDIT_COUNTS,
      quarantine: kind === 'accept' ? bounded(this.quarantine, MAX_REASON) : undefined,
      bodyBytes: this.bodyBytes,
      content: this.content?.told,
      milliseconds: performance.now() - this.#began,
      handlerMilliseconds: this.#handlerMilliseconds,
    }
    channels.message.publish(event)
    this.content?.end()
  }
}

/** The policy has answered for a handler that was cut off, but the mail server no longer waited for the answer. */
function isAbandoned({ failure }: LiveMessageContext): boolean {
  return failure === 'MESSAGE_ABORTED' || failure === 'DISCONNECTED'
}

const isTold = ({ negotiated }: LiveMessageContext): boolean =>
  (negotiated.steps & EVENTS.rcpt.noSend) === 0

function messageVerdict(verdict: Verdict | undefined): MessageVerdict {
  if (verdict === undefined) return 'abort'
  const { kind } = verdict
  return kind === 'continue' || kind === 'skip' ? 'accept' : kind
}

/**
 * A filter that declines CONNECT does not get the client from it. The mail server's macro `_` has the client:
 * `host [address]`, in Sendmail also `user@host [address] (may be forged)`.
 */
function clientOf(context: LiveConnectionContext): Pick<MessageDone, 'hostname' | 'address'> {
  const { hostname, address } = context.connection
  if (hostname !== '') return { hostname: bounded(hostname), address: bounded(address) }
  const told = /^(?:[^\s@]*@)?(\S+) \[(?:IPv6:)?([^\]]*)\]/.exec(
    bounded(context.macro('_') ?? ''),
  )
  return { hostname: told?.[1] ?? '', address: told?.[2] }
}

function decision(
  context: LiveConnectionContext,
  verdict: Verdict | undefined,
): Pick<MessageDone, 'filter' | 'code' | 'enhanced' | 'reason'> {
  const smtp = verdict?.reply
  return {
    filter: context.decidedBy,
    code: smtp?.code,
    enhanced: smtp?.enhanced,
    reason: bounded(smtp?.lines[0] ?? context.failure, MAX_REASON),
  }
}

/** Tells of a verdict at connect or HELO, if it is a refusal. */
export function publishRefusal(
  context: LiveConnectionContext,
  stage: 'connect' | 'helo',
  verdict: Verdict,
): void {
  if (verdict.kind !== 'reject' && verdict.kind !== 'tempfail') return
  const event: ClientRefused = {
    connection: context.id,
    ...clientOf(context),
    stage,
    verdict: verdict.kind,
    ...decision(context, verdict),
  }
  channels.clientRefused.publish(event)
}

export function publishHandler(connection: number, stage: Stage, milliseconds: number): void {
  if (!channels.handler.hasSubscribers) return
  const event: HandlerDone = { connection, stage, milliseconds }
  channels.handler.publish(event)
}

/** A handler that decides has failed: its error is the reason of the verdict, and is published. */
export function recordFailure(
  context: LiveConnectionContext,
  stage: string,
  error: unknown,
  filter?: string,
): void {
  context.failure = errorCode(error) ?? 'EXCEPTION'
  publishFailure(context, stage, error, filter)
}

/** Tells of a handler that failed. @param filter its name, if it has one */
export function publishFailure(
  context: LiveConnectionContext,
  stage: string,
  error: unknown,
  filter?: string,
): void {
  if (!channels.handlerError.hasSubscribers) return
  const event: HandlerFailed = {
    connection: context.id,
    queueId: context.queueId,
    filter,
    stage,
    cause: causeOf(error),
    code: errorCode(error),
  }
  channels.handlerError.publish(event)
}

function causeOf(error: unknown): FailureCause {
  if (!(error instanceof InterruptedError)) return 'exception'
  return error.code === 'DEADLINE_EXCEEDED' ? 'deadline' : 'interrupted'
}

/** A code is a short word, wherever the error comes from. Any other value is not published. */
function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  try {
    const { code } = error as { code?: unknown }
    return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : undefined
  } catch {
    return undefined
  }
}
