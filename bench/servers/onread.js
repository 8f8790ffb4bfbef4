// As floor.js at `noop`, with what this package does about reading: one buffer for all sockets, set as
// src/server/shared-reads.ts sets it. The most that a filter on Node's sockets can do, for comparison.
//
//     node onread.js ADDRESS noop
import { createServer } from 'node:net'

const [, , address] = process.argv
const [NEGOTIATE, QUIT] = Buffer.from('OQ')
const answered = new Set(Buffer.from('CHMRTLNBE'))
const CONTINUE = Buffer.from([0, 0, 0, 1, 99])
// Version 6, no actions, no steps.
const NEGOTIATED = Buffer.from([0, 0, 0, 13, 79, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0])

const BUFFER = Buffer.allocUnsafeSlow(131_072)
const REST = Symbol('rest')

function onRead(size) {
  const before = this[REST]
  const bytes =
    before === undefined ? BUFFER : Buffer.concat([before, BUFFER.subarray(0, size)])
  const end = before === undefined ? size : bytes.length
  let first
  let others
  let at = 0
  while (end - at >= 5) {
    const next = at + 4 + bytes.readUInt32BE(at)
    if (next > end) break
    const letter = bytes[at + 4]
    at = next
    if (letter === QUIT) {
      this.end()
      return true
    }
    if (letter !== NEGOTIATE && !answered.has(letter)) continue
    const answer = letter === NEGOTIATE ? NEGOTIATED : CONTINUE
    if (first === undefined) first = answer
    else others = [...(others ?? []), answer]
  }
  this[REST] = at < end ? Buffer.from(bytes.subarray(at, end)) : undefined
  if (first !== undefined) {
    this.write(others === undefined ? first : Buffer.concat([first, ...others]))
  }
  return true
}

function onError() {
  this.destroy()
}

let names
const server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
  names ??= ['kBuffer', 'kBufferCb'].map((name) =>
    Object.getOwnPropertySymbols(socket).find(({ description }) => description === name),
  )
  socket[names[0]] = BUFFER
  socket[names[1]] = onRead
  socket._handle.useUserBuffer(BUFFER)
  socket.on('error', onError)
  socket.resume()
})

if (address.startsWith('unix:')) server.listen(address.slice('unix:'.length))
else server.listen(Number.parseInt(address.slice('inet:'.length), 10), '127.0.0.1')
