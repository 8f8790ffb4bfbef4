// A small authoritative name server on loopback, over UDP, which knows TXT records and nothing else.
import { createSocket } from 'node:dgram'

const TXT = 16

/**
 * @param records texts by their names in lower case
 * @returns its port, and how to close it
 */
export async function startDns(records) {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const labels = []
    let at = 12
    for (let length = query[at]; length > 0; length = query[at]) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const text = records[labels.join('.').toLowerCase()]
    const header = Buffer.alloc(12)
    query.copy(header, 0, 0, 2)
    // An answer with authority; 3 is NXDOMAIN.
    header.writeUInt16BE(0x8480 | (text === undefined ? 3 : 0), 2)
    header.writeUInt16BE(1, 4)
    const parts = [header, query.subarray(12, at + 5)]
    if (text !== undefined && query.readUInt16BE(at + 1) === TXT) {
      header.writeUInt16BE(1, 6)
      const strings = text.match(/.{1,255}/g).map((one) => Buffer.from(`\0${one}`))
      for (const one of strings) one[0] = one.length - 1
      const data = Buffer.concat(strings)
      // A pointer to the name, TXT, IN, an hour.
      const head = Buffer.from('c00c0010000100000e100000', 'hex')
      head.writeUInt16BE(data.length, 10)
      parts.push(head, data)
    }
    socket.send(Buffer.concat(parts), from.port, from.address)
  })
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return { port: socket.address().port, close: () => socket.close() }
}
