/**
 * Marks on handlers: they change what is negotiated, so they cannot be options of a call. Each works
 * as a decorator of a class method and as a wrapper of a function:
 *
 *     class Filter extends Base { \@noReply override header(name: string, value: string) { ... } }
 *     const handlers = { header: noReply((ctx, name, value) => { ... }) }
 */
import { UsageError } from '../errors.ts'
import { formatMacroList } from '../protocol/macros.ts'
import type { Verdict } from '../session/verdict.ts'
import { isStage, optionalStages, STAGES, type Stage } from '../protocol/stages.ts'

/** How text that is not valid UTF-8 reaches a handler; see {@link decode}. */
export type DecodeStrategy = 'surrogateescape' | 'bytes' | 'strict' | 'ignore' | 'replace'

export interface Marks {
  readonly noReply?: true
  readonly noCallback?: true
  readonly macros?: readonly string[]
  readonly rejectedRecipients?: true
  readonly headerLeadingSpace?: true
  readonly borrowed?: true
  readonly decode?: DecodeStrategy
  readonly envelope?: true
}

// Functions of any kind are marked; they are only keys here.
type AnyFunction = (...args: never[]) => unknown

const MARKS = new WeakMap<AnyFunction, Marks>()
export const NO_MARKS: Marks = {}

export function marksOf(handler: AnyFunction): Marks {
  return MARKS.get(handler) ?? NO_MARKS
}

type Silence = void | undefined
type Decorator = ClassMethodDecoratorContext
type Handler<This, Args extends unknown[], Result> = (this: This, ...args: Args) => Result

function mark<F extends AnyFunction>(
  what: string,
  handler: F,
  marks: Marks,
  context: Decorator | undefined,
  allowed: (stage: Stage) => boolean,
): F {
  if (typeof handler !== 'function') {
    throw new UsageError(
      'INVALID_HANDLER',
      `${what} marks a function; it got ${typeof handler}`,
    )
  }
  if (context !== undefined) {
    const name = String(context.name)
    if (context.static || !isStage(name) || !allowed(name)) throw wrongStage(what, name)
  }
  MARKS.set(handler, { ...marksOf(handler), ...marks })
  return handler
}

function wrongStage(what: string, name: string): UsageError {
  return new UsageError('INVALID_HANDLER', `${what} does not fit ${name}: ${FITS[what] ?? ''}`)
}

const FITS: Readonly<Record<string, string>> = {
  noReply: `only these can go without a reply: ${optionalStages()}`,
  noCallback: `only these can be declined: ${optionalStages()}`,
  symlist: 'macros can be asked for at connect, helo, envfrom, envrcpt, data, eoh and eom',
  rejectedRecipients: 'it belongs on envrcpt',
  headerLeadingSpace: 'it belongs on header',
  borrowed: 'it belongs on body',
  decode: 'it belongs on envfrom, envrcpt or header',
  withEnvelope:
    'it belongs on a handler of a message: envfrom, envrcpt, data, header, eoh, body or eom',
}

const ALLOWED: Readonly<Record<keyof Marks, (stage: Stage) => boolean>> = {
  noReply: (stage) => STAGES[stage].noReply !== 0,
  noCallback: (stage) => STAGES[stage].noSend !== 0,
  macros: (stage) => STAGES[stage].macros !== undefined,
  rejectedRecipients: (stage) => stage === 'envrcpt',
  headerLeadingSpace: (stage) => stage === 'header',
  borrowed: (stage) => stage === 'body',
  decode: (stage) => stage === 'envfrom' || stage === 'envrcpt' || stage === 'header',
  envelope: (stage) => STAGES[stage].verdicts.includes('discard'),
}

/** Of marks that are called otherwise than what they set. */
const NAMES: Partial<Record<keyof Marks, string>> = {
  macros: 'symlist',
  envelope: 'withEnvelope',
}

/** Finds marks on the wrong stage; wrappers do not know where their function will go. */
export function checkMarks(stage: Stage, marks: Marks): void {
  for (const key of Object.keys(marks) as (keyof Marks)[]) {
    if (!ALLOWED[key](stage)) throw wrongStage(NAMES[key] ?? key, stage)
  }
}

/**
 * The handler never answers its event, so the mail server does not wait for one: that saves a round
 * trip each time. Returning a verdict does not compile. Where the mail server cannot do without an
 * answer, "continue" is given for it. Should the handler fail, or return a verdict that ends the message, the message
 * gets the one of `onError`, at its next event that has an answer. At `connect` that is every message of the SMTP
 * session, at `helo` or `unknown` between messages the next one.
 */
export function noReply<
  This,
  Args extends unknown[],
  Result extends Silence | Promise<Silence>,
>(handler: Handler<This, Args, Result>, context?: Decorator): Handler<This, Args, Result> {
  return mark('noReply', handler, { noReply: true }, context, ALLOWED.noReply)
}

/** The handler is there and the event is declined all the same, for instance in a subclass. */
export function noCallback<This, Args extends unknown[], Result>(
  handler: Handler<This, Args, Result>,
  context?: Decorator,
): Handler<This, Args, Result> {
  return mark('noCallback', handler, { noCallback: true }, context, ALLOWED.noCallback)
}

