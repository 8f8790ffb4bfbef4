import { UsageError } from '../errors.ts'
import { Action, bitNames, Step } from '../protocol/constants.ts'
import { EDITS, editOf, type EditMessage } from '../protocol/edit-table.ts'
import { encodeBody, encodeReply } from '../protocol/replies.ts'
import { FRAME_HEADER_SIZE } from '../protocol/frame.ts'
import { NO_EDIT_COUNTS, type EditCounts } from '../diagnostics/edit-counts.ts'
import type { EditMethod } from '../protocol/edit-table.ts'
import { withoutBlankLines } from '../protocol/line-ends.ts'
import { decodeText, encodeText } from '../protocol/text.ts'
import type { MemoryBudget } from '../session/memory-budget.ts'
import type { Terms } from '../session/terms.ts'
import {
  envelopePath,
  envelopeText,
  foldWithLf,
  headerIndex,
  headerName,
} from './edit-checks.ts'
import type { TextOrBytes } from '../protocol/text.ts'
import type { MergedFields } from './mail-server/merged-fields.ts'
import { envelopeParameters, type EsmtpParameters } from './envelope/parameters.ts'

/** The edits, as methods of the context of end of message and of `Base`. */
export interface MessageEdits {
  /** Adds a field. Postfix puts it last; Sendmail puts it before the first field of that name, if there is one. */
  addHeader(name: TextOrBytes, value: TextOrBytes): void
  /**
   * Inserts a field at a position: 0 is the top, 1 is below the mail server's own Received, a large number is the end.
   * Other positions mean different things to Postfix and Sendmail.
   */
  insertHeader(index: number, name: TextOrBytes, value: TextOrBytes): void
  /**
   * Changes the index-th field of a name, from 1. If there is no such field, it is added. Null or the empty value
   * deletes the field, as in libmilter.
   */
  changeHeader(name: TextOrBytes, index: number, value: TextOrBytes | null): void
  /** Deletes the index-th field of a name, from 1. To delete several, begin with the last. */
  deleteHeader(name: TextOrBytes, index?: number): void
  /**
   * Adds a recipient, with or without brackets. The ESMTP parameters NOTIFY and ORCPT can be text, words or a map.
   */
  addRecipient(address: TextOrBytes, parameters?: EsmtpParameters): void
  /** Removes a recipient. Give the address as it came in RCPT, without parameters. */
  deleteRecipient(address: TextOrBytes): void
  /** Changes the sender; `<>` is the null sender. ESMTP parameters such as `RET=HDRS` can be text, words or a map. */
  changeFrom(address: TextOrBytes, parameters?: EsmtpParameters): void
  /** Replaces the body; lines end with CRLF. Repeated calls append. Do not change `data` afterwards. */
  replaceBody(data: TextOrBytes): void
  /** Moves the message to the mail server's hold queue, with a verdict that lets the message pass. */
  quarantine(reason: TextOrBytes): void
}

/** The methods that edit a message. Contexts and `Base` give the list that the edits go to. */
export abstract class Editing implements MessageEdits {
  /**
   * @internal The list that edits go to.
   * @param what the method that was called
   * @throws UsageError WRONG_STAGE if edits are not allowed now
   */
  abstract toEditList(what: string): EditList

  addHeader(name: TextOrBytes, value: TextOrBytes): void {
    this.toEditList('addHeader').addHeader(name, value)
  }

  insertHeader(index: number, name: TextOrBytes, value: TextOrBytes): void {
    this.toEditList('insertHeader').insertHeader(index, name, value)
  }

  changeHeader(name: TextOrBytes, index: number, value: TextOrBytes | null): void {
    this.toEditList('changeHeader').changeHeader(name, index, value)
  }

  deleteHeader(name: TextOrBytes, index = 1): void {
    this.toEditList('deleteHeader').changeHeader(name, index, null)
  }

  addRecipient(address: TextOrBytes, parameters?: EsmtpParameters): void {
    this.toEditList('addRecipient').addRecipient(address, parameters)
  }

  deleteRecipient(address: TextOrBytes): void {
    this.toEditList('deleteRecipient').deleteRecipient(address)
  }

  changeFrom(address: TextOrBytes, parameters?: EsmtpParameters): void {
    this.toEditList('changeFrom').changeFrom(address, parameters)
  }

  replaceBody(data: TextOrBytes): void {
    this.toEditList('replaceBody').replaceBody(data)
  }

  quarantine(reason: TextOrBytes): void {
    this.toEditList('quarantine').quarantine(reason)
  }
}

