import type { MessageLimits } from '../options/types.ts'
import type { EnvelopeAddress } from '../milter/envelope/envelope-address.ts'
import type { Logger } from '../diagnostics/log.ts'
import type { ServerFacts } from '../milter/mail-server/server-facts.ts'
import type { MailConnection } from './mail-connection.ts'

/** The stages of a whole-message filter. */
export type FilterStage =
  'connect' | 'helo' | 'sender' | 'recipient' | 'headers' | 'message' | 'close'

export const FILTER_STAGES: readonly FilterStage[] = [
  'connect',
  'helo',
  'sender',
  'recipient',
  'headers',
  'message',
  'close',
]

/** A part of the content that a filter may look at, for the option `reads`. */
export type ReadKind = 'headers' | 'body'

/** The context of every stage. */
export interface StageContext {
  /** a number that no other connection of this process has */
  readonly id: number
  /** the SMTP client: its address, login and encryption */
  readonly connection: MailConnection
  /** the mail server: which one, its version, its known defects */
  readonly server: ServerFacts
  /** The current value of a macro, by name with or without braces; undefined if it has none. */
  macro(name: string): string | undefined
  /** all current macros, by name without braces */
  readonly macros: ReadonlyMap<string, string>
  /** the mail server's queue id of the message, once it is known */
  readonly queueId: string | undefined
  /** Fires when the mail server aborts the message, the connection is closed, or the deadline has passed. */
  readonly signal: AbortSignal
  /** Its lines carry the filter's name, the connection's id and the queue id. */
  readonly log: Logger
}

/** The context of the stage `sender`. */
export interface SenderStageContext<State = undefined> extends StageContext {
  /** the object that the option `state` has made for this message */
  readonly state: State
}

/** The context of the stage `recipient`. */
export interface RecipientStageContext<State = undefined> extends SenderStageContext<State> {
  /** the sender, from MAIL */
  readonly sender: EnvelopeAddress
  /** the recipients before this one that were not refused */
  readonly recipients: readonly EnvelopeAddress[]
}

/** The facts about one filter that its calls need. */
export interface FilterFacts {
  readonly name: string
  /** it sees everything and changes nothing */
  readonly shadow: boolean
  readonly reads: ReadonlySet<ReadKind>
  /** bits of Action that its edits can need */
  readonly actions: number
  readonly limits: MessageLimits
  /** an edit that is not granted is left out, and does not fail */
  readonly skipsNotGranted: boolean
  /** makes the object that its stages share, for one message */
  readonly makeState: (() => unknown) | undefined
}
