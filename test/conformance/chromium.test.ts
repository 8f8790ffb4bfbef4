import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { defang } from '../../src/mime/attachments/attachment-policy.ts'
import type { SanitizeOptions } from '../../src/mime/html/html.ts'
import { parseMime } from '../../src/mime/message.ts'
import { documentsOf } from './support/html-documents.ts'
import { Judge, type Shown, type Verdict } from './support/html-judge.ts'
import { hostileMails } from './support/html-mails.ts'
import { hostileHtml } from './support/html-payloads.ts'
import { available } from './support/program.ts'
import type { Request } from './support/trap.ts'

/**
 * Hostile mail is cleaned as a filter does it, and what is left is shown in a real browser: no script runs,
 * and nothing is loaded. What is found is refused, and is not shown.
 */

const HTML = hostileHtml()
const CORPUS = [...HTML, ...hostileMails(HTML.length + 1)]

/** What comes out of a filter; undefined where it refuses the message. */
async function cleaned(mail: Buffer, html: SanitizeOptions): Promise<Buffer | undefined> {
  const message = parseMime(mail)
  const { remaining } = await defang(message, { html })
  return remaining.length > 0 ? undefined : Buffer.from(message.toBytes())
}

interface Judged {
  readonly shown: Shown
  readonly verdict: Verdict
}

/** Each document once: of most payloads the same is left. */
async function judged(
  judge: Judge,
  clean: (mail: Buffer) => Promise<Buffer | undefined>,
): Promise<Judged[]> {
  const shown = new Map<string, Shown>()
  for (const { id, mail } of CORPUS) {
    const bytes = await clean(mail)
    for (const served of bytes === undefined ? [] : await documentsOf(bytes)) {
      const key = `${served.type}\n${served.bytes.toString('latin1')}`
      if (!shown.has(key)) shown.set(key, { id, served })
    }
  }
  const all = [...shown.values()]
  const verdicts = await judge.judge(all)
  return all.map((one, i) => ({ shown: one, verdict: verdicts[i]! }))
}

/**
 * What a filter that keeps pictures lets load: by their ends in the payloads; and what an address without
 * a host asks for, if it is none of a page, a script or a style sheet.
 */
const isPicture = ({ host, path }: Request): boolean =>
  path === 'TLS' ||
  (host.startsWith('d')
    ? !/\.(?:css|html|js)$/.test(path)
    : /\.(?:gif|mp3|mp4|woff|cur|svg)(?:%7D)?$/.test(path))

function faults(all: readonly Judged[], allowed: (request: Request) => boolean): string[] {
  return all
    .map(({ shown: { id, served }, verdict: { ran, requests } }) => {
      const asked = requests.filter((one) => !allowed(one))
      if (!ran && asked.length === 0) return ''
      const what = [ran ? 'ran' : '', ...asked.map(({ host, path }) => host + path)].join(' ')
      const { family, mail } = CORPUS.find((one) => one.id === id)!
      const text = (bytes: Buffer): string => JSON.stringify(bytes.toString('latin1', 0, 400))
      return `${family}: ${what}\n  ${text(mail)}\n  ${served.type}: ${text(served.bytes)}`
    })
    .filter((one) => one !== '')
}

/** For each test; a busy machine takes several times as long as a quiet one. `scripts/test.js` ends files later. */
const LONGEST = 300_000

/** Nothing here is read from sockets: `.ci/run` need not judge it a second time. */
const skip = process.env['TSMILTER_READS'] === 'stream' && 'Chromium judges HTML once'

describe('HTML in Chromium', { skip }, () => {
  if (!available('chromium', ['--version'], 'chromium')) return
  const judge = new Judge()
  before(async () => await judge.open())
  after(async () => await judge.close())

  it(
    'the payloads bite: what is not cleaned runs or asks for something',
    { timeout: LONGEST },
    async (test) => {
      const bitten = new Set<number>()
      for (const { shown, verdict } of await judged(judge, (mail) => Promise.resolve(mail))) {
        const own = verdict.requests.some(({ host }) => host === `t${shown.id}.test`)
        if (verdict.ran || own) bitten.add(shown.id)
      }
      test.diagnostic(`${bitten.size} of ${CORPUS.length} payloads run or ask for something`)
      assert.ok(CORPUS.length >= 500)
      assert.ok(bitten.size > 0.75 * CORPUS.length, `only ${bitten.size} of ${CORPUS.length}`)
    },
  )

  it(
    'what is cleaned runs nothing, and loads no more than what it shows',
    { timeout: LONGEST },
    async () => {
      const all = await judged(judge, async (mail) => await cleaned(mail, {}))
      assert.deepEqual(faults(all, isPicture), [])
    },
  )

  it('nor even that where nothing is to be loaded', { timeout: LONGEST }, async () => {
    const all = await judged(judge, async (mail) => await cleaned(mail, { keepRemote: false }))
    assert.deepEqual(
      faults(all, () => false),
      [],
    )
  })
})