/** The limits of an {@link EditList}. */
export interface EditLimits {
  /** edits of one message */
  readonly maxEdits: number
  /** where their bytes are counted until they are sent */
  readonly memory: MemoryBudget
}

/** After the last field of any message; libmilter takes no larger number. */
export const END = 0x7fffffff

/** Bytes that a frame takes as an object, about. */
const OBJECT = 128

/**
 * The edits of one message, each checked when it is made. They are sent together with the verdict, in an order that
 * every mail server takes: headers, envelope, quarantine, body. Body frames come last and without other frames between
 * them, because Postfix takes any other frame for the end of the body.
 */
export class EditList {
  readonly #terms: Terms
  readonly #limits: EditLimits
  /** header values are written as given, leading space and all */
  readonly #verbatim: boolean
  readonly #merged: MergedFields | undefined
  readonly #headers: Buffer[] = []
  readonly #envelope: Buffer[] = []
  #quarantine: Buffer | undefined
  #quarantineReason: string | undefined
  #body: Buffer[] | undefined
  #bodySource: AsyncIterable<Buffer> | undefined
  #count = 0
  /** bytes that are counted */
  #held = 0

  /** @param merged fields that this mail server merges unless they are inserted */
  constructor(
    terms: Terms,
    limits: EditLimits,
    verbatim: boolean,
    merged: MergedFields | undefined,
  ) {
    this.#terms = terms
    this.#limits = limits
    this.#verbatim = verbatim
    this.#merged = merged
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  addHeader(name: TextOrBytes, value: TextOrBytes): void {
    if (this.#merged?.has(name)) return this.insertHeader(END, name, value)
    const bytes = headerName(name)
    this.#push(this.#headers, {
      type: 'addheader',
      name: bytes,
      value: this.#headerValue(bytes, value),
    })
  }

