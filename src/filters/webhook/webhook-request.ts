/** What the service gets: JSON with the envelope, and the message in it as base64. */
import { createHmac } from 'node:crypto'
import type { Mail } from '../../message/mail.ts'
import {
  clientOf,
  recordedAddress,
  type RecordedAddress,
  type RecordedClient,
} from '../delivery/message-record.ts'

/** The body of a request. A new field may come at any time; `version` changes if one means something else. */
export interface WebhookRequest {
  readonly version: 1
  /** the same for each try; also the HTTP field `webhook-id` */
  readonly id: string
  readonly filter: string
  /** the answer will not count */
  readonly observe: boolean
  readonly queueId: string | null
  /** the name of the mail server */
  readonly server: string | null
  readonly client: RecordedClient
  readonly sender: RecordedAddress
  readonly recipients: readonly RecordedAddress[]
  /** what `raw` has */
  readonly content: 'none' | 'header' | 'whole'
  /** the fields of the header as text, with encoded words decoded; for `header` and `whole` */
  readonly fields?: readonly { readonly name: string; readonly value: string }[]
  /** header or message, exactly as it is, in base64 */
  readonly raw?: string
}

export interface Content {
  /** bytes of the whole body of the request */
  readonly size: number
  readonly body: () => AsyncGenerator<Buffer>
}

/** The body of a request, in pieces. The message is not in memory as a whole. */
export function requestContent(
  mail: Mail,
  facts: Omit<WebhookRequest, 'raw'>,
  size: number,
): Content {
  const head = Buffer.from(JSON.stringify(facts))
  if (facts.content === 'none') {
    return { size: head.length, body: () => piecesOf([head]) }
  }
  // The brace at the end comes after `raw`.
  const start = Buffer.concat([head.subarray(0, -1), Buffer.from(',"raw":"')])
  const end = Buffer.from('"}')
  const raw =
    facts.content === 'whole' ? () => mail.rawChunks() : () => piecesOf([mail.rawHeader()])
  return {
    size: start.length + 4 * Math.ceil(size / 3) + end.length,
    async *body() {
      yield start
      yield* base64(raw())
      yield end
    },
  }
}

async function* piecesOf(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces
}

async function* base64(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of pieces) {
    const all = Buffer.concat([rest, piece])
    const whole = all.length - (all.length % 3)
    rest = all.subarray(whole)
    if (whole > 0) yield Buffer.from(all.toString('base64', 0, whole))
  }
  if (rest.length > 0) yield Buffer.from(rest.toString('base64'))
}

/** What is known without the content. */
export function factsOf(
  mail: Mail,
  {
    id,
    filter,
    observe,
    content,
  }: Pick<WebhookRequest, 'id' | 'filter' | 'observe' | 'content'>,
): Omit<WebhookRequest, 'raw'> {
  return {
    version: 1,
    id,
    filter,
    observe,
    queueId: mail.queueId ?? null,
    server: mail.macro('j') ?? null,
    client: clientOf(mail),
    sender: recordedAddress(mail.sender),
    recipients: Array.from(mail.recipients, recordedAddress),
    content,
    ...(content !== 'none' && {
      fields: mail.headers.fields().map(({ name, value }) => ({ name, value })),
    }),
  }
}

/**
 * The HTTP fields that sign a request, in the form of Standard Webhooks: HMAC-SHA256 of `id.timestamp.body`.
 *
 * @param seconds Unix time
 */
export async function signatureFields(
  key: Buffer,
  id: string,
  seconds: number,
  body: AsyncIterable<Buffer>,
): Promise<Record<string, string>> {
  const mac = createHmac('sha256', key).update(`${id}.${seconds}.`)
  for await (const piece of body) mac.update(piece)
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${mac.digest('base64')}`,
  }
}
