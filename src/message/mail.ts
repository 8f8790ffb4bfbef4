import { UsageError } from '../errors.ts'
import { tooLate, type LiveMessageContext } from '../milter/context.ts'
import { envelopeText } from '../milter/edit-checks.ts'
import type { MessageLimits } from '../options/types.ts'
import { Action, bitNames } from '../protocol/constants.ts'
import type { MimeMessage, MimeOptions } from '../mime/message.ts'
import { decodeText } from '../protocol/text.ts'
import { MailAddresses } from './addresses.ts'
import { MailBody } from './body.ts'
import { bodyGone, type BodyStore } from './body-store.ts'
import type { FilterFacts, ReadKind, StageContext } from './stage-context.ts'
import type { EditGuard } from './edit-guard.ts'
import { MailSender, Recipients } from './envelope.ts'
import { EMPTY_LINE, formatHeader } from './field-record.ts'
import { MailHeaders } from './headers.ts'
import type { MailState } from './plan/plan.ts'
import { MailTree } from './mail-tree.ts'
import { CallContext, type MessageSupply } from './live-stage-context.ts'

/** A mail whose header is complete. The body may still be on its way. */
export interface HeadersMail<State = undefined> extends StageContext {
  /** the sender of the envelope, which you can replace */
  readonly sender: MailSender
  /** the recipients of the envelope, which you can edit */
  readonly recipients: Recipients
  /** the header, which you can edit */
  readonly headers: MailHeaders
  /** the address fields of the header as mailboxes and groups, to read and to set */
  readonly addresses: MailAddresses
  /**
   * The text of the first `Subject`; empty if there is none (`headers.has` tells the two apart). If you set it, it
   * becomes the only one; undefined removes it. The other fields work in the same way.
   */
  get subject(): string
  set subject(text: string | undefined)
  /** The text of the first `From`; see `subject`. */
  get from(): string
  set from(text: string | undefined)
  /** The text of the first `To`; see `subject`. */
  get to(): string
  set to(text: string | undefined)
  /** The text of the first `Cc`; see `subject`. */
  get cc(): string
  set cc(text: string | undefined)
  /** The text of the first `Reply-To`; see `subject`. */
  get replyTo(): string
  set replyTo(text: string | undefined)
  /** The text of the first `Message-ID`; see `subject`. */
  get messageId(): string
  set messageId(text: string | undefined)
  /** The header as it came, without the empty line after it. */
  rawHeader(): Buffer
  /**
   * Asks the mail server to hold the message. It takes effect with a verdict that lets the message pass.
   * @throws UsageError INVALID_ADDRESS for a reason that is empty or has control characters
   */
  quarantine(reason: string): void
  /** The reason for which this filter, or one before it in a composition, wants the message held; undefined if none does. */
  readonly quarantineReason: string | undefined
  /** the object that the option `state` has made for this message */
  readonly state: State
}

/**
 * A complete mail. Edit it as you want it to be. When the handler is done, the smallest set of edits that has this
 * result is sent, with a verdict that lets the message pass. After that, edits throw.
 */
export interface Mail<State = undefined> extends HeadersMail<State> {
  /** the body, which you can read and replace */
  readonly body: MailBody
  /**
   * The message exactly as it came, in one Buffer. In a composition it is the message as the filters before have
   * left it.
   * @throws MilterError BODY_GONE after the handler, SPILL_FAILED
   */
  raw(): Promise<Buffer>
  /** The message as of `raw`, but in pieces, for messages of any size. */
  rawChunks(): AsyncGenerator<Buffer>
  /**
   * The mail as a tree of MIME parts (`tsmilter/mime`). The first call makes it from the current header and body.
   * Edits of the tree are edits of the mail: a new body, and the fields of the header that have changed. The whole
   * message is in memory meanwhile.
   *
   * If the mail server does not grant a new body, an edit fails or is left out, as `onNotGranted` says. In that case
   * no field of the tree is changed either.
   *
   *     const tree = await mail.mime()
   *     for (const part of tree.attachments) mail.log.info({ type: part.type }, 'attachment')
   *
   * @throws MilterError BODY_GONE after the handler, SPILL_FAILED
   */
  mime(options?: MimeOptions): Promise<MimeMessage>
}

