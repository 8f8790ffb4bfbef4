/**
 * The chain that a site runs, from its text file: none of the messages is lost, and none is altered but where a filter
 * says so. TSMILTER_MAILBOX names a folder of .eml files, or an mbox file, to be sent in place of our own messages;
 * TSMILTER_MAILBOX_PART, such as 2/5, takes one part of it.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineFilter } from '../../src/index.ts'
import { project, start } from '../cli/support/command.ts'
import { DOMAIN, KEYS, RECORDS } from '../conformance/support/dkim.ts'
import { available } from '../conformance/support/program.ts'
import {
  BANNER,
  DISCLAIMER,
  faults,
  faultsByPython,
  isUnchanged,
  judgements,
  SUBJECT_TAG,
  type Pair,
} from './support/chain.ts'
import { LETTERS } from './support/letters.ts'
import type { MailServer } from './support/mail-server.ts'
import { readMailbox, type Letter } from './support/mailbox.ts'
import { SmtpClient } from './support/smtp.ts'
import { eachServer, FROM, Stack, withoutReceived } from './support/stack.ts'

const CLIENTS = 4
const MAILBOX = process.env['TSMILTER_MAILBOX']
const PART = process.env['TSMILTER_MAILBOX_PART'] ?? '1/1'

function letters(): readonly Letter[] {
  if (MAILBOX === undefined) return LETTERS
  const [number, of] = PART.split('/').map(Number) as [number, number]
  return readMailbox(MAILBOX).filter((_, i) => i % of === number - 1)
}

/** Each message is from outside for the filters of such mail, and ours for the others. */
const FILES = {
  'package.json': '{"type":"module"}',
  // No question leaves the machine.
  'authenticate.js': `import { authenticate } from 'tsmilter/filters'
import { DnsCache } from 'tsmilter/toolkit'
const dns = new DnsCache({ resolver: { resolve: async () => ({ none: 'no-domain' }) } })
export default authenticate({ dns, networks: [] })
`,
  'key.pem': KEYS[0]!.privateKey as string,
  'tsmilter.yaml': `listen: inet:0@127.0.0.1
logLevel: debug
filters:
  - use: ./authenticate.js
  - greylist: {networks: [], delay: 1s, spf: false, store: memory}
  - rateLimit: {networks: [], client: {messages: 100000/h}, store: memory}
  - attachments: {}
  - externalTag: {networks: [], subject: '${SUBJECT_TAG}', banner: {text: ${BANNER}}}
  - disclaimer: {rules: {text: ${JSON.stringify(DISCLAIMER)}}}
  - dkimSign: {domainFrom: sender, keys: {domain: ${DOMAIN}, selector: r, file: key.pem}}
`,
}

interface Answer {
  readonly code: number
  readonly text: string
  /** how often the client was told to try later */
  readonly deferred: number
}

/**
 * What Sendmail says for the rest of a session if it cannot give something to a filter, such as a field above 64 KiB
 * (milter_write in milter.c).
 */
const FILTER_FAILED = '451 4.3.2 Please try again later'

const addressOf = (index: number): string => `m${index}@example.net`

/** Sends all messages, each to an address of its own, as a client that tries again. */
async function sendAll(mta: MailServer, all: readonly Letter[]): Promise<Answer[]> {
  const answers: Answer[] = []
  let next = 0
  const client = async (): Promise<void> => {
    let smtp: SmtpClient | undefined
    while (next < all.length) {
      const index = next++
      for (let deferred = 0; ; deferred++) {
        if (smtp === undefined) {
          smtp = await SmtpClient.connect(mta.port)
          await smtp.command('EHLO client.test')
        }
        const { mail, recipients, data } = await smtp.send({
          from: FROM,
          to: [`<${addressOf(index)}>`],
          message: all[index]!.message,
        })
        const { code, text } = data ?? recipients[0] ?? mail
        answers[index] = { code, text, deferred }
        if (code === 421 || text.includes(FILTER_FAILED)) {
          smtp.close()
          smtp = undefined
          break
        }
        await smtp.command('RSET')
        if (Math.floor(code / 100) !== 4 || deferred > 5) break
        await sleep(1_100)
      }
    }
    smtp?.close()
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  await mta.idle(60_000)
  return answers
}

/** Messages by their recipient; a second copy, or one that nobody has sent, is a failure. */
function delivered(mta: MailServer, all: readonly Letter[]): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  for (const message of mta.sink.messages) {
    const [, number] = /^<m(\d+)@example\.net>/.exec(message.recipients.join()) ?? []
    const name = number === undefined ? undefined : all[Number(number)]?.name
    if (name === undefined) {
      found.set(`bounce ${found.size}`, message.data)
      continue
    }
    assert.ok(!found.has(name), `${name} was delivered twice`)
    found.set(name, withoutReceived(message))
  }
  return found
}

