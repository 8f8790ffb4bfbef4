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

/** What a filter may look at, for the option `reads`. */
export type ReadKind = 'headers' | 'body'

/** What every stage can ask. */
export interface StageContext {
  /** a number of its own for each connection of this process */
  readonly id: number
  readonly connection: MailConnection
  /** the mail server: which one, its version, its known defects */
  readonly server: ServerFacts
  /** the value of a macro that holds now, with or without braces; undefined if it has none */
  macro(name: string): string | undefined
  /** all macros that hold now, by name without braces */
  readonly macros: ReadonlyMap<string, string>
  /** the mail server's id of the message, once it has one */
  readonly queueId: string | undefined
  /** fires when the message was abandoned, the connection is gone, or the deadline has passed */
  readonly signal: AbortSignal
  /** lines carry the filter's name, the connection's id and the queue id */
  readonly log: Logger
}

export interface SenderStage<State = undefined> extends StageContext {
  /** what the option `state` has made for this message */
  readonly state: State
}

export interface RecipientStage<State = undefined> extends SenderStage<State> {
  readonly sender: EnvelopeAddress
  /** those that were taken before this one */
  readonly recipients: readonly EnvelopeAddress[]
}

/** What the calls of one filter go by. */
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
  /** makes what its stages share, for one message */
  readonly makeState: (() => unknown) | undefined
}
