import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import { describe, it } from 'node:test'
import { parseMime, type MimePart } from '../../src/mime/index.ts'
import { CORPUS } from './corpus.ts'
import { edited, EDITS } from './edits.ts'
import { parsePostal } from './postal.ts'
import { pathOf } from './tree.ts'

/**
 * Whoever saw the same parts as we do before an edit sees the same parts as we do after it. So what we
 * write is not only read by ourselves.
 */

interface Case {
  readonly name: string
  readonly before: Buffer
  readonly after: Buffer
}

/** Where a reader sees a message in its own way, and by chance nothing of it before the edit. */
const APART: Record<string, string[]> = {
  mailsplit: [],
  // It takes two delimiters in a row for one.
  python: ['delimiter without a line end at the end', 'empty part'],
  // It reads a field whose name and colon are on two lines, and keeps a space at the end of a boundary.
  postal: ['name and colon on two lines', 'boundary in quotes with spaces'],
}

async function allCases(reader: string): Promise<Case[]> {
  const cases: Case[] = []
  for (const { name, bytes } of CORPUS) {
    if (bytes.length > 20_000 || APART[reader]!.includes(name)) continue
    for (const part of parseMime(bytes).walk()) {
      const path = pathOf(part)
      for (const edit of EDITS) {
        const after = await edited(bytes, path, edit)
        if (after === undefined) continue
        cases.push({
          name: `${name}, part ${path.join('.')}, ${edit.name}`,
          before: bytes,
          after,
        })
      }
    }
  }
  return cases
}

/** Line ends apart, and those at the end. */
const lines = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString('latin1').replaceAll('\r\n', '\n').replace(/\n+$/, '')

type Parts = [type: string, content: string][]

/** All parts from the top down, messages in messages included. */
const ours = (bytes: Buffer): Parts =>
  [...parseMime(bytes).walk()].map((part) => [
    part.type,
    part.children.length > 0 || part.isMultipart ? '' : lines(part.bytes()),
  ])

/** The parts of the message alone: what is attached is content, and a multipart has none. */
function outermost(bytes: Buffer): Parts {
  const parts: Parts = []
  const add = (part: MimePart): void => {
    parts.push([part.type, part.isMultipart ? '' : lines(part.raw)])
    if (part.isMultipart) for (const child of part.children) add(child)
  }
  add(parseMime(bytes))
  return parts
}

/** mailsplit, without its declarations, which do not compile beside those of Node 20. */
interface Mailsplit {
  readonly Splitter: new (options: object) => Transform
}
interface SplitNode {
  readonly type: 'node'
  readonly contentType: string | false
  readonly multipart: string | false
}
type SplitChunk = SplitNode | { readonly type: 'body' | 'data'; readonly value: Buffer }

const MAILSPLIT: string = '@zone-eu/mailsplit'
const mailsplit = import(MAILSPLIT) as Promise<Mailsplit>

/** Likewise, as mailsplit cuts it. */
async function splitParts(bytes: Buffer): Promise<Parts> {
  const nodes: { type: string; body: Buffer[]; multipart: boolean }[] = []
  const { Splitter } = await mailsplit
  const splitter = new Splitter({ ignoreEmbedded: true })
  splitter.on('data', (chunk: SplitChunk) => {
    if (chunk.type === 'node') {
      const type = (chunk.contentType || 'text/plain').toLowerCase()
      nodes.push({ type, body: [], multipart: chunk.multipart !== false })
    } else if (chunk.type === 'body') nodes.at(-1)!.body.push(chunk.value)
  })
  splitter.end(bytes)
  try {
    await finished(splitter)
  } catch {
    return []
  }
  return nodes.map(({ type, body, multipart }) => [
    type,
    multipart ? '' : lines(Buffer.concat(body)),
  ])
}

function compare(
  cases: readonly Case[],
  read: (bytes: Buffer) => unknown,
  us: (bytes: Buffer) => unknown,
): number {
  const same = (bytes: Buffer): boolean =>
    JSON.stringify(read(bytes)) === JSON.stringify(us(bytes))
  const agreed = new Map<Buffer, boolean>()
  let compared = 0
  for (const { name, before, after } of cases) {
    if (!agreed.has(before)) agreed.set(before, same(before))
    if (agreed.get(before) !== true) continue
    compared++
    if (!same(after)) assert.deepEqual(read(after), us(after), name)
  }
  return compared
}

const PYTHON = `
import sys, json, base64, email
def parts(raw):
    found = []
    for part in email.message_from_bytes(raw).walk():
        body = b''
        if not part.is_multipart() and part.get_content_maintype() != 'multipart':
            body = part.get_payload(decode=True) or b''
        found.append([part.get_content_type(), base64.b64encode(body).decode()])
    return found
for line in sys.stdin:
    try:
        print(json.dumps(parts(base64.b64decode(line))))
    except Exception as error:
        print(json.dumps(str(error)))
`

describe('an edited message is read by others as by us', () => {
  const hasPython = spawnSync('python3', ['-c', 'import email']).status === 0

  it(
    'by the email package of Python',
    { skip: hasPython ? false : 'no python3 here' },
    async () => {
      const cases = await allCases('python')
      const messages = [...new Set(cases.flatMap(({ before, after }) => [before, after]))]
      const input = messages.map((bytes) => `${bytes.toString('base64')}\n`).join('')
      const run = spawnSync('python3', ['-c', PYTHON], {
        input,
        maxBuffer: 1e9,
        timeout: 120_000,
      })
      assert.equal(run.status, 0, run.stderr.toString())
      const answers = run.stdout.toString().trimEnd().split('\n')
      assert.equal(answers.length, messages.length)
      const seen = new Map(
        messages.map((bytes, i) => {
          const answer = JSON.parse(answers[i]!) as string | [string, string][]
          const parts =
            typeof answer === 'string'
              ? answer
              : answer.map(([type, body]) => [type, lines(Buffer.from(body, 'base64'))])
          return [bytes, parts]
        }),
      )
      const compared = compare(cases, (bytes) => seen.get(bytes), ours)
      assert.ok(compared > cases.length / 2, `${compared} of ${cases.length} compared`)
    },
  )

  it('by mailsplit', async () => {
    const cases = await allCases('mailsplit')
    const seen = new Map<Buffer, Parts>()
    for (const bytes of new Set(cases.flatMap(({ before, after }) => [before, after]))) {
      seen.set(bytes, await splitParts(bytes))
    }
    const compared = compare(cases, (bytes) => seen.get(bytes), outermost)
    assert.ok(compared > cases.length / 2, `${compared} of ${cases.length} compared`)
  })

  it('by postal-mime', async () => {
    const cases = await allCases('postal')
    const seen = new Map<Buffer, string[][]>()
    for (const bytes of new Set(cases.flatMap(({ before, after }) => [before, after]))) {
      const { attachments } = await parsePostal(bytes)
      seen.set(
        bytes,
        attachments.map(({ mimeType, filename, content }) => [
          mimeType,
          filename ?? '',
          lines(new Uint8Array(content)),
        ]),
      )
    }
    const files = (bytes: Buffer): string[][] =>
      [...parseMime(bytes).walk()]
        .filter((part) => part.children.length === 0 && part.isAttachment)
        .map((part) => [part.type, part.filename ?? '', lines(part.bytes())])
    const compared = compare(cases, (bytes) => seen.get(bytes), files)
    assert.ok(compared > cases.length / 2, `${compared} of ${cases.length} compared`)
  })
})
