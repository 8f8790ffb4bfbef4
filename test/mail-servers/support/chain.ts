/** What the filters of a chain may do to a message, and what is wrong with a message that they have handled. */
import { spawnSync } from 'node:child_process'
import { sourcePath } from '../../conformance/support/program.ts'
import { parseMime } from '../../../src/mime/index.ts'
import { parsePostal } from '../../mime/postal.ts'
import type { Letter } from './mailbox.ts'

export const SUBJECT_TAG = '[EXTERNAL]'
export const BANNER = 'From outside'
export const DISCLAIMER = '-- \nExample Ltd.'

/** The same message as the mail server delivers it with a filter that does nothing, and with the chain, each without the server's Received. */
export interface Pair {
  readonly name: string
  /** as the client has sent it */
  readonly sent: Buffer
  readonly plain: Buffer
  readonly filtered: Buffer
  /** whether a filter says that it has changed the body */
  readonly isBodyTouched: boolean
}

export interface Judgement {
  readonly name: string
  readonly parts: [type: string, name: string | null, content: string][] | string
  readonly signatures: string[]
}

/** Fields that filters add, or remove where they come from outside. */
const FILTERS_OWN =
  /^(?:Authentication-Results|Received-SPF|X-External|X-Greylist|DKIM-Signature):/i
const ADDED =
  /^(?:Authentication-Results|Received-SPF|X-External: yes$|X-Greylist:|DKIM-Signature:)/i
const OF_BODY = /^(?:MIME-Version|Content-[\w-]+)[ \t]*:/i

/** Whether the mail server by itself delivers the message as it came, but for what the relaxed form forgives (RFC 6376, 3.4). */
export function isUnchanged({ sent, plain }: Pair): boolean {
  const [before, after] = [sent, plain].map((message) => {
    const { fields, body } = split(message)
    const relaxed = fields
      .filter((field) => !/^(?:Return-Path|Bcc):/i.test(field))
      .filter((field) => !isAddedByServer(field, sent))
      .map((field) =>
        field
          .replaceAll(/\s+/g, ' ')
          .replace(/\s*:\s*/, ':')
          .trim(),
      )
      .sort()
    return `${relaxed.join('\n')}\n\n${body.replace(/(?:\r\n)+$/, '')}`
  })
  return before === after
}

/** Sendmail adds a date and an identity, other ones each time. */
const isAddedByServer = (field: string, sent: Buffer): boolean =>
  /^(?:Date: .* GMT|Message-Id: <\w+\.\w+@mx\.sendmail\.test>)$/.test(field) &&
  !sent.includes(Buffer.from(field, 'latin1'))

/** All that is wrong with a message after the filters; nothing if all is well. */
export async function faults(pair: Pair): Promise<string[]> {
  return [...faultsOfHeader(pair), ...faultsOfBody(pair), ...(await lostAttachments(pair))]
}

function split(message: Buffer): { fields: string[]; body: string } {
  const text = message.toString('latin1')
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n') + 2
  const header = (end === 1 ? text : text.slice(0, end)).replace(/\r\n$/, '')
  const body = end === 1 ? '' : text.slice(end + 2)
  return { fields: header.split(/\r\n(?![ \t])/), body }
}

function faultsOfHeader({ sent, plain, filtered, isBodyTouched }: Pair): string[] {
  const before = split(plain).fields
  const after = split(filtered).fields
  const stays = (field: string): boolean =>
    field !== '' &&
    !isAddedByServer(field, sent) &&
    !FILTERS_OWN.test(field) &&
    !(isBodyTouched && OF_BODY.test(field))
  const wanted = before.filter(stays).map((field) => untagged(field, before))
  const given = after.filter(stays).map((field) => untagged(field, before))
  // Only one that was not there before may be alone.
  if (!before.some(isSubject)) given.splice(given.findIndex(isSubject), 1)
  const faults: string[] = []
  const at = wanted.findIndex((field, i) => field !== given[i])
  if (at !== -1 || wanted.length !== given.length) {
    const i = at === -1 ? wanted.length : at
    faults.push(`field ${i}: ${JSON.stringify(wanted[i])} became ${JSON.stringify(given[i])}`)
  }
  const signatures = (fields: string[]): string[] =>
    fields.filter((field) => /^DKIM-Signature:/i.test(field))
  const old = signatures(before)
  const kept = signatures(after).slice(signatures(after).length - old.length)
  if (old.some((field, i) => field !== kept[i])) faults.push('an old signature has changed')
  for (const field of after) {
    if (FILTERS_OWN.test(field) && !ADDED.test(field) && !before.includes(field)) {
      faults.push(`new field ${JSON.stringify(field)}`)
    }
  }
  for (const field of after.filter(isSubject)) {
    // A tag that makes the field too long is left out.
    if (!field.includes(SUBJECT_TAG) && field.length < 50_000)
      faults.push(`no tag: ${JSON.stringify(field)}`)
  }
  return faults
}

const isSubject = (field: string): boolean => /^Subject[ \t]*:/i.test(field)

