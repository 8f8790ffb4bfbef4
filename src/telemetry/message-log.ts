import { observe, type ClientRefused, type MessageDone } from '../diagnostics/channels.ts'
import type { Logger } from '../diagnostics/log.ts'
import { askForContent, type MessageContent } from '../diagnostics/message-content.ts'
import { RECIPIENTS } from '../options/kinds.ts'
import { decodeEncodedWords, unfold } from '../mime/fields/encoded-words.ts'

export interface MessageLogOptions {
  /**
   * Content to be logged, as `content` in the line of each message: `recipients` for those that were not
   * refused, and names of header fields. Of each name 20 at most, and 1,000 characters; encoded words
   * are decoded. A header field is there only if a filter takes header fields.
   * @default none
   */
  readonly content?: readonly string[] | undefined
}

/**
 * One line for each message when it is over, and one for each client the filter refuses before any
 * message; at level info, whatever the verdict. The fields are those of {@link MessageDone} and
 * {@link ClientRefused}, and `connection` and `queueId` are the same as in the lines of `ctx.log`. It
 * begins at once; the function it returns ends it.
 *
 * No content of messages but what is asked for: neither subject, body nor recipients. The sender's
 * address, the login name and the first line of the filter's SMTP reply are in the line.
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

/** A message in quarantine was accepted from the client, and is delivered to nobody. */
const past = ({ verdict, quarantine }: MessageDone): string =>
  quarantine === undefined ? PAST[verdict] : 'quarantined'

/** The fields of the line of a message. What is not known is left out. */
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

/** Header fields as a person reads them; recipients have no encoded words. */
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

/** To a tenth of a millisecond. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10
}
