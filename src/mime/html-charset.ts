import { charsetReadings } from './charset-readings.ts'

/** In which charsets HTML may be read (HTML, section 13.2.3.2). */

/** Where HTML says its charset itself; mail programs read it there if the header does not tell. */
export function charsetInHtml(type: string, bytes: Buffer): string | undefined {
  if (type !== 'text/html') return undefined
  const start = bytes.toString('latin1', 0, 2048)
  const name = /<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)/i.exec(start)?.[1]?.toLowerCase()
  // A text in which this can be read is none of UTF-16 (HTML, section 13.2.3.3).
  if (name !== undefined && /utf-?(?:16|32)|ucs|unicode/.test(name)) return 'utf-8'
  return name === 'x-user-defined' ? 'windows-1252' : name
}

/** Charsets in which ASCII is ASCII: markup is the same in all of them. */
const ASCII =
  /^(?:(?:us-)?ascii|utf-?8|iso[-_]?8859[-_]?\d+(?:-[ei])?|windows-?(?:125\d|874)|cp(?:125\d|437|737|775|85\d|86\d|93[26]|949|950)|ibm(?:437|85\d|86\d)|latin-?\d|koi8-?[ru]|gb_?2312|gbk|gb18030|big5(?:-hkscs)?|euc-(?:jp|kr|cn|tw)|ks_c_5601-1987|shift[-_]?jis|sjis|macintosh|tis-620)$/

/**
 * The texts that some program makes of HTML beside the usual one: where labels contradict each other or
 * the mark at the start, or name a charset in which ASCII is something else.
 */
export function otherTexts(
  labels: readonly string[],
  bytes: Buffer,
  usual: string,
): Set<string> {
  const names = new Set(labels.map((one) => one.trim().toLowerCase()).filter(Boolean))
  const mark = markOf(bytes)
  if (mark !== undefined) names.add(mark)
  const texts = new Set<string>()
  if (names.size < 2 && mark === undefined && [...names].every((one) => ASCII.test(one))) {
    return texts
  }
  for (const name of [...names].slice(0, MOST_CHARSETS)) {
    for (const text of charsetReadings(name, bytes)) texts.add(text)
  }
  texts.add(bytes.toString('latin1'))
  texts.delete(usual)
  return texts
}

/** More labels than this are not all tried. */
const MOST_CHARSETS = 8

function markOf(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 'utf-8' : undefined
}
