/** An HTTP service that tests can make slow, dead or lying. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TakenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

type Answer = (request: TakenRequest, response: ServerResponse) => void

export class HttpService implements AsyncDisposable {
  readonly requests: TakenRequest[] = []
  readonly #server: Server
  answer: Answer

  private constructor(answer: Answer) {
    this.answer = answer
    this.#server = createServer((incoming, response) => void this.#take(incoming, response))
  }

  static async start(answer: Answer): Promise<HttpService> {
    const service = new HttpService(answer)
    service.#server.listen(0, '127.0.0.1')
    await once(service.#server, 'listening')
    return service
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async #take(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = []
    try {
      for await (const piece of incoming as AsyncIterable<Buffer>) pieces.push(piece)
    } catch {
      return
    }
    const request = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      body: Buffer.concat(pieces),
    }
    this.requests.push(request)
    this.answer(request, response)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Answers with a status. */
export const status =
  (code: number, text = ''): Answer =>
  (_, response) =>
    void response.writeHead(code).end(text)
