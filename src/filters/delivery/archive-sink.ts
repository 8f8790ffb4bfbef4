/** Where copies go: a directory, or a server that takes PUT. */
import type { HttpAnswer } from '../http/http-exchange.ts'
import { HttpClient, HttpFailure } from '../http/http-exchange.ts'
import { readSecret, readWhole } from '../http/http-options.ts'
import { withRetries } from '../http/retries.ts'
import type { ArchiveServerSettings, ArchiveSettings } from '../types.ts'
import { MessageFolder, type Content } from './message-folder.ts'

/** A message with its envelope. */
export interface Copy {
  /** without an extension: `2026/11/30/4XyZ-0123456789abcdef` */
  readonly path: string
  readonly envelope: Buffer
  readonly message: Content
  /** bytes of the message */
  readonly size: number
}

export interface ArchiveSink {
  /**
   * Keeps a copy. If it is there already, nothing changes.
   *
   * @returns whether it is new
   * @throws SinkError, FileError; the reason of `signal`; what `message` throws
   */
  put(copy: Copy, signal: AbortSignal): Promise<boolean>
}

/** A server has not taken a file. */
export class SinkError extends Error {}

/** @throws UsageError INVALID_OPTION */
export async function openSink({
  directory,
  http,
  mode,
}: Pick<ArchiveSettings, 'directory' | 'http' | 'mode'>): Promise<ArchiveSink> {
  if (http !== undefined) return serverSink(http)
  const folder = await MessageFolder.open(
    'archive: the option directory',
    directory as string,
    mode,
  )
  return {
    put: ({ path, envelope, message }, signal) =>
      folder.write(
        [
          { path: `${path}.json`, content: () => [envelope] },
          { path: `${path}.eml`, content: message },
        ],
        signal,
      ),
  }
}

/** An answer is only for a log line. */
const MAX_ANSWER = 65_536

function serverSink({ url, authorizationFile, caFile }: ArchiveServerSettings): ArchiveSink {
  const option = 'archive: the option http'
  const authorization =
    authorizationFile && readSecret(`${option}.authorizationFile`, authorizationFile)
  const ca = caFile === undefined ? undefined : readWhole(`${option}.caFile`, caFile)
  const client = new HttpClient({ maxAnswer: MAX_ANSWER, ca })
  const put = async (
    path: string,
    type: string,
    { size, body }: { readonly size: number; readonly body: Content },
    signal: AbortSignal,
  ): Promise<boolean> => {
    const target = new URL(`${url.replace(/\/$/, '')}/${path}`)
    const headers = {
      'content-type': type,
      // What is there has the same name, so it is the same message (RFC 9110, section 13.1.2).
      'if-none-match': '*',
      ...(authorization !== undefined && { authorization }),
    }
    try {
      const answer = await withRetries(
        () => client.send({ method: 'PUT', url: target, headers, size, body }, signal),
        signal,
      )
      if (answer.status === 412) return false
      if (isDone(answer)) return true
      throw new SinkError(`${target.host} answers ${answer.status}`)
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error
      throw new SinkError(`${target.host}: ${error.message}`, { cause: error })
    }
  }
  return {
    put: async ({ path, envelope, message, size }, signal) => {
      const content = { size: envelope.length, body: () => [envelope] }
      await put(`${path}.json`, 'application/json', content, signal)
      return await put(`${path}.eml`, 'message/rfc822', { size, body: message }, signal)
    },
  }
}

/** 202 means that the file may still be lost. */
const isDone = ({ status }: HttpAnswer): boolean =>
  status === 200 || status === 201 || status === 204
