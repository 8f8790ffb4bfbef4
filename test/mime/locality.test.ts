import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { parseMime, type MimePart } from '../../src/mime/index.ts'
import { parseStructure } from '../../src/mime/tree/parser.ts'
import { MIME_LIMITS } from '../../src/mime/tree/problems.ts'
import { CORPUS } from './corpus.ts'
import { applies, EDITS, isMessage, type Edit } from './edits.ts'
import { mutant } from './mutations.ts'
import { partAt, pathOf, see, spansAt, without, type Seen } from './tree.ts'

const startsWith = (bytes: Buffer, start: Buffer): boolean =>
  bytes.subarray(0, start.length).equals(start)
const endsWith = (bytes: Buffer, end: Buffer): boolean =>
  end.length <= bytes.length && bytes.subarray(bytes.length - end.length).equals(end)

async function assertLocal(
  bytes: Buffer,
  path: readonly number[],
  edit: Edit,
  walked: boolean,
): Promise<void> {
  const before = parseMime(bytes)
  const message = parseMime(bytes)
  // Parts that were looked at are not written otherwise.
  if (walked) for (const one of message.walk()) void [one.type, one.raw]
  const part = partAt(message, path)
  if (!applies(edit, part)) return
  const original = part.toBytes()
  const raw = part.raw
  const index = edit.index?.(part)
  part.unseal()
  await edit.run(part)
  const written = message.toBytes()
  assert.ok(Buffer.concat([...message.chunks()]).equals(written), 'chunks')
  // A new part is in the one it is added to.
  const around = edit.kind === 'add' ? path.length + 1 : path.length
  const after = withoutLabels(written, bytes, path, around)

  // The bytes around it.
  const spans = spansAt(parseStructure(bytes, MIME_LIMITS).root, path)
  const span = spans.at(-1)!
  const whole = spans.length === path.length + 1
  let { start, end } = span
  if (whole && edit.kind === 'remove') start = spans.at(-2)!.delimiters![path.at(-1)!]!.start
  if (whole && edit.kind === 'add') {
    start = span.delimiters![index!]?.start ?? span.children.at(-1)!.end
    end = start
  }
  if (path.length > 0 || edit.kind === 'add') {
    assert.ok(startsWith(after, bytes.subarray(0, start)), 'the bytes before it')
  }
  assert.ok(endsWith(after, bytes.subarray(end)), 'the bytes behind it')
  if (whole && edit.kind === 'remove') {
    const between = after.length - start - (bytes.length - end)
    assert.match(after.toString('latin1', start, start + between), /^(\r?\n)?$/)
  }
  if (edit.kind === 'header' && whole) assert.ok(after.includes(raw), 'the body')
  if (edit.kind === 'wrap' && whole) assert.ok(after.includes(raw), 'what was wrapped')
  if (edit.kind === 'add' && whole) {
    assert.ok(startsWith(after, bytes.subarray(0, start)), 'what was there')
    assert.ok(original.length <= after.length)
  }

  // The tree, read anew.
  const again = parseMime(written)
  assert.deepEqual(see(again), see(message), 'the tree read anew')
  const target = partAt(again, path)
  const wanted = see(before)
  const found = see(again)
  if (edit.kind === 'remove') assert.deepEqual(found, without(wanted, path))
  else if (edit.kind === 'add') {
    assert.equal(target.children[index!]!.filename, 'new.txt')
    assert.equal(
      await target.children[index!]!.text(),
      'new content\r\n'.replace('\r\n', eolOf(bytes, part)),
    )
    assert.deepEqual(without(found, [...path, index!]), wanted)
  } else if (edit.kind === 'wrap') {
    assert.equal(target.type, 'multipart/mixed')
    assert.equal(target.children.length, 1)
    assert.deepEqual(see(target.children[0]!), see(partAt(before, path)))
  } else {
    assert.deepEqual(labelledAs(without(found, path), wanted, path), without(wanted, path))
    if (edit.kind === 'header' && whole)
      assert.deepEqual(see(target), see(partAt(before, path)))
  }
  if (edit.text !== undefined) {
    assert.equal(await target.text(), edit.text.replaceAll('\n', eolOf(bytes, part)))
  }
  if (edit.content !== undefined) assert.ok(target.bytes().equals(edit.content), 'content')
}

