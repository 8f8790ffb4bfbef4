import type { AddressFamily } from '../protocol/commands.ts'
import type { Action, MacroStage, Step } from '../protocol/constants.ts'
import type {
  BodyVerdictKind,
  MessageVerdictKind,
  SessionVerdictKind,
  VerdictKind,
} from '../protocol/event-table.ts'
import type { Offer } from '../protocol/negotiation.ts'
import type { CloseReason } from '../session/events.ts'
import type { Verdict } from '../session/verdict.ts'
import type {
  ConnectionContext,
  EndOfMessageContext,
  HeaderContext,
  MessageContext,
  NegotiateContext,
  RecipientContext,
} from './context.ts'

/** What a handler may return, or a promise of it: a verdict that its event allows, or nothing for "continue". */
export type Answer<Kinds extends VerdictKind> =
  Verdict<Kinds> | undefined | void | Promise<Verdict<Kinds> | undefined | void>

/** What a handler of the SMTP session may return. */
export type ConnectionAnswer = Answer<SessionVerdictKind>
/** What a handler of a message may return. */
export type MessageAnswer = Answer<MessageVerdictKind>
/** What the handler of body may return. */
export type BodyAnswer = Answer<BodyVerdictKind>

/** What a filter wants to negotiate. Anything you leave out follows from the handlers and their marks. */
export interface NegotiationRequest {
  /** what to ask for: names, such as `['ADDHDRS']`, or {@link Action} bits */
  readonly actions?: number | readonly (keyof typeof Action)[] | undefined
  /** what to ask for instead of what follows from the handlers: names, such as `['NOHELO']`, or {@link Step} bits */
  readonly steps?: number | readonly (keyof typeof Step)[] | undefined
  /** macros to ask for at a stage, in addition to those of `symlist` marks */
  readonly macros?: Partial<Record<MacroStage, readonly string[]>> | undefined
}

/**
 * The callbacks of a filter for one SMTP session. The mail server is asked to send only the events that have a
 * callback. Each may be asynchronous; the next event comes when it is done.
 *
 * Order: negotiate, connect, helo (again after STARTTLS), then for each message envfrom, envrcpt...,
 * data, header..., eoh, body..., and eom or abort; close at the end. `unknown` may come at any time.
 * A verdict other than "continue" ends the message: then neither eom nor abort follows.
 */
export interface Handlers {
  /** Called before any other callback; few filters need it. An error here refuses the connection. */
  negotiate?(
    ctx: NegotiateContext,
    offer: Offer,
  ): NegotiationRequest | undefined | void | Promise<NegotiationRequest | undefined | void>
  /** A client has connected. `address` is undefined if the family is `unknown`. */
  connect?(
    ctx: ConnectionContext,
    hostname: string,
    family: AddressFamily,
    address: string | undefined,
    port: number | undefined,
  ): ConnectionAnswer
  /** The client has sent HELO or EHLO, with this name. */
  helo?(ctx: ConnectionContext, name: string): ConnectionAnswer
  /** A message begins. `sender` is as the client wrote it, with brackets; ESMTP parameters follow. */
  envfrom?(ctx: MessageContext, sender: string, ...parameters: string[]): MessageAnswer
  /** One recipient. "reject" and "tempfail" are for this recipient only; "accept" and "discard" for the message. */
  envrcpt?(ctx: RecipientContext, recipient: string, ...parameters: string[]): MessageAnswer
  /** The client has sent DATA; the header follows. */
  data?(ctx: MessageContext): MessageAnswer
  /**
   * One header field. `value` begins after the colon and one space, if there is one: both mail servers send it so. A
   * second space or a tab is part of the value; folds are LF and a space or tab.
   */
  header?(ctx: HeaderContext, name: string, value: string): MessageAnswer
  /** The header is complete; the body follows. */
  eoh?(ctx: MessageContext): MessageAnswer
  /** A piece of the body, at most 65,535 bytes. It can begin and end anywhere. You may keep it. */
  body?(ctx: MessageContext, chunk: Buffer): BodyAnswer
  /** The message is complete. You can edit it only here. */
  eom?(ctx: EndOfMessageContext): MessageAnswer
  /** The mail server has aborted the message. */
  abort?(ctx: MessageContext): void | Promise<void>
  /** The SMTP session is over. This is the last call of every connection, and sometimes the only one. */
  close?(ctx: ConnectionContext, reason: CloseReason): void | Promise<void>
  /** The client has sent an SMTP command that the mail server does not know. */
  unknown?(ctx: ConnectionContext, line: string): ConnectionAnswer
}

/** Refuses names that are not callbacks in plain handlers: a misspelt one would never be called. */
export type Exact<F> = {
  [Name in Exclude<keyof F, keyof Handlers>]: F extends { toFilterObject: unknown }
    ? unknown
    : `${Name & string} is not a callback of a milter; keep state in variables of the factory`
}

/** Keeps TypeScript from passing over an object that has no callback at all ("weak types"). */
export interface NotWeak {
  toString(): string
}
