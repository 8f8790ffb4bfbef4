import { checkAttachments } from '../../src/mime/attachments/attachment-findings.ts'
import type { AttachmentChecks, Finding } from '../../src/mime/attachments/finding.ts'
import { parseMime } from '../../src/mime/message.ts'

/** Messages with attachments, as short as can be, and what was found in them. */

/** A program of Windows, as far as its first bytes tell. */
export const PROGRAM = Buffer.concat([Buffer.from('MZ\x90\0\x03\0\0\0'), Buffer.alloc(200)])

/** A part of a message with its fields. */
export const part = (fields: string, content: string | Buffer = 'x'): string =>
  typeof content === 'string'
    ? `${fields}\r\n\r\n${content}`
    : `${fields}\r\nContent-Transfer-Encoding: base64\r\n\r\n${content.toString('base64')}\r\n`

export const file = (name: string, content: string | Buffer = 'x'): string =>
  part(`Content-Type: application/octet-stream; name="${name}"`, content)

export const multipart = (parts: readonly string[], type = 'mixed'): string =>
  `From: a@example.com\r\nSubject: s\r\nContent-Type: multipart/${type}; boundary=b${type}\r\n\r\n` +
  parts.map((one) => `--b${type}\r\n${one}\r\n`).join('') +
  `--b${type}--\r\n`

export const attachedMessage = (message: string, encoded = false): string =>
  part('Content-Type: message/rfc822', encoded ? Buffer.from(message) : message)

export const TEXT = part('Content-Type: text/plain', 'Hello')

/** A finding in short: `name: a.zip > x.exe: DANGEROUS_EXTENSION`, and behind that the kind of content. */
export const short = ({ where, reason, path, name, kind }: Finding): string =>
  `${where}: ${[...path, name].join(' > ')}: ${reason}${kind === undefined ? '' : ` ${kind}`}`

export const found = async (text: string, policy?: AttachmentChecks): Promise<string[]> =>
  (await checkAttachments(parseMime(text), policy)).map(short)
