import { observe, type ClientRefused, type MessageDone } from '../diagnostics/channels.ts'
import type { Logger } from '../diagnostics/log.ts'
import { askForContent, type MessageContent } from '../diagnostics/message-content.ts'
import { RECIPIENTS } from '../options/kinds.ts'
import { decodeEncodedWords, unfold } from '../mime/fields/encoded-words.ts'

/** Options of {@link logMessages}. */
export interface MessageLogOptions {
  /**
   * Content to log as `content` in the line of each message: `recipients` for the recipients that were not refused, and
   * names of header fields. At most 20 values of each name are logged, with at most 1,000 characters each. Encoded
   * words are decoded. Header fields are logged only if a filter asks the mail server for them.
   * @default none
   */
  readonly content?: readonly string[] | undefined
}

/**
 * Logs one line for each message when it ends, and one for each client that the filter refuses before a message. The
 * level is info for all verdicts. The fields are those of {@link MessageDone} and {@link ClientRefused}. `connection`
 * and `queueId` are the same as in the lines of `ctx.log`. Returns a function that stops it.
 *
 * The line contains the address of the sender, the login name, and the first line of the filter's SMTP reply. Subject,
 * recipients and other content are left out unless you ask for them. The body is never logged.
 *
 *     const stop = logMessages(await createLogger(), { content: ['recipients', 'Subject'] })
 *
 * @throws UsageError INVALID_OPTION
 */
export function logMessages(logger: Logger, options: MessageLogOptions = {}): () => void {
  const forget = askForContent(options.content ?? [])
  const stop = observe(
    {
      'tsmilter:message': (event) =>
        logger.info(messageFields(event), `message ${past(event)}`),
      'tsmilter:client:refused': (event) =>
        logger.info(clientFields(event), `client ${PAST[event.verdict]}`),
    },
    logger,
  )
  return () => {
    stop()
    forget()
  }
}

const PAST = {
  accept: 'accepted',
  reject: 'rejected',
  tempfail: 'deferred',
  discard: 'discarded',
  abort: 'abandoned',
} as const satisfies Record<MessageDone['verdict'], string>

/** The mail server accepts a quarantined message from the client, but does not deliver it. */
const past = ({ verdict, quarantine }: MessageDone): string =>
  quarantine === undefined ? PAST[verdict] : 'quarantined'

/** The fields of the line of a message. Unknown ones are left out. */
function messageFields(event: MessageDone): Record<string, unknown> {
  const { edits } = event
  return known({
    connection: event.connection,
    queueId: event.queueId,
    ...client(event),
    user: event.user,
    sender: event.sender,
    recipients: event.recipients,
    refusedRecipients: event.refusedRecipients || undefined,
    ...decision(event),
    edits: Object.keys(edits).length === 0 ? undefined : edits,
    quarantine: event.quarantine,
    bodyBytes: event.bodyBytes,
    content: event.content && contentFields(event.content),
    ms: rounded(event.milliseconds),
    handlerMs: rounded(event.handlerMilliseconds),
  })
}

function clientFields(event: ClientRefused): Record<string, unknown> {
  return known({ connection: event.connection, ...client(event), ...decision(event) })
}

function client({ hostname, address }: MessageDone | ClientRefused): Record<string, unknown> {
  return { client: hostname || undefined, address }
}

function decision(event: MessageDone | ClientRefused): Record<string, unknown> {
  const { verdict, stage, filter, code, enhanced, reason } = event
  return { verdict, stage, filter, code, enhanced, reason }
}

function known(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/** Header fields in readable form. Recipients have no encoded words. */
function contentFields(content: MessageContent): Record<string, readonly string[]> {
  return Object.fromEntries(
    Object.entries(content).map(([name, values]) => [
      name,
      name === RECIPIENTS
        ? values
        : values.map((value) => decodeEncodedWords(unfold(value)).trim()),
    ]),
  )
}

/** Rounded to a tenth of a millisecond. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10
}
