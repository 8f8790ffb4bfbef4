import { charsetReadings } from './charset-readings.ts'

/**
 * What some program makes of encoded words (RFC 2047) in a name. Programs forgive other faults, know
 * other charsets, and put words together or do not.
 */

const WORD = /=\?([^?]{1,75})\?([bq])\?([^?]*)\?=/gi
const BETWEEN = /^[ \t\r\n]*$/

interface Word {
  /** what stands before it */
  readonly text: string
  readonly charset: string
  readonly bytes: Buffer
}

/** Each way to read all words of a text. */
export function wordReadings(text: string): string[] {
  const words: Word[] = []
  let end = 0
  for (const match of text.matchAll(WORD)) {
    const gap = text.slice(end, match.index)
    words.push({
      text: words.length > 0 && BETWEEN.test(gap) ? '' : gap,
      charset: match[1]!.replace(/\*.*$/s, '').trim().toLowerCase(),
      bytes: match[2]!.toLowerCase() === 'b' ? fromB(match[3]!) : fromQ(match[3]!),
    })
    end = match.index + match[0].length
  }
  if (words.length === 0) return []
  const rest = text.slice(end)
  const readings = new Set<string>()
  for (const list of [words, joined(words)]) {
    const read = list.map(({ charset, bytes }) => charsetReadings(charset, bytes))
    const most = Math.max(...read.map(({ length }) => length))
    for (let i = 0; i < most; i++) {
      const pieces = list.map((word, n) => word.text + (read[n]![i] ?? read[n]![0]!))
      readings.add(pieces.join('') + rest)
    }
  }
  return [...readings]
}

/** Words of one charset that follow each other: a character may be cut between two. */
function joined(words: readonly Word[]): Word[] {
  const runs: { text: string; charset: string; pieces: Buffer[] }[] = []
  for (const { text, charset, bytes } of words) {
    const last = runs.at(-1)
    if (last?.charset === charset && text === '') last.pieces.push(bytes)
    else runs.push({ text, charset, pieces: [bytes] })
  }
  return runs.map(({ text, charset, pieces }) => ({
    text,
    charset,
    bytes: Buffer.concat(pieces),
  }))
}

/** What is no digit of base64 is passed over, and padding begins anew (Buffer.from ends at it). */
const fromB = (content: string): Buffer =>
  Buffer.concat(
    content
      .replaceAll(/[^A-Za-z0-9+/=]+/g, '')
      .split(/=+/)
      .map((piece) => Buffer.from(piece, 'base64')),
  )

const fromQ = (content: string): Buffer =>
  Buffer.from(
    Buffer.from(content, 'utf8')
      .toString('latin1')
      .replaceAll(/=\s{1,20}([0-9a-f])/gi, '=$1')
      .replaceAll(/[_\s]/g, ' ')
      .replaceAll(/=([0-9a-f]{2})/gi, (_all, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      ),
    'latin1',
  )
