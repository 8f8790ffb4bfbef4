// The least a filter on Node can do: frame lengths and letters, one write for each 'data' event.
// Header and body are kept only for the workload that collects them.
//
//     node floor.js ADDRESS WORKLOAD
import { createServer } from 'node:net'

const [, , address, workload] = process.argv
const withBody = workload === 'body'
const adds = workload.startsWith('addheader')
const silent = workload === 'addheader-nr'

const sizeOf = (parts) => parts.reduce((sum, part) => sum + part.length, 0)
const headOf = (letter, size) => {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(size + 1)
  head[4] = letter.charCodeAt(0)
  return head
}
const frame = (letter, ...payload) =>
  Buffer.concat([headOf(letter, sizeOf(payload)), ...payload])
const number = (value) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const field = (name, value) => frame('h', Buffer.from(`${name}\0${value}\0`))

const CONTINUE = frame('c')
const ACCEPT = frame('a')
// As floor.c: declined is what the workload has no use for.
const DECLINED = 0x1 | 0x2 | 0x40 | 0x100 | 0x200
const [actions, steps] = withBody
  ? [0x3, DECLINED | 0x8]
  : adds
    ? [0x1, DECLINED | 0x10 | (silent ? 0x80 | 0x4000 | 0x8000 : 0)]
    : [0, 0]
const NEGOTIATED = frame('O', number(6), number(actions), number(steps))
const ADDED = Buffer.concat([field('X-Bench', 'yes'), ACCEPT])

const code = (letter) => letter.charCodeAt(0)
const answered = new Set(Buffer.from(silent ? 'CHTNB' : 'CHMRTLNB'))
const [NEGOTIATE, HEADER, BODY, EOM, QUIT] = Buffer.from('OLBEQ')

/** Name and value of a header field. */
const pairOf = (bytes, start, end) => {
  const middle = bytes.indexOf(0, start)
  return [bytes.latin1Slice(start, middle), bytes.latin1Slice(middle + 1, end)]
}

/** Each chunk goes back as it is. */
const editedBody = (fields, chunks) => {
  const size = sizeOf(chunks)
  if (size > 0) chunks[0][0] = code('#')
  return [
    field('X-Bench-Fields', String(fields)),
    field('X-Bench-Size', String(size)),
    ...chunks.flatMap((chunk) => [headOf('b', chunk.length), chunk]),
    ACCEPT,
  ]
}

const server = createServer({ noDelay: true }, (socket) => {
  let rest
  let fields = []
  let chunks = []
  socket.on('data', (data) => {
    const bytes = rest === undefined ? data : Buffer.concat([rest, data])
    const out = []
    let at = 0
    while (bytes.length - at >= 5) {
      const end = at + 4 + bytes.readUInt32BE(at)
      if (end > bytes.length) break
      const letter = bytes[at + 4]
      if (letter === EOM) {
        if (withBody) {
          out.push(...editedBody(fields.length, chunks))
          fields = []
          chunks = []
        } else out.push(adds ? ADDED : CONTINUE)
      } else if (answered.has(letter)) {
        if (withBody && letter === HEADER) fields.push(pairOf(bytes, at + 5, end - 1))
        else if (withBody && letter === BODY) chunks.push(bytes.subarray(at + 5, end))
        out.push(CONTINUE)
      } else if (letter === NEGOTIATE) out.push(NEGOTIATED)
      else if (letter === QUIT) {
        socket.end()
        return
      }
      at = end
    }
    rest = at === bytes.length ? undefined : bytes.subarray(at)
    if (out.length === 0) return
    if (out.length === 1) socket.write(out[0])
    else if (sizeOf(out) < 16_384) socket.write(Buffer.concat(out))
    else {
      socket.cork()
      for (const part of out) socket.write(part)
      socket.uncork()
    }
  })
  socket.on('error', () => socket.destroy())
})

const [kind, place] = [
  address.slice(0, address.indexOf(':')),
  address.slice(address.indexOf(':') + 1),
]
if (kind === 'unix') server.listen(place)
else server.listen(Number.parseInt(place, 10), '127.0.0.1')
