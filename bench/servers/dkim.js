// Signing and checking mail, for `tsmilter run`. What it does is in the environment:
//
//     BENCH_DKIM=sign|verify|read|all BENCH_DKIM_KEY=FILE BENCH_DKIM_DNS=HOST:PORT
import { compose, defineFilter } from 'tsmilter'
import { authenticate, dkimSign, externalTag } from 'tsmilter/filters'
import { DnsCache, NodeResolver } from 'tsmilter/toolkit'

const { BENCH_DKIM: task, BENCH_DKIM_KEY: file, BENCH_DKIM_DNS: server } = process.env

const sign = () =>
  dkimSign({
    keys: { domain: 'example.org', selector: 'bench', file },
    networks: '192.0.2.0/24',
  })
const verify = () =>
  authenticate({ dns: new DnsCache({ resolver: new NodeResolver({ servers: [server] }) }) })

/** What a filter that reads all costs, and adds a field. */
const read = () =>
  defineFilter({
    name: 'read',
    async message(mail) {
      let size = 0
      for await (const piece of mail.body) size += piece.length
      mail.headers.prepend('X-Read', `${mail.headers.length} ${size}`)
    },
  })

const tasks = {
  sign,
  verify,
  read,
  all: () => compose(verify(), externalTag({ subject: '[EXTERNAL]' }), sign()),
}
export default tasks[task]()
