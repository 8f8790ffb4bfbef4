// As floor.js at `noop`, reading as this package does, into one buffer for all sockets. The most that a filter
// on Node's sockets can do, for comparison.
//
//     node onread.js ADDRESS noop
import { createServer } from 'node:net'
import { readShared } from '../../dist/server/shared-reads.js'

const [, , address] = process.argv
const [NEGOTIATE, QUIT] = Buffer.from('OQ')
const answered = new Set(Buffer.from('CHMRTLNBE'))
const CONTINUE = Buffer.from([0, 0, 0, 1, 99])
// Version 6, no actions, no steps.
const NEGOTIATED = Buffer.from([0, 0, 0, 13, 79, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0])

class Loop {
  #socket
  #rest

  constructor(socket) {
    this.#socket = socket
  }

  receive(chunk) {
    this.receiveBorrowed(chunk, chunk.length)
  }

  receiveBorrowed(memory, size) {
    const rest = this.#rest
    const bytes = rest === undefined ? memory : Buffer.concat([rest, memory.subarray(0, size)])
    const end = rest === undefined ? size : bytes.length
    let first
    let others
    let at = 0
    while (end - at >= 5) {
      const next = at + 4 + bytes.readUInt32BE(at)
      if (next > end) break
      const letter = bytes[at + 4]
      at = next
      if (letter === QUIT) {
        this.#socket.end()
        return
      }
      if (letter !== NEGOTIATE && !answered.has(letter)) continue
      const answer = letter === NEGOTIATE ? NEGOTIATED : CONTINUE
      if (first === undefined) first = answer
      else others = [...(others ?? []), answer]
    }
    this.#rest = at < end ? Buffer.from(bytes.subarray(at, end)) : undefined
    if (first === undefined) return
    this.#socket.write(others === undefined ? first : Buffer.concat([first, ...others]))
  }
}

function onError() {
  this.destroy()
}

const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
  socket.on('error', onError)
  readShared(socket, new Loop(socket))
})

if (address.startsWith('unix:')) server.listen(address.slice('unix:'.length))
else server.listen(Number.parseInt(address.slice('inet:'.length), 10), '127.0.0.1')
