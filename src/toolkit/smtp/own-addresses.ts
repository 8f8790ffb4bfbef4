/** The addresses at which a connection would come back to this machine. */
import { networkInterfaces } from 'node:os'

/**
 * The addresses of this machine, with the networks that mean "this machine" everywhere: `127.0.0.0/8`, `0.0.0.0/8`, `::1`
 * and `::`. Behind address translation, add the public addresses.
 */
export function localAddresses(): string[] {
  const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  return [...HERE, ...new Set(interfaces.map(({ address }) => address.replace(/%.*$/, '')))]
}

const HERE = ['127.0.0.0/8', '0.0.0.0/8', '::1', '::']
