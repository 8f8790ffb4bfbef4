import type { Offer } from '../../protocol/negotiation.ts'
import type { EditMessage } from '../../protocol/edit-table.ts'
import type { EventName } from '../../protocol/event-table.ts'
import { Field, type ParsedMessage } from '../message.ts'
import type { FailureAction } from './failure-action.ts'
import type { NegotiationRules } from './negotiation.ts'
import type { MailServerName } from './versions.ts'

/** The host name of the modelled servers. */
export const OWN_NAME = 'mx.example.net'

/** Stands for the Received field that a server adds itself: always the same, so that tests can compare it. */
export const OWN_RECEIVED: Field = Field.of(
  'Received',
  ` by ${OWN_NAME} (placeholder); Tue, 24 Nov 2026 10:00:00 +0000`,
)

/** The commands that macros can be sent before. */
export type MacroCommand = EventName

/** The commands of the content; they follow DATA. */
export const CONTENT_COMMANDS: ReadonlySet<string> = new Set(['header', 'eoh', 'body', 'eom'])

/** How long the server waits for a filter, in milliseconds. */
export interface MtaTimeouts {
  /** until the connection is open */
  readonly connect: number
  /** for one reply, to a command of the envelope */
  readonly command: number
  /** for one reply, to header, eoh, body and eom */
  readonly content: number
  /** from eom to the verdict, including all edits; 0 for no limit */
  readonly endOfMessage: number
}

/** A mail server as a filter sees it: everything in which mail servers differ. `queue` has how it applies edits. */
export interface MailServerModel {
  readonly name: MailServerName
  /** the `v` macro */
  readonly version: string
  /** the default for mail when a filter fails */
  readonly onFailure: FailureAction
  /** the values that can be configured */
  readonly failureActions: readonly FailureAction[]
  readonly offer: Offer
  readonly timeouts: MtaTimeouts
  /** the macros it sends if the filter asks for none, by command */
  readonly macros: Readonly<Record<MacroCommand, readonly string[]>>
  /** macros it sends before a command even if there are none */
  readonly sendsEmptyMacros: boolean
  /** macros that exist at and after header; undefined: all */
  readonly contentMacros: ReadonlySet<string> | undefined
  /** when the queue id becomes known: Postfix has no queue file before the first recipient */
  readonly queueIdFrom: 'connect' | 'first recipient'
  /** what SKIP in answer to a header skips */
  readonly skipAtHeader: 'header' | 'body'
  /** whether it accepts PROGRESS at every command, not only at eom */
  readonly takesProgressAnywhere: boolean
  /** whether a verdict with illegal bytes after it is a failure */
  readonly refusesPayloadOfVerdicts: boolean
  /** the maximum data of a command; if it would have to send more, it fails the filter */
  readonly maxCommandData: number
  /** whether an edit for which it fails the message is a failure of the filter, so that its default action applies */
  readonly failsFilterForEdits: boolean
  /** how it handles the answer to its offer */
  readonly negotiation: NegotiationRules
  /** how it leaves a filter that has accepted or refused the session at CONNECT or HELO */
  readonly leaves: Readonly<Record<'accepted' | 'refused', 'quit' | 'silently' | 'at the end'>>
  /** whether it sends ABORT before each message but the first of a session, however the one before has ended */
  readonly abortsBetweenMessages: boolean
  /** IPv6 addresses as it writes them at CONNECT */
  ipv6(address: string): string
  /** why it does not take a REPLYCODE, given without the NUL at its end; undefined if it does */
  replyFlaw(text: string): string | undefined
  /** the part of an unknown command that a filter gets */
  unknownLine(line: string): string
  /** whether a filter's reply to such a command counts */
  takesForUnknown(reply: string): boolean
  /** its reply to the client if the filter gives no text */
  reply(what: CannedReply, at: MacroCommand, address?: string): string
  /** its reply to the client if a filter has failed and mail does not pass */
  failureReply(action: RefusingAction, failure: FilterFailure): string
  /** a reply with the filter's text, for one address at MAIL and RCPT */
  ownReply(text: string, at: MacroCommand, address: string | undefined): string
  /** codes of replies after which it ends the SMTP session */
  readonly hangsUpAfter: readonly string[]
  /** SHUTDOWN of a filter: 421, and in content perhaps a message that is taken and lost; or a failure */
  readonly shutdown: 'refuses' | 'loses content' | 'unknown'
  /** its reply to a message that it refuses itself, before a filter sees the content; undefined if it does not */
  refusal(message: ParsedMessage): string | undefined
  /** a message that was received, ready for edits */
  queue(message: ReceivedMessage): QueuedMessage
}

/** The actions after a filter's failure that do not let mail pass. */
export type RefusingAction = Exclude<FailureAction, 'accept' | 'quarantine'>

/** The facts about a filter's failure that the reply to the client can depend on. */
export interface FilterFailure {
  readonly at: MacroCommand
  /** Postfix takes some failures of filters for an error in its own configuration */
  readonly misconfigured: boolean
  /** in angle brackets */
  readonly sender: string
  /** in angle brackets */
  readonly lastRecipient: string
}

/** Verdicts for which a mail server has its own reply. */
export type CannedReply = 'reject' | 'tempfail' | 'shutdown'

/** An address of the envelope, without angle brackets, and its ESMTP parameters. */
export interface QueuedAddress {
  /** empty for the null sender */
  readonly address: string
  readonly parameters: readonly string[]
}

/** A message as a mail server has received it, before a filter has changed it. */
export interface ReceivedMessage {
  readonly sender: QueuedAddress
  readonly recipients: readonly QueuedAddress[]
  /** the fields as they came, without the one the server adds as a trace */
  readonly fields: readonly Field[]
  /** CRLF line ends */
  readonly body: Buffer
  /** what the server would write into fields it adds itself */
  readonly added?: AddedFields | undefined
}

/** The values of fields that a mail server adds if the client has not sent them. */
export interface AddedFields {
  /** its own name, which completes an address without a domain */
  readonly host?: string | undefined
  readonly date?: string | undefined
  readonly messageId?: string | undefined
}

/** What was negotiated, as far as edits depend on it. */
export interface EditTerms {
  /** HDR_LEADSPC: values are written as they come, without a space before them */
  readonly leadingSpace: boolean
  /** CHGBODY was granted; Sendmail refuses a new body without it */
  readonly mayReplaceBody: boolean
}

/** The effect of an edit that the mail server does not apply as the filter meant it. */
export interface EditFailure {
  /** what the server does: it ignores this edit, fails the message, or crashes */
  readonly effect: 'ignored' | 'tempfail' | 'crash'
  readonly reason: string
}

/**
 * A message in the queue of a mail server, and how the server applies a filter's edits: one after the other, in order,
 * as both servers do. It is deliberately faithful, even if the server's behaviour is surprising.
 */
export interface QueuedMessage {
  /** The fields that a filter gets, in order, with names and values as they are in the message. */
  shown(): readonly Field[]
  /** the body that a filter gets */
  readonly body: Buffer
  /** Applies one edit. */
  apply(edit: EditMessage, terms: EditTerms): EditFailure | undefined
  /**
   * Ends the edits, and returns the message as the server would send it.
   * @param received a placeholder for the server's own trace field; without it that field is left out
   */
  result(received?: Field): MessageResult
}

/** A message after the edits, as the server would send it. */
export interface MessageResult {
  readonly sender: QueuedAddress
  readonly recipients: readonly QueuedAddress[]
  /** CRLF line ends */
  readonly message: Buffer
  /** why it is held; undefined if it is not */
  readonly quarantine: string | undefined
}