/** What is around a part says 8bit where it did not before: see {@link withoutLabels}. */
function labelledAs(
  seen: Seen | undefined,
  before: Seen,
  path: readonly number[],
): Seen | undefined {
  const [i, ...rest] = path
  if (seen === undefined || i === undefined) return seen
  return {
    ...seen,
    encoding: seen.encoding === '8bit' ? before.encoding : seen.encoding,
    children:
      rest.length === 0
        ? seen.children
        : seen.children.map((child, k) =>
            k === i ? labelledAs(child, before.children[i]!, rest)! : child,
          ),
  }
}

/**
 * Without what is said of a part by those around it, and only by them: messages get MIME-Version, and what holds
 * it the transfer encoding that a part in it has to stand in (RFC 2045, section 4 and 6.4). Each is the last field
 * of a header that had none.
 */
function withoutLabels(
  written: Buffer,
  before: Buffer,
  path: readonly number[],
  around: number,
): Buffer {
  const old = spansAt(parseStructure(before, MIME_LIMITS).root, path)
  const now = spansAt(parseStructure(written, MIME_LIMITS).root, path)
  let rest = written
  for (const [i, span] of now.slice(0, around).entries()) {
    if (old[i] === undefined) continue
    const header = before.toString('latin1', old[i].start, old[i].headerEnd)
    // What was taken out of those above is missing here.
    let end = span.headerEnd - (written.length - rest.length)
    for (;;) {
      const field = LABEL.exec(rest.toString('latin1', 0, end))
      const isMessage = i === 0 || old[i - 1]?.delimiters === undefined
      const name = field?.[1] ?? (isMessage ? field?.[2] : undefined)
      if (field === null || name === undefined) break
      // A lone CR ends no line, and the flag `m` thinks it does.
      if (new RegExp(`(?:^|\\n)[ \\t]*${name}[ \\t]*:`, 'i').test(header)) break
      rest = Buffer.concat([rest.subarray(0, field.index), rest.subarray(end)])
      end = field.index
    }
  }
  return rest
}

const LABEL = /(?:(Content-Transfer-Encoding): (?:8bit|binary)|(MIME-Version): 1\.0)\r?\n$/

/** The line end of the message a part is in. */
function eolOf(bytes: Buffer, part: MimePart): string {
  let source = bytes
  for (let one = part.parent; one !== undefined; one = one.parent) {
    if (isMessage(one) && one.encoding === 'base64') {
      source = one.bytes()
      break
    }
  }
  const feed = source.indexOf(10)
  return feed === -1 || source[feed - 1] === 13 ? '\r\n' : '\n'
}

describe('an edit touches its own part', () => {
  for (const edit of EDITS) {
    it(edit.name, async () => {
      for (const { name, bytes } of CORPUS) {
        for (const part of parseMime(bytes).walk()) {
          const path = pathOf(part)
          try {
            for (const walked of [false, true]) await assertLocal(bytes, path, edit, walked)
          } catch (error) {
            throw new Error(`${name}, part ${path.join('.')}`, { cause: error })
          }
        }
      }
    })
  }

  it('in 1,500 damaged messages', async () => {
    await fc.assert(
      fc.asyncProperty(
        mutant,
        fc.constantFrom(...EDITS),
        fc.nat(1_000),
        fc.boolean(),
        async (bytes, edit, n, walked) => {
          const parts = [...parseMime(bytes).walk()]
          await assertLocal(bytes, pathOf(parts[n % parts.length]!), edit, walked)
        },
      ),
      { numRuns: 1_500 },
    )
  })
})
