/** Asks name servers: the resolver of this machine, or one server of a zone by its address. */
import { createSocket } from 'node:dgram'
import { getServers } from 'node:dns'
import { randomInt } from 'node:crypto'
import { connect, isIP } from 'node:net'
import { UsageError } from '../../errors.ts'
import {
  decodeReply,
  encodeQuery,
  QUERY_TYPES,
  type DnsMessage,
  type QueryType,
} from './dns-message.ts'

/** A reply, or why there is none: `no answer`, `it refuses`. */
export type KeyReply = DnsMessage | { readonly failed: string }

/** What the checks ask. Tests bring their own. */
export interface KeyDns {
  /**
   * @param name as `domainName` gives it
   * @param server the IP address of a server of the zone; without it, the resolver is asked
   */
  ask(name: string, type: QueryType, server?: string): Promise<KeyReply>
}

export interface WireDnsOptions {
  /** `address` or `address:port` (`[address]:port` of IPv6); the first of /etc/resolv.conf by default */
  readonly resolver?: string | undefined
  /** milliseconds for one try; there are two. 3000 by default */
  readonly timeout?: number
  /** of the servers of zones, for tests; 53 by default */
  readonly port?: number
}

interface Place {
  readonly address: string
  readonly port: number
}

const TRIES = 2
const FAILURES: Readonly<Record<number, string>> = {
  1: 'it cannot read the question (FORMERR)',
  2: 'it could not find out (SERVFAIL)',
  4: 'it does not know such questions (NOTIMP)',
  5: 'it refuses to answer (REFUSED)',
}

/** Over UDP, and over TCP what does not fit. */
export class WireDns implements KeyDns {
  readonly #resolver: Place
  readonly #timeout: number
  readonly #port: number

  /** @throws UsageError INVALID_OPTION */
  constructor({ resolver, timeout = 3_000, port = 53 }: WireDnsOptions = {}) {
    const given = resolver ?? getServers()[0]
    const place = given === undefined ? undefined : placeOf(given)
    if (place === undefined) {
      throw new UsageError(
        'INVALID_OPTION',
        `the name server is an IP address, with or without a port, such as 127.0.0.1 or [::1]:53; it is ${JSON.stringify(given)}. Write --server ADDRESS`,
      )
    }
    this.#resolver = place
    this.#timeout = timeout
    this.#port = port
  }

  async ask(name: string, type: QueryType, server?: string): Promise<KeyReply> {
    const place = server === undefined ? this.#resolver : { address: server, port: this.#port }
    let failed = 'it does not answer'
    for (let i = 0; i < TRIES; i++) {
      try {
        const reply = await this.#try(place, name, type, server === undefined)
        const failure = FAILURES[reply.code]
        return failure === undefined ? reply : { failed: failure }
      } catch (error) {
        failed = (error as Error).message
      }
    }
    return { failed }
  }

  async #try(
    place: Place,
    name: string,
    type: QueryType,
    recursion: boolean,
  ): Promise<DnsMessage> {
    const id = randomInt(0x1_0000)
    const query = encodeQuery(id, name, type, recursion)
    const isReply = (message: DnsMessage): boolean =>
      message.id === id &&
      message.isReply &&
      message.question?.name === name &&
      message.question.type === QUERY_TYPES[type]
    const reply = await overUdp(place, query, isReply, this.#timeout)
    return reply.isTruncated ? overTcp(place, query, isReply, this.#timeout) : reply
  }
}

type Test = (message: DnsMessage) => boolean

function overUdp(
  { address, port }: Place,
  query: Buffer,
  isReply: Test,
  timeout: number,
): Promise<DnsMessage> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4')
    const end = (act: () => void): void => {
      clearTimeout(timer)
      socket.close()
      act()
    }
    const timer = setTimeout(
      () => end(() => reject(new Error(`it does not answer within ${timeout / 1000} s`))),
      timeout,
    )
    socket.on('error', (error) => end(() => reject(error)))
    socket.on('message', (bytes) => {
      const message = decodeReply(bytes)
      // A reply to another question may be a forgery, so the right one is waited for.
      if (message !== undefined && isReply(message)) end(() => resolve(message))
    })
    // Connected: datagrams of others are not received.
    socket.connect(port, address, () => socket.send(query))
  })
}

function overTcp(
  { address, port }: Place,
  query: Buffer,
  isReply: Test,
  timeout: number,
): Promise<DnsMessage> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port })
    const fail = (why: string): void => {
      socket.destroy()
      reject(new Error(`over TCP, ${why}`))
    }
    let input = Buffer.alloc(0)
    const timer = setTimeout(
      () => fail(`it does not answer within ${timeout / 1000} s`),
      timeout,
    )
    socket.on('close', () => {
      clearTimeout(timer)
      fail('it closes the connection')
    })
    socket.on('error', (error) => fail(error.message))
    socket.on('data', (chunk) => {
      input = Buffer.concat([input, chunk])
      if (input.length < 2 || input.length < 2 + input.readUInt16BE(0)) return
      const message = decodeReply(input.subarray(2, 2 + input.readUInt16BE(0)))
      if (message === undefined || !isReply(message)) return fail('its answer cannot be read')
      socket.destroy()
      resolve(message)
    })
    const size = Buffer.alloc(2)
    size.writeUInt16BE(query.length)
    socket.write(Buffer.concat([size, query]))
  })
}

function placeOf(text: string): Place | undefined {
  if (isIP(text) !== 0) return { address: text, port: 53 }
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const address = bracketed ?? plain
  if (address === undefined || isIP(address) === 0) return undefined
  const number = Number(port)
  return number > 0 && number < 65_536 ? { address, port: number } : undefined
}
