import { UsageError } from '../errors.ts'
import { decodeAnyCharset, encodeCharset } from './encodings/charset.ts'
import { charsetInHtml } from './html/html-charset.ts'
import { encodingIsGuess, readingOfPart } from './tree/content-guesses.ts'
import { placeIn, withReferences } from './html/html.ts'
import { textOf } from './footer-versions.ts'
import { escapeHtml, readHtml, TEXT_ELEMENTS } from './html/html-tokens.ts'
import type { MimeMessage } from './message.ts'
import { lineEndOf } from './encodings/line-end.ts'
import type { MimePart } from './tree/part.ts'
import { Turns } from './turns.ts'

export interface Footer {
  /** the footer for plain text, in lines */
  readonly text: string
  /** the footer for HTML, which is put into a `div` as it is. @default the text, with `<br>` for line ends */
  readonly html?: string | undefined
  /** @default 'bottom' */
  readonly position?: 'bottom' | 'top' | undefined
  /**
   * A word for the attribute `data-footer` of the `div` in the HTML version. A version that has it already has the
   * footer. It takes 4 to 100 letters, digits, `.`, `_` and `-`.
   */
  readonly mark?: string | undefined
  /**
   * What to do if the text is signed or encrypted: `skip` leaves the message alone, `wrap` puts the footer into a part
   * of its own beside the text.
   * @default 'skip'
   */
  readonly sealed?: 'skip' | 'wrap' | undefined
  /**
   * What to do if the text cannot be read for sure (see `guesses` of a part) and its bytes cannot take the footer:
   * `wrap` puts the footer into a part of its own beside the text, `skip` leaves the message alone.
   * @default 'wrap'
   */
  readonly unreadable?: 'wrap' | 'skip' | undefined
  /**
   * Whether to leave out the footer in a version that shows it already, quoted or not. A sender can write the footer,
   * too. So set this only if you trust the sender, and never for a warning about mail from outside.
   * @default false
   */
  readonly once?: boolean | undefined
}

/**
 * - `added`: the message has the footer now
 * - `partly`: some versions of the text have it, but others, which some programs show, cannot take it
 * - `present`: all versions had it before
 * - `sealed`: the text is signed or encrypted
 * - `skipped`: the text cannot be read for sure, and `unreadable` is `skip`
 */
export type FooterResult = 'added' | 'partly' | 'present' | 'sealed' | 'skipped'

/** What was done with one version of the text, and why not more. */
export interface FooterVersion {
  /** `text/plain` or `text/html`; a version that was skipped can have any type */
  readonly type: string
  /** `beside`: the footer is a part of its own, before or after the text */
  readonly done: 'added' | 'present' | 'beside' | 'skipped'
  readonly reason?: string
}

/** What was done with a footer in a message, and in each version of its text. */
export interface FooterReport {
  readonly result: FooterResult
  readonly versions: readonly FooterVersion[]
}

/**
 * Adds a footer, or a banner, to the text of a message: to the plain version and to the HTML version. In a
 * multipart/mixed, this is the first text. In a multipart/related, it is the root, or the first text if the root is no
 * text. Text in these two or in a multipart/alternative counts as text whatever its name is, unless its disposition is
 * `attachment`. Attachments and attached messages do not change. A message without text (only an attachment, or a
 * calendar entry) becomes a multipart/mixed with the footer as its first part.
 *
 * With `once`, a version that shows the footer already gets no second one. A reply can show it, for example. The
 * comparison ignores spaces, line breaks and `>`. Signed or encrypted content is never changed.
 *
 * Text with format=flowed (RFC 3676) keeps that format. Charset and transfer encoding stay if they can carry the
 * footer, and the bytes of the text stay the same. If the charset is unknown, missing or wrong, the header stays as it
 * is: an ASCII footer is added as bytes, and HTML gets any footer as references. Every change breaks DKIM signatures
 * that came with the message.
 *
 * @throws UsageError INVALID_OPTION; WRONG_STAGE
 */
export async function addFooter(message: MimeMessage, footer: Footer): Promise<FooterResult> {
  return (await placeFooter(message, footer)).result
}

