/** clamd by its command INSTREAM (clamd(8)): pieces with their lengths, an answer that ends with a NUL. */
import { namesOf, type Scan, type ScanResult } from './scanner.ts'
import { ScanFailure } from './scan-failure.ts'
import { ask, type ScanEndpoint } from './scan-socket.ts'

const MAX_ANSWER = 4_096

export const clamd =
  (endpoint: ScanEndpoint): Scan =>
  async (mail, _size, signal) => {
    const answer = await ask(
      endpoint,
      { bytes: () => framed(mail.rawChunks()), closes: false, end: 0, maxAnswer: MAX_ANSWER },
      signal,
    )
    return resultOf(
      answer
        .toString('latin1')
        .replace(/\0[^]*/, '')
        .trim(),
    )
  }

async function* framed(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from('zINSTREAM\0')
  for await (const piece of pieces) {
    // A length of 0 is the end.
    if (piece.length > 0) yield Buffer.concat([lengthOf(piece.length), piece])
  }
  yield lengthOf(0)
}

function lengthOf(size: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(size)
  return bytes
}

function resultOf(line: string): ScanResult {
  if (line === 'stream: OK') return { verdict: 'clean', names: [] }
  const [, name] = /^stream: (.+) FOUND$/.exec(line) ?? []
  if (name !== undefined) return { verdict: 'infected', names: namesOf([name]) }
  // "INSTREAM size limit exceeded. ERROR" (StreamMaxLength), and the like
  throw new ScanFailure(`clamd answers: ${line.slice(0, 200)}`)
}
