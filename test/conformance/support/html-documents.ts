import { simpleParser } from 'mailparser'
import { parseMime } from '../../../src/mime/message.ts'
import type { MimePart } from '../../../src/mime/tree/part.ts'
import { Turns } from '../../../src/mime/turns.ts'
import { parsePostal } from '../../mime/postal.ts'
import type { Served } from './trap.ts'

/**
 * What of a message a mail program may hand to its browser: each part that is HTML, XHTML or SVG by its
 * type, its name or its beginning, in every way that the library, mailparser or postal-mime reads it.
 */
export async function documentsOf(mail: Buffer): Promise<Served[]> {
  const documents = new Map<string, Served>()
  const add = (type: string, bytes: Buffer): void => {
    if (bytes.length === 0) return
    // postal-mime ends every text with a line end.
    documents.set(`${type}\n${bytes.toString('latin1').trimEnd()}`, { type, bytes })
  }
  const file = (type: string, name: string, bytes: Buffer): void => {
    if (SHOWN.test(type)) add(type, bytes)
    const shown = byName(name)
    if (shown !== undefined) add(shown, bytes)
    // Without a type that says more, browsers look at the first bytes (MIME Sniffing, section 7.1).
    else if (UNTYPED.test(type) && LOOKS_SO.test(bytes.toString('latin1', 0, 512))) {
      add('text/html', bytes)
    }
  }
  const message = parseMime(mail)
  const readings = [message]
  for await (const reading of message.eachReading(new Turns())) readings.push(reading)
  for (const part of readings.flatMap((reading) => [...reading.walk()])) {
    if (part.children.length > 0) continue
    for (const type of typesOf(part)) {
      for (const bytes of new Set([part.bytes(), part.raw])) {
        for (const name of ['', ...part.filenames]) file(type, name, bytes)
      }
    }
  }
  const parsed = await simpleParser(mail, { skipImageLinks: true, skipTextToHtml: true })
  if (typeof parsed.html === 'string') add(UTF8, Buffer.from(parsed.html))
  for (const { contentType, filename, content } of parsed.attachments) {
    file(contentType, filename ?? '', content)
  }
  const postal = await parsePostal(mail)
  if (postal.html !== undefined) add(UTF8, Buffer.from(postal.html))
  for (const { mimeType, filename, content } of postal.attachments) {
    file(mimeType, filename ?? '', Buffer.from(content))
  }
  return [...documents.values()]
}

const UTF8 = 'text/html; charset=utf-8'
const SHOWN = /^\s*"?(?:text\s*\/\s*(?:html|xml)|application\/(?:xhtml\+xml|xml)|image\/svg)/i
const UNTYPED = /^\s*(?:$|application\/(?:octet-stream|x-unknown)|unknown\/unknown|\*\/\*)/i
const LOOKS_SO =
  /^(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body|script|iframe|svg|h1|div|font|table|a|style|title|b|p|br)[\s>]/i

/** What the header says, word for word, of each field. */
function typesOf(part: MimePart): string[] {
  const said = part.headers.getAll('Content-Type').map((one) => one.trim())
  return said.length === 0 ? [part.type] : said
}

function byName(name: string): string | undefined {
  if (/\.(?:s?html?|hta|htc)[.\s]*$/i.test(name)) return 'text/html'
  if (/\.xht(?:ml)?[.\s]*$/i.test(name)) return 'application/xhtml+xml'
  return /\.svg[.\s]*$/i.test(name) ? 'image/svg+xml' : undefined
}
