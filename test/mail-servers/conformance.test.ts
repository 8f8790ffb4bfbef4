import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, before, it } from 'node:test'
import {
  encodeFrame,
  encodeReply,
  Reply,
  type EditMessage,
  type ReplyMessage,
} from '../../src/protocol/index.ts'
import { sourcePath } from '../conformance/support/program.ts'
import { until } from '../support/resources.ts'
import { installedModel, installedVersion } from './support/installed.ts'
import type { MailServer } from './support/mail-server.ts'
import { RawFilter } from './support/raw-filter.ts'
import { SmtpClient, type SmtpReply } from './support/smtp.ts'
import { eachServer, FROM, message, TO, withoutReceived } from './support/stack.ts'

/** What the servers of all versions do; docs/conformance.md shows it. TSMILTER_RECORD=1 writes it anew. */
const FILE = sourcePath('test/mail-servers/conformance.json')
/** What each behaviour is with each server, by the names `postfix 3.7` and so on. */
type Behaviours = Record<string, Record<string, string>>

const RECORD = process.env['TSMILTER_RECORD'] === '1'

const single = (type: string): Buffer => encodeReply({ type } as ReplyMessage)
const text = (reply: string): Buffer =>
  encodeFrame(Reply.REPLYCODE, Buffer.from(`${reply}\0`, 'latin1'))
const add = (name: string, value: string): EditMessage => ({ type: 'addheader', name, value })
const insert = (index: number, name: string, value: string): EditMessage => ({
  type: 'insheader',
  index,
  name,
  value,
})
const change = (index: number, name: string, value: string): EditMessage => ({
  type: 'chgheader',
  index,
  name,
  value,
})

interface Talk {
  readonly answers?: Readonly<Record<string, Buffer>>
  readonly edits?: readonly EditMessage[]
  readonly message?: Buffer
  /** before MAIL */
  readonly commands?: readonly string[]
}

interface Heard {
  /** what the client was told last; empty: the server went without a word */
  readonly reply: string
  /** fields by their names, in their order, and the body */
  readonly delivered: string | undefined
  readonly held: boolean
  /** the letters of the commands, and what came with the last of each */
  readonly shown: readonly (readonly [letter: string, payload: string])[]
}

