import type { EditMessage } from '../../protocol/edit-table.ts'
import { decodeText, encodeText, type TextOrBytes } from '../../protocol/text.ts'
import { Field, formatFields } from '../message.ts'
import { addressIn, splitAddresses, withoutFinalDot, withoutRoute } from './envelope.ts'
import { sendmailRecipientParameters } from './recipient-parameters.ts'
import { sendmailSenderParameters } from './sender-parameters.ts'
import { limitedMimeValue } from './sendmail-mime.ts'
import type {
  AddedFields,
  EditFailure,
  EditTerms,
  QueuedAddress,
  MessageResult,
  QueuedMessage,
  ReceivedMessage,
} from './model.ts'

/**
 * A node of Sendmail's list of fields (struct header). The list begins with the nine fields of the configuration (`H`
 * lines). If the client has sent such a field itself, the node stays without a value.
 */
interface Node {
  readonly name: Buffer
  /** undefined if the field was deleted or is not written */
  value: Buffer | undefined
  /** H_USER: from the client or a filter, not from the configuration */
  user: boolean
  /** H_TRACE */
  readonly trace: boolean
  /** H_DEFAULT: from the configuration, and without a value when the message had arrived */
  late: boolean
  /** in which messages it is written */
  readonly when: 'always' | 'resent' | 'never'
}

/**
 * A message in the queue of Sendmail, with the configuration that its m4 files make. Edits work on the list of fields
 * in memory (sendmail/milter.c, headers.c). The list contains more than the message shows.
 */
export class SendmailQueuedMessage implements QueuedMessage {
  readonly body: Buffer
  readonly #nodes: Node[]
  readonly #recipients: Recipient[] = []
  readonly #resent: boolean
  readonly #joins: boolean
  readonly #host: string
  #sender: QueuedAddress
  #newBody: Buffer[] | undefined
  #quarantine: string | undefined

  /** @param joins whether Sendmail joins an added field of recipients with an existing one */
  constructor(message: ReceivedMessage, joins: boolean) {
    this.#joins = joins
    this.body = message.body
    this.#host = message.added?.host ?? 'localhost'
    this.#sender = message.sender
    for (const one of message.recipients) this.#addRecipient(one)
    this.#resent = message.fields.some(({ key }) => RESENT.has(key))
    this.#nodes = configured(message.sender, message.added ?? {})
    for (const field of message.fields) this.#receive(field)
  }

