import type { EditMessage } from '../../protocol/edit-table.ts'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { Field, formatFields, isField } from '../message.ts'
import {
  addressIn,
  minimallyQuoted,
  splitAddresses,
  withoutFinalDot,
  withoutRoute,
} from './envelope.ts'
import { postfixRecipientParameters } from './recipient-parameters.ts'
import { postfixSenderParameters } from './sender-parameters.ts'
import type {
  EditFailure,
  EditTerms,
  QueuedAddress,
  MessageResult,
  QueuedMessage,
  ReceivedMessage,
} from './model.ts'

/**
 * With filters, Postfix cuts a field at this size, so that it fits into a frame. Without them it cuts at
 * header_size_limit, 102,400 bytes (cleanup_message.c, cleanup_out.c cleanup_out_header).
 */
const HEADER_LIMIT = 60_000

/**
 * Fields that Postfix removes from the message of a client (message_drop_headers). A filter can add such a field: no
 * later step removes it.
 */
const DROPPED: ReadonlySet<string> = new Set([
  'bcc',
  'content-length',
  'resent-bcc',
  'return-path',
])

/** A field in the queue file. */
interface Header {
  readonly field: Field
  /**
   * Postfix's own Received. It counts for positions, but not among the fields of its name (cleanup_milter.c
   * hidden_header).
   */
  readonly own: boolean
}

interface Recipient extends QueuedAddress {
  readonly by: 'client' | 'filter'
}

/**
 * A message in the queue of Postfix. The edits of a filter arrive through src/milter/milter8.c milter8_event. They work
 * on the queue file, with its content at that moment (src/cleanup/cleanup_milter.c).
 */
export class PostfixQueuedMessage implements QueuedMessage {
  readonly body: Buffer
  readonly #headers: Header[]
  #recipients: Recipient[] = []
  readonly #seen = new Set<string>()
  #sender: QueuedAddress
  #newBody: Buffer[] | undefined
  #bodyClosed = false
  #quarantine: string | undefined

  constructor(message: ReceivedMessage) {
    this.body = withoutFinalCRs(message.body)
    this.#sender = { ...message.sender, address: minimallyQuoted(message.sender.address) }
    const fields = message.fields.filter(({ key }) => !DROPPED.has(key))
    this.#headers = [
      { field: new Field(Buffer.from('Received: ')), own: true },
      ...fields.map(({ raw }) => ({ field: new Field(headerLines(raw)), own: false })),
    ]
    for (const { address, parameters } of message.recipients) {
      this.#addRecipient(minimallyQuoted(address), parameters, 'client')
    }
  }

  shown(): Field[] {
    return this.#headers.filter(({ own }) => !own).map(({ field }) => field)
  }

  apply(edit: EditMessage, terms: EditTerms): EditFailure | undefined {
    const space = terms.leadingSpace ? '' : ' '
    if (edit.type !== 'replbody' && this.#newBody !== undefined) this.#bodyClosed = true
    switch (edit.type) {
      case 'addheader':
        this.#headers.push(header(edit.name, space, edit.value))
        return undefined
      case 'insheader': {
        // All fields count for positions, and so does Postfix's own Received (cleanup_ins_header).
        const at = edit.index < this.#searched() ? edit.index : this.#headers.length
        this.#headers.splice(at, 0, header(edit.name, space, edit.value))
        return undefined
      }
      case 'chgheader':
        return this.#changeHeader(edit.index, edit.name, space, edit.value)
      case 'addrcpt':
        this.#addRecipient(rewritten(decode(edit.address)), [])
        return undefined
      case 'addrcpt_par':
        this.#addRecipient(
          rewritten(decode(edit.address)),
          postfixRecipientParameters(edit.parameters),
        )
        return undefined
      case 'delrcpt':
        this.#deleteRecipient(internal(decode(edit.address)))
        return undefined
      case 'chgfrom':
        this.#changeFrom(rewritten(decode(edit.address)), edit.parameters)
        return undefined
      case 'replbody':
        if (this.#bodyClosed) return SPLIT_BODY
        ;(this.#newBody ??= []).push(Buffer.from(edit.chunk))
        return undefined
      case 'quarantine':
        this.#quarantine = decode(edit.reason)
        return undefined
    }
  }

  result(received?: Field): MessageResult {
    const body =
      this.#newBody === undefined ? this.body : bodyLines(Buffer.concat(this.#newBody))
    return {
      sender: this.#sender,
      recipients: this.#recipients.map(({ address, parameters }) => ({ address, parameters })),
      message: Buffer.concat([formatFields(this.#written(received)), CRLF, body]),
      quarantine: this.#quarantine,
    }
  }

  #written(received: Field | undefined): Field[] {
    if (received === undefined) return this.shown()
    return this.#headers.map(({ own, field }) => (own ? received : field))
  }

  /** How far Postfix searches for a field: up to the first line that is not a field. A filter can add such a line. */
  #searched(): number {
    const end = this.#headers.findIndex(({ field }) => !isField(field.raw))
    return end === -1 ? this.#headers.length : end
  }

  #changeHeader(
    index: number,
    name: string | Uint8Array,
    space: string,
    value: string | Uint8Array,
  ): EditFailure | undefined {
    if (name.length === 0) return { effect: 'tempfail', reason: 'a change without a name' }
    const wanted = keyOf(name)
    // Index 0 means 1, for compatibility with Sendmail (milter8.c, SMFIR_CHGHEADER).
    let left = Math.max(index, 1)
    const at = this.#headers
      .slice(0, this.#searched())
      .findIndex(({ own, field }) => !own && field.key === wanted && --left === 0)
    if (value.length === 0) {
      // Numbers change at once: the next field now has the number of this one.
      if (at !== -1) this.#headers.splice(at, 1)
    } else if (at === -1) {
      this.#headers.push(header(name, space, value))
    } else {
      this.#headers[at] = header(name, space, value)
    }
    return undefined
  }

  /**
   * Postfix drops a recipient that it already has (cleanup_out_recipient.c, been_here). But a recipient of the client
   * and one of a filter are never the same, because by default only the former has an original recipient
   * (cleanup_addr.c). So the message goes there twice.
   */
  #addRecipient(
    address: string,
    parameters: readonly string[],
    by: 'client' | 'filter' = 'filter',
  ): void {
    const key = recipientKey(by, address, parameters)
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    this.#recipients.push({ address, parameters, by })
  }

  #deleteRecipient(address: string): void {
    for (const one of this.#recipients) {
      // A recipient that differs only in case is also removed from the seen ones, and can be added again
      // (been_here_drop).
      if (one.address.toLowerCase() === address.toLowerCase()) {
        this.#seen.delete(recipientKey(one.by, one.address, one.parameters))
      }
    }
    // Compared with case (cleanup_del_rcpt: strcmp).
    this.#recipients = this.#recipients.filter((one) => one.address !== address)
  }

  #changeFrom(address: string, parameters: string | Uint8Array | undefined): void {
    this.#sender = {
      address,
      parameters: postfixSenderParameters(this.#sender.parameters, parameters),
    }
  }
}

