/** Composes a notice from a template with `%(name)s`, as pymilter's `create_msg`. */
import { UsageError } from '../../errors.ts'
import { LineHeaders } from '../../mime/fields/part-headers.ts'
import { buildPart } from '../../mime/tree/new-part.ts'
import { checkAddress } from '../smtp/outgoing-mail.ts'
import { uniqueId } from '../unique-id.ts'
import { formatDate } from './report-fields.ts'

/** Values for a template, by their names. Lists are written one to a line. Undefined is an empty text. */
export interface NoticeValues {
  /** the sender of the message that the notice is about: the notice goes there */
  readonly sender: string
  /** the name of this mail server */
  readonly receiver: string
  readonly [name: string]: string | number | readonly string[] | undefined
}

const CRLF = '\r\n'

/**
 * A message from a template: fields, an empty line, and a text. `%(name)s` is the value of that name, `%%` a percent sign.
 * In a field, a value cannot start another field, and text that is not ASCII is encoded.
 *
 * These fields are added if the template does not have them: `To` (the sender), `From` (postmaster at the receiver),
 * `Auto-Submitted: auto-generated`, `X-Mailer`, `Date`, `Message-ID`. `MIME-Version` and the transfer encoding are always
 * ours. An empty template gives undefined, as in pymilter.
 *
 *     composeNotice('Subject: Your mail to %(rcpt)s\n\nIt had no valid SPF record.\n', {
 *       sender: 'a@example.org', receiver: 'mx.example.net', rcpt: ['b@example.net'],
 *     })
 *
 * @throws UsageError INVALID_OPTION for a template that is not one, or a name without a value; INVALID_ADDRESS,
 *   INVALID_HEADER_NAME, INVALID_HEADER_VALUE for its fields
 */
export function composeNotice(template: string, values: NoticeValues): Buffer | undefined {
  if (template === '') return undefined
  const { fields, body } = split(template)
  const headers = new LineHeaders(Buffer.alloc(0), CRLF)
  let type: string | undefined
  for (const [name, text] of fields) {
    const value = filled(text, values, inField).trim()
    if (/^content-type$/i.test(name)) type = mediaType(value)
    else if (/^(?:mime-version|content-transfer-encoding)$/i.test(name)) {
      throw new UsageError(
        'INVALID_OPTION',
        `leave ${name} out of the template: it depends on the text`,
      )
    } else headers.append(name, value)
  }
  const part = buildPart(
    { content: filled(body, values, inBody).replaceAll(/\r?\n/g, '\n'), type },
    CRLF,
  )
  const defaults: readonly (readonly [name: string, value: () => string | Buffer])[] = [
    ['To', () => toSender(values.sender)],
    ['From', () => `postmaster@${inField(values.receiver)}`],
    ['Auto-Submitted', () => 'auto-generated'],
    ['X-Mailer', () => 'tsmilter'],
    ['Date', () => formatDate(new Date())],
    ['Message-ID', () => `<${uniqueId()}@${inField(values.receiver)}>`],
    ['MIME-Version', () => '1.0'],
  ]
  for (const [name, value] of defaults) {
    if (!headers.has(name)) headers.append(name, value())
  }
  return Buffer.concat([headers.toBytes(), part.headers, Buffer.from(CRLF), part.body])
}

/** The bytes of the envelope, because an address there need not be one of a header. */
function toSender(sender: string): Buffer {
  const { bytes, ascii } = checkAddress('sender', sender)
  return Buffer.concat([Buffer.from(' '), ascii ?? bytes])
}

function mediaType(value: string): string {
  const match = /^([^\s;]+)\s*(?:;\s*charset="?utf-8"?\s*)?$/i.exec(value)
  if (match !== null && /^text\//i.test(match[1]!)) return match[1]!
  throw new UsageError(
    'INVALID_OPTION',
    'the Content-Type of a template is a text such as text/html; it is written in UTF-8',
  )
}

function split(template: string): { fields: [name: string, text: string][]; body: string } {
  const end = /\r?\n\r?\n/.exec(template)
  if (end === null) {
    throw new UsageError(
      'INVALID_OPTION',
      'the template has no empty line between its fields and its text',
    )
  }
  const fields: [string, string][] = []
  for (const line of template.slice(0, end.index).split(/\r?\n/)) {
    const last = fields.at(-1)
    if (/^[ \t]/.test(line) && last !== undefined) {
      last[1] += `\n${line}`
      continue
    }
    const colon = line.indexOf(':')
    if (colon <= 0) {
      throw new UsageError(
        'INVALID_OPTION',
        `this line of the template is no field: ${JSON.stringify(line)}`,
      )
    }
    fields.push([line.slice(0, colon), line.slice(colon + 1)])
  }
  return { fields, body: template.slice(end.index + end[0].length) }
}

type Value = NoticeValues[string]

function filled(text: string, values: NoticeValues, write: (value: Value) => string): string {
  return text.replaceAll(/%(?:%|\((\w+)\)s|)/g, (found, name: string | undefined) => {
    if (found === '%%') return '%'
    if (name !== undefined && Object.hasOwn(values, name)) return write(values[name])
    throw new UsageError(
      'INVALID_OPTION',
      name === undefined
        ? 'the template has a % that is not %(name)s; write %% for a percent sign'
        : `the template has %(${name})s, and there is no value ${name}`,
    )
  })
}

const textOf = (value: Value): string | number =>
  value === undefined ? '' : Array.isArray(value) ? value.join('\n\t') : (value as string)

/** A stranger's value must not start a field. Those of a list are folded, as in pymilter. */
const inField = (value: Value): string =>
  Array.isArray(value)
    ? value.map(inField).join('\n\t')
    : String(textOf(value)).replaceAll(/[\r\n\0]+/g, ' ')

const inBody = (value: Value): string => String(textOf(value))
