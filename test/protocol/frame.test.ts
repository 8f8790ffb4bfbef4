import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { encodeFrame, FrameDecoder, FrameScanner } from '../../src/protocol/frame.ts'
import { VECTORS } from './vectors.ts'

type Frame = [command: number, payload: string]

/** All frames of a stream that comes in these chunks. */
function frames(
  chunks: readonly Buffer[],
  borrowed: (i: number) => boolean = () => false,
): Frame[] {
  const decoder = new FrameDecoder(1_048_576)
  const found: Frame[] = []
  const kept: { command: number; payload: Buffer }[] = []
  chunks.forEach((chunk, i) => {
    // Borrowed memory has something else behind the bytes.
    const own = Buffer.concat([chunk, encodeFrame(0x51)])
    if (borrowed(i)) decoder.pushBorrowed(own, chunk.length)
    else decoder.push(chunk)
    while (decoder.next()) {
      found.push([
        decoder.command,
        decoder.bytes.subarray(decoder.start, decoder.end).toString('hex'),
      ])
      kept.push({ command: decoder.command, payload: decoder.take() })
    }
    if (borrowed(i)) {
      decoder.hold()
      own.fill(0xee)
    }
  })
  // What was taken is still what it was.
  assert.deepEqual(
    kept.map(({ command, payload }): Frame => [command, payload.toString('hex')]),
    found,
  )
  return found
}

const CONVERSATION = Buffer.concat(
  ['D1', 'C1', 'H1', 'M1', 'R1', 'T1', 'L1', 'N1', 'B1', 'E1'].map((id) =>
    Buffer.from(VECTORS.find((vector) => vector.id === id)!.hex, 'hex'),
  ),
)

it('a decoder lets go of everything on request', () => {
  const decoder = new FrameDecoder(100_000)
  const half = encodeFrame(0x42, Buffer.alloc(60_000)).subarray(0, 50_000)
  decoder.push(half)
  assert.equal(decoder.next(), false)
  assert.ok(decoder.held >= 50_000)
  assert.equal(decoder.partial, true)
  decoder.clear()
  assert.deepEqual([decoder.held, decoder.partial, decoder.next()], [0, false, false])
  decoder.push(encodeFrame(0x43))
  assert.equal(decoder.next(), true)
  assert.equal(decoder.command, 0x43)
})

describe('frames', () => {
  const whole = frames([CONVERSATION])

  it('come out of one chunk', () => {
    assert.equal(whole.length, 10)
    assert.equal(whole.map(([command]) => String.fromCharCode(command)).join(''), 'DCHMRTLNBE')
  })

  it('come out byte by byte, and cut at any place', () => {
    assert.deepEqual(frames([...CONVERSATION].map((byte) => Buffer.of(byte))), whole)
    for (let cut = 0; cut <= CONVERSATION.length; cut++) {
      assert.deepEqual(
        frames([CONVERSATION.subarray(0, cut), CONVERSATION.subarray(cut)]),
        whole,
      )
    }
  })

  it('of any list, cut into any chunks, borrowed or given, come out as they went in', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.nat(255),
            fc.oneof(
              fc.uint8Array({ maxLength: 20 }),
              fc.uint8Array({ minLength: 5000, maxLength: 6000 }),
            ),
          ),
          { maxLength: 12 },
        ),
        fc.array(fc.nat(4000), { minLength: 1, maxLength: 20 }),
        fc.nat(),
        (list, sizes, borrowed) => {
          const stream = Buffer.concat(
            list.map(([code, payload]) => encodeFrame(code, payload)),
          )
          const chunks: Buffer[] = []
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = Math.max(1, sizes[i % sizes.length]!)
            chunks.push(stream.subarray(at, at + size))
            at += size
          }
          assert.deepEqual(
            frames(chunks, (i) => ((borrowed >> (i % 30)) & 1) === 1),
            list.map(([code, payload]) => [code, Buffer.from(payload).toString('hex')]),
          )
        },
      ),
      { numRuns: 300 },
    )
  })

  it('that are illegal are known as soon as their length is', () => {
    for (const [hex, code] of [
      ['00000000', 'FRAME_EMPTY'],
      ['00100002', 'FRAME_TOO_LARGE'],
      ['ffffffff', 'FRAME_TOO_LARGE'],
      ['554e4b4e', 'FRAME_TOO_LARGE'],
    ] as const) {
      const bytes = Buffer.from(hex, 'hex')
      assert.throws(() => frames([bytes]), { code })
      assert.throws(() => frames([...bytes].map((byte) => Buffer.of(byte))), { code })
      assert.throws(() => frames([Buffer.concat([CONVERSATION, bytes])]), { code })
    }
    assert.equal(
      frames([Buffer.from('0010000142', 'hex')]).length,
      0,
      'the longest that is legal',
    )
  })

  it('of a text protocol are recognised as such', () => {
    assert.throws(
      () => frames([Buffer.from('GET / HTTP/1.1\r\n')]),
      /the text "GET ": an HTTP, TLS or SMTP client/,
    )
  })

  it('of TLS are recognised as such', () => {
    for (const hello of ['16030100f8010000f4', '1603010200010001fc0303']) {
      assert.throws(() => frames([Buffer.from(hello, 'hex')]), /a TLS handshake: .*option tls/)
    }
  })

  it('cost no memory for what they announce, only for what came', () => {
    const decoders = Array.from({ length: 200 }, () => new FrameDecoder(1_048_576))
    const before = process.memoryUsage().arrayBuffers
    for (const decoder of decoders) {
      decoder.push(Buffer.from('000fffff42', 'hex'))
      assert.equal(decoder.next(), false)
      assert.equal(decoder.partial, true)
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 10 * 1_048_576)
  })
})

