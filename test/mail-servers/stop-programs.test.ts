// Stopping and reloading whole programs while SMTP sessions are idle and a message is in progress: the idle ones
// hold up nothing, and the message is filtered. Nothing is measured: each deadline is an hour, so a stop that waits fails the test.
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { it } from 'node:test'
import { project, Running, start, until } from '../cli/support/command.ts'
import type { MailServer } from './support/mail-server.ts'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, message, TO } from './support/stack.ts'

const FILTER = `
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineFilter } from 'tsmilter'
export default defineFilter({
  name: 'stopped',
  async message(mail) {
    if (mail.headers.get('X-Slow') !== undefined) {
      writeFileSync('began', '')
      while (!existsSync('go')) await sleep(20)
    }
    mail.headers.append('X-Seen', 'yes')
  },
})
`
const PROGRAM = `
import { runMilter } from 'tsmilter'
import factory from './filter.mjs'
await runMilter('stopped', {
  factory,
  listen: process.argv[2],
  unixSocket: { mode: 0o666 },
  stop: { quiet: 0, deadline: 3_600_000 },
})
`
const HOUR = ['--stop-quiet', '0ms', '--stop-deadline', '1h', '--reload-deadline', '1h']

/** A program that filters, and the signal. */
const WAYS = {
  'runMilter, SIGTERM': { signal: 'SIGTERM', command: false },
  'tsmilter run, SIGTERM': { signal: 'SIGTERM', command: true },
  'tsmilter run, SIGHUP': { signal: 'SIGHUP', command: true },
} as const

async function launched(directory: string, listen: string, command: boolean): Promise<Running> {
  if (command) {
    const args = ['filter.mjs', '--listen', listen, '--unix-socket-mode', '666', ...HOUR]
    return await start(args, directory)
  }
  const child = spawn(process.execPath, ['program.mjs', listen], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const running = new Running(child)
  await running.says(/listening/)
  return running
}

const addressOf = ({ said }: Running): string => /addresses="?([^\s",]+)/.exec(said)![1]!

async function idle(mta: MailServer, after: 'EHLO' | 'a message'): Promise<SmtpClient> {
  const client = await SmtpClient.connect(mta.port)
  await client.command('EHLO client.test')
  if (after === 'a message') {
    const sent = await client.send({ from: FROM, to: [TO], message: message() })
    assert.equal(sent.data?.code, 250)
  }
  return client
}

eachServer('a program stopped while SMTP sessions are idle', (kind) => {
  for (const unix of [false, true]) {
    for (const [way, { signal, command }] of Object.entries(WAYS)) {
      it(`${way} (${unix ? 'unix' : 'tcp'})`, { timeout: 120_000 }, async () => {
        const directory = project({ 'filter.mjs': FILTER, 'program.mjs': PROGRAM })
        const listen = unix ? `unix:${join(directory, 's')}` : 'inet:0@127.0.0.1'
        await using running = await launched(directory, listen, command)
        const mta = await kind.start({ milters: [addressOf(running)], timeout: 60 })
        try {
          const clients = [await idle(mta, 'EHLO'), await idle(mta, 'a message')]
          const busy = await SmtpClient.connect(mta.port)
          await busy.command('EHLO client.test')
          const sent = busy.send({ from: FROM, to: [TO], message: message(['X-Slow: yes']) })
          await until('the slow message', () => existsSync(join(directory, 'began')))
          running.signal(signal)
          await running.says(signal === 'SIGHUP' ? /INFO  reloaded/ : /stopping/)
          writeFileSync(join(directory, 'go'), '')
          assert.equal((await sent).data?.code, 250)
          if (signal === 'SIGHUP') {
            // The new version serves, and sessions of the old one are left to it: no message is deferred.
            const next = await SmtpClient.connect(mta.port)
            await next.command('EHLO client.test')
            for (const client of [next, ...clients]) {
              const { data } = await client.send({ from: FROM, to: [TO], message: message() })
              assert.equal(data?.code, 250)
            }
            running.signal('SIGTERM')
            clients.push(next)
          }
          busy.close()
          assert.equal(await running.ended, 0)
          for (const client of clients) client.close()
          await mta.idle(60_000)
          for (const { data } of mta.sink.messages)
            assert.match(data.toString('latin1'), /^X-Seen: yes\r$/m)
        } finally {
          await mta.stop()
        }
      })
    }
  }
})
