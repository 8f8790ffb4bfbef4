/**
 * The filter of the soak, as the file of its user. What a message wants done is in its subject, and each
 * message that passes is told which process has seen it.
 */
export const SOAK_FILTER = `
import { createHash } from 'node:crypto'
import { defineFilter, reply } from 'tsmilter'
import v8 from 'node:v8'
import vm from 'node:vm'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc')

/** Bytes in use when all garbage is gone. */
function memory() {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

export default defineFilter({
  name: 'soak',
  limits: { bodyMemory: 20_000, temporaryDirectory: 'spill' },
  recipient({ address }) {
    if (address === 'nobody@example.net') return reply(550, '5.1.1', 'No such user')
  },
  async message(mail) {
    const [kind, id] = mail.headers.get('Subject').trim().split(' ')
    mail.headers.append('X-Seen', id)
    mail.headers.append('X-Pid', String(process.pid))
    if (kind === 'rejected') return reply(550, '5.7.1', 'No ' + id)
    if (kind === 'throws') throw new Error('on purpose')
    if (kind === 'hangs') await new Promise(() => {})
    if (kind === 'slow') await new Promise((resolve) => setTimeout(resolve, 50))
    if (kind === 'memory') mail.headers.append('X-Memory', String(memory()))
    if (kind === 'edited') {
      mail.subject = 'changed ' + id
      mail.recipients.add('archive@example.net')
      mail.body.replace('new body of ' + id + '\\r\\n')
    }
    if (kind === 'spilled') {
      const hash = createHash('sha256')
      for await (const piece of mail.body) hash.update(piece)
      mail.headers.append('X-Hash', hash.digest('hex'))
    }
    if (kind === 'rewritten') {
      const body = await mail.body.bytes()
      await mail.body.replace((async function* () {
        for (let at = 0; at < body.length; at += 10_000) yield body.subarray(at, at + 10_000)
        yield 'the end of ' + id + '\\r\\n'
      })())
    }
  },
})
`
