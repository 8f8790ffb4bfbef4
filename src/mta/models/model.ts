import type { EditMessage } from '../../protocol/replies.ts'
import type { Field } from '../message.ts'

/** An address of the envelope, without angle brackets, and its ESMTP parameters. */
export interface EnvelopeAddress {
  /** empty for the null sender */
  readonly address: string
  readonly parameters: readonly string[]
}

/** A message as a mail server has received it, before a filter has changed it. */
export interface ReceivedMessage {
  readonly sender: EnvelopeAddress
  readonly recipients: readonly EnvelopeAddress[]
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
  /** what the server does: forget this edit, or fail the message */
  readonly effect: 'ignored' | 'tempfail'
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
  /** The end of the edits: the message as the server would hand it on, without its trace field. */
  result(): MessageResult
}

export interface MessageResult {
  readonly sender: EnvelopeAddress
  readonly recipients: readonly EnvelopeAddress[]
  /** CRLF line ends */
  readonly message: Buffer
  /** why it is held; undefined when it is not */
  readonly quarantine: string | undefined
}
