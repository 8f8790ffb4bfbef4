/**
 * Marks on handlers. They change what is negotiated, so they cannot be options of a call. Each works as a decorator
 * of a class method and as a wrapper of a function:
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
  symlist: 'you can ask for macros at connect, helo, envfrom, envrcpt, data, eoh and eom',
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

/** The names of marks that differ from their keys. */
const NAMES: Partial<Record<keyof Marks, string>> = {
  macros: 'symlist',
  envelope: 'withEnvelope',
}

/** Throws for a mark on the wrong stage: a wrapper does not know which handler its function will be. */
export function checkMarks(stage: Stage, marks: Marks): void {
  for (const key of Object.keys(marks) as (keyof Marks)[]) {
    if (!ALLOWED[key](stage)) throw wrongStage(NAMES[key] ?? key, stage)
  }
}

/**
 * The handler never answers its event, so the mail server does not wait for it. That saves a round trip each time.
 * Returning a verdict does not compile. If the mail server needs an answer, it gets "continue".
 *
 * If the handler fails, or returns a verdict that ends the message, the message gets the verdict of `onError` at its
 * next event that has an answer. After a failure at `connect` every message of the SMTP session gets it; after one at
 * `helo` or `unknown` between messages, the next message.
 *
 *     const handlers = { header: noReply((ctx, name, value) => { ... }) }
 */
export function noReply<
  This,
  Args extends unknown[],
  Result extends Silence | Promise<Silence>,
>(handler: Handler<This, Args, Result>, context?: Decorator): Handler<This, Args, Result> {
  return mark('noReply', handler, { noReply: true }, context, ALLOWED.noReply)
}

/**
 * Declines the event although there is a handler for it, for instance one that a subclass inherits. The mail server
 * does not send it.
 */
export function noCallback<This, Args extends unknown[], Result>(
  handler: Handler<This, Args, Result>,
  context?: Decorator,
): Handler<This, Args, Result> {
  return mark('noCallback', handler, { noCallback: true }, context, ALLOWED.noCallback)
}

/**
 * Asks for these macros at this stage, instead of those that the mail server is configured to send. Names may have
 * braces or not. You can ask for at most 50; an empty list asks for none.
 *
 *     const handlers = { eom: symlist('i', 'auth_authen')((ctx) => { ... }) }
 *
 * @throws UsageError INVALID_OPTION for a name that you cannot ask for
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
 * On `envrcpt`: the handler also sees recipients that the mail server itself refuses. `ctx.rejectedByServer` is true
 * for them. The refusal stands, whatever the handler answers.
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
 * On a handler of a message: you have `ctx.sender` and `ctx.recipients` without the handlers `envfrom` and `envrcpt`.
 * The mail server then sends MAIL and RCPT. If it needs no reply to them, it gets none, and they cost no round trip.
 *
 *     const handlers = { eom: withEnvelope((ctx) => ctx.addHeader('X-Sender', ctx.sender.address)) }
 */
export function withEnvelope<This, Args extends unknown[], Result>(
  handler: Handler<This, Args, Result>,
  context?: Decorator,
): Handler<This, Args, Result> {
  return mark('withEnvelope', handler, { envelope: true }, context, ALLOWED.envelope)
}

/**
 * On `header`: `value` is everything after the colon, as it is in the message. Header edits of this filter are
 * written in the same way: give `' text'` where other filters give `'text'`.
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
 * On `body`: the chunk is valid until the handler returns, and is then overwritten, as in libmilter. It is part of a
 * buffer that all connections share, so do not use `chunk.buffer`, for instance to send it to a worker. Without this
 * mark each chunk is copied, so that you can keep it. If a handler only looks at the chunk (a hash, a search, a sum),
 * the copy is the largest part of its cost. The handler must be synchronous; one that returns a promise has failed.
 *
 *     const handlers = { body: borrowed((ctx, chunk) => { hash.update(chunk) }) }
 */
export function borrowed<This, Args extends unknown[], Result extends Verdict | Silence>(
  handler: Handler<This, Args, Result>,
  context?: Decorator,
): Handler<This, Args, Result> {
  return mark('borrowed', handler, { borrowed: true }, context, ALLOWED.borrowed)
}

/** The error of a `borrowed` handler that returns a promise. */
export const keptTooLong = (): UsageError =>
  new UsageError(
    'INVALID_HANDLER',
    'a body handler marked borrowed returned a promise; its chunk is overwritten as soon as it returns, so it must be synchronous',
  )

/** The error of a `noReply` handler that returns a verdict. */
export const answeredUnasked = (stage: Stage, verdict: Verdict): UsageError =>
  new UsageError(
    'INVALID_VERDICT',
    `the handler of ${stage} is marked noReply and returned ${verdict.kind.toUpperCase()}; its event has no reply, so return nothing, or remove the mark`,
  )

/** The type that a handler with bytes has for the rest of the library: its bytes are text again. */
type AsText<Args extends unknown[]> = {
  [I in keyof Args]: unknown extends Args[I]
    ? Args[I]
    : Buffer extends Args[I]
      ? string
      : Args[I]
}

/**
 * On `envfrom`, `envrcpt` and `header`: how the handler gets bytes that are not valid UTF-8. Header names are always
 * text.
 * - `surrogateescape` (the default): each such byte is one of U+DC80..U+DCFF; nothing is lost
 * - `bytes`: always a Buffer
 * - `strict`: a string if all of it is valid UTF-8, otherwise a Buffer (envelope: all words)
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