interface LogLine {
  readonly filter?: string
  readonly reason?: string
  readonly queueId?: string
  readonly msg?: string
  readonly banner?: string
}

/** Which filters have touched the body, by queue id. */
function touched(lines: readonly LogLine[]): Set<string> {
  return new Set(
    lines
      .filter(
        ({ filter, reason, banner }) =>
          (filter === 'disclaimer' && /^(?:added|partly)$/.test(reason ?? '')) ||
          (filter === 'external-tag' && /^(?:added|partly)$/.test(banner ?? '')),
      )
      .map(({ queueId }) => queueId!),
  )
}

const queueIdOf = (text: string): string =>
  /queued as (\w+)/.exec(text)?.[1] ?? /2\.0\.0 (\w+) Message accepted/.exec(text)?.[1] ?? ''

eachServer('the chain of a text file', (kind) => {
  if (!available('/usr/bin/python3', ['-c', 'import dkim'], 'python3-dkim')) return

  it('loses no message, and alters none but where a filter says so', async (t) => {
    const all = letters()
    const directory = project(FILES)
    await using running = await start(
      ['tsmilter.yaml'],
      directory,
      { env: { TSMILTER_LOG_FORMAT: 'json' } },
      /"msg":"ready"/,
    )
    const [, address] = /"addresses":\[?"([^"]+)"/.exec(running.said)!
    // What the server does to mail of itself, it may only do if it has a filter: Postfix cuts fields near 60,000 bytes.
    await using stack = await Stack.start(kind)
    stack.filter = defineFilter({ name: 'idle', message: () => {} })
    const plain = stack.mta
    await using filtered = await kind.start({ milters: [address!] })
    const [plainAnswers, answers] = await Promise.all([
      sendAll(plain, all),
      sendAll(filtered, all),
    ])
    const lines = running.said
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)
    const bodies = touched(lines)
    const signed = new Set(
      lines.filter(({ reason }) => reason === 'signed').map(({ queueId }) => queueId),
    )
    const before = delivered(plain, all)
    const after = delivered(filtered, all)

    const wrong: string[] = []
    const refused = new Map<string, string[]>()
    const pairs: (Pair & { readonly id: string })[] = []
    for (const [index, { name, message: sent }] of all.entries()) {
      const { code, text } = answers[index]!
      const isTaken = code === 250
      if (isTaken !== after.has(name))
        wrong.push(`${name}: ${text}, but ${isTaken ? 'lost' : 'delivered'}`)
      if (!isTaken) {
        // The mail server's own refusal, or that of a filter.
        const by = plainAnswers[index]!.code === 250 ? 'filter' : 'server'
        const key = `${by}: ${text.replaceAll(/\s+/g, ' ')}`
        refused.set(key, [...(refused.get(key) ?? []), name])
      } else if (after.has(name) && before.has(name)) {
        pairs.push({
          name,
          sent,
          plain: before.get(name)!,
          filtered: after.get(name)!,
          id: queueIdOf(text),
          isBodyTouched: bodies.has(queueIdOf(text)),
        })
      }
    }
    for (const name of before.keys())
      if (name.startsWith('bounce'))
        t.diagnostic(`${name}: ${before.get(name)!.toString('latin1').slice(0, 2000)}`)
    const old = judgements(
      pairs.map(({ name, plain: message }) => ({ name, message })),
      DOMAIN,
      RECORDS,
    )
    const now = judgements(
      pairs.map(({ name, filtered: message }) => ({ name, message })),
      DOMAIN,
      RECORDS,
    )
    const broken: string[] = []
    for (const pair of pairs) {
      const { name } = pair
      const found = [...(await faults(pair)), ...faultsByPython(old.get(name)!, now.get(name)!)]
      const isSigned = signed.has(pair.id)
      const signatures = now.get(name)!.signatures.join()
      if (isSigned && signatures !== 'pass' && !isUnchanged(pair)) broken.push(name)
      else if (signatures !== (isSigned ? 'pass' : '')) found.push(`signatures: ${signatures}`)
      wrong.push(...found.map((fault) => `${name}: ${fault}`))
    }
    const count = (test: (answer: Answer) => boolean): number => answers.filter(test).length
    t.diagnostic(
      `${all.length} messages: ${pairs.length} delivered, ${count(({ code }) => code !== 250)} refused, ` +
        `${pairs.filter(({ isBodyTouched }) => isBodyTouched).length} with a new body, ` +
        `${count(({ deferred }) => deferred > 0)} deferred first`,
    )
    t.diagnostic(
      `${signed.size} signed, ${broken.length} of these changed by the mail server itself: ${broken.join(' ')}`,
    )
    for (const [reason, names] of refused)
      t.diagnostic(`${names.length} refused by ${reason}: ${names.slice(0, 8).join(' ')}`)
    assert.deepEqual(wrong, [])
  })
})
