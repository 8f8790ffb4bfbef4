/**
 * A name server on loopback, over UDP and TCP on one port, which answers as badly as a test wants. Wire format: RFC 1035,
 * section 4.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

export const TYPES = {
  A: 1,
  NS: 2,
  CNAME: 5,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
}

/** Node's resolver has another form for SOA. */
const ALL_TYPES = { ...TYPES, SOA: 6 }

export interface DnsQuestion {
  readonly name: string
  readonly type: keyof typeof ALL_TYPES
  readonly overTcp: boolean
}

export interface DnsReply {
  /** resource records, as `record` makes them */
  readonly answers?: readonly Buffer[]
  /** records of the authority section */
  readonly authority?: readonly Buffer[]
  /** the server has the zone itself */
  readonly authoritative?: boolean
  /** 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED */
  readonly rcode?: number
  readonly truncated?: boolean
  /** does something to the bytes of the reply */
  readonly distort?: (reply: Buffer) => Buffer
}

/** Undefined is no reply at all. */
export type DnsBehaviour = (question: DnsQuestion) => DnsReply | undefined

export interface DnsServer extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly address: string
  /** all questions so far, such as `A example.org` */
  readonly asked: string[]
}

/** @param host and @param at where it listens; a free port by default */
export async function dnsServer(
  behave: DnsBehaviour,
  host = '127.0.0.1',
  at = 0,
): Promise<DnsServer> {
  const asked: string[] = []
  const replyTo = (query: Buffer, overTcp: boolean): Buffer | undefined => {
    const { question, end } = read(query, overTcp)
    asked.push(`${question.type} ${question.name}${overTcp ? ' over TCP' : ''}`)
    const reply = behave(question)
    if (reply === undefined) return undefined
    const { answers = [], authority = [], rcode = 0, truncated = false } = reply
    const { authoritative = false, distort = (bytes) => bytes } = reply
    const header = Buffer.alloc(12)
    query.copy(header, 0, 0, 2)
    const flags = (authoritative ? 0x0400 : 0) | (truncated ? 0x0200 : 0)
    header.writeUInt16BE(0x8180 | flags | rcode, 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(answers.length, 6)
    header.writeUInt16BE(authority.length, 8)
    return distort(Buffer.concat([header, query.subarray(12, end), ...answers, ...authority]))
  }

  for (;;) {
    const tcp = createServer((socket) => {
      let input = Buffer.alloc(0)
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        input = Buffer.concat([input, chunk])
        if (input.length < 2 || input.length < 2 + input.readUInt16BE(0)) return
        const reply = replyTo(input.subarray(2), true)
        if (reply === undefined) return
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        socket.end(Buffer.concat([length, reply]))
      })
    })
    tcp.listen(at, host)
    await once(tcp, 'listening')
    const { port } = tcp.address() as AddressInfo
    const udp = createSocket('udp4')
    udp.on('message', (query, from) => {
      const reply = replyTo(query, false)
      if (reply !== undefined) udp.send(reply, from.port, from.address)
    })
    udp.bind(port, host)
    try {
      await once(udp, 'listening')
    } catch {
      // Another program has the port over UDP.
      tcp.close()
      continue
    }
    return {
      address: `${host}:${port}`,
      asked,
      async [Symbol.asyncDispose]() {
        udp.close()
        tcp.close()
        await Promise.all([once(udp, 'close'), once(tcp, 'close')])
      },
    }
  }
}

/** The question of a query, and where it ends. */
function read(query: Buffer, overTcp: boolean): { question: DnsQuestion; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const code = query.readUInt16BE(at + 1)
  const type = Object.entries(ALL_TYPES).find(([, one]) => one === code)![0]
  const question = { name: labels.join('.'), type: type as DnsQuestion['type'], overTcp }
  return { question, end: at + 5 }
}

/** A name on the wire. */
export const wireName = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .split('.')
      .filter((label) => label !== '')
      .map((label) => Buffer.from([label.length, ...Buffer.from(label, 'latin1')])),
    Buffer.from([0]),
  ])

/** A resource record of class IN. @param seconds its time-to-live */
export function record(
  name: string,
  type: keyof typeof ALL_TYPES,
  data: Buffer,
  seconds: number = 300,
): Buffer {
  const middle = Buffer.alloc(10)
  middle.writeUInt16BE(ALL_TYPES[type], 0)
  middle.writeUInt16BE(1, 2)
  middle.writeUInt32BE(seconds, 4)
  middle.writeUInt16BE(data.length, 8)
  return Buffer.concat([wireName(name), middle, data])
}

export const ipv4 = (address: string): Buffer => Buffer.from(address.split('.').map(Number))

export const strings = (...texts: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(
    texts.map((text) => {
      const bytes = Buffer.from(text as Buffer)
      return Buffer.from([bytes.length, ...bytes])
    }),
  )

/** @param minimum seconds for which "there is none" may be kept */
export const soa = (minimum: number): Buffer => {
  const numbers = Buffer.alloc(20)
  numbers.writeUInt32BE(minimum, 16)
  return Buffer.concat([wireName('ns.example'), wireName('admin.example'), numbers])
}

export const mx = (priority: number, exchange: string): Buffer =>
  Buffer.concat([Buffer.from([priority >> 8, priority & 255]), wireName(exchange)])