/**
 * The first address of a text (cleanup_milter.c: tok822_parse), in the form in which Postfix searches for it among the
 * recipients.
 */
const internal = (text: string): string =>
  minimallyQuoted(addressIn(splitAddresses(text)[0] ?? ''))

/** An address in the form in which it is added: without a route, and without a dot at its end (trivial-rewrite). */
const rewritten = (text: string): string =>
  minimallyQuoted(withoutFinalDot(withoutRoute(internal(text))))

const COLON = Buffer.from(':')
const CRLF = Buffer.from('\r\n')
const FEED = Buffer.from('\n')
const FEED_AND_TAB = Buffer.from('\n\t')
const LF = 0x0a
const CR = 0x0d

const SPLIT_BODY: EditFailure = {
  effect: 'tempfail',
  reason: 'a new body in two parts with another edit between them',
}

const recipientKey = (by: string, address: string, parameters: readonly string[]): string =>
  [by, address, ...parameters].join('\n').toLowerCase()

const keyOf = (name: string | Uint8Array): string =>
  encodeText(name).toString('latin1').toLowerCase()

const decode = (text: string | Uint8Array): string => decodeText(encodeText(text))

function header(name: string | Uint8Array, space: string, value: string | Uint8Array): Header {
  const raw = Buffer.concat([encodeText(name), COLON, Buffer.from(space), encodeText(value)])
  return { field: new Field(headerLines(raw)), own: false }
}

/**
 * A field as cleanup_out_header writes it. A line after the first that does not begin with white space gets a tab. A
 * field larger than the limit is cut, at a line end if one is near.
 */
function headerLines(raw: Buffer): Buffer {
  const lines: Buffer[] = []
  let start = 0
  for (;;) {
    const feed = raw.indexOf(LF, start)
    let end = feed === -1 ? raw.length : feed
    let last = feed === -1
    if (end > HEADER_LIMIT) {
      if (start > 0.9 * HEADER_LIMIT) break
      end = HEADER_LIMIT
      last = true
    }
    if (start > 0) {
      lines.push(raw[start] === 0x20 || raw[start] === 0x09 ? FEED : FEED_AND_TAB)
    }
    lines.push(raw.subarray(start, end))
    if (last) break
    start = end + 1
  }
  return Buffer.concat(lines)
}

/** A new body, cut into lines as milter8_event does: at LF or CRLF. A CR elsewhere stays. */
function bodyLines(bytes: Buffer): Buffer {
  const parts: Buffer[] = []
  let start = 0
  while (start < bytes.length) {
    const feed = bytes.indexOf(LF, start)
    let end = feed === -1 ? bytes.length : feed
    if (feed !== -1 && end > start && bytes[end - 1] === CR) end--
    parts.push(bytes.subarray(start, end), CRLF)
    start = feed === -1 ? bytes.length : feed + 1
  }
  return Buffer.concat(parts)
}

/** Removes all CRs at the end of a line (smtp_stream.c smtp_get). */
function withoutFinalCRs(body: Buffer): Buffer {
  if (!body.includes('\r\r\n')) return body
  return Buffer.from(body.toString('latin1').replaceAll(/\r+\n/g, '\r\n'), 'latin1')
}
