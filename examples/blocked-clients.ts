// Refuses clients from a list of addresses, networks and patterns. The list is read when the filter starts.
import { CONTINUE, defineFilter, reply, type MessageFilter } from 'tsmilter'
import { IpList } from 'tsmilter/toolkit'

export const blockedClients = (list: IpList): MessageFilter =>
  defineFilter({
    name: 'blocked-clients',
    connect({ family, address }) {
      // Mail from this machine may come over a unix socket, whose address is a path.
      if (family !== 'inet' && family !== 'inet6') return CONTINUE
      return list.has(address) ? reply(554, '5.7.1', `No mail from ${address}`) : CONTINUE
    },
  })

// Of a file: blockedClients(await IpList.read('/etc/filter/blocked'))
export default blockedClients(new IpList(['192.0.2.0/24', '198.51.100.*', '2001:db8:bad::/48']))
