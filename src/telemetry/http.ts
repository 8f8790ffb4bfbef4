import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP, type AddressInfo, type Socket } from 'node:net'
import { parseHostAndPort, type HostAndPort } from '../net/host-port.ts'
import { invalidOption } from '../options/validate.ts'
import { listenError } from '../server/unix-socket.ts'

/** True if all is well; else why not, in one word such as `draining`. False: `unavailable`. */
export type Health = boolean | string

export interface TelemetryServerOptions {
  /**
   * `host:port`, `[address]:port` or a port alone, which is on loopback; port 0 takes a free one. There
   * is no authentication: whoever reaches the port can read the numbers. On loopback the `Host` of a request
   * must be an address, `localhost` or the host given here, so that no web page can read them through a
   * browser on the same machine (DNS rebinding); others get 421.
   * @default 127.0.0.1:9464
   */
  readonly listen?: string | number | undefined
  /** what `/metrics` shows, such as {@link Metrics}. @default no such page */
  readonly metrics?:
    { readonly contentType?: string | undefined; text(): string | Promise<string> } | undefined
  /** whether the process works: `/healthz`. @default true */
  readonly healthy?: (() => Health | Promise<Health>) | undefined
  /** whether it takes mail: `/readyz`. @default as `healthy` */
  readonly ready?: (() => Health | Promise<Health>) | undefined
}

/** A server of {@link serveTelemetry}. */
export interface TelemetryServer extends AsyncDisposable {
  /** `http://127.0.0.1:9464` */
  readonly url: string
  /** Stops, and closes what is open. */
  close(): Promise<void>
}

const DEFAULT_LISTEN = '127.0.0.1:9464'
/** Bytes of a request's head. */
const MAX_HEAD = 8 * 1024
const MAX_CONNECTIONS = 50
/** Milliseconds: for a whole request, for one answer, between two requests. */
const REQUEST_TIME = 10_000
const ANSWER_TIME = 5_000
const IDLE_TIME = 15_000
const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * An HTTP server beside the filter: `/metrics`, `/healthz` and `/readyz` for GET and HEAD, and 404 for
 * everything else. It says 200 `ok`, or 503 and the reason in one word: `error` if the question itself
 * failed, `timeout` if it took longer than 5 seconds. It never shows anything of mail. It does not keep
 * the process alive.
 *
 * A request has 8 KiB of head at most and 10 seconds; 50 connections at a time. Where there are more, the one
 * that has waited longest without a whole request is closed, so that half-sent ones cannot keep others out.
 *
 * @throws UsageError INVALID_OPTION
 * @throws ListenError ADDRESS_IN_USE, LISTEN_FAILED
 */
export async function serveTelemetry(
  options: TelemetryServerOptions = {},
): Promise<TelemetryServer> {
  const where = hostAndPort(options.listen ?? DEFAULT_LISTEN)
  const { metrics, healthy = () => true, ready = healthy } = options
  const pages: Readonly<Record<string, Page | undefined>> = {
    '/metrics':
      metrics && (async () => [200, await inTime(metrics.text()), metrics.contentType]),
    '/healthz': () => healthPage(healthy),
    '/readyz': () => healthPage(ready),
  }
  const server = createServer(
    {
      maxHeaderSize: MAX_HEAD,
      requestTimeout: REQUEST_TIME,
      headersTimeout: REQUEST_TIME,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: IDLE_TIME,
    },
    (request, response) => {
      waiting.delete(request.socket)
      response.once('close', () => {
        if (!request.socket.destroyed) waiting.add(request.socket)
      })
      void answer(request, response, isOwnHost(request) ? pages : MISDIRECTED)
    },
  )
  // In the order in which they began to wait for a request.
  const waiting = new Set<Socket>()
  let open = 0
  server.on('connection', (socket) => {
    waiting.add(socket)
    open++
    socket.once('close', () => {
      waiting.delete(socket)
      open--
    })
    if (open <= MAX_CONNECTIONS) return
    const [oldest = socket] = waiting
    oldest.destroy()
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  await bind(server, where)
  server.unref()
  const isOwnHost = hostCheck(where.host, (server.address() as AddressInfo).address)
  const { address, port } = server.address() as AddressInfo
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return {
    url: `http://${isIP(address) === 6 ? `[${address}]` : address}:${port}`,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * What a server on loopback is called. A page of the web whose name its owner makes 127.0.0.1 is no such name.
 */
function hostCheck(given: string, address: string): (request: IncomingMessage) => boolean {
  if (!/^(?:127\.|::1$|::ffff:127\.)/.test(address)) return () => true
  return ({ headers: { host = '' } }) => {
    const name = host
      .replace(/:\d*$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .replace(/\.$/, '')
      .toLowerCase()
    return (
      name === '' || isIP(name) !== 0 || name === 'localhost' || name === given.toLowerCase()
    )
  }
}

/** Status, text, type. */
type Answer = readonly [status: number, text: string, type?: string | undefined]
type Page = () => Answer | Promise<Answer>
/** No page: the request names another host. */
const MISDIRECTED: Readonly<Record<string, Page | undefined>> = {}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: Readonly<Record<string, Page | undefined>>,
): Promise<void> {
  const [status, text, type] = await answerOf(request, pages)
  const body = Buffer.from(text)
  response.writeHead(status, {
    'content-type': type ?? PROMETHEUS_TEXT,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: 'GET, HEAD' }),
    // A body that was not asked for is not waited for either.
    ...(hasBody(request) && { connection: 'close' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function answerOf(
  request: IncomingMessage,
  pages: Readonly<Record<string, Page | undefined>>,
): Promise<Answer> {
  if (pages === MISDIRECTED) return [421, 'this server is not that host\n', TEXT]
  const path = request.url?.split('?', 1)[0] ?? ''
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined
  if (page === undefined) return [404, 'not found\n', TEXT]
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return [405, 'only GET and HEAD\n', TEXT]
  }
  try {
    return await page()
  } catch {
    return [500, 'error\n', TEXT]
  }
}

const TEXT = 'text/plain; charset=utf-8'

function hasBody({ headers }: IncomingMessage): boolean {
  return (
    headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  )
}

async function healthPage(ask: () => Health | Promise<Health>): Promise<Answer> {
  let health: unknown
  try {
    health = await inTime<unknown>(ask(), 'timeout')
  } catch {
    health = 'error'
  }
  if (health === true) return [200, 'ok\n', TEXT]
  // One word, so that no error text with parts of a message in it gets out this way.
  const word = typeof health === 'string' ? /^[\w-]{1,40}$/.exec(health)?.[0] : undefined
  return [503, `${word ?? 'unavailable'}\n`, TEXT]
}

/** What is asked, or `late` (an error without it) if it takes too long. */
async function inTime<T>(asked: T | Promise<T>, late?: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      asked,
      new Promise<T>((resolve, reject) => {
        timer = setTimeout(
          () => (late === undefined ? reject(new Error('too late')) : resolve(late)),
          ANSWER_TIME,
        )
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}

/** @throws UsageError INVALID_OPTION */
export function hostAndPort(listen: string | number): HostAndPort {
  const found = parseHostAndPort(String(listen))
  if (found !== undefined) return found
  throw invalidOption(
    'listen',
    listen,
    'host:port, [address]:port or a port alone, such as 127.0.0.1:9464',
  )
}

async function bind(server: Server, { host, port }: HostAndPort): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(`${host}:${port}`, error)))
    server.listen({ host, port }, resolve)
  })
  server.removeAllListeners('error')
  // An accept that fails (no descriptors left) must not end the process; the next one may work.
  server.on('error', () => {})
}