/** A subject as it was: a tag, and the space after it, stand before its bytes. */
function untagged(field: string, before: readonly string[]): string {
  if (!isSubject(field) || before.includes(field)) return field
  const colon = field.indexOf(':')
  const old = before.find(
    (one) =>
      isSubject(one) &&
      // A long one has a fold in place of the space.
      `${SUBJECT_TAG} ${one.slice(one.indexOf(':') + 1).trimStart()}`.trim() ===
        field
          .slice(colon + 1)
          .trim()
          .replace(`${SUBJECT_TAG}\r\n `, `${SUBJECT_TAG} `),
  )
  return old ?? field
}

/** Messages that are signed or encrypted as a whole, by the type of the message: RFC 1847, RFC 8551. */
const SEALED =
  /^Content-Type[ \t]*:\s*(?:multipart\/(?:signed|encrypted)|application\/(?:x-)?pkcs7-mime)/i

function faultsOfBody({ plain, filtered, isBodyTouched }: Pair): string[] {
  const before = split(plain)
  const after = split(filtered)
  if (before.body === after.body) return []
  if (!isBodyTouched) return ['the body has changed, and no filter says so']
  return before.fields.some((field) => SEALED.test(field)) ? ['sealed, and changed'] : []
}

/** Attachments as we see them, and as postal-mime sees them. */
async function lostAttachments({ plain, filtered }: Pair): Promise<string[]> {
  const faults: string[] = []
  for (const [reader, read] of [
    ['ours', ours],
    ['postal-mime', postal],
  ] as const) {
    const before = await read(plain)
    const after = await read(filtered)
    if (JSON.stringify(before) !== JSON.stringify(after)) {
      const names = (list: string[][]): string => list.map(([name]) => name).join(', ')
      faults.push(`${reader}: attachments [${names(before)}] became [${names(after)}]`)
    }
  }
  return faults
}

async function ours(message: Buffer): Promise<string[][]> {
  return Promise.all(
    parseMime(message).attachments.map(async (part) => [
      String(part.filename),
      withoutEnd(await part.bytes()),
    ]),
  )
}

async function postal(message: Buffer): Promise<string[][]> {
  const { attachments } = await parsePostal(message)
  return attachments.map(({ filename, mimeType, content }) => [
    filename ?? mimeType,
    withoutEnd(Buffer.from(content)),
  ])
}

/** Readers do not agree to which part the line ends before a delimiter belong. */
const withoutEnd = (content: Uint8Array): string =>
  Buffer.from(content)
    .toString('latin1')
    .replace(/[\r\n]+$/, '')

/** What Python and dkimpy say of all messages, by name. */
export function judgements(
  letters: readonly Letter[],
  domain: string,
  records: Readonly<Record<string, string>>,
): Map<string, Judgement> {
  const input = letters
    .map(({ name, message }) =>
      JSON.stringify({ name, domain, message: message.toString('base64') }),
    )
    .join('\n')
  const { stdout, stderr, status } = spawnSync(
    '/usr/bin/python3',
    [
      sourcePath('test', 'mail-servers', 'support', 'judge.py'),
      ...Object.entries(records).flat(),
    ],
    { input: `${input}\n`, encoding: 'utf8', maxBuffer: 1 << 29 },
  )
  if (status !== 0) throw new Error(stderr)
  return new Map(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Judgement)
      .map((one) => [one.name, one]),
  )
}

/** What Python sees less after the filters, or more, but for what they have added to texts. */
export function faultsByPython(before: Judgement, after: Judgement): string[] {
  if (typeof before.parts === 'string' || typeof after.parts === 'string') {
    return before.parts === after.parts ? [] : [`Python: ${String(after.parts)}`]
  }
  const wanted = before.parts.map((part) => shown(part, false))
  const given = after.parts.map((part) => shown(part, true))
  // Texts that filters have added, and a multipart that Python cannot take apart, such as one with a folded boundary.
  const bare = (part: string): boolean => !/^text\/\w+ null $|^multipart\//.test(part)
  const [one, two] = [wanted.filter(bare), given.filter(bare)]
  const at = one.findIndex((part, i) => part !== two[i])
  if (at === -1 && one.length === two.length) return []
  const i = at === -1 ? one.length : at
  return [`Python: ${excerpt(one[i], two[i])} became ${excerpt(two[i], one[i])}`]
}

/** Where two texts differ. */
function excerpt(text = '', other = ''): string {
  let at = 0
  while (at < text.length && text[at] === other[at]) at++
  return JSON.stringify(
    `${text.slice(0, 30)} @${at} ${text.slice(Math.max(0, at - 20), at + 60)}`,
  )
}

/** A part; of a text, white space is not shown, and neither is what filters have added. */
function shown(
  [type, name, content]: readonly [string, string | null, string],
  isAfter: boolean,
): string {
  if (!type.startsWith('text/'))
    return `${type} ${name} ${withoutEnd(Buffer.from(content, 'base64'))}`
  let text = Buffer.from(content, 'base64').toString('latin1')
  if (isAfter) {
    text = text.replaceAll(/<div data-footer=[^>]*>[^]*?<\/div>/g, '')
  }
  // Of a text in another charset, it also has to be said there.
  text = text.replaceAll(/charset=["']?[\w-]+["']?/gi, 'charset').replaceAll(/\s+/g, '')
  if (isAfter) {
    for (const added of [BANNER, DISCLAIMER])
      text = text.replace(added.replaceAll(/\s+/g, ''), '')
  }
  return `${type} ${name} ${text}`
}
