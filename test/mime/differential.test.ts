import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { simpleParser } from 'mailparser'
import { parseMime, type MimePart } from '../../src/mime/index.ts'
import { CORPUS } from './corpus.ts'
import { parsePostal } from './postal.ts'

/** Two other readers see what we see, but for what is listed here with its reason. */

type File = [type: string, name: string, content: string]
interface View {
  readonly text: string
  readonly html: string
  readonly files: readonly File[]
}

/** Readers differ in line ends, and in spaces between the texts they join. */
const words = (text: string | false | undefined): string =>
  (text || '').replaceAll(/\s+/g, ' ').trim()
const lines = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString('latin1').replaceAll('\r\n', '\n').replace(/\n+$/, '')

async function ours(bytes: Buffer): Promise<View> {
  const view = { text: '', html: '', files: [] as File[] }
  const leaves = (part: MimePart): MimePart[] =>
    part.children.length === 0 ? [part] : part.children.flatMap(leaves)
  for (const part of leaves(parseMime(bytes))) {
    if (part.type === 'text/plain' && !part.isAttachment) view.text += `${await part.text()}\n`
    else if (part.type === 'text/html' && !part.isAttachment) {
      view.html += `${await part.text()}\n`
    } else if (!part.isMultipart) {
      view.files.push([part.type, part.filename ?? '', lines(part.bytes())])
    }
  }
  return { ...view, text: words(view.text), html: words(view.html) }
}

const READERS: Record<string, (bytes: Buffer) => Promise<View>> = {
  async postal(bytes) {
    const mail = await parsePostal(bytes)
    return {
      text: words(mail.text),
      html: words(mail.html),
      files: mail.attachments.map(({ mimeType, filename, content }) => [
        mimeType,
        filename ?? '',
        lines(new Uint8Array(content)),
      ]),
    }
  },
  async mailparser(bytes) {
    const mail = await simpleParser(bytes, {
      skipHtmlToText: true,
      skipTextToHtml: true,
      keepCidLinks: true,
    })
    return {
      text: words(mail.text),
      html: words(mail.html),
      files: mail.attachments.map(({ contentType, filename, content }) => [
        contentType,
        filename || '',
        lines(content),
      ]),
    }
  },
}

const FLOWED = 'undoes format=flowed; we give the text as it stands'
const INNER = 'shows an attached message as one file; we look into it'
const INNER_TEXT = 'shows the header of an attached message as text'
const LATIN = 'shows a replacement character; we keep the byte'
const DIFFERENCES: Record<string, Record<string, string>> = {
  postal: {
    'name and colon on two lines': 'reads a field whose name and colon are on two lines',
    'boundary in quotes with spaces':
      'compares a boundary with its last space, which must not be there (RFC 2046, section 5.1.1)',
    'attached message': INNER_TEXT,
    'attached message in base64': INNER_TEXT,
    'message in message': INNER_TEXT,
    digest: INNER_TEXT,
    '8-bit header': LATIN,
    'HTML that names its charset': 'does not read the charset in HTML',
    'format=flowed': FLOWED,
  },
  mailparser: {
    'name and colon on two lines': 'reads a field whose name and colon are on two lines',
    'CR CR LF': 'does not take CR CR LF for a line end',
    'delimiter without a line end at the end': 'wants a line end behind a delimiter',
    'attached message': INNER,
    'attached message in base64': INNER,
    'message in message': INNER,
    digest: 'shows messages of a digest as text, with their headers',
    'delivery status': 'shows a delivery status as text',
    '8-bit header': LATIN,
    'HTML that names its charset': 'does not read the charset in HTML',
    'format=flowed': FLOWED,
  },
}

for (const [reader, read] of Object.entries(READERS)) {
  describe(`${reader} sees what we see`, () => {
    const listed = DIFFERENCES[reader]!
    for (const { name, bytes } of CORPUS) {
      const why = listed[name]
      it(why === undefined ? name : `${name}: it ${why}`, async () => {
        const [we, they] = await Promise.all([ours(bytes), read(bytes)])
        if (why === undefined) assert.deepEqual(they, we)
        else assert.notDeepEqual(they, we, 'there is no such difference any more')
      })
    }

    it('and nothing is listed that is not there', () => {
      const names = new Set(CORPUS.map(({ name }) => name))
      assert.deepEqual(
        Object.keys(listed).filter((name) => !names.has(name)),
        [],
      )
    })
  })
}
