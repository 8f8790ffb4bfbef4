/** What `tsmilter quarantine` does with the messages that the filter `quarantine` keeps. */
import { isIP } from 'node:net'
import { FileError, UsageError } from '../../errors.ts'
import { printable } from '../../diagnostics/printable.ts'
import {
  QuarantineStore,
  type HeldMessage,
  type HeldRecord,
} from '../../filters/delivery/quarantine-store.ts'
import { parseHostAndPort } from '../../net/host-port.ts'
import { FileLock } from '../../toolkit/files/file-lock.ts'
import { sendMail } from '../../toolkit/smtp/send-mail.ts'
import type { RecipientResult } from '../../toolkit/smtp/send-result.ts'

/** The lines of a result, and whether all was done. */
export interface Done {
  readonly text: string
  readonly ok: boolean
}

/** Bytes of a header that are shown. */
const MAX_SHOWN = 65_536

export async function list(directory: string, json: boolean): Promise<Done> {
  const store = new QuarantineStore(directory)
  const found: { message: HeldMessage; record: HeldRecord | undefined }[] = []
  for (const message of await store.list()) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- one file at a time
    found.push({ message, record: await recordIfThere(store, message) })
  }
  if (json) {
    const entries = found.map(({ message, record }) => ({
      id: message.id,
      path: store.pathOf(message),
      ...record,
    }))
    return { text: JSON.stringify(entries, null, 2), ok: true }
  }
  if (found.length === 0) return { text: 'no messages', ok: true }
  return { text: found.map(lineOf).join('\n'), ok: true }
}

/** A message can go while the list is made. */
async function recordIfThere(
  store: QuarantineStore,
  message: HeldMessage,
): Promise<HeldRecord | undefined> {
  try {
    return await store.record(message)
  } catch (error) {
    if (error instanceof FileError) return undefined
    throw error
  }
}

function lineOf({
  message: { id, time, size },
  record,
}: {
  readonly message: HeldMessage
  readonly record: HeldRecord | undefined
}): string {
  const when = new Date(time).toISOString().replace(/\.\d+Z/, 'Z')
  if (record === undefined) return `${id}  ${when}  ${size}  (its record cannot be read)`
  const { sender, recipients, reason } = record
  const more = recipients.length > 1 ? ` and ${recipients.length - 1} more` : ''
  const to = `<${recipients[0]?.address ?? ''}>${more}`
  return printable(`${id}  ${when}  ${size}  <${sender.address}> to ${to}: ${reason}`)
}

export async function show(directory: string, id: string): Promise<Done> {
  const store = new QuarantineStore(directory)
  const message = await find(store, id)
  const record = await store.record(message)
  const bytes = await store.message(message)
  const end = bytes.indexOf('\r\n\r\n')
  const header = bytes.subarray(0, Math.min(end === -1 ? bytes.length : end, MAX_SHOWN))
  const lines = [
    `file: ${store.pathOf(message)}`,
    `reason: ${record.reason}`,
    `time: ${record.time}`,
    `queue id: ${record.queueId ?? 'none'}`,
    `client: ${record.client.hostname} [${record.client.address ?? ''}]`,
    `login: ${record.client.login ?? 'none'}`,
    `sender: <${record.sender.address}>`,
    ...record.recipients.map(({ address }) => `recipient: <${address}>`),
    '',
    ...header.toString('utf8').split('\r\n'),
  ]
  return { text: lines.map(printable).join('\n'), ok: true }
}

export interface ReleaseOptions {
  /** an IP address with a port */
  readonly server: string
  /** others instead of the recipients of the message; then the message stays */
  readonly to?: readonly string[] | undefined
  readonly keep: boolean
}

/** Sends messages on as they came, and deletes them when all recipients have them. */
export async function release(
  directory: string,
  ids: readonly string[],
  options: ReleaseOptions,
): Promise<Done> {
  const server = serverOf(options.server)
  return await each(directory, ids, async (store, message) => {
    // Two at a time would deliver twice.
    const lock = await FileLock.acquire(store.pathOf(message))
    try {
      return await releaseOne(store, message, server, options)
    } finally {
      await lock.release()
    }
  })
}

type Server = { readonly host: string; readonly port: number }

function serverOf(text: string): Server {
  const server = parseHostAndPort(text)
  if (server !== undefined && (isIP(server.host) !== 0 || server.host === 'localhost'))
    return server
  throw new UsageError(
    'INVALID_OPTION',
    `--server takes an IP address with a port, such as 127.0.0.1:10026; it got ${JSON.stringify(text)}`,
  )
}

async function releaseOne(
  store: QuarantineStore,
  message: HeldMessage,
  server: Server,
  { to, keep }: ReleaseOptions,
): Promise<Done> {
  // Under the lock: another process may have released it.
  const record = await store.record(message)
  const { recipients } = await sendMail(server, {
    sender: record.sender,
    recipients: to ?? record.recipients,
    message: await store.message(message),
  })
  const left = recipients.flatMap((one, i) => (one.outcome === 'accepted' ? [] : [i]))
  const lines = recipients.map((one) => `${message.id}: <${one.recipient}> ${outcomeOf(one)}`)
  if (to === undefined && !keep) {
    if (left.length === 0) await store.remove(message)
    else if (left.length < recipients.length) {
      // The others have it.
      const rest = left.map((i) => record.recipients[i]!)
      await store.update(message, { ...record, recipients: rest })
    }
  }
  return { text: lines.map(printable).join('\n'), ok: left.length === 0 }
}

function outcomeOf(result: RecipientResult): string {
  if (result.outcome === 'accepted') return 'released'
  if (result.outcome === 'refused') {
    const { code, lines } = result.reply
    return `was refused: ${code} ${lines.join(' ')}`
  }
  const unsure = result.mayHaveArrived
    ? '; the message was sent, so it may have arrived: look before you release it again'
    : ''
  return `failed: ${result.text}${unsure}`
}

export async function remove(directory: string, ids: readonly string[]): Promise<Done> {
  return await each(directory, ids, async (store, message) => {
    await store.remove(message)
    return { text: `${message.id}: deleted`, ok: true }
  })
}

/** Does the same with several messages. What fails for one does not keep it from the others. */
async function each(
  directory: string,
  ids: readonly string[],
  run: (store: QuarantineStore, message: HeldMessage) => Promise<Done>,
): Promise<Done> {
  const store = new QuarantineStore(directory)
  const done: Done[] = []
  for (const id of new Set(ids)) {
    try {
      // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other
      done.push(await run(store, await find(store, id)))
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      done.push({ text: printable(`${id}: ${error.message}`), ok: false })
    }
  }
  return { text: done.map(({ text }) => text).join('\n'), ok: done.every(({ ok }) => ok) }
}

async function find(store: QuarantineStore, id: string): Promise<HeldMessage> {
  const found = (await store.list()).find((message) => message.id === id)
  if (found !== undefined) return found
  throw new FileError('FILE_FAILED', 'there is no such message; see tsmilter quarantine list')
}
