import { UsageError, type InterruptedError } from '../errors.ts'
import type { Handlers } from './handlers.ts'
import type { HeaderView } from '../protocol/commands.ts'
import { nearest } from '../options/nearest.ts'
import type { LiveConnectionContext, LiveMessageContext } from './context.ts'
import type { FilterSettings } from './options.ts'
import { isStage, STAGE_NAMES, type Stage } from '../protocol/stages.ts'

// A handler of whatever stage; its arguments are known where it is called.
export type AnyHandler = (...args: never[]) => unknown

/** The handler of each stage, if the filter has one. */
export type HandlerTable = Readonly<Record<Stage, AnyHandler | undefined>>

/** A filter's object for one SMTP session, whatever way it was written. */
export interface FilterObject {
  readonly handlers: HandlerTable
  /** {@link Action} bits it can use; others are not asked for. @default all */
  readonly actions?: number | undefined
  /** in place of the handler of header: takes the field as it lies, undecoded, and has no answer */
  takeField?(context: LiveMessageContext, field: HeaderView): void
  call(handler: AnyHandler, context: LiveConnectionContext, args: readonly unknown[]): unknown
  /** the same for the handler of header, which is called most often and needs no list of arguments */
  callHeader?(
    handler: AnyHandler,
    context: LiveMessageContext,
    name: string,
    value: string | Buffer,
  ): unknown
  /** it represents filters whose handlers it calls, and traces these calls itself */
  readonly callsFilters?: boolean
  /** the handler that was called last is not waited for any longer */
  cutOff?(reason: InterruptedError): void
  /** one more (1) handler is still running though it is no longer waited for, or one fewer (-1) */
  overrunning?(change: 1 | -1): void
  /** the message is over, in whatever way; what was kept for it can go */
  messageOver?(): void
}

/** An object that is called in its own way, such as one of a class that extends `Base`. */
export interface FilterObjectSource {
  toFilterObject(settings: FilterSettings): FilterObject
}

/** What a factory makes: handlers, or an object of a class that extends `Base`. */
export type Filter = Handlers | FilterObjectSource
/** Called once for each SMTP session. */
export type FilterFactory = () => Filter

/** @throws UsageError INVALID_HANDLER for something that is no filter */
export function filterObject(filter: Filter, settings: FilterSettings): FilterObject {
  if (typeof filter !== 'object' || filter === null) {
    throw new UsageError(
      'INVALID_HANDLER',
      `the factory of a filter must return an object with handlers, not ${filter === null ? 'null' : typeof filter}`,
    )
  }
  if ('then' in filter) {
    throw new UsageError(
      'INVALID_HANDLER',
      'the factory of a filter returned a promise; it must be synchronous, so do asynchronous work in a handler',
    )
  }
  return 'toFilterObject' in filter ? filter.toFilterObject(settings) : fromHandlers(filter)
}

function fromHandlers(handlers: Handlers): FilterObject {
  const table = tableOf((stage) => {
    const handler: unknown = handlers[stage]
    if (handler === undefined || typeof handler === 'function') {
      return handler as AnyHandler | undefined
    }
    throw new UsageError(
      'INVALID_HANDLER',
      `the handler ${stage} must be a function; it is of type ${typeof handler}`,
    )
  })
  if (Object.getPrototypeOf(handlers) === Object.prototype) refuseUnknownNames(handlers)
  return new HandlerObject(handlers, table)
}

/** An object of handlers, which are its methods. */
class HandlerObject implements FilterObject {
  readonly handlers: HandlerTable
  readonly #receiver: Handlers

  constructor(receiver: Handlers, handlers: HandlerTable) {
    this.#receiver = receiver
    this.handlers = handlers
  }

  call(handler: AnyHandler, context: LiveConnectionContext, args: readonly unknown[]): unknown {
    return handler.call(this.#receiver, context as never, ...(args as never[]))
  }

  callHeader(
    handler: AnyHandler,
    context: LiveMessageContext,
    name: string,
    value: string | Buffer,
  ): unknown {
    return handler.call(this.#receiver, context as never, name as never, value as never)
  }
}

/** Written out, so that all tables are objects of one shape: each event looks into one. */
export function tableOf(handlerOf: (stage: Stage) => AnyHandler | undefined): HandlerTable {
  return {
    negotiate: handlerOf('negotiate'),
    connect: handlerOf('connect'),
    helo: handlerOf('helo'),
    envfrom: handlerOf('envfrom'),
    envrcpt: handlerOf('envrcpt'),
    data: handlerOf('data'),
    header: handlerOf('header'),
    eoh: handlerOf('eoh'),
    body: handlerOf('body'),
    eom: handlerOf('eom'),
    abort: handlerOf('abort'),
    close: handlerOf('close'),
    unknown: handlerOf('unknown'),
  }
}

/** A misspelt callback would never be called; TypeScript says so too, JavaScript would not. */
function refuseUnknownNames(handlers: object): void {
  for (const [name, value] of Object.entries(handlers)) {
    if (typeof value !== 'function' || isStage(name)) continue
    const meant = meantStage(name) ?? nearest(name, STAGE_NAMES)
    throw new UsageError(
      'INVALID_HANDLER',
      `${name} is not a callback of a milter${meant === undefined ? '.' : `; did you mean ${meant}?`} The callbacks are: ${STAGE_NAMES.join(', ')}`,
    )
  }
}

/** What other libraries call them. */
const ALIASES: ReadonlyMap<string, Stage> = new Map([
  ['hello', 'helo'],
  ['ehlo', 'helo'],
  ['mail', 'envfrom'],
  ['mailFrom', 'envfrom'],
  ['rcpt', 'envrcpt'],
  ['rcptTo', 'envrcpt'],
  ['headers', 'header'],
  ['endOfHeaders', 'eoh'],
  ['endOfMessage', 'eom'],
  ['end', 'eom'],
])

/** A callback by the name it has elsewhere. */
export const meantStage = (name: string): Stage | undefined => ALIASES.get(name)
