// A proxy of one TCP connection after the other, which can fail as a network does.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { after } from 'node:test'

export class TcpProxy {
  /** Bytes are kept from now on, in both directions; connections stay, and new ones are accepted. */
  swallowing = false
  /** milliseconds that each piece from the server is late */
  delay = 0
  /** connections so far */
  connections = 0
  readonly #to: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(to: number) {
    this.#to = to
    this.#server = createServer((near) => {
      this.connections++
      const far = connect(this.#to, '127.0.0.1')
      for (const socket of [near, far]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          this.#sockets.delete(socket)
          near.destroy()
          far.destroy()
        })
      }
      near.on('data', (bytes) => {
        if (!this.swallowing) far.write(bytes)
      })
      far.on('data', (bytes) => {
        if (this.swallowing) return
        if (this.delay === 0) near.write(bytes)
        else setTimeout(() => near.write(bytes), this.delay)
      })
    })
  }

  /** Starts one on loopback; it ends with the test file. */
  static async start(to: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(to)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    after(() => {
      proxy.cut()
      proxy.#server.close()
    })
    return proxy
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Breaks all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
