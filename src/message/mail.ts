import type { MimeMessage, MimeOptions } from '../mime/message.ts'
import type { MailAddresses } from './addresses.ts'
import type { MailBody } from './body.ts'
import type { MailSender, Recipients } from './envelope.ts'
import type { MailHeaders } from './headers.ts'
import type { StageContext } from './stage-context.ts'

/** A mail whose header is complete. The body may still be on its way. */
export interface HeadersMail<State = undefined> extends StageContext {
  readonly sender: MailSender
  readonly recipients: Recipients
  readonly headers: MailHeaders
  /** The same address fields as mailboxes and groups, to read and to set. */
  readonly addresses: MailAddresses
  /**
   * Text of the first `Subject`; empty if there is none (`headers.has` tells). Set, it is the only one;
   * undefined takes it out. Likewise the others.
   */
  get subject(): string
  set subject(text: string | undefined)
  get from(): string
  set from(text: string | undefined)
  get to(): string
  set to(text: string | undefined)
  get cc(): string
  set cc(text: string | undefined)
  get replyTo(): string
  set replyTo(text: string | undefined)
  get messageId(): string
  set messageId(text: string | undefined)
  /** The header as it came, without the empty line after it. */
  rawHeader(): Buffer
  /**
   * Has the mail server hold the message, with a verdict that lets it pass.
   * @throws UsageError INVALID_ADDRESS for a reason that is empty or holds control characters
   */
  quarantine(reason: string): void
  readonly state: State
}

/**
 * A complete mail. Change what it should be; the least that makes the mail server's message so is sent
 * when the handler is done, with a verdict that lets it pass. When the handler is over, edits throw.
 */
export interface Mail<State = undefined> extends HeadersMail<State> {
  readonly body: MailBody
  /**
   * The message exactly as it came (in a composition: as the filters before have left it), in one
   * piece of memory.
   * @throws MilterError BODY_GONE after the handler, SPILL_FAILED
   */
  raw(): Promise<Buffer>
  /** The same piece by piece, for messages of any size. */
  rawChunks(): AsyncGenerator<Buffer>
  /**
   * The mail as a tree of MIME parts (`tsmilter/mime`), made when it is first asked for, of header and
   * body as they are then. Edits of the tree are edits of the mail: a new body, and those fields of
   * the header that are other ones. The whole message is in memory meanwhile.
   *
   * Where the mail server does not grant a new body, an edit fails or is left out, as `onNotGranted`
   * says; then no field of the tree is changed either.
   * @throws MilterError BODY_GONE after the handler, SPILL_FAILED
   */
  mime(options?: MimeOptions): Promise<MimeMessage>
}