eachServer('conformance', (kind) => {
  let filter: RawFilter
  let server: MailServer
  before(async () => {
    filter = await RawFilter.start()
    server = await kind.start({ milters: [filter.address], defaultAction: 'as installed' })
  })
  after(async () => {
    await server.stop()
    filter.close()
  })

  async function hear(talk: Talk): Promise<Heard> {
    filter.steps = 0
    filter.answers = talk.answers ?? {}
    filter.edits = talk.edits ?? []
    filter.received = []
    const before = await server.held()
    const client = await SmtpClient.connect(server.port)
    let last: SmtpReply | undefined = client.greeting
    try {
      for (const line of ['EHLO client.test', ...(talk.commands ?? [])]) {
        last = undefined
        last = await client.command(line)
      }
      last = undefined
      const { mail, recipients, data } = await client.send({
        from: FROM,
        to: [TO],
        message:
          talk.message ?? message(['X-A: 1', 'X-A: 2', 'X-A: 3', 'Cc: carol@example.test']),
      })
      last = data ?? recipients.at(-1) ?? mail
    } catch (error) {
      if (!/closed|failed/.test((error as Error).message)) throw error
    } finally {
      client.close()
    }
    await server.idle()
    await until(() => filter.connections === 0)
    const [delivered] = server.sink.messages.splice(0)
    return {
      reply: last?.text ?? '',
      delivered: delivered && withoutReceived(delivered).toString('latin1'),
      held: (await server.held()).length > before.length,
      shown: filter.received.map(([letter, payload]) => [letter, payload.toString('latin1')]),
    }
  }

  const told = async (talk: Talk): Promise<string> => {
    const { reply, delivered, held } = await hear(talk)
    const fate = held ? 'held' : delivered === undefined ? 'not delivered' : 'delivered'
    const code = /^\d{3}(?: \d\.\d{1,3}\.\d{1,3})?/.exec(reply)?.[0] ?? 'no answer'
    return `${code}, ${fate}`
  }
  const fields = async (name: RegExp, edits: readonly EditMessage[]): Promise<string> => {
    const { reply, delivered } = await hear({ edits })
    if (reply === '') return 'crashes'
    if (delivered === undefined) return reply.slice(0, 9)
    const header = delivered.slice(0, delivered.indexOf('\r\n\r\n')).split('\r\n')
    return header.filter((field) => name.test(field)).join('; ')
  }

  const behaviours: Readonly<Record<string, () => Promise<string>>> = {
    'REJECT at RCPT': () => told({ answers: { R: single('reject') } }),
    'REJECT at end of message': () => told({ answers: { E: single('reject') } }),
    'TEMPFAIL at end of message': () => told({ answers: { E: single('tempfail') } }),
    'DISCARD at end of message': () => told({ answers: { E: single('discard') } }),
    'a reply of 421 at RCPT': () => told({ answers: { R: text('421 4.3.2 closing') } }),
    'a second line of a reply without its code': () =>
      told({ answers: { E: text('550-5.7.1 no\r\nand no') } }),
    'SHUTDOWN at end of message': () => told({ answers: { E: single('shutdown') } }),
    'a filter that fails at MAIL, nothing configured': () =>
      told({ answers: { M: encodeFrame(0x7a) } }),
    QUARANTINE: () => told({ edits: [{ type: 'quarantine', reason: 'odd' }] }),
    'a new body in two parts': () =>
      told({
        edits: [
          { type: 'replbody', chunk: Buffer.from('a') },
          add('X-B', '1'),
          { type: 'replbody', chunk: Buffer.from('b') },
        ],
      }),
    'a bare CR in a body': () => told({ message: message([], 'a\rb\r\n') }),
    'the filter is shown, of XFOO BAR': async () => {
      const { shown } = await hear({ commands: ['XFOO BAR'] })
      return shown.find(([letter]) => letter === 'U')?.[1].replace('\0', '') ?? 'nothing'
    },
    'macros at CONNECT, nothing asked for': async () => {
      const { shown } = await hear({})
      const [, macros = ''] =
        shown.find(([letter, payload]) => letter === 'D' && payload[0] === 'C') ?? []
      const words = macros.slice(1).split('\0')
      return words
        .filter((_word, index) => index % 2 === 0 && index < words.length - 1)
        .join(' ')
    },
    'X-A is added beside three of them': () => fields(/^X-A/, [add('X-A', 'new')]),
    'number 1, then number 2 of three X-A are deleted': () =>
      fields(/^X-A/, [change(1, 'X-A', ''), change(2, 'X-A', '')]),
    'number 9 of three X-A is changed': () => fields(/^X-A/, [change(9, 'X-A', 'new')]),
    'a Cc is added beside one': () => fields(/^Cc/, [add('Cc', 'dave@example.test')]),
    'a Cc is inserted at the end beside one': () =>
      fields(/^Cc/, [insert(1_000, 'Cc', 'dave@example.test')]),
    'the Cc is deleted, and one is added': () =>
      fields(/^Cc/, [change(1, 'Cc', ''), add('Cc', 'dave@example.test')]),
  }

  for (const [what, observe] of Object.entries(behaviours)) {
    it(what, async (t) => {
      const seen = await observe()
      const all = JSON.parse(readFileSync(FILE, 'utf8')) as Behaviours
      const [[name, version]] = Object.entries(installedModel(kind.name)) as [[string, string]]
      const key = `${name} ${version}`
      if (RECORD) {
        ;(all[what] ??= {})[key] = seen
        writeFileSync(FILE, `${JSON.stringify(all, undefined, 2)}\n`)
        return
      }
      t.diagnostic(`${kind.name} ${installedVersion(kind.name)}: ${seen}`)
      assert.equal(seen, all[what]?.[key])
    })
  }
})
