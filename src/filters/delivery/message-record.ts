/** What is kept of a message beside its bytes: the envelope, the client, a digest. */
import { createHash } from 'node:crypto'
import type { Mail } from '../../message/mail.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import type { Content } from './message-folder.ts'

export interface RecordedAddress {
  /** without brackets; empty for the null sender */
  readonly address: string
  /** ESMTP parameters as words: `NOTIFY=NEVER` */
  readonly parameters: readonly string[]
}

/** The SMTP client. What is not known is null. */
export interface RecordedClient {
  readonly address: string | null
  readonly hostname: string
  readonly helo: string | null
  readonly login: string | null
  /** `TLSv1.3` */
  readonly tls: string | null
}

/** The content of the `.json` file. A new field may come at any time; `version` changes if one means something else. */
export interface MessageRecord {
  readonly version: 1
  /** ISO 8601, UTC */
  readonly time: string
  readonly queueId: string | null
  /** the name of the mail server (macro `j`) */
  readonly server: string | null
  readonly sender: RecordedAddress
  readonly recipients: readonly RecordedAddress[]
  readonly client: RecordedClient
  /** bytes of the message */
  readonly size: number
  /** SHA-256 of the message, in hexadecimal */
  readonly sha256: string
}

/** Reads a message once, for its size and digest. */
export async function recordOf(mail: Mail, time: number): Promise<MessageRecord> {
  const hash = createHash('sha256')
  let size = 0
  for await (const piece of mail.rawChunks()) {
    hash.update(piece)
    size += piece.length
  }
  return {
    version: 1,
    time: new Date(time).toISOString(),
    queueId: mail.queueId ?? null,
    server: mail.macro('j') ?? null,
    sender: recordedAddress(mail.sender),
    recipients: Array.from(mail.recipients, recordedAddress),
    client: clientOf(mail),
    size,
    sha256: hash.digest('hex'),
  }
}

export const clientOf = ({ connection }: Pick<Mail, 'connection'>): RecordedClient => ({
  address: connection.address ?? null,
  hostname: connection.hostname,
  helo: connection.helo ?? null,
  login: connection.authenticated ?? null,
  tls: connection.tls?.version ?? null,
})

export const recordedAddress = ({ address, parameters }: EnvelopeAddress): RecordedAddress => ({
  address,
  parameters: Array.from(parameters, ([name, value]) =>
    value === null ? name : `${name}=${value}`,
  ),
})

/** As a file. Bytes that are not UTF-8 are escapes such as `\udcff` (a lone surrogate), so that nothing is lost. */
export const recordContent =
  (record: object): Content =>
  () => [Buffer.from(`${JSON.stringify(record, null, 2)}\n`)]
