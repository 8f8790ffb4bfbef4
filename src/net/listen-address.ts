import { isIP, isIPv4, isIPv6 } from 'node:net'
import { ListenError } from '../errors.ts'

/** A parsed address to listen on. */
export type ListenAddress =
  | {
      readonly type: 'tcp'
      readonly host: string
      readonly port: number
      readonly family: 4 | 6
    }
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'fd'; readonly fd: number }

/** Maximum length of the path of a unix socket in bytes, without the NUL (Linux `sun_path`). */
export const MAX_SOCKET_PATH = 107

/**
 * Parses an address in the notation of libmilter: `inet:port@host`, `inet6:port@host`, `unix:/path`,
 * `local:/path` or a path alone. `fd:N` is a socket that another process has opened.
 *
 * Unlike in libmilter, `inet:port` without a host means the loopback address, because the protocol has no
 * authentication. To listen on all interfaces, write `inet:port@0.0.0.0`.
 *
 * @throws ListenError INVALID_LISTEN_ADDRESS, with the correct notation if it can be guessed
 */
export function parseListenAddress(spec: string): ListenAddress {
  return understood(spec, 'cannot listen on', () => parse(spec))
}

/**
 * Parses the address of a milter to connect to. It can have the notation of libmilter and Sendmail, as in
 * {@link parseListenAddress}, or that of Postfix, `inet:host:port`.
 *
 * @throws ListenError INVALID_LISTEN_ADDRESS, with the correct notation if it can be guessed
 */
export function parseMilterAddress(spec: string): ListenAddress {
  return understood(spec, 'cannot connect to', () => {
    const postfix = /^inet:(\[[^\]@]+\]|[^:@[\]]+):(\d+)$/i.exec(spec)
    if (postfix !== null) return parse(`tcp://${postfix[1]}:${postfix[2]}`)
    const address = parse(spec)
    if (address.type === 'fd') throw new Mistake('you cannot connect to a descriptor')
    return address
  })
}

/** Why an address is not valid. */
class Mistake extends Error {}

function understood(spec: unknown, cannot: string, read: () => ListenAddress): ListenAddress {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Mistake)) throw error
    const message = `${cannot} ${JSON.stringify(spec)}: ${error.message}`
    throw new ListenError('INVALID_LISTEN_ADDRESS', message)
  }
}

function parse(spec: string): ListenAddress {
  if (typeof spec !== 'string' || spec === '') {
    throw new Mistake(
      "it is empty; write, for example, 'inet:8890@localhost' or 'unix:/run/filter.sock'",
    )
  }
  const url = /^(tcp|unix):\/\/(.*)$/is.exec(spec)
  if (url !== null) {
    return url[1]!.toLowerCase() === 'unix' ? unix(url[2]!) : fromUrl(url[2]!)
  }
  const colon = spec.indexOf(':')
  if (colon === -1) {
    if (/^\d+$/.test(spec)) throw new Mistake(`a port alone is written 'inet:${spec}'`)
    return unix(spec)
  }
  const rest = spec.slice(colon + 1)
  switch (spec.slice(0, colon).toLowerCase()) {
    case '':
    case 'unix':
    case 'local':
      return unix(rest)
    case 'inet':
      return tcp(rest, 4)
    case 'inet6':
      return tcp(rest, 6)
    case 'fd':
      if (!/^\d{1,9}$/.test(rest))
        throw new Mistake("'fd:' needs the number of a descriptor, such as 'fd:3'")
      return { type: 'fd', fd: Number(rest) }
    default:
      if (/^[\w.-]+:\d+$/.test(spec)) {
        const host = spec.slice(0, colon)
        throw new Mistake(`host and port are written 'inet:${rest}@${host}'`)
      }
      throw new Mistake(
        `${JSON.stringify(spec.slice(0, colon))} is not a kind of address; use inet:PORT@HOST, inet6:PORT@HOST, unix:PATH or fd:N${spec.includes('/') ? ` (a path with a colon: 'unix:${spec}')` : ''}`,
      )
  }
}

/** Formats an address in the notation of libmilter. */
export function formatListenAddress(address: ListenAddress): string {
  switch (address.type) {
    case 'unix':
      return `unix:${address.path}`
    case 'fd':
      return `fd:${address.fd}`
    case 'tcp':
      return `${address.family === 6 ? 'inet6' : 'inet'}:${address.port}@${address.host}`
  }
}

/** Formats an address as `smtpd_milters` of Postfix takes it. */
export function formatForPostfix(address: ListenAddress): string {
  if (address.type !== 'tcp') return formatListenAddress(address)
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host
  return `inet:${host}:${address.port}`
}

function unix(path: string): ListenAddress {
  if (path === '') throw new Mistake('the path is missing')
  const size = Buffer.byteLength(path)
  if (size > MAX_SOCKET_PATH) {
    throw new Mistake(
      `the path has ${size} bytes; the path of a socket can have at most ${MAX_SOCKET_PATH}`,
    )
  }
  if (path.includes('\0')) throw new Mistake('the path contains a NUL')
  return { type: 'unix', path }
}

function tcp(rest: string, family: 4 | 6): ListenAddress {
  const at = rest.indexOf('@')
  const name = family === 6 ? 'inet6' : 'inet'
  if (at === -1) {
    const postfix = /^(\[.*\]|[^:]*):(\w+)$/.exec(rest)
    if (postfix !== null) {
      const host = postfix[1]!.replace(/^\[(.*)\]$/, '$1')
      throw new Mistake(
        `this is the notation of Postfix; here the port comes first: '${isIPv6(host) ? 'inet6' : name}:${postfix[2]}@${host}'`,
      )
    }
    if (isIP(rest) !== 0 || /[.]/.test(rest))
      throw new Mistake(`the port is missing: '${name}:PORT@${rest}'`)
  }
  const port = at === -1 ? rest : rest.slice(0, at)
  const host = at === -1 ? '' : rest.slice(at + 1).replace(/^\[(.*)\]$/, '$1')
  if (at !== -1 && host === '')
    throw new Mistake(
      `the host after '@' is missing; for the loopback address, leave out the '@'`,
    )
  if ((family === 4 && isIPv6(host)) || (family === 6 && isIPv4(host))) {
    const other = family === 4 ? 'inet6' : 'inet'
    throw new Mistake(`${host} is not an address of ${name}; write '${other}:${port}@${host}'`)
  }
  return {
    type: 'tcp',
    host: host || (family === 6 ? '::1' : '127.0.0.1'),
    port: portNumber(port),
    family,
  }
}

function fromUrl(rest: string): ListenAddress {
  const match = /^(\[[^\]]+\]|[^:@]+):(\d+)\/?$/.exec(rest)
  if (match === null) throw new Mistake("a tcp URL is 'tcp://HOST:PORT'")
  const host = match[1]!.replace(/^\[(.*)\]$/, '$1')
  return { type: 'tcp', host, port: portNumber(match[2]!), family: isIPv6(host) ? 6 : 4 }
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new Mistake(
      `${JSON.stringify(text)} is not a port; use a number from 0 (any free port) to 65535`,
    )
  }
  return port
}
