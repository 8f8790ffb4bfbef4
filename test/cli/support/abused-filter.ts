import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { project } from './command.ts'

/** The filter of tests that mistreat the command. Its fields say what has become of it. */
const FILTER = `
import { defineFilter, reply } from 'tsmilter'
import v8 from 'node:v8'
import vm from 'node:vm'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc')
let strangers = 0

function memory() {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

export default defineFilter({
  name: 'test',
  limits: { bodyMemory: 20_000, temporaryDirectory: 'spill' },
  connect({ hostname }) {
    // A long answer, so that few of them are more than a socket holds.
    if (hostname === 'talkative.example.org')
      return reply(450, '4.7.0', ...Array(32).fill('x'.repeat(900)))
    if (hostname !== 'mail.example.org') strangers++
  },
  async message(mail) {
    const subject = mail.headers.get('Subject').trim()
    if (subject === 'size') mail.headers.append('X-Size', String((await mail.body.bytes()).length))
    if (subject === 'memory') mail.headers.append('X-Memory', String(memory()))
    if (subject === 'strangers') mail.headers.append('X-Strangers', String(strangers))
    if (subject === 'large') mail.body.replace('x'.repeat(8_000_000))
    mail.headers.append('X-Seen', 'test')
  },
})
`

/** Its directory, where bodies of more than 20,000 bytes go to `spill`. */
export function abusedFilter(): { directory: string; spill: string } {
  const directory = project({ 'filter.mjs': FILTER })
  const spill = join(directory, 'spill')
  mkdirSync(spill)
  return { directory, spill }
}

export const ARGS: readonly string[] = ['filter.mjs', '--listen', 'inet:0@127.0.0.1']

export const withSubject = (subject: string, body = 'hello\r\n'): string =>
  `From: alice@example.org\r\nSubject: ${subject}\r\n\r\n${body}`