/** The mail of one call of one filter. */
export class LiveMail
  extends CallContext<LiveMessageContext>
  implements Mail<unknown>, EditGuard
{
  readonly #given: MailState
  readonly #hasBody: boolean
  readonly #supply: MessageSupply
  readonly #limits: MessageLimits
  #headers: MailHeaders | undefined
  #addresses: MailAddresses | undefined
  #sender: MailSender | undefined
  #recipients: Recipients | undefined
  #body: MailBody | undefined
  #quarantine: string | undefined
  #tree: Promise<MailTree> | undefined
  #treeNow: MailTree | undefined
  #over = false

  constructor(
    context: LiveMessageContext,
    member: FilterFacts,
    given: MailState,
    hasBody: boolean,
    supply: MessageSupply,
    limits: MessageLimits,
  ) {
    super(context, member)
    this.#given = given
    this.#hasBody = hasBody
    this.#supply = supply
    this.#limits = limits
    this.#quarantine = given.quarantine
  }

  get state(): unknown {
    return this.#supply.stateOf(this.member)
  }

  // ---- the message

  get headers(): MailHeaders {
    this.#headers ??= new MailHeaders(
      this.#given.fields,
      this,
      () => this.#needReads('headers', 'headers'),
      () => this.sender.parameters.has('SMTPUTF8'),
      (word) =>
        [this.#given.sender, ...this.#given.recipients].some(({ raw }) => raw.includes(word)),
    )
    return this.#headers
  }

  get addresses(): MailAddresses {
    this.#addresses ??= new MailAddresses(this.headers)
    return this.#addresses
  }

  get sender(): MailSender {
    this.#sender ??= new MailSender(this.#given.sender, this)
    return this.#sender
  }

  get recipients(): Recipients {
    this.#recipients ??= new Recipients(this.#given.recipients, this)
    return this.#recipients
  }

  get body(): MailBody {
    this.#needBody('body')
    if (this.#body === undefined) {
      this.#body = new MailBody(this.#given.body, this, () => this.#needReads('body', 'body'))
      if (this.#over) this.#body.close()
    }
    return this.#body
  }

  get subject(): string {
    return this.headers.get('Subject') ?? ''
  }
  set subject(text: string | undefined) {
    this.#setField('Subject', text)
  }

  get from(): string {
    return this.headers.get('From') ?? ''
  }
  set from(text: string | undefined) {
    this.#setField('From', text)
  }

  get to(): string {
    return this.headers.get('To') ?? ''
  }
  set to(text: string | undefined) {
    this.#setField('To', text)
  }

  get cc(): string {
    return this.headers.get('Cc') ?? ''
  }
  set cc(text: string | undefined) {
    this.#setField('Cc', text)
  }

  get replyTo(): string {
    return this.headers.get('Reply-To') ?? ''
  }
  set replyTo(text: string | undefined) {
    this.#setField('Reply-To', text)
  }

  get messageId(): string {
    return this.headers.get('Message-ID') ?? ''
  }
  set messageId(text: string | undefined) {
    this.#setField('Message-ID', text)
  }

  #setField(name: string, text: string | undefined): void {
    if (text === undefined) this.headers.delete(name)
    else this.headers.set(name, text)
  }

  rawHeader(): Buffer {
    this.#needReads('rawHeader', 'headers')
    return formatHeader(this.#given.fields)
  }

  async raw(): Promise<Buffer> {
    this.#needBody('raw')
    this.#needReads('raw', 'body')
    this.#refuseLate()
    const body = await this.#given.body.bytes()
    this.#refuseLate()
    return Buffer.concat([this.rawHeader(), EMPTY_LINE, body])
  }

  async *rawChunks(): AsyncGenerator<Buffer> {
    this.#needBody('rawChunks')
    this.#needReads('rawChunks', 'body')
    this.#refuseLate()
    yield Buffer.concat([this.rawHeader(), EMPTY_LINE])
    for await (const piece of this.#given.body) {
      this.#refuseLate()
      yield piece
    }
  }

  /** As {@link MailBody} does: the same for a body in memory and for one in a file. */
  #refuseLate(): void {
    if (this.#over) throw bodyGone()
  }

  async mime(options: MimeOptions = {}): Promise<MimeMessage> {
    this.#refuseLate()
    this.#tree ??= this.#makeTree(options)
    return (await this.#tree).message
  }

  async #makeTree(options: MimeOptions): Promise<MailTree> {
    const { body } = this
    this.#needReads('mime', 'headers')
    const bytes = await body.bytes()
    const fields = this.#headers?.records(this.#given.fields) ?? this.#given.fields
    const given = { bytes, store: body.store }
    this.#treeNow = await MailTree.read(fields, given, options, this)
    return this.#treeNow
  }

  quarantine(reason: string): void {
    const text = decodeText(envelopeText('quarantine reason', reason))
    if (this.permit('quarantine', Action.QUARANTINE)) this.#quarantine = text
  }

  get quarantineReason(): string | undefined {
    return this.#quarantine
  }

  #needBody(what: string): void {
    if (this.#hasBody) return
    throw new UsageError(
      'WRONG_STAGE',
      `mail.${what} is not available at the stage headers; declare the stage message for it`,
    )
  }

  #needReads(what: string, kind: ReadKind): void {
    if (this.member.reads.has(kind)) return
    const rest =
      kind === 'headers'
        ? '; without it you can only add fields: append, prepend, insertFirst'
        : '; without it you can only replace the body'
    throw new UsageError(
      'NOT_READ',
      `mail.${what} needs a part of the message that the mail server has not sent, because the filter ${JSON.stringify(this.member.name)} does not have ${JSON.stringify(kind)} in its "reads"${rest}`,
    )
  }

  // ---- EditGuard

  permit(what: string, actions: number): boolean {
    if (this.#over) throw tooLate(`mail.${what}`, 'headers or message', true)
    // A shadow behaves as if everything had been granted.
    const granted = this.member.shadow
      ? this.member.actions
      : this.member.actions & this.context.negotiated.actions
    const missing = actions & ~granted
    if (missing === 0) return true
    const undeclared = missing & ~this.member.actions
    const why =
      undeclared === 0
        ? 'it is not granted on this connection; the mail server does not offer it, or the option "actions" of serve leaves it out'
        : `the filter ${JSON.stringify(this.member.name)} does not have it in its "edits", or not at this stage`
    const text = `mail.${what} needs ${bitNames(Action, missing)}: ${why}`
    if (!this.member.skipsNotGranted) {
      throw new UsageError('ACTION_NOT_NEGOTIATED', text)
    }
    this.log.warn({ edit: what, reason: text }, 'an edit is left out')
    return false
  }

  newStore(): BodyStore {
    return this.#supply.newStore(this.#limits)
  }

  // ---- for the pipeline

  /** The handler is done. Waits for a body that is being read; rejects if that fails. */
  settled(): Promise<unknown> | undefined {
    this.#treeNow?.apply(this.headers, this.body, this)
    return this.#body?.pending === true ? this.#body.settled() : undefined
  }

  /** The message as the filter wants it; the same object that was given if nothing has changed. */
  result(): MailState {
    const given = this.#given
    const next: MailState = {
      sender: this.#sender?.current ?? given.sender,
      recipients: this.#recipients?.current ?? given.recipients,
      fields: this.#headers?.records(given.fields) ?? given.fields,
      body: this.#body?.store ?? given.body,
      quarantine: this.#quarantine,
    }
    return next.sender === given.sender &&
      next.recipients === given.recipients &&
      next.fields === given.fields &&
      next.body === given.body &&
      next.quarantine === given.quarantine
      ? given
      : next
  }

  /** The handler is over, in whatever way. */
  override close(): void {
    this.#over = true
    this.#body?.close()
  }
}