  /** The client's own field takes the place of a configured one, if it holds anything (dochompheader). */
  #receive({ name, key, value }: Field): void {
    const configuredOne = FORCED.has(key)
      ? undefined
      : this.#nodes.find((node) => !node.user && keyOf(node) === key)
    if (configuredOne !== undefined) {
      if (value.toString('latin1').trim() === '') return
      configuredOne.value = undefined
      configuredOne.late = true
    }
    this.#nodes.push(made(name, value))
  }

  shown(): Field[] {
    return this.#nodes
      .filter(({ user, value }) => user && value !== undefined)
      .map(({ name, value }) => Field.of(name, value!))
  }

  apply(edit: EditMessage, terms: EditTerms): EditFailure | undefined {
    const space = Buffer.from(terms.leadingSpace ? '' : ' ')
    switch (edit.type) {
      case 'addheader':
        return this.#addHeader(edit.name, space, edit.value)
      case 'insheader': {
        if (edit.name.length === 0) return NO_NAME
        // The new field comes after the node at the index (headers.c insheader). The index counts from 0, with hidden
        // nodes. If there are fewer nodes, it comes at the end. So index 0 is after Return-Path, which is hidden, and
        // before Received.
        const at = edit.index > 0x7fff_ffff ? 0 : Math.min(edit.index, this.#nodes.length - 1)
        this.#nodes.splice(at + 1, 0, made(encodeText(edit.name), join(space, edit.value)))
        return undefined
      }
      case 'chgheader':
        return this.#changeHeader(edit.index, edit.name, space, edit.value)
      case 'addrcpt':
        this.#addRecipients(decode(edit.address))
        return undefined
      case 'addrcpt_par': {
        const parameters = sendmailRecipientParameters(edit.parameters)
        if (!Array.isArray(parameters)) return parameters
        this.#addRecipient({ address: parsed(decode(edit.address)), parameters })
        return undefined
      }
      case 'delrcpt':
        this.#deleteRecipients(decode(edit.address))
        return undefined
      case 'chgfrom': {
        // A second string first removes all parameters of MAIL (milter_chgfrom).
        const parameters =
          edit.parameters === undefined
            ? this.#sender.parameters
            : sendmailSenderParameters(edit.parameters)
        if ('effect' in parameters) return parameters
        this.#sender = { address: parsed(decode(edit.address)), parameters }
        return undefined
      }
      case 'replbody':
        if (!terms.mayReplaceBody) {
          return { effect: 'tempfail', reason: 'a new body without the right to replace it' }
        }
        ;(this.#newBody ??= []).push(Buffer.from(edit.chunk))
        return undefined
      case 'quarantine':
        this.#quarantine = decode(edit.reason)
        return undefined
    }
  }

  result(received?: Field): MessageResult {
    const own = this.#received
    const body = this.#newBody === undefined ? this.body : bodyLines(this.#newBody)
    return {
      sender: this.#sender,
      recipients: this.#recipients.filter(({ removed }) => !removed).map(asEnvelopeAddress),
      message: Buffer.concat([
        formatFields(
          this.#nodes.flatMap((node) => {
            if (node === own) return received ?? []
            return this.#isWritten(node) ? this.#written(node) : []
          }),
        ),
        CRLF,
        body,
      ]),
      quarantine: this.#quarantine,
    }
  }

  #isWritten(node: Node): boolean {
    const { value, late, when } = node
    if (value === undefined) return false
    // The value is expanded when the field is written. If it is then empty, the field is left out (putheader).
    if (late && value.length === 0) return false
    return when === 'always' || (when === 'resent' && this.#resent)
  }

  #written({ name, value, user, late }: Node): Field {
    const text = value!.toString('latin1')
    if (late && !user) {
      return written(name, Buffer.from(text.replace(SENDER, () => this.#sender.address)))
    }
    const key = name.toString('latin1').toLowerCase()
    if (!ADDRESSES.has(key)) {
      return written(name, Buffer.from(limitedMimeValue(key, text), 'latin1'))
    }
    const addresses = splitAddresses(text).map((one) => one.replaceAll(/\s*\n\s*/g, ' '))
    return writtenAddresses(
      name,
      text,
      addresses.map((one) => this.#qualified(one)),
    )
  }

  /** Adds the server's own domain to a name without one (RF_ADDDOMAIN). */
  #qualified(address: string): string {
    return /[@<(]/.test(address) ? address : `${address}@${this.#host}`
  }

  /** The server's own trace field. */
  get #received(): Node | undefined {
    return this.#nodes.find(({ user, trace }) => !user && trace)
  }

  #addHeader(name: TextOrBytes, space: Buffer, value: TextOrBytes): EditFailure | undefined {
    if (name.length === 0) return NO_NAME
    const key = textKey(name)
    // A configured field of that name becomes the added one, in its place (milter_addheader).
    const configuredOne = this.#nodes.find(
      (node) => !node.user && !node.trace && keyOf(node) === key,
    )
    if (configuredOne === undefined) return this.#append(name, space, value)
    configuredOne.value = join(space, value)
    configuredOne.user = true
    return undefined
  }

  /** Adds a field before the first one of its name, or else at the end (headers.c addheader). */
  #append(name: TextOrBytes, space: Buffer, value: TextOrBytes): EditFailure | undefined {
    const key = textKey(name)
    const first = this.#nodes.findIndex((node) => keyOf(node) === key)
    const there = first === -1 ? undefined : this.#nodes[first]
    if (this.#joins && there !== undefined && JOINED.has(key)) {
      // Sendmail does not check that the field has a value.
      if (there.value === undefined) return CRASH
      const isEmpty = there.value.toString('latin1').trim() === ''
      const added = encodeText(value).toString('latin1').trimStart()
      const comma = isEmpty ? '' : ', '
      there.value = Buffer.concat([there.value, Buffer.from(comma + added, 'latin1')])
      return undefined
    }
    const at = first === -1 ? this.#nodes.length : first
    this.#nodes.splice(at, 0, made(encodeText(name), join(space, value)))
    return undefined
  }

  #changeHeader(
    index: number,
    name: TextOrBytes,
    space: Buffer,
    value: TextOrBytes,
  ): EditFailure | undefined {
    if (name.length === 0) return NO_NAME
    const key = textKey(name)
    let left = index > 0x7fff_ffff ? 0 : index
    let found: Node | undefined
    let configuredOne: Node | undefined
    for (const node of this.#nodes) {
      if (keyOf(node) !== key) continue
      // Deleted fields still count. Numbers do not change while one filter is at work.
      if (node.user && --left <= 0) {
        found = node
        break
      }
      if (!node.user && !node.trace) configuredOne = node
    }
    found ??= configuredOne
    if (value.length === 0) {
      if (found !== undefined) found.value = undefined
    } else if (found === undefined) {
      return this.#append(name, space, value)
    } else {
      // The spelling of the name stays.
      found.value = join(space, value)
      found.user = true
    }
    return undefined
  }

  #addRecipients(list: string): void {
    for (const one of splitAddresses(list)) {
      const address = parsed(one)
      if (address !== '') this.#addRecipient({ address, parameters: [] })
    }
  }

  #addRecipient({ address, parameters }: QueuedAddress): void {
    const notify = notifyOf(parameters)
    const others = parameters.filter((one) => !/^notify=/i.test(one))
    const same = this.#recipients.find((one) => one.address === address)
    if (same === undefined) {
      this.#recipients.push({
        address,
        others,
        notify: new Set(notify ?? ['FAILURE', 'DELAY']),
        explicit: notify !== undefined,
        removed: false,
      })
    } else if (same.removed) {
      // The recipient is back, with the NOTIFY values of both (recipient.c: q_flags are joined).
      same.removed = false
      for (const one of notify ?? []) same.notify.add(one)
      same.explicit ||= notify !== undefined
    }
  }

  #deleteRecipients(list: string): void {
    for (const one of splitAddresses(list)) {
      const address = parsed(one)
      const found = this.#recipients.find((recipient) => recipient.address === address)
      if (found !== undefined) found.removed = true
    }
  }
}