describe('what a decoder holds', () => {
  it('is at most four times the input', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5_000, max: 300_000 }),
        fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 20 }),
        (size, cuts) => {
          const bytes = encodeFrame(0x42, Buffer.alloc(size))
          const one = new FrameDecoder(1_048_576)
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const end = Math.min(bytes.length, at + cuts[i % cuts.length]!)
            one.push(bytes.subarray(at, end))
            const whole = one.next()
            assert.equal(whole, end === bytes.length)
            if (!whole) assert.ok(one.held <= 4 * end, `${one.held} for ${end} of ${size}`)
            at = end
          }
          assert.deepEqual(one.take(), bytes.subarray(5))
        },
      ),
    )
  })

  const frame = encodeFrame(0x42, Buffer.alloc(10_000))
  const decoder = new FrameDecoder(1_048_576)
  const push = (bytes: Buffer): boolean => {
    decoder.push(bytes)
    return decoder.next()
  }

  it('is nothing once everything was read', () => {
    assert.equal(decoder.held, 0)
    assert.equal(push(frame), true)
    assert.equal(decoder.held, frame.length)
    assert.equal(decoder.next(), false)
    assert.equal(decoder.held, 0)
  })

  it('is the part of a frame that has come, then the frame', () => {
    assert.equal(push(frame.subarray(0, 2_000)), false)
    assert.equal(decoder.held, 0, 'so little is not counted')
    assert.equal(push(frame.subarray(2_000, 2_490)), false)
    // A quarter is not there yet: what was there doubles.
    assert.equal(push(frame.subarray(2_490, 2_500)), false)
    assert.equal(decoder.held, 0)
    // Now it is: room for all of it.
    assert.equal(push(frame.subarray(2_500, 6_000)), false)
    assert.equal(decoder.held, frame.length)
    assert.equal(push(frame.subarray(6_000)), true)
    assert.ok(decoder.held >= 10_000)
    assert.equal(decoder.next(), false)
    assert.equal(decoder.held, 0)
  })

  it('keeps only what is needed of a borrowed chunk', () => {
    decoder.pushBorrowed(Buffer.concat([frame, frame, frame]), 2 * frame.length)
    assert.equal(decoder.next(), true)
    assert.equal(decoder.held, 0)
    decoder.hold()
    assert.equal(decoder.held, 10_000 + frame.length)
    assert.equal(decoder.next(), true)
    assert.equal(decoder.next(), false)
    assert.equal(decoder.held, 0)
  })
})

describe('the scanner', () => {
  it('sees the same commands for any cut', () => {
    const scan = (chunks: readonly Buffer[]): string => {
      const scanner = new FrameScanner()
      let seen = ''
      for (const bytes of chunks) {
        scanner.scan({ bytes, start: 0, end: bytes.length }, (command) => {
          seen += String.fromCharCode(command)
        })
      }
      return seen
    }
    for (let cut = 0; cut <= CONVERSATION.length; cut++) {
      assert.equal(
        scan([CONVERSATION.subarray(0, cut), CONVERSATION.subarray(cut)]),
        'DCHMRTLNBE',
      )
    }
  })
})
