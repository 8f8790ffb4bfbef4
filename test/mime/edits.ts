import { parseMime, type MimePart, type NewPart } from '../../src/mime/index.ts'
import { partAt } from './tree.ts'

/** All that can be done to a part, and what is to come of it. */

const NEW: NewPart = { content: 'new content\r\n', filename: 'new.txt' }
/** Lines that look like delimiters, and one that is too long. */
const TRAPS = Buffer.from(`x\n--b1\n--b1--\n--in\r\nFrom y\n${'z'.repeat(1_200)}\n.\n`)

type Kind = 'content' | 'header' | 'replace' | 'remove' | 'add' | 'wrap'
export interface Edit {
  readonly name: string
  readonly kind: Kind
  readonly run: (part: MimePart) => unknown
  /** what is to be read from the part afterwards */
  readonly text?: string
  readonly content?: Buffer
  /** which child is new */
  readonly index?: (part: MimePart) => number
}

const texts = ['', 'hi', 'hi\n', 'Grüße 😀\n', '--b1\n\n--b1--\n', 'From me\n.\n ']
export const EDITS: readonly Edit[] = [
  ...texts.map((text): Edit => ({
    name: `setText(${JSON.stringify(text)})`,
    kind: 'content',
    run: (part) => part.setText(text),
    text,
  })),
  ...[TRAPS, Buffer.alloc(0), Buffer.from([0, 255, 13, 10, 13, 10])].map((content): Edit => ({
    name: `setContent(${content.length} bytes)`,
    kind: 'content',
    run: (part) => part.setContent(content, 'application/octet-stream'),
    content,
  })),
  { name: 'headers.set', kind: 'header', run: ({ headers }) => headers.set('X-New', 'ä') },
  {
    name: 'headers.append',
    kind: 'header',
    run: ({ headers }) => headers.append('Subject', 'x'),
  },
  { name: 'headers.delete', kind: 'header', run: ({ headers }) => headers.delete('Subject') },
  { name: 'replaceWith', kind: 'replace', run: (part) => part.replaceWith(NEW) },
  {
    name: 'replaceWith traps',
    kind: 'replace',
    run: (part) => part.replaceWith({ content: TRAPS, type: 'text/plain' }),
  },
  { name: 'remove', kind: 'remove', run: (part) => part.remove() },
  {
    name: 'append',
    kind: 'add',
    run: (part) => part.append(NEW),
    index: ({ children }) => children.length,
  },
  { name: 'insert(0)', kind: 'add', run: (part) => part.insert(0, NEW), index: () => 0 },
  {
    name: 'insert(1)',
    kind: 'add',
    run: (part) => part.insert(1, NEW),
    index: ({ children }) => Math.min(1, children.length),
  },
  { name: 'wrap', kind: 'wrap', run: (part) => part.wrap() },
]

export const isMessage = ({ type }: MimePart): boolean => type === 'message/rfc822'

export function applies({ kind }: Edit, part: MimePart): boolean {
  if (kind === 'content') return !part.isMultipart && !isMessage(part)
  if (kind === 'remove') {
    const { parent } = part
    return parent !== undefined && parent.isMultipart && parent.children.length > 1
  }
  // A multipart that was looked into. What is added behind a multipart that has the same boundary and was
  // never closed belongs to that one.
  if (kind === 'add') {
    const boundary = part.parameter('boundary')
    const again = [...part.walk()].some(
      (one) => one !== part && one.parameter('boundary') === boundary,
    )
    return part.isMultipart && part.children.length > 0 && !again
  }
  return true
}

/** The message after an edit, or undefined if there is no such edit of such a part. */
export async function edited(
  bytes: Buffer,
  path: readonly number[],
  edit: Edit,
): Promise<Buffer | undefined> {
  const message = parseMime(bytes)
  const part = partAt(message, path)
  if (!applies(edit, part)) return undefined
  part.unseal()
  await edit.run(part)
  return message.toBytes()
}
