import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/**
 * The only server that the browser reaches: it serves the documents that are judged, and whatever else
 * it is asked for is noted down.
 *
 * Document 7 is at `http://d7.test/`. A payload names `http://t7.test/...` where it wants to load
 * something; TLS is known by the name in its hello (RFC 6066, section 3).
 */

export interface Served {
  readonly type: string
  readonly bytes: Buffer
}

export interface Request {
  /** the document or payload that it is for, as its host says */
  readonly host: string
  readonly path: string
}

export class Trap {
  readonly documents = new Map<string, Served>()
  readonly requests: Request[] = []
  readonly #sockets = new Set<Socket>()
  readonly #server: Server
  readonly #http = createHttpServer((request, response) => {
    const { type, bytes } = this.#answer(request)
    // Types come from mail: what a header cannot hold is not sent.
    response.setHeader('Content-Type', type.replaceAll(/[^\t -~\x80-\xff]+/g, ' ').trim())
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.setHeader('Cache-Control', 'no-store')
    response.setHeader('Connection', 'close')
    response.end(bytes)
  })

  constructor() {
    this.#http.on('upgrade', (request, socket) => {
      this.#note(request)
      socket.destroy()
    })
    this.#http.on('clientError', (_error, socket) => socket.destroy())
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
      socket.on('error', () => {})
      socket.once('data', (piece: Buffer) => {
        if (piece[0] === TLS_HANDSHAKE) {
          const host = /[\w-]+\.test/.exec(piece.toString('latin1'))?.[0] ?? ''
          this.requests.push({ host, path: 'TLS' })
          socket.destroy()
          return
        }
        socket.pause()
        socket.unshift(piece)
        this.#http.emit('connection', socket)
        socket.resume()
      })
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(request: IncomingMessage): Served {
    const { host } = request.headers
    const served = request.url === '/' ? this.documents.get(host ?? '') : undefined
    if (served !== undefined) return served
    // Every browser wants one, whatever the document is.
    if (request.url !== '/favicon.ico') this.#note(request)
    const id = /^[dt](\d+)\.test/.exec(host ?? '')?.[1] ?? '0'
    const kind = /\.(\w+)(?:$|[?#])/.exec(request.url ?? '')?.[1] ?? ''
    const [type, text] = ANSWERS[kind] ?? ['image/gif', GIF]
    return { type, bytes: Buffer.from(text.replaceAll('ID', id), 'latin1') }
  }

  #note({ headers, url }: IncomingMessage): void {
    this.requests.push({ host: headers.host ?? '', path: url ?? '' })
  }
}

const TLS_HANDSHAKE = 0x16

const GIF = Buffer.from(
  'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7',
  'base64',
).toString('latin1')

const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" id="x" onload="hit(ID)"><script>hit(ID)</script></svg>'

/** What runs, where it is run. */
const ANSWERS: Readonly<Record<string, readonly [type: string, text: string]>> = {
  css: ['text/css', '@import "http://tID.test/inner.gif"; a {}'],
  html: ['text/html', '<script>hit(ID)</script>'],
  js: ['text/javascript', 'hit(ID)'],
  svg: ['image/svg+xml', SVG],
  xml: ['application/xml', '<x/>'],
}
