import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { parseMime, type MimePart } from '../../src/mime/index.ts'
import { parseStructure, USUAL, type Reading } from '../../src/mime/tree/parser.ts'
import { MIME_LIMITS } from '../../src/mime/tree/problems.ts'
import type { PartSpan, Span } from '../../src/mime/tree/span.ts'
import { transferEncoding } from '../../src/mime/encodings/transfer-encoding.ts'
import { CORPUS } from './corpus.ts'
import { mutant } from './mutations.ts'

/** Reads all there is to read of a part. */
async function readAll(part: MimePart): Promise<void> {
  const { headers } = part
  for (const name of headers.names()) {
    assert.ok(headers.has(name))
    assert.equal(headers.getAll(name).length, headers.raw(name).length)
    assert.equal(headers.get(name), headers.getAll(name)[0])
  }
  void [part.parent, part.children, part.depth, part.attachments, part.textParts]
  void [part.type, part.types, part.charset, part.disposition, part.filename, part.filenames]
  void [part.contentId, part.encoding, part.isMultipart, part.isAttachment]
  void [part.protection, part.sealedBy, part.edited, part.raw, part.parameter('name')]
  const bytes = part.bytes()
  const pieces = [...part.stream()]
  assert.ok(pieces.every(({ length }) => length <= 65_536))
  assert.ok(bytes.equals(Buffer.concat(pieces)))
  assert.equal(typeof (await part.text()), 'string')
  assert.equal(part.edited, false)
}

/** The places of a part in order, in which each of its bytes is once. */
function* placesOf(part: PartSpan): Generator<Span> {
  yield { start: part.start, end: part.headerEnd }
  yield { start: part.headerEnd, end: part.bodyStart }
  let at = part.bodyStart
  for (const [i, child] of part.children.entries()) {
    const delimiter = part.delimiters?.[i]
    if (delimiter !== undefined) {
      yield { start: at, end: delimiter.start }
      yield delimiter
    }
    yield* placesOf(child)
    at = child.end
  }
  if (part.closing !== undefined) {
    yield { start: at, end: part.closing.start }
    yield part.closing
    at = part.closing.end
  }
  yield { start: at, end: part.end }
}

function assertTiled(bytes: Buffer): void {
  const { root } = parseStructure(bytes, MIME_LIMITS)
  let at = 0
  for (const { start, end } of placesOf(root)) {
    assert.equal(start, at)
    assert.ok(end >= start)
    at = end
  }
  assert.equal(at, bytes.length)
}

/** The parser and the parts read the same header and must come to the same result. */
function assertAgreed(bytes: Buffer): void {
  const facts: string[][] = []
  const collect = ({ facts: { type, encoding }, children }: PartSpan): void => {
    facts.push([type, transferEncoding(encoding) ?? '7bit'])
    for (const child of children) collect(child)
  }
  collect(parseStructure(bytes, MIME_LIMITS).root)
  const seen: string[][] = []
  const read = (part: MimePart): void => {
    seen.push([part.type, part.encoding])
    // A message in base64 is a tree of its own.
    const inPlace =
      part.isMultipart ||
      part.encoding === '7bit' ||
      part.encoding === '8bit' ||
      part.encoding === 'binary'
    if (inPlace) for (const child of part.children) read(child)
  }
  read(parseMime(bytes))
  assert.deepEqual(seen, facts)
}

async function assertLossless(bytes: Buffer): Promise<void> {
  const before = Buffer.from(bytes)
  const message = parseMime(bytes)
  for (const part of message.walk()) await readAll(part)
  assert.ok(message.toBytes().equals(before), 'toBytes')
  assert.ok(Buffer.concat([...message.chunks()]).equals(before), 'chunks')
  for (const other of message.otherReadings()) {
    for (const part of other.walk()) await readAll(part)
    assert.ok(other.toBytes().equals(before), 'another reading')
  }
  assertTiled(bytes)
  assertAgreed(bytes)
}

describe('what was parsed and not edited is the same bytes', () => {
  for (const { name, bytes } of CORPUS) it(name, () => assertLossless(bytes))

  it('of 3,000 damaged messages', async () => {
    await fc.assert(fc.asyncProperty(mutant, assertLossless), { numRuns: 3_000 })
  })

  it('however small the limits are', async () => {
    const limits = fc.record({
      depth: fc.integer({ min: 1, max: 4 }),
      parts: fc.integer({ min: 1, max: 6 }),
      headerBytes: fc.integer({ min: 1, max: 300 }),
    })
    await fc.assert(
      fc.asyncProperty(mutant, limits, async (bytes, some) => {
        const message = parseMime(bytes, { limits: some })
        const parts = [...message.walk()]
        for (const part of parts) await readAll(part)
        assert.ok(message.toBytes().equals(bytes))
        assert.ok(parts.every(({ depth }) => depth < some.depth))
      }),
      { numRuns: 500 },
    )
  })

  it('in every reading of it', () => {
    const reading: fc.Arbitrary<Reading> = fc.record({
      contentType: fc.constantFrom('first', 'last'),
      badType: fc.constantFrom('default', 'lenient'),
      encoding: fc.constantFrom('first', 'last'),
      boundaries: fc.subarray(['b', 'c', 'other', 'a']),
      emptyBoundary: fc.boolean(),
      reopens: fc.constant(false),
      junkEndsHeader: fc.boolean(),
    })
    fc.assert(
      fc.property(mutant, reading, (bytes, some) => {
        let at = 0
        for (const { start, end } of placesOf(
          parseStructure(bytes, MIME_LIMITS, { ...USUAL, ...some }).root,
        )) {
          assert.equal(start, at)
          assert.ok(end >= start)
          at = end
        }
        assert.equal(at, bytes.length)
      }),
      { numRuns: 500 },
    )
  })
})
