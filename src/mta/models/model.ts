import type { Offer } from '../../protocol/negotiation.ts'
import type { EditMessage } from '../../protocol/edit-table.ts'
import type { EventName } from '../../protocol/event-table.ts'
import { Field, type ParsedMessage } from '../message.ts'
import type { FailureAction } from './failure-action.ts'
import type { NegotiationRules } from './negotiation.ts'
import type { MailServerName } from './versions.ts'

/** What the modelled servers call themselves. */
export const OWN_NAME = 'mx.example.net'

/** Stands for the Received field that a server adds itself: always the same, so that tests can compare it. */
export const OWN_RECEIVED: Field = Field.of(
  'Received',
  ` by ${OWN_NAME} (placeholder); Tue, 24 Nov 2026 10:00:00 +0000`,
)

/** The commands that macros can be sent before. */
export type MacroCommand = EventName

/** Those of them that are of the content: they follow DATA. */
export const CONTENT_COMMANDS: ReadonlySet<string> = new Set(['header', 'eoh', 'body', 'eom'])

/** How long the server waits for a filter, in milliseconds. */
export interface MtaTimeouts {
  /** until the connection is open */
  readonly connect: number
  /** for one reply, to a command of the envelope */
  readonly command: number
  /** for one reply, to header, eoh, body and eom */
  readonly content: number
  /** from eom to the verdict, all edits included; 0: no limit */
  readonly endOfMessage: number
}

/** What tells one mail server from another, besides what it makes of edits. */
export interface MailServerModel {
  readonly name: MailServerName
  /** the `v` macro */
  readonly version: string
  /** what becomes of mail when a filter fails, where nothing is configured */
  readonly onFailure: FailureAction
  /** what can be configured instead */
  readonly failureActions: readonly FailureAction[]
  readonly offer: Offer
  readonly timeouts: MtaTimeouts
  /** the macros it sends if the filter asks for none, by command */
  readonly macros: Readonly<Record<MacroCommand, readonly string[]>>
  /** macros it sends before a command even if there are none */
  readonly sendsEmptyMacros: boolean
  /** macros that exist at and after header; undefined: all */
  readonly contentMacros: ReadonlySet<string> | undefined
  /** from when on the queue id is known: Postfix has no file before there is a recipient */
  readonly queueIdFrom: 'connect' | 'first recipient'
  /** what SKIP in answer to a header skips */
  readonly skipAtHeader: 'header' | 'body'
  /** PROGRESS is taken at every command, not only at eom */
  readonly takesProgressAnywhere: boolean
  /** a verdict with bytes after it, which it should not have, is a failure */
  readonly refusesPayloadOfVerdicts: boolean
  /** the longest data of a command it sends; it fails the filter for a longer one */
  readonly maxCommandData: number
  /** an edit it fails the message for is a failure of the filter too, so that its default action holds */
  readonly failsFilterForEdits: boolean
  /** how it takes the answer to its offer */
  readonly negotiation: NegotiationRules
  /** how a filter is let go that has settled the session at CONNECT or HELO, and has accepted or refused */
  readonly leaves: Readonly<Record<'accepted' | 'refused', 'quit' | 'silently' | 'at the end'>>
  /** ABORT before each message but the first of a session, whatever became of the one before */
  readonly abortsBetweenMessages: boolean
  /** IPv6 addresses as it writes them at CONNECT */
  ipv6(address: string): string
  /** why it does not take a REPLYCODE, given without the NUL at its end; undefined if it does */
  replyFlaw(text: string): string | undefined
  /** what a filter is shown of a command the server does not know */
  unknownLine(line: string): string
  /** whether a filter's reply to such a command counts */
  takesForUnknown(reply: string): boolean
  /** what it tells the client where the filter gives no text of its own */
  reply(what: CannedReply, at: MacroCommand, address?: string): string
  /** what it tells the client where a filter has failed and mail does not pass */
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

/** What is done when a filter has failed, where mail does not pass. */
export type RefusingAction = Exclude<FailureAction, 'accept' | 'quarantine'>

export interface FilterFailure {
  readonly at: MacroCommand
  /** Postfix takes itself to blame for some of what filters do */
  readonly misconfigured: boolean
  /** in angle brackets */
  readonly sender: string
  /** in angle brackets */
  readonly lastRecipient: string
}

/** Replies of a mail server's own to a filter's verdicts. */
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

/** What a mail server puts into fields where the client has sent nothing. */
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

/** What became of an edit that the mail server does not carry out as the filter meant it. */
export interface EditFailure {
  /** what the server does: forget this edit, fail the message, or die of it */
  readonly effect: 'ignored' | 'tempfail' | 'crash'
  readonly reason: string
}

/**
 * A message in a mail server's hands, and what the server makes of a filter's edits: in their order,
 * one after the other, as both servers do. Deliberately faithful, also where the server surprises.
 */
export interface QueuedMessage {
  /** the fields a filter is shown, in order; names and values as they are in the message */
  shown(): readonly Field[]
  /** what a filter is shown as body */
  readonly body: Buffer
  /** Carries out one edit. */
  apply(edit: EditMessage, terms: EditTerms): EditFailure | undefined
  /**
   * The end of the edits: the message as the server would hand it on.
   * @param received stands for its own trace field, where that is; without it that is left out
   */
  result(received?: Field): MessageResult
}

export interface MessageResult {
  readonly sender: QueuedAddress
  readonly recipients: readonly QueuedAddress[]
  /** CRLF line ends */
  readonly message: Buffer
  /** why it is held; undefined when it is not */
  readonly quarantine: string | undefined
}