/**
 * The macros wanted at this stage, instead of those the mail server is configured to send:
 * `symlist('i', 'auth_authen')`. Braces do not matter. At most 50; empty for none.
 * @throws UsageError INVALID_OPTION for a name that cannot be asked for
 */
export function symlist(
  ...names: readonly string[]
): <This, Args extends unknown[], Result>(
  handler: Handler<This, Args, Result>,
  context?: Decorator,
) => Handler<This, Args, Result> {
  formatMacroList(names)
  return (handler, context) =>
    mark('symlist', handler, { macros: names }, context, ALLOWED.macros)
}

/**
 * On `envrcpt`: recipients that the mail server refuses itself are shown too. Its refusal stands,
 * whatever the handler answers; `ctx.rejectedByServer` tells them apart.
 */
export function rejectedRecipients<This, Args extends unknown[], Result>(
  handler: Handler<This, Args, Result>,
  context?: Decorator,
): Handler<This, Args, Result> {
  return mark(
    'rejectedRecipients',
    handler,
    { rejectedRecipients: true },
    context,
    ALLOWED.rejectedRecipients,
  )
}

/**
 * On a handler of a message: `ctx.sender` and `ctx.recipients` are there, though the filter has no handlers
 * `envfrom` and `envrcpt`. MAIL and RCPT are sent then, and get no reply where the mail server can do without,
 * so that they cost no round trip.
 */
export function withEnvelope<This, Args extends unknown[], Result>(
  handler: Handler<This, Args, Result>,
  context?: Decorator,
): Handler<This, Args, Result> {
  return mark('withEnvelope', handler, { envelope: true }, context, ALLOWED.envelope)
}

/**
 * On `header`: `value` is everything after the colon, as it stands in the message, and header edits
 * of this filter are written just so: `' text'` where others write `'text'`.
 */
export function headerLeadingSpace<This, Args extends unknown[], Result>(
  handler: Handler<This, Args, Result>,
  context?: Decorator,
): Handler<This, Args, Result> {
  return mark(
    'headerLeadingSpace',
    handler,
    { headerLeadingSpace: true },
    context,
    ALLOWED.headerLeadingSpace,
  )
}

/**
 * On `body`: the chunk is good until the handler returns, and is overwritten then, as in libmilter. It is
 * part of a buffer for all connections, so nothing is to be done with `chunk.buffer`, such as to send it to
 * a worker. Otherwise each chunk is copied, so that it can be kept: for a handler that only looks at it (a
 * hash, a search, a sum) the copy is most of what it costs. The handler must be synchronous; one that
 * answers with a promise has failed.
 */
export function borrowed<This, Args extends unknown[], Result extends Verdict | Silence>(
  handler: Handler<This, Args, Result>,
  context?: Decorator,
): Handler<This, Args, Result> {
  return mark('borrowed', handler, { borrowed: true }, context, ALLOWED.borrowed)
}

/** Of a handler that keeps for later what it was borrowed for now. */
export const keptTooLong = (): UsageError =>
  new UsageError(
    'INVALID_HANDLER',
    'a body handler marked borrowed has given a promise; its chunk is overwritten as soon as it returns, so it must be synchronous',
  )

/** Of a handler that answers where nobody listens. */
export const answeredUnasked = (stage: Stage, verdict: Verdict): UsageError =>
  new UsageError(
    'INVALID_VERDICT',
    `the handler of ${stage} is marked noReply and returned ${verdict.kind.toUpperCase()}; its event has no reply, so return nothing, or take the mark away`,
  )

/** What a handler with bytes looks like to the rest: its bytes are text again. */
type AsText<Args extends unknown[]> = {
  [I in keyof Args]: unknown extends Args[I]
    ? Args[I]
    : Buffer extends Args[I]
      ? string
      : Args[I]
}

/**
 * On `envfrom`, `envrcpt` and `header`: how bytes that are not valid UTF-8 arrive. Header names are
 * always text.
 * - `surrogateescape` (the default): each such byte is one of U+DC80..U+DCFF; nothing is lost
 * - `bytes`: a Buffer always
 * - `strict`: a string if all is valid UTF-8, otherwise a Buffer (envelope: all words)
 * - `ignore`: such bytes are left out; `replace`: each is U+FFFD
 */
export function decode(strategy: DecodeStrategy): {
  <F extends AnyFunction>(handler: F, context: Decorator): F
  <This, Args extends unknown[], Result>(
    handler: Handler<This, Args, Result>,
  ): Handler<This, AsText<Args>, Result>
} {
  if (!['surrogateescape', 'bytes', 'strict', 'ignore', 'replace'].includes(strategy)) {
    throw new UsageError(
      'INVALID_OPTION',
      `decode takes surrogateescape, bytes, strict, ignore or replace, not ${JSON.stringify(strategy)}`,
    )
  }
  return (handler: AnyFunction, context?: Decorator) =>
    mark('decode', handler, { decode: strategy }, context, ALLOWED.decode) as never
}