/** As {@link addFooter}, but it also reports what was done in each version, and why not more. */
export async function placeFooter(message: MimeMessage, footer: Footer): Promise<FooterReport> {
  check(footer)
  const turns = new Turns()
  const { versions, sealed } = await textOf(message, turns)
  const report = (
    result: FooterResult,
    done: FooterVersion['done'],
    reason?: string,
  ): FooterReport => ({
    result,
    versions: versions.map((version) => ({
      type: (version.part ?? version).type,
      done,
      ...(reason && { reason }),
    })),
  })
  if (sealed) {
    if (await isBeside(message, footer)) return report('present', 'present')
    if (footer.sealed !== 'wrap') {
      return report('sealed', 'skipped', 'a version of the text is signed or encrypted')
    }
    addPart(message, footer, footer.position !== 'top')
    return report('added', 'beside', 'a version of the text is signed or encrypted')
  }
  const texts = versions.flatMap(({ part }) => part ?? [])
  if (texts.length === 0) {
    // An attachment comes after text that can be read.
    addPart(message, footer, false)
    return report('added', 'beside')
  }
  const plans: Plan[] = []
  for (const part of texts) {
    await turns.next()
    const present = footer.once === true && (await isPresent(part, footer))
    plans.push(present ? { done: 'present' } : await planOf(part, footer, turns))
  }
  const reasons = plans.flatMap((plan) => ('reason' in plan ? [plan.reason] : []))
  if (reasons.length > 0) {
    // A footer beside the text serves all versions.
    if (await isBeside(message, footer)) return report('present', 'present')
    const reason = reasons.join('; ')
    if (footer.unreadable === 'skip') return report('skipped', 'skipped', reason)
    addPart(message, footer, footer.position !== 'top')
    return report('added', 'beside', reason)
  }
  const done: FooterVersion[] = []
  const planned = plans.values()
  for (const version of versions) {
    if (version.part === undefined) {
      done.push({ type: version.type, done: 'skipped', reason: version.reason })
      continue
    }
    const { type } = version.part
    const plan = planned.next().value
    await turns.next()
    if (plan !== undefined && 'write' in plan) {
      await plan.write()
      done.push({ type, done: 'added' })
    } else done.push({ type, done: 'present' })
  }
  if (texts.length < versions.length) return { result: 'partly', versions: done }
  const added = done.some((one) => one.done === 'added')
  return { result: added ? 'added' : 'present', versions: done }
}

/** How to put a footer into a version, or why that is impossible. It is known before any edit. */
type Plan =
  | { readonly write: () => Promise<void> | void }
  | { readonly reason: string }
  | { readonly done: 'present' }

function check({ text, html, mark, position, sealed, unreadable, once }: Footer): void {
  const fault =
    typeof text !== 'string' || folded(text) === ''
      ? 'text: a footer needs a text, by which it is found again'
      : html !== undefined && typeof html !== 'string'
        ? 'html: takes a string'
        : mark !== undefined && !/^[\w.-]{4,100}$/.test(mark)
          ? 'mark: takes 4 to 100 letters, digits, dots, underscores and hyphens'
          : ![undefined, 'bottom', 'top'].includes(position)
            ? "position: is 'bottom' or 'top'"
            : ![undefined, 'skip', 'wrap'].includes(sealed)
              ? "sealed: is 'skip' or 'wrap'"
              : ![undefined, 'skip', 'wrap'].includes(unreadable)
                ? "unreadable: is 'wrap' or 'skip'"
                : ![undefined, true, false].includes(once)
                  ? 'once: is true or false'
                  : undefined
  if (fault !== undefined) throw new UsageError('INVALID_OPTION', `footer.${fault}`)
}

// ---- beside the text

/** The footer as a part beside the others. */
function addPart(message: MimeMessage, footer: Footer, last: boolean): void {
  const beside =
    message.type === 'multipart/mixed' &&
    message.children.length > 0 &&
    message.guesses.length === 0
  if (!beside) message.wrap()
  const content = `${footer.text.replace(/[\r\n]+$/, '')}\n`
  message.insert(last ? message.children.length : 0, {
    content,
    type: 'text/plain',
    disposition: 'inline',
  })
}

// ---- whether it is there

/** The text without spaces and without the marks of a quotation. */
const folded = (text: string): string =>
  text.replaceAll(/^[>\s]+/gm, '').replaceAll(/[\s\u00ad\u200b\ufeff]+/g, '')

/** The number of characters that are folded at once. */
const FOLDED = 262_144

/** The same for a long text, in turns with other work. */
async function foldedInTurns(text: string): Promise<string> {
  const turns = new Turns()
  const pieces: string[] = []
  for (let at = 0; at < text.length;) {
    // Up to a place where no spaces or marks of a quotation continue.
    STAYS.lastIndex = at + FOLDED
    const end = STAYS.exec(text)?.index ?? text.length
    pieces.push(folded(text.slice(at, end)))
    at = end
    await turns.next()
  }
  return pieces.join('')
}

const STAYS = /[^>\s]/g

/** Whether the footer is a text beside others, or part of one of them. */
async function isBeside(message: MimeMessage, footer: Footer): Promise<boolean> {
  if (footer.once !== true) return false
  for (const part of message.textParts) if (await isPresent(part, footer)) return true
  return false
}

