/**
 * How programs read encoded words (RFC 2047) in a name. They tolerate different faults, and know different charsets.
 * Some put words together before they decode them.
 */
import { charsetReadings } from '../encodings/charset-readings.ts'
import { equalsDecoded } from '../encodings/hex-escapes.ts'

const WORD = /=\?([^?]{0,75})\?([bq])\?([^?]*)\?=/gi
const BETWEEN = /^[ \t\r\n]*$/

interface Word {
  /** the text before it */
  readonly text: string
  readonly charset: string
  readonly coding: string
  readonly content: string
}

/** Words that are decoded together, and the text before them. */
interface Run {
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
      coding: match[2]!.toLowerCase(),
      content: match[3]!,
    })
    end = match.index + match[0].length
  }
  if (words.length === 0) return []
  const rest = text.slice(end)
  const readings = new Set<string>()
  for (const runs of runsOf(words)) {
    const read = runs.map(({ charset, bytes }) => charsetReadings(charset, bytes))
    const maximum = Math.max(...read.map(({ length }) => length))
    for (let i = 0; i < maximum; i++) {
      const pieces = runs.map((run, n) => run.text + (read[n]![i] ?? read[n]![0]!))
      readings.add(pieces.join('') + rest)
    }
  }
  return [...readings]
}

/**
 * The ways to group words:
 *
 * - Each word alone.
 * - Words that follow each other together, because a character can be cut between two words.
 * - The contents of such words put together before they are decoded, as mailparser and postal-mime do. A digit of
 *   base64 can be cut off between two words.
 */
function runsOf(words: readonly Word[]): Run[][] {
  const lists = [words.map((word) => runOf([word], false))]
  if (words.some(isCut)) {
    lists.push(
      words.map((word, i) =>
        isCut(word) ? { ...lists[0]![i]!, bytes: Buffer.from(word.content) } : lists[0]![i]!,
      ),
    )
  }
  if (words.length === 1) return lists
  const byCharset = grouped(words, (a, b) => a.charset === b.charset)
  const byCoding = grouped(words, (a, b) => a.charset === b.charset && a.coding === b.coding)
  lists.push(
    byCharset.map((group) => runOf(group, false)),
    byCoding.map((group) => runOf(group, true)),
  )
  // Newer versions of postal-mime put together only some of them.
  if (words.some(({ coding }) => coding !== words[0]!.coding)) {
    lists.push(...['b', 'q'].map((one) => onlyTogether(words, one)))
  }
  return lists
}

/** The contents of words in one coding put together, the others each alone. */
const onlyTogether = (words: readonly Word[], coding: string): Run[] =>
  grouped(
    words,
    (a, b) => a.charset === b.charset && a.coding === coding && b.coding === coding,
  ).map((group) => runOf(group, true))

/** The digits of base64 cannot be complete. Python then takes them for the text. */
const isCut = ({ coding, content }: Word): boolean =>
  coding === 'b' && content.replaceAll(/[^A-Za-z0-9+/]+/g, '').length % 4 === 1

function grouped(words: readonly Word[], together: (a: Word, b: Word) => boolean): Word[][] {
  const groups: Word[][] = []
  for (const word of words) {
    const group = groups.at(-1)
    if (group !== undefined && word.text === '' && together(group[0]!, word)) group.push(word)
    else groups.push([word])
  }
  return groups
}

function runOf(words: readonly Word[], contents: boolean): Run {
  const { text, charset, coding } = words[0]!
  const decoded = (one: string, how: string): Buffer => (how === 'b' ? fromB(one) : fromQ(one))
  const bytes = contents
    ? decoded(words.map(({ content }) => content).join(''), coding)
    : Buffer.concat(words.map((word) => decoded(word.content, word.coding)))
  return { text, charset, bytes }
}

/** Skips characters that are not digits of base64. Decoding begins again after padding, where Buffer.from would end. */
const fromB = (content: string): Buffer =>
  Buffer.concat(
    content
      .replaceAll(/[^A-Za-z0-9+/=]+/g, '')
      .split(/=+/)
      .map((piece) => Buffer.from(piece, 'base64')),
  )

const fromQ = (content: string): Buffer => {
  const bytes = Buffer.from(content, 'utf8')
  if (!/[=_\s\x80-\u{10ffff}]/u.test(content)) return bytes
  const text = bytes
    .toString('latin1')
    .replaceAll(/=\s{1,20}([0-9a-f])/gi, '=$1')
    .replaceAll(/[_\s]/g, ' ')
  return equalsDecoded(Buffer.from(text, 'latin1'))
}
