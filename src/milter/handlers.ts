import type { AddressFamily } from '../protocol/commands.ts'
import type { MacroStage } from '../protocol/constants.ts'
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

/** What a handler may return, now or later: a verdict of its stage, or nothing for "continue". */
export type Answer<Kinds extends VerdictKind> =
  Verdict<Kinds> | undefined | void | Promise<Verdict<Kinds> | undefined | void>

export type ConnectionAnswer = Answer<SessionVerdictKind>
export type MessageAnswer = Answer<MessageVerdictKind>
export type BodyAnswer = Answer<BodyVerdictKind>

/** A filter's own word on the negotiation; what is left out is worked out from its handlers. */
export interface NegotiationRequest {
  /** {@link Action} bits to ask for */
  readonly actions?: number | undefined
  /** {@link Step} bits to ask for, instead of all those worked out */
  readonly steps?: number | undefined
  /** macros wanted at a stage, beside those of `symlist` marks */
  readonly macros?: Partial<Record<MacroStage, readonly string[]>> | undefined
}

/**
 * The callbacks of a filter for one SMTP connection. Which of them are there decides what the mail
 * server is asked to send. Each may be asynchronous; the next event comes when it is done.
 *
 * Order: negotiate, connect, helo (again after STARTTLS), then for each message envfrom, envrcpt...,
 * data, header..., eoh, body..., and eom or abort; close at the end. `unknown` may come at any time.
 * A verdict other than "continue" ends the message: then neither eom nor abort follows.
 */
export interface Handlers {
  /** Before anything else; most filters do not need it. An error here refuses the connection. */
  negotiate?(
    ctx: NegotiateContext,
    offer: Offer,
  ): NegotiationRequest | undefined | void | Promise<NegotiationRequest | undefined | void>
  /** A client has connected. `address` is undefined when the family is `unknown`. */
  connect?(
    ctx: ConnectionContext,
    hostname: string,
    family: AddressFamily,
    address: string | undefined,
    port: number | undefined,
  ): ConnectionAnswer
  helo?(ctx: ConnectionContext, name: string): ConnectionAnswer
  /** A message begins. `sender` as the client wrote it, with brackets; then ESMTP parameters. */
  envfrom?(ctx: MessageContext, sender: string, ...parameters: string[]): MessageAnswer
  /** A refusal here is for this recipient only; "accept" and "discard" are for the message. */
  envrcpt?(ctx: RecipientContext, recipient: string, ...parameters: string[]): MessageAnswer
  data?(ctx: MessageContext): MessageAnswer
  /**
   * One header field. `value` begins behind the colon and one space, if there is one: so both mail servers have it. A
   * second space or a tab is part of it; folds are LF and blank.
   */
  header?(ctx: HeaderContext, name: string, value: string): MessageAnswer
  eoh?(ctx: MessageContext): MessageAnswer
  /** A piece of the body, 65,535 bytes at most, cut anywhere. It may be kept. */
  body?(ctx: MessageContext, chunk: Buffer): BodyAnswer
  /** The message is complete; only here it can be edited. */
  eom?(ctx: EndOfMessageContext): MessageAnswer
  /** The message was abandoned. */
  abort?(ctx: MessageContext): void | Promise<void>
  /** The SMTP session is over; the last call of every connection, sometimes the only one. */
  close?(ctx: ConnectionContext, reason: CloseReason): void | Promise<void>
  /** An SMTP command the mail server does not know. */
  unknown?(ctx: ConnectionContext, line: string): ConnectionAnswer
}

/** Refuses names that are no callbacks in plain handlers: a misspelt one would never be called. */
export type Exact<F> = {
  [Name in Exclude<keyof F, keyof Handlers>]: F extends { toFilterObject: unknown }
    ? unknown
    : `${Name & string} is not a callback of a milter; keep state in variables of the factory`
}

/** Keeps TypeScript from passing over an object that has no callback at all ("weak types"). */
export interface NotWeak {
  toString(): string
}