async function isPresent(part: MimePart, footer: Footer): Promise<boolean> {
  const text = await part.text()
  const wanted = folded(footer.text)
  if (part.type !== 'text/html') return (await foldedInTurns(text)).includes(wanted)
  const { shown, marks } = await shownOf(text)
  if (footer.mark !== undefined && marks.has(footer.mark)) return true
  const all = await foldedInTurns(shown)
  if (all.includes(wanted)) return true
  const html = contentOf(footer)
  const own = folded((await shownOf(html)).shown)
  if (own !== '') return all.includes(own)
  // A footer may be a picture.
  const source = await foldedInTurns(text.replaceAll(/<!--.*?(?:-->|$)/gs, ''))
  return source.includes(folded(html)) || source.includes(folded(withReferences(html)))
}

const VOID: ReadonlySet<string> = new Set(
  'area base br col embed hr img input link meta source track wbr'.split(' '),
)

const HIDING =
  /display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all|(?:font-size|max-height|height|width|max-width|opacity|line-height)\s*:\s*0(?![.]?[1-9])|text-indent\s*:\s*-|(?:left|top|margin-left)\s*:\s*-\d{3}/i

/** The text that HTML shows, without text that its own attributes hide, and the marks in it. */
async function shownOf(
  html: string,
): Promise<{ readonly shown: string; readonly marks: ReadonlySet<string> }> {
  const pieces: string[] = []
  const marks = new Set<string>()
  let inText = false
  /** the element that hides its content, and how many elements of its name are open */
  let hider: string | undefined
  let depth = 0
  await readHtml(html, {
    startTag({ name, attributes, selfClosing }) {
      inText = TEXT_ELEMENTS.has(name) || name === 'template'
      const open = !VOID.has(name) && !selfClosing
      if (hider !== undefined) {
        if (name === hider && open) depth++
        return
      }
      const hides = attributes.some(
        (one) => one.name === 'hidden' || (one.name === 'style' && HIDING.test(one.value)),
      )
      if (hides && open) {
        hider = name
        depth = 1
      } else if (!hides) {
        for (const one of attributes) if (one.name === 'data-footer') marks.add(one.value)
      }
    },
    endTag({ name }) {
      inText = false
      if (name === hider && --depth === 0) hider = undefined
    },
    text(_start, _end, text) {
      if (!inText && hider === undefined) pieces.push(text)
    },
  })
  return { shown: pieces.join(''), marks }
}

// ---- what is to be written

async function planOf(part: MimePart, footer: Footer, turns: Turns): Promise<Plan> {
  if (part.typeIsGuess) return { reason: 'programs do not agree on its type' }
  if (encodingIsGuess(part)) {
    return { reason: 'its transfer encoding is not what the header says' }
  }
  await turns.next()
  const html = part.type === 'text/html'
  const reading = readingOfPart(part, part.bytes())
  await turns.next()
  if (!reading.sure) {
    if (!reading.ascii) {
      return { reason: `its charset (${part.charset ?? 'not named'}) cannot be read for sure` }
    }
    // One character for each byte: the footer is ASCII between ASCII, and all bytes stay.
    const text = part.bytes().toString('latin1')
    const { at, addition } = await insertionIn(part, footer, text, true)
    if (!isAscii(addition)) {
      return {
        reason: `its charset (${part.charset ?? 'not named'}) cannot be read for sure, and the footer is not ASCII`,
      }
    }
    const lines = addition.replaceAll('\n', lineEndIn(text, part))
    const joined = Buffer.from(text.slice(0, at) + lines + text.slice(at), 'latin1')
    return { write: () => part.setContent(joined) }
  }
  const text = await part.text()
  const utf8 = part.charset === 'utf-8' || part.charset === 'utf8'
  const { at, addition } = await insertionIn(part, footer, text, html && !utf8)
  return await insertionPlan(part, text, { at, addition }, turns)
}

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text)

interface Insertion {
  readonly at: number
  readonly addition: string
}

/** @param references write the footer as references, which every charset can carry */
async function insertionIn(
  part: MimePart,
  footer: Footer,
  text: string,
  references: boolean,
): Promise<Insertion> {
  const { position = 'bottom' } = footer
  if (part.type === 'text/html') {
    const html = htmlOf(footer)
    const block = references ? withReferences(html) : html
    return { at: await placeIn(text, position), addition: `\n${block}\n` }
  }
  const flowed = part.parameter('format')?.toLowerCase() === 'flowed'
  const lines = footer.text.replace(/[\r\n]+$/, '').split(/\r\n|\r|\n/)
  const block = (flowed ? lines.map(fixedLine) : lines).join('\n')
  return position === 'top'
    ? { at: 0, addition: text === '' ? block : `${block}\n\n` }
    : { at: text.length, addition: spaceBelow(text, flowed) + block + endLike(text) }
}

