import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { project, start } from '../cli/support/command.ts'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, message, TO } from './support/stack.ts'

const CLIENTS = 4
/** How often; TSMILTER_RELOADS asks for more. */
const RELOADS = Number(process.env['TSMILTER_RELOADS'] ?? 10)

const filter = (version: number): string => `
import { defineFilter } from 'tsmilter'
export default defineFilter({
  name: 'reloaded',
  async message(mail) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    mail.headers.append('X-Seen', mail.headers.get('X-Id') + ' ${version}')
  },
})
`

eachServer('tsmilter run, reloaded under load', (kind) => {
  it(`loses, doubles and defers no message in ${RELOADS} reloads`, async () => {
    const directory = project({ 'filter.mjs': filter(0) })
    const args = ['filter.mjs', '--listen', 'inet:0@127.0.0.1', '--workers', '2']
    await using running = await start(args, directory)
    const mta = await kind.start({ milters: [running.address] })
    try {
      const accepted: string[] = []
      let over = false
      const client = async (number: number): Promise<void> => {
        for (let i = 0; !over; i++) {
          const id = `${number}-${i}`
          const smtp = await SmtpClient.connect(mta.port)
          await smtp.command('EHLO client.test')
          // Several in a session: it stays with the version it began with.
          for (const letter of 'ab') {
            const { data } = await smtp.send({
              from: FROM,
              to: [TO],
              message: message([`X-Id: ${id}${letter}`]),
            })
            assert.equal(data?.code, 250, `${data?.text}\n${running.said}`)
            accepted.push(`${id}${letter}`)
          }
          smtp.close()
        }
      }
      const clients = Promise.all(
        Array.from({ length: CLIENTS }, (_, number) => client(number)),
      )
      clients.catch(() => {})
      for (let version = 1; version <= RELOADS; version++) {
        writeFileSync(join(directory, 'filter.mjs'), filter(version))
        running.signal('SIGHUP')
        await running.says(/INFO  reloaded/, version)
      }
      over = true
      await clients
      await mta.idle(60_000)
      const arrived = mta.sink.messages.map(({ data }) => {
        const text = data.toString('latin1')
        const id = /^X-Id: (.*)\r$/m.exec(text)?.[1]
        const seen = /^X-Seen: (\S+) (\d+)\r$/m.exec(text)
        assert.equal(seen?.[1], id, 'filtered')
        return { id, version: Number(seen![2]) }
      })
      assert.deepEqual(arrived.map(({ id }) => id).sort(), accepted.sort())
      const versions = new Set(arrived.map(({ version }) => version))
      assert.ok(versions.size > RELOADS / 2, `${versions.size} versions have filtered`)
      assert.doesNotMatch(running.said, /ERROR/)
    } finally {
      await mta.stop()
    }
  })
})