  insertHeader(index: number, name: TextOrBytes, value: TextOrBytes): void {
    const bytes = headerName(name)
    this.#push(this.#headers, {
      type: 'insheader',
      index: headerIndex(index, 0),
      name: bytes,
      value: this.#headerValue(bytes, value),
    })
    this.#merged?.count(name)
  }

  changeHeader(name: TextOrBytes, index: number, value: TextOrBytes | null): void {
    const bytes = headerName(name)
    const number = headerIndex(index, 1)
    const deletes = value === null || value.length === 0
    if (!deletes && this.#addsMerged(name, number)) return this.insertHeader(END, name, value)
    this.#push(this.#headers, {
      type: 'chgheader',
      index: number,
      name: bytes,
      value: value === null ? '' : this.#headerValue(bytes, value),
    })
  }

  /** Both servers add a field if the one to change does not exist. */
  #addsMerged(name: TextOrBytes, index: number): boolean {
    const both = EDITS.chgheader.action | EDITS.insheader.action
    if (this.#merged === undefined || (this.#terms.actions & both) !== both) return false
    return this.#merged.lacks(name, index)
  }

  addRecipient(address: TextOrBytes, parameters?: EsmtpParameters): void {
    const bytes = envelopePath('recipient', address)
    const words = envelopeParameters('recipient', parameters)
    if (words === undefined) {
      this.#push(this.#envelope, { type: 'addrcpt', address: bytes })
      return
    }
    this.#push(this.#envelope, {
      type: 'addrcpt_par',
      address: bytes,
      parameters: words,
    })
  }

  deleteRecipient(address: TextOrBytes): void {
    const bytes = envelopeText('recipient', address)
    this.#push(this.#envelope, { type: 'delrcpt', address: bytes })
  }

  changeFrom(address: TextOrBytes, parameters?: EsmtpParameters): void {
    this.#push(this.#envelope, {
      type: 'chgfrom',
      address: envelopePath('sender', address),
      parameters: envelopeParameters('sender', parameters),
    })
  }

  quarantine(reason: TextOrBytes): void {
    const bytes = envelopeText('quarantine reason', reason)
    this.#quarantine = this.#checked({ type: 'quarantine', reason: bytes })
    this.#quarantineReason = decodeText(bytes)
  }

  /** undefined if the message is not put into quarantine */
  get quarantineReason(): string | undefined {
    return this.#quarantineReason
  }

  /** Repeated calls append; one with nothing but empty data makes the body empty. */
  replaceBody(data: TextOrBytes): void {
    this.#grant(EDITS.replbody.action, 'replaceBody')
    this.#body ??= []
    const bytes = encodeText(data)
    if (bytes.length === 0) return
    this.#body.push(bytes)
    this.#hold(bytes.length)
  }

  /** A new body in pieces. It replaces any other new body. */
  replaceBodyWith(pieces: readonly Buffer[]): void {
    this.#grant(EDITS.replbody.action, 'replaceBody')
    this.#body = [...pieces]
  }

  /** A new body that is not in memory. It replaces any other new body, and is read once, while it is sent. */
  replaceBodyFrom(source: AsyncIterable<Buffer>): void {
    this.#grant(EDITS.replbody.action, 'replaceBody')
    this.#bodySource = source
  }

  get bodySource(): AsyncIterable<Buffer> | undefined {
    return this.#bodySource
  }

  /**
   * The edits as frames, except for a body that is not in memory. Body bytes are not copied, so they must not change
   * until they are sent.
   */
  frames(): readonly Buffer[] {
    if (this.#count === 0) return NO_FRAMES
    const frames = [...this.#headers, ...this.#envelope]
    if (this.#quarantine !== undefined) frames.push(this.#quarantine)
    if (this.#body !== undefined && this.#bodySource === undefined) {
      const pieces = this.#body.length > 0 ? this.#body : [Buffer.alloc(0)]
      for (const piece of pieces) frames.push(...encodeBody(piece))
    }
    return frames
  }

  /** How many edits of each kind there are. A deleted field counts as a change, as on the wire. */
  counts(): EditCounts {
    if (this.#count === 0) return NO_EDIT_COUNTS
    const counts: Partial<Record<EditMethod, number>> = {}
    for (const frame of [...this.#headers, ...this.#envelope]) {
      const { method } = editOf(frame[FRAME_HEADER_SIZE - 1]!)!
      counts[method] = (counts[method] ?? 0) + 1
    }
    if (this.#quarantine !== undefined) counts.quarantine = 1
    if (this.#body !== undefined || this.#bodySource !== undefined) counts.replaceBody = 1
    return counts
  }

  #hold(bytes: number): void {
    this.#held += bytes + OBJECT
    this.#limits.memory.pass(bytes + OBJECT)
  }

  /** They are on their way, or will not be sent. */
  letGo(): void {
    this.#limits.memory.pass(-this.#held)
    this.#held = 0
  }

  #push(list: Buffer[], message: EditMessage): void {
    list.push(this.#checked(message))
  }

  #checked(message: EditMessage): Buffer {
    this.#grant(EDITS[message.type].action, message.type)
    const frame = encodeReply(message)
    this.#hold(frame.length)
    if (frame.length - FRAME_HEADER_SIZE > this.#terms.dataSize) {
      throw new UsageError(
        'TOO_LONG',
        `${message.type} would need a frame of ${frame.length - FRAME_HEADER_SIZE} bytes; ${this.#terms.dataSize} were negotiated`,
      )
    }
    return frame
  }

  #grant(action: number, what: string): void {
    if ((this.#terms.actions & action) === 0) {
      throw new UsageError(
        'ACTION_NOT_NEGOTIATED',
        `${what} needs ${bitNames(Action, action)}, and this connection has only ${bitNames(Action, this.#terms.actions)}; the mail server does not offer it or the filter's option "actions" leaves it out`,
      )
    }
    if (++this.#count > this.#limits.maxEdits) {
      throw new UsageError(
        'TOO_MANY_EDITS',
        `more than ${this.#limits.maxEdits} edits of one message; raise the option "maxEdits" if that is intended`,
      )
    }
  }

  /**
   * On the wire a fold is LF and a space or tab; Postfix would leave a CR in the header. A line without a space or tab
   * before it would become another field: header injection.
   *
   * If the leading space was negotiated, the mail server writes `Name:value` as it gets it. Otherwise it adds one
   * space itself. So one is added here, except for values that begin with a tab or a line break: those came off the
   * wire without a space.
   *
   * Bytes are taken as they are, even lines of white space only: fields that were received go back unchanged.
   */
  #headerValue(name: Buffer, value: TextOrBytes): Buffer {
    // An empty value would be a deletion.
    const text =
      typeof value === 'string' && value !== '' ? withoutBlankLines(value) || ' ' : value
    const bytes = foldWithLf(name, encodeText(text))
    const written = (this.#terms.steps & Step.HDR_LEADSPC) !== 0
    const first = bytes[0]
    if (this.#verbatim) {
      // A single space stays: an empty value would be a deletion.
      return written || first !== 0x20 || bytes.length === 1 ? bytes : bytes.subarray(1)
    }
    const needsSpace = written && first !== undefined && first !== 0x09 && first !== 0x0a
    return needsSpace ? Buffer.concat([SPACE, bytes]) : bytes
  }
}

const SPACE = Buffer.from(' ')
const NO_FRAMES: readonly Buffer[] = []