/**
 * A line that does not flow into the next one, and is no quotation (RFC 3676, section 4.2 and 4.4). The
 * separator of signatures keeps its space (section 4.3).
 */
function fixedLine(line: string): string {
  const fixed = line === '-- ' ? line : line.replace(/ +$/, '')
  return /^(?: |>|From )/.test(fixed) ? ` ${fixed}` : fixed
}

/** The line ends that make an empty line between a text and a footer below it. */
function spaceBelow(text: string, flowed: boolean): string {
  if (text === '') return ''
  const end = /(?:\r\n|\r|\n)?(?:\r\n|\r|\n)?$/.exec(text.slice(-4))![0]
  const ends = end.match(/\r\n|\r|\n/g)?.length ?? 0
  const above = text.slice(0, text.length - end.length)
  const line = above.slice(Math.max(above.lastIndexOf('\n'), above.lastIndexOf('\r')) + 1)
  // A line that flows joins the next one, even an empty one (RFC 3676, section 4.2).
  const flows = flowed && line.endsWith(' ') && line !== '-- '
  return '\n'.repeat(Math.max(0, (flows ? 3 : 2) - ends))
}

/** The body of a part ends before the line end of its delimiter. The body of a message has its own line end. */
const endLike = (text: string): string => (/[\r\n]$/.test(text) ? '\n' : '')

// ---- HTML

const contentOf = ({ text, html }: Footer): string =>
  html ?? escapeHtml(text.replace(/[\r\n]+$/, '')).replaceAll(/\r\n|\r|\n/g, '<br>\n')

const htmlOf = (footer: Footer): string =>
  `<div${footer.mark === undefined ? '' : ` data-footer="${footer.mark}"`} style="${SHOWN}">${contentOf(footer)}</div>`

/**
 * No style sheet of the message overrides these (CSS Cascade, section 6.1). The first one undoes all of them in
 * programs that know it. The others undo the most common ways to hide something, also in programs that do not.
 */
const SHOWN = [
  'all:revert',
  'display:block',
  'visibility:visible',
  'opacity:1',
  'position:static',
  'float:none',
  'width:auto',
  'max-width:none',
  'height:auto',
  'max-height:none',
  'overflow:visible',
  'transform:none',
  'text-indent:0',
]
  .map((declaration) => `${declaration}!important`)
  .join(';')

// ---- bytes

/**
 * Inserts into the bytes of a part, so that bytes that are no text in its charset stay. If the text does not show the
 * place in the bytes, the whole part is written again, but only if no character can become another one.
 */
async function insertionPlan(
  part: MimePart,
  text: string,
  { at, addition }: Insertion,
  turns: Turns,
): Promise<Plan> {
  const bytes = part.bytes()
  const charset = part.charset ?? charsetInHtml(part.type, bytes) ?? 'us-ascii'
  await turns.next()
  const reading = readingOfPart(part, bytes)
  await turns.next()
  const lines = addition.replaceAll('\n', lineEndIn(text, part))
  const ascii = isAscii(lines) ? Buffer.from(lines, 'latin1') : undefined
  const added = (await encodeCharset(charset, lines)) ?? ascii
  const above = text.slice(0, at)
  const before =
    at === text.length
      ? bytes
      : at === 0
        ? bytes.subarray(0, 0)
        : await encodeCharset(charset, above)
  await turns.next()
  if (added !== undefined && before?.equals(bytes.subarray(0, before.length)) === true) {
    const joined = Buffer.concat([before, added, bytes.subarray(before.length)])
    // Reading it back finds the charsets with states, and those with a mark at the start.
    const read = await decodeAnyCharset(charset, joined)
    await turns.next()
    if (read === above + lines + text.slice(at)) return { write: () => part.setContent(joined) }
  }
  const encoded = await encodeCharset(charset, text)
  await turns.next()
  // There is no encoder for ISO-2022-JP here. Its decoder accepts nothing that is wrong.
  const exact = encoded === undefined ? charset === 'iso-2022-jp' : encoded.equals(bytes)
  if (!exact || reading.unnamed === true) {
    return { reason: `its charset (${charset}) does not take the footer` }
  }
  return { write: () => part.setText(above + lines + text.slice(at)) }
}

/** The line ends of the text, or those of the message if the text has none. */
function lineEndIn(text: string, part: MimePart): string {
  const feed = text.indexOf('\n')
  if (feed !== -1) return text[feed - 1] === '\r' ? '\r\n' : '\n'
  let top = part
  while (top.parent !== undefined) top = top.parent
  return lineEndOf(top.toBytes())
}
