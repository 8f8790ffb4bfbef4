import { isIP } from 'node:net'

/** A host name or IP address, and a port. */
export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/**
 * Parses `host:port`, `[address]:port`, or a port alone, which means the loopback address. Undefined for other text.
 */
export function parseHostAndPort(text: string): HostAndPort | undefined {
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]/\s]+)):)?(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  const [, six, other] = match ?? []
  if (match === null || port > 65_535 || (six !== undefined && isIP(six) !== 6)) {
    return undefined
  }
  return { host: six ?? other ?? '127.0.0.1', port }
}
