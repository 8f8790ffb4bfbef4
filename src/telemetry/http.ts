import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP, type AddressInfo, type Socket } from 'node:net'
import { parseHostAndPort, type HostAndPort } from '../net/host-port.ts'
import { invalidOption } from '../options/invalid-option.ts'
import { listenError } from '../server/unix-socket.ts'

/** True if all is well. Otherwise the reason in one word, such as `draining`. False is shown as `unavailable`. */
export type Health = boolean | string

/** Options of {@link serveTelemetry}. */
export interface TelemetryServerOptions {
  /**
   * `host:port`, `[address]:port`, or just a port on the loopback address. Port 0 takes a free port. There is no
   * authentication: any client that reaches the port can read the metrics. On loopback, the `Host` of a request must be
   * an address, `localhost` or the host given here. Other requests get 421, so that a web page in a browser on the same
   * machine cannot read the metrics (DNS rebinding).
   * @default 127.0.0.1:9464
   */
  readonly listen?: string | number | undefined
  /** the content of `/metrics`, such as {@link Metrics}. @default no such page */
  readonly metrics?:
    { readonly contentType?: string | undefined; text(): string | Promise<string> } | undefined
  /** whether the process works, for `/healthz`. @default true */
  readonly healthy?: (() => Health | Promise<Health>) | undefined
  /** whether it takes mail, for `/readyz`. @default as `healthy` */
  readonly ready?: (() => Health | Promise<Health>) | undefined
}

/** A server of {@link serveTelemetry}. */
export interface TelemetryServer extends AsyncDisposable {
  /** its address, such as `http://127.0.0.1:9464` */
  readonly url: string
  /** Stops the server and closes its connections. */
  close(): Promise<void>
}

const DEFAULT_LISTEN = '127.0.0.1:9464'
/** Maximum bytes of the head of a request. */
const MAX_HEAD = 8 * 1024
const MAX_CONNECTIONS = 50
/** Maximum milliseconds to receive a request, to answer it, and between two requests. */
const REQUEST_TIME = 10_000
const ANSWER_TIME = 5_000
const IDLE_TIME = 15_000
const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * Starts an HTTP server with `/metrics`, `/healthz` and `/readyz`, for GET and HEAD. Other paths get 404. The health
 * pages answer 200 `ok`, or 503 and the reason in one word: `error` if `healthy` or `ready` throws, and `timeout` if
 * they take longer than 5 seconds. The pages never show content of mail. The server does not keep the process alive.
 *
 * The head of a request has at most 8 KiB, and a request must arrive within 10 seconds. There are at most 50
 * connections at a time. If another one comes, the server closes the connection that has waited longest without a
 * complete request, so that incomplete requests cannot block others.
 *
 *     const metrics = await collectMetrics()
 *     const telemetry = await serveTelemetry({ metrics, healthy: () => server.healthy })
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
  // Connections that wait for a request, in the order in which they started to wait.
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
 * Checks the host name of a request to a server on loopback. It refuses a web page whose owner has pointed its name to
 * 127.0.0.1.
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

/** Status, text and content type. */
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
    // A request needs no body, so the server does not wait for one.
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
  // Only one word, so that error text with parts of a message is never shown.
  const word = typeof health === 'string' ? /^[\w-]{1,40}$/.exec(health)?.[0] : undefined
  return [503, `${word ?? 'unavailable'}\n`, TEXT]
}

/** Resolves with the answer. If it takes too long, resolves with `late`, or rejects if there is no `late`. */
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
    'host:port, [address]:port or just a port, such as 127.0.0.1:9464',
  )
}

async function bind(server: Server, { host, port }: HostAndPort): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(`${host}:${port}`, error)))
    server.listen({ host, port }, resolve)
  })
  server.removeAllListeners('error')
  // A failed accept, for example without free descriptors, must not end the process. The next one may work.
  server.on('error', () => {})
}
