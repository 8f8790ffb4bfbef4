// PROXY headers as balancers write them, and as none would.

export const LOCAL = 0
export const PROXY = 1
/** Family and protocol: TCP over IPv4, over IPv6. */
export const INET = 0x11
export const INET6 = 0x21

/** Version 1. */
export const lineHeader = (rest: string): Buffer => Buffer.from(`PROXY ${rest}\r\n`)

/** Version 2. */
export function binaryHeader(
  command: number,
  family: number,
  ...parts: readonly (Uint8Array | readonly number[])[]
): Buffer {
  const start = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1')
  start[12] = 0x20 | command
  start[13] = family
  const rest = Buffer.concat(parts.map((part) => Uint8Array.from(part)))
  start.writeUInt16BE(rest.length, 14)
  return Buffer.concat([start, rest])
}
