/** One HTTP request with its answer. No redirects are followed, and nothing is waited for longer than the signal. */
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { MilterError } from '../../errors.ts'
import { codeOf, reasonOf } from '../../net/system-error.ts'

export interface HttpRequest {
  readonly method: 'PUT' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string | string[]>>
  /** bytes of the body */
  readonly size: number
  readonly body: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Buffer
}

/**
 * Why there is no answer.
 *
 * - `unreachable`: there was no connection
 * - `broken`: the connection broke, or what came is not HTTP
 * - `too-large`: the answer is above the limit
 */
export type HttpFailureReason = 'unreachable' | 'broken' | 'too-large'

export class HttpFailure extends Error {
  readonly reason: HttpFailureReason

  constructor(reason: HttpFailureReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

export interface HttpClientOptions {
  /** bytes of an answer */
  readonly maxAnswer: number
  /** certificates of authorities, in place of those of Node */
  readonly ca?: Buffer | undefined
  /** finds the addresses of a host; that of Node by default */
  readonly lookup?: LookupFunction | undefined
  /** a unix socket to which all requests go */
  readonly socketPath?: string | undefined
}

/** Connections at the same time. A request above them waits. */
const MAX_CONNECTIONS = 64
/** A connection without a request stays open for this long, in milliseconds. */
const IDLE = 4_000

/** A client of one service, which keeps its connections for the next request. */
export class HttpClient {
  readonly #options: HttpClientOptions
  readonly #http = new HttpAgent({
    keepAlive: true,
    maxSockets: MAX_CONNECTIONS,
    timeout: IDLE,
  })
  readonly #https: HttpsAgent

  constructor(options: HttpClientOptions) {
    this.#options = options
    const { ca } = options
    this.#https = new HttpsAgent({
      keepAlive: true,
      maxSockets: MAX_CONNECTIONS,
      timeout: IDLE,
      ...(ca !== undefined && { ca }),
    })
  }

  /**
   * @throws HttpFailure; the reason of `signal`; what the body throws
   */
  async send(
    { method, url, headers, size, body }: HttpRequest,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    signal.throwIfAborted()
    const { lookup, maxAnswer, socketPath } = this.#options
    const secure = url.protocol === 'https:'
    const request = (secure ? requestHttps : requestHttp)(url, {
      method,
      headers: { ...headers, 'content-length': String(size) },
      agent: secure ? this.#https : this.#http,
      signal,
      ...(lookup !== undefined && { lookup }),
      ...(socketPath !== undefined && { socketPath }),
    })
    let connected = false
    request.once('socket', (socket) => {
      connected = !socket.connecting
      socket.once('connect', () => (connected = true))
    })
    const answered = new Promise<HttpAnswer>((resolve, reject) => {
      let begun = false
      request.once('response', (response) => {
        begun = true
        read(response, maxAnswer).then(resolve, reject)
      })
      request.once('close', () => {
        // `read` knows how an answer ends.
        if (!begun) reject(new Error('the connection was closed'))
      })
      request.on('error', (error) => {
        // An answer that has begun counts, even if the server does not want the rest of the request.
        if (!begun || signal.aborted) reject(error)
      })
    })
    // An answer may come before all was sent. Then the rest does not matter.
    const sent = pipeline(Readable.from(body(), { objectMode: false }), request)
    const failed = sent.then(
      () => new Promise<never>(() => {}),
      async (error: unknown) => {
        // A mistake of the body counts at once. If the connection broke, the answer may still be on its way.
        if (codeOf(error) === '' || !request.socket?.readable) throw error
        return await new Promise<never>(() => {})
      },
    )
    failed.catch(() => {})
    try {
      return await Promise.race([answered, failed])
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof HttpFailure || !isOfConnection(error)) throw error
      throw new HttpFailure(connected ? 'broken' : 'unreachable', reasonOf(error as Error), {
        cause: error,
      })
    } finally {
      answered.catch(() => {})
      if (!request.writableFinished) request.destroy()
    }
  }
}

/** What a body throws about a message is of our own. */
const isOfConnection = (error: unknown): boolean => !(error instanceof MilterError)

async function read(response: IncomingMessage, maximum: number): Promise<HttpAnswer> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > maximum) {
      response.destroy()
      throw new HttpFailure('too-large', `the answer has more than ${maximum} bytes`)
    }
    pieces.push(piece)
  }
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: Buffer.concat(pieces),
  }
}

/** Whether the same request may succeed later. */
export const isTemporary = (status: number): boolean =>
  status >= 500 || status === 408 || status === 425 || status === 429
