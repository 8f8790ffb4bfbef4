// Debian runs the processes of Postfix that speak to filters in a chroot: they see the queue directory, and nothing
// else. The socket is where docs/running.md says.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { project, start } from '../cli/support/command.ts'
import { startPostfix } from './support/postfix.ts'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, message, TO } from './support/stack.ts'

const FILTER = `
import { defineFilter } from 'tsmilter'
export default defineFilter({
  name: 'seen',
  message(mail) { mail.headers.append('X-Seen', 'yes') },
})
`

/** What main.cf may say: a path from the queue directory on, with and without a slash. */
const WAYS = ['unix:filter/filter.sock', 'unix:/filter/filter.sock']

eachServer('a mail server in a chroot', ({ name }) => {
  if (name !== 'postfix') return
  for (const way of WAYS) {
    it(`reaches ${way} in its queue directory`, { timeout: 60_000 }, async () => {
      const config = [`smtpd_milters = ${way}`]
      const mta = await startPostfix({ milters: [], chroot: true, config })
      try {
        const directory = join(mta.directory, 'spool', 'filter')
        mkdirSync(directory, { mode: 0o755 })
        const listen = ['--listen', `unix:${join(directory, 'filter.sock')}`]
        const forPostfix = ['--unix-socket-mode', '660', '--unix-socket-group', 'postfix']
        const filter = project({ 'filter.mjs': FILTER })
        await using running = await start(['filter.mjs', ...listen, ...forPostfix], filter)
        const client = await SmtpClient.connect(mta.port)
        await client.command('EHLO client.test')
        const { data } = await client.send({ from: FROM, to: [TO], message: message() })
        assert.equal(data?.code, 250)
        client.close()
        await mta.idle()
        const delivered = mta.sink.messages.map((one) => one.data.toString('latin1'))
        assert.equal(delivered.length, 1)
        assert.match(delivered[0]!, /^X-Seen: yes\r$/m)
        assert.equal(await running.stop(), 0)
      } finally {
        await mta.stop()
      }
    })
  }
})
