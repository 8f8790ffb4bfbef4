import type { EnvelopeWords } from '../milter/envelope/envelope-address.ts'
import type { LiveConnectionContext, LiveMessageContext } from '../milter/context.ts'
import { tableOf, type AnyHandler, type HandlerTable } from '../milter/filter-object.ts'
import { headerLeadingSpace, noCallback, noReply, symlist } from '../milter/marks.ts'
import type { Stage } from '../protocol/stages.ts'
import { type ComposedFilter } from './definition.ts'
import { FILTER_STAGES, type FilterStage, type ReadKind } from './stage-context.ts'
import { largestLimits } from '../milter/message-limits.ts'
import type { MessageLimits } from '../options/types.ts'

/** The filters on one SMTP session, as the handlers of {@link FilterSet} call them. */
export interface PipelineEvents {
  connect(ctx: LiveConnectionContext): unknown
  helo(ctx: LiveConnectionContext, name: string): unknown
  sender(ctx: LiveMessageContext, words: EnvelopeWords): unknown
  recipient(ctx: LiveMessageContext, words: EnvelopeWords): unknown
  endOfHeaders(ctx: LiveMessageContext): unknown
  body(ctx: LiveMessageContext, chunk: Buffer): unknown
  endOfMessage(ctx: LiveMessageContext): unknown
  close(ctx: LiveConnectionContext): unknown
}

/** The facts that all sessions of a filter or a composition share. They are worked out once. */
export interface FilterSet {
  readonly members: readonly ComposedFilter[]
  readonly handlers: HandlerTable
  readonly actions: number
  /** the limits for collecting a message; a filter with lower limits fails for a message that exceeds them */
  readonly limits: MessageLimits
  /** the smallest limit of recipients of the filters that are called */
  readonly minRecipientsLimit: number
  /** the stages that some filter has */
  readonly declared: ReadonlySet<FilterStage>
  /** the header is sent */
  readonly readsHeaders: boolean
  /** the body is sent */
  readonly readsBody: boolean
  /** RCPT gets a reply, so that a recipient can be refused */
  readonly answersRecipients: boolean
}

/**
 * The macros that Postfix and Sendmail send by default at a stage. They are added to the macros of a filter, because a
 * list that a filter asks for replaces the server's own.
 */
const USUAL_MACROS: Readonly<Record<FilterStage, readonly string[]>> = {
  connect: ['j', '_', 'daemon_name', 'daemon_addr', 'daemon_port', 'if_name', 'if_addr', 'v'],
  helo: ['tls_version', 'cipher', 'cipher_bits', 'cert_subject', 'cert_issuer'],
  sender: [
    'i',
    'auth_type',
    'auth_authen',
    'auth_ssf',
    'auth_author',
    'mail_mailer',
    'mail_host',
    'mail_addr',
  ],
  recipient: ['i', 'rcpt_mailer', 'rcpt_host', 'rcpt_addr'],
  headers: ['i'],
  message: ['i', 'msg_id'],
  close: [],
}

/** Stages whose macros are always asked for: only `v` tells a filter which server it talks to. */
const ALWAYS_ASKED: ReadonlySet<FilterStage> = new Set(['connect'])

/**
 * Works out which events the filters need, and which of them get no reply. Facts about the connection and the envelope
 * cost no round trip, so they are always collected.
 */
export function filterSetOf(members: readonly ComposedFilter[]): FilterSet {
  const has = (stage: FilterStage): boolean =>
    members.some(({ definition }) => definition[stage] !== undefined)
  /** whether the answer of some filter counts */
  const answered = (stage: FilterStage): boolean =>
    members.some(({ definition, shadow }) => definition[stage] !== undefined && !shadow)
  const handlers = new Map<Stage, AnyHandler>()
  const add = (
    event: Stage,
    stage: FilterStage | undefined,
    silent: boolean,
    handler: (this: PipelineEvents, ...args: never[]) => unknown,
  ): void => {
    // Each event needs its own function, because marks belong to functions.
    let marked: AnyHandler = silent
      ? function (this: PipelineEvents, ...args: never[]): unknown {
          const result = handler.apply(this, args)
          return result instanceof Promise ? result.then(() => undefined) : undefined
        }
      : function (this: PipelineEvents, ...args: never[]): unknown {
          return handler.apply(this, args)
        }
    // Fields are kept, and sent back, with everything after the colon.
    if (event === 'header') marked = headerLeadingSpace(marked as never)
    const macros = stage === undefined ? undefined : macrosOf(members, stage)
    if (macros !== undefined) marked = symlist(...macros)(marked as never)
    handlers.set(event, silent ? noReply(marked as never) : marked)
  }
  const reads = (kind: ReadKind): boolean => members.some((member) => member.reads.has(kind))
  const content = has('headers') || has('message')
  add('connect', 'connect', !answered('connect'), function (ctx) {
    return this.connect(ctx)
  })
  add('helo', 'helo', !answered('helo'), function (ctx, name) {
    return this.helo(ctx, name)
  })
  add('envfrom', 'sender', !answered('sender'), function (ctx, ...words) {
    return this.sender(ctx, words as never)
  })
  if (has('recipient') || content) {
    add('envrcpt', 'recipient', !answered('recipient'), function (ctx, ...words) {
      return this.recipient(ctx, words as never)
    })
  }
  if (content) {
    // It asks for the fields, which come through takeField. Without them it only sets how new fields are written.
    add('header', undefined, true, () => undefined)
    if (!reads('headers')) handlers.set('header', noCallback(handlers.get('header') as never))
    if (headersBeforeBody(members)) {
      add('eoh', 'headers', !answered('headers'), function (ctx) {
        return this.endOfHeaders(ctx)
      })
    }
    add('eom', 'message', false, function (ctx) {
      return this.endOfMessage(ctx)
    })
  }
  if (reads('body')) {
    add('body', undefined, true, function (ctx, chunk) {
      return this.body(ctx, chunk)
    })
  }
  if (has('close')) {
    add('close', undefined, false, function (ctx) {
      return this.close(ctx)
    })
  }
  return {
    members,
    handlers: tableOf((stage) => handlers.get(stage)),
    actions: members.reduce((all, { shadow, actions }) => (shadow ? all : all | actions), 0),
    limits: largestLimits(members.map(({ limits }) => limits)),
    minRecipientsLimit: Math.min(
      ...members.filter(({ shadow }) => !shadow).map(({ limits }) => limits.recipients),
    ),
    declared: new Set(FILTER_STAGES.filter(has)),
    readsHeaders: reads('headers'),
    readsBody: reads('body'),
    answersRecipients: answered('recipient'),
  }
}

/** Whether some filter looks at the header before the first one that needs the body. */
function headersBeforeBody(members: readonly ComposedFilter[]): boolean {
  for (const { definition } of members) {
    if (definition.headers !== undefined) return true
    if (definition.message !== undefined) return false
  }
  return false
}

function macrosOf(
  members: readonly ComposedFilter[],
  stage: FilterStage,
): readonly string[] | undefined {
  const wanted = members.flatMap(({ definition }) => definition.macros?.[stage] ?? [])
  if (wanted.length === 0 && !ALWAYS_ASKED.has(stage)) return undefined
  return [...new Set([...USUAL_MACROS[stage], ...wanted])]
}
