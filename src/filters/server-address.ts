/** A kind of option: the address of a server on the network. */
import { isIP } from 'node:net'
import { parseHostAndPort } from '../net/host-port.ts'
import { NOTHING_MORE, type Kind } from '../options/kinds.ts'
import { line } from '../options/value-kinds.ts'

const FORM = 'an IP address with a port, such as 127.0.0.1:25'

/** An IP address (or `localhost`) and a port. A name could lead elsewhere each time. */
export const hostAndPort: Kind = {
  ...line,
  takes: FORM,
  takesText: FORM,
  placeholder: 'address:port',
  wrong: (value) => {
    const host = typeof value === 'string' ? parseHostAndPort(value)?.host : undefined
    return host !== undefined && (host === 'localhost' || isIP(host) !== 0)
      ? undefined
      : NOTHING_MORE
  },
}