/** An address in the form in which the next server gets it: with its quotes, and without route, name and final dot. */
const parsed = (text: string): string => withoutFinalDot(withoutRoute(addressIn(text)))

/** A recipient. Addresses are compared with case, as Sendmail does for relayed mail (parseaddr.c sameaddr). */
interface Recipient {
  readonly address: string
  readonly others: readonly string[]
  readonly notify: Set<string>
  /** NOTIFY was given, so the next server gets it */
  explicit: boolean
  removed: boolean
}

function asEnvelopeAddress({ address, others, notify, explicit }: Recipient): QueuedAddress {
  if (!explicit) return { address, parameters: others }
  const wishes = ['SUCCESS', 'FAILURE', 'DELAY'].filter((one) => notify.has(one))
  return { address, parameters: [`NOTIFY=${wishes.join(',') || 'NEVER'}`, ...others] }
}

function notifyOf(parameters: readonly string[]): string[] | undefined {
  const found = parameters.find((one) => /^notify=/i.test(one))
  if (found === undefined) return undefined
  const wishes = found.slice('notify='.length).toUpperCase().split(',')
  return wishes.includes('NEVER') ? [] : wishes
}

const CRLF = Buffer.from('\r\n')
const LF = 0x0a
const CRASH: EditFailure = {
  effect: 'crash',
  reason:
    'an addition to a field of recipients that was deleted, for which Sendmail 8.18.2 crashes',
}
const NO_NAME: EditFailure = { effect: 'ignored', reason: 'a field without a name' }

/** Names of fields that Sendmail knows, by their flags (conf.c HdrInfo). */
const TRACE: ReadonlySet<string> = new Set(['received', 'x400-received', 'via', 'mail-from'])
const FORCED: ReadonlySet<string> = new Set([
  ...TRACE,
  'comments',
  'return-path',
  'x-authentication-warning',
])
const RESENT: ReadonlySet<string> = new Set(
  ['sender', 'from', 'reply-to', 'to', 'cc', 'bcc', 'message-id', 'date'].map(
    (name) => `resent-${name}`,
  ),
)
/** Fields of addresses. Sendmail writes them again (H_FROM and H_RCPT). */
const ADDRESSES: ReadonlySet<string> = new Set([
  ...['sender', 'from', 'reply-to', 'to', 'cc', 'bcc'].flatMap((name) => [
    name,
    `resent-${name}`,
  ]),
  'errors-to',
  'disposition-notification-to',
  'apparently-to',
])
/** Fields with a list of addresses that Sendmail joins into one (H_0OR1_AL, from 8.18.2 on). */
const JOINED: ReadonlySet<string> = new Set(['to', 'cc', 'bcc', 'apparently-to'])
/** Fields that are written only for mailers with a flag that the relaying ones do not have. */
const CONDITIONAL: ReadonlySet<string> = new Set(['return-path', 'full-name', 'content-length'])

/** A placeholder for the sender. It is replaced when the message is written. */
const SENDER = '$g'

/** The nine `H` lines of cf/m4/proto.m4, as a relaying mailer (flags D, F and M) writes them. */
function configured({ address }: QueuedAddress, added: AddedFields): Node[] {
  // The value is set when the message has arrived, unless it is empty (headers.c eatheader).
  const from = address === '' ? SENDER : address
  const nodes: [name: string, value: string | undefined][] = [
    ['Return-Path', ''],
    ['Received', ''],
    ['Resent-Date', added.date],
    ['Date', added.date],
    ['Resent-From', from],
    ['From', from],
    ['Full-Name', ''],
    ['Resent-Message-Id', added.messageId],
    ['Message-Id', added.messageId],
  ]
  return nodes.map(([name, value]) => ({
    ...made(Buffer.from(name), Buffer.from(` ${value ?? ''}`)),
    user: false,
    // eatheader sets the value of a field, unless it is empty or not known yet. If the caller does not know the value,
    // the field is in the list, but is not shown.
    late: value === '' || value === SENDER,
    ...(value === undefined && { value: undefined }),
  }))
}

function made(name: Buffer, value: Buffer): Node {
  const key = name.toString('latin1').toLowerCase()
  const when = CONDITIONAL.has(key) ? 'never' : RESENT.has(key) ? 'resent' : 'always'
  return { name, value, user: true, trace: TRACE.has(key), late: false, when }
}

const keyOf = ({ name }: Node): string => name.toString('latin1').toLowerCase()
const textKey = (name: TextOrBytes): string => encodeText(name).toString('latin1').toLowerCase()
const join = (space: Buffer, value: TextOrBytes): Buffer =>
  Buffer.concat([space, encodeText(value)])
const decode = (text: TextOrBytes): string => decodeText(encodeText(text))

/** Bytes for one line of a field: MAXLINE + 256, minus the line end (put_vanilla_header). */
const LINE_ROOM = 2048 + 256

/**
 * A field as put_vanilla_header writes it. A line that does not begin with white space gets a space. A line too long
 * for the buffer is cut, and loses a byte at the cut.
 */
function written(name: Buffer, value: Buffer): Field {
  const parts: Buffer[] = [name.subarray(0, 200), Buffer.from(':')]
  let used = parts[0]!.length + 1
  let rest = value
  for (;;) {
    const feed = rest.indexOf(LF)
    const room = LINE_ROOM - used - 1
    if (feed === -1) {
      parts.push(rest.subarray(0, room))
      return new Field(Buffer.concat(parts))
    }
    const length = Math.min(feed, room)
    parts.push(rest.subarray(0, length), Buffer.from('\n'))
    rest = rest.subarray(length + 1)
    used = 0
    if (rest[0] !== 0x20 && rest[0] !== 0x09) {
      parts.push(Buffer.from(' '))
      used = 1
    }
  }
}

/**
 * A list of addresses as commaize writes it, with one comma and one space between them. An address that would pass
 * column 78 begins a new line. Complete addresses do not change, as with FEATURE(`nocanonify'). Sendmail's "old style"
 * lists, with spaces between addresses, are not modelled. Sendmail assumes them if the address fields of a message have
 * no comma, semicolon, bracket or comment.
 */
function writtenAddresses(name: Buffer, value: string, addresses: readonly string[]): Field {
  const space = /^\s*/.exec(value)![0].length
  let line = `${name.toString('latin1').slice(0, 200)}:${' '.repeat(space)}`
  const lines: string[] = []
  let first = true
  for (const address of addresses) {
    if (!first && line.length + 2 + address.length > 78) {
      lines.push(`${line},`)
      line = `        ${address}`
    } else {
      line += first ? address : `, ${address}`
    }
    first = false
  }
  return new Field(Buffer.from([...lines, line].join('\n'), 'latin1'))
}

/**
 * A new body as milter_replbody writes it, chunk by chunk. A CR at the end of a chunk waits for the next chunk.
 * Sendmail takes an empty chunk for the end of all chunks. It then writes the waiting CR, but also keeps it.
 */
function bodyLines(chunks: readonly Buffer[]): Buffer {
  const parts: string[] = []
  let waiting = ''
  for (const chunk of chunks) {
    if (chunk.length === 0) {
      parts.push(waiting)
      continue
    }
    const text = waiting + chunk.toString('latin1')
    waiting = text.endsWith('\r') ? '\r' : ''
    parts.push(waiting === '' ? text : text.slice(0, -1))
  }
  const text = [...parts, waiting].join('').replaceAll(/\r?\n/g, '\r\n')
  const whole = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`
  return Buffer.from(whole, 'latin1')
}
