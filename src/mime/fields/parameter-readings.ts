/**
 * All readings of the parameters of a field. A filter that blocks something has to see what each program sees. Each
 * reading takes linear time, and a field is read once.
 */
import { decodeText, encodeText } from '../../protocol/text.ts'
import { charsetReadings } from '../encodings/charset-readings.ts'
import { decodeEncodedWords, unfold } from './encoded-words.ts'
import { percentDecoded } from '../encodings/hex-escapes.ts'
import { looseParameters, parseParameters } from './parameters.ts'
import { pythonReading } from './python-parameters.ts'
import { wordReadings } from './word-readings.ts'

/** A parameter as one program cuts it out, with its name as written: `filename*0*`. */
type Cut = readonly [name: string, value: string]

/** The parameters of one name. */
interface Named {
  /** values whose texts are in `texts` */
  readonly values: Set<string>
  readonly texts: Set<string>
}

/** All readings, by name without the numbers and stars of RFC 2231. @param raw everything after the colon */
export function parameterReadings(raw: Buffer): ReadonlyMap<string, readonly string[]> {
  const all = new Map<string, Named>()
  const add = (name: string, values: Iterable<string>): void => {
    let named = all.get(name)
    if (named === undefined) all.set(name, (named = { values: new Set(), texts: new Set() }))
    for (const value of values) {
      // All programs read most values in the same way.
      if (named.values.has(value)) continue
      named.values.add(value)
      addTexts(value, named.texts)
    }
  }
  const seen: Cut[][] = []
  for (const cuts of cutsOf(raw)) {
    if (seen.some((other) => isSame(other, cuts))) continue
    seen.push(cuts)
    const groups = new Map<string, Cut[]>()
    for (const cut of cuts) {
      const star = cut[0].indexOf('*')
      if (star === -1) {
        add(cut[0], [cut[1]])
        continue
      }
      const name = cut[0].slice(0, star)
      const group = groups.get(name)
      if (group === undefined) groups.set(name, [cut])
      else group.push(cut)
    }
    for (const [name, group] of groups) add(name, valuesOf(group))
  }
  return new Map(Array.from(all, ([name, { texts }]) => [name, [...texts]]))
}

const isSame = (one: readonly Cut[], other: readonly Cut[]): boolean =>
  one.length === other.length &&
  one.every(([name, value], i) => name === other[i]![0] && value === other[i]![1])

// ---- where a parameter begins and ends

function cutsOf(raw: Buffer): Cut[][] {
  const unfolded = unfold(decodeText(raw))
  const texts = new Set(
    ['', ' ']
      .map((lineEnd) => unfolded.replaceAll(/[\r\n]+/g, lineEnd))
      // If a quote is never closed, spaces at the end may or may not belong to the value.
      .flatMap((text) => [text.trimStart(), text.trim()]),
  )
  const cuts: Cut[][] = [usualCuts(raw)]
  for (const text of texts) {
    for (const bare of new Set([text, withoutComments(text)])) {
      cuts.push(toggled(bare, false), ...pythonCuts(bare, false))
      if (/["\\]/.test(bare)) cuts.push(toggled(bare, true))
    }
    if (text.includes('"')) cuts.push(...pythonCuts(text, true))
    cuts.push(looseParameters(text).map(({ name, value }) => [name, value]))
    cuts.push(...newerPythonCuts(text))
  }
  return cuts
}

/** Cuts as this package does, and as other programs do. The first semicolon is missing in some mail. */
function usualCuts(raw: Buffer): Cut[] {
  const { parameters } = parseParameters(Buffer.concat([NO_VALUE, raw]))
  return parameters.flatMap(({ name, value, others }) =>
    [value, ...others].map((text): Cut => [name, text]),
  )
}

const NO_VALUE = Buffer.from(';')

/**
 * Cuts as postal-mime and mailparser do: a quote begins and ends quoted text wherever it is, and text after it is junk.
 *
 * @param mailparser a backslash is an escape outside quotes, too, and a quote in the junk has no meaning
 */
function toggled(text: string, mailparser: boolean): Cut[] {
  const cuts: Cut[] = []
  // The value of the field can be in quotes too.
  let name: string | undefined = ''
  let start = 0
  let value = ''
  let isQuoted = false
  let isClosed = false
  const end = (at: number): void => {
    if (name) cuts.push([name, value])
    name = undefined
    value = ''
    isQuoted = false
    isClosed = false
    start = at + 1
  }
  let space = ''
  for (let at = 0; at < text.length; at++) {
    if (name === undefined) {
      at = indexOfEither(text, '=', ';', at)
      if (text[at] === '=') {
        name = text.slice(start, at).trim().toLowerCase()
        space = ''
      } else if (at < text.length) end(at)
      continue
    }
    const one = text[at]!
    if (mailparser && isClosed && one !== ';') continue
    else if (one === '\\' && (isQuoted || mailparser)) {
      at++
      // postal-mime also takes it after a closing quote.
      if (value !== '') value += space
      space = ''
      value += text[at] ?? ''
    } else if (one === '"') {
      if (isQuoted) isClosed = true
      else if (value !== '') value += space
      space = ''
      isQuoted = !isQuoted
    } else if (!isQuoted && one === ';') end(at)
    else if (isClosed) continue
    else if (!isQuoted && (one === ' ' || one === '\t')) space += one
    else {
      if (value !== '') value += space
      space = ''
      // Takes all characters without a meaning at once.
      const from = at
      while (at + 1 < text.length && !MEANS[text.charCodeAt(at + 1)]) at++
      value += text.slice(from, at + 1)
    }
  }
  end(text.length)
  return cuts
}

/** Characters that may have a meaning in a value. */
const MEANS: Readonly<Record<number, true>> = Object.fromEntries(
  Array.from('\\"; \t', (one) => [one.charCodeAt(0), true]),
)

function indexOfEither(text: string, one: string, other: string, from: number): number {
  const [a, b] = [one.charCodeAt(0), other.charCodeAt(0)]
  let at = from
  while (at < text.length && text.charCodeAt(at) !== a && text.charCodeAt(at) !== b) at++
  return at
}

/**
 * Cuts as Python's email does: at a semicolon with an even number of quotes before it.
 *
 * @param blind quotes have no meaning, so that one that is never closed hides nothing
 */
function pythonCuts(text: string, blind: boolean): Cut[][] {
  const cuts: Cut[] = []
  let isValueCut = false
  let start = 0
  let quotes = 0
  for (let at = 0; at <= text.length; at++) {
    const one = text.charCodeAt(at)
    if (!blind && one === QUOTE && (at === start || text[at - 1] !== '\\')) quotes++
    if (at < text.length && (one !== SEMICOLON || (quotes % 2 === 1 && at > start))) continue
    const piece = text.slice(start, at)
    const equals = piece.indexOf('=')
    if (equals !== -1) {
      const name = piece.slice(0, equals).trim().toLowerCase()
      const value = piece.slice(equals + 1).trim()
      cuts.push([name, unquoted(value)])
      isValueCut ||= start === 0
    }
    start = at + 1
    quotes = 0
  }
  // Python does not take the text before the first semicolon for a parameter.
  return isValueCut ? [cuts, cuts.slice(1)] : [cuts]
}

const QUOTE = 0x22
const SEMICOLON = 0x3b

/** Cuts as the newer policies of Python do, which write a field again and read that. */
function newerPythonCuts(text: string): Cut[][] {
  const { start, values } = pythonReading(text)
  const cuts: Cut[] = []
  let written = start
  for (const { name, charset, pieces } of values) {
    const bytes = Buffer.concat(
      pieces.map(({ isExtended, value }) =>
        isExtended ? percentDecoded(value) : encodeText(value),
      ),
    )
    const texts = pieces.some(({ isExtended }) => isExtended)
      ? charsetReadings(charset, bytes)
      : [decodeText(bytes)]
    for (const one of texts) cuts.push([name, one])
    written += `; ${name}="${texts[0]!.replaceAll(/["\\]/g, '\\$&')}"`
  }
  // The written field can have another meaning than the original: if a quote has no end, or after encoded words were
  // decoded.
  if (start.includes('=?')) return [cuts, ...pythonCuts(decodeEncodedWords(written), false)]
  return start.includes('"') ? [cuts, ...pythonCuts(written, false)] : [cuts]
}

function unquoted(value: string): string {
  if (value.length < 2) return value
  if (value.startsWith('"') && value.endsWith('"')) {
    const inner = value.slice(1, -1)
    return inner.includes('\\') ? inner.replaceAll('\\\\', '\\').replaceAll('\\"', '"') : inner
  }
  return value.startsWith('<') && value.endsWith('>') ? value.slice(1, -1) : value
}

/** Removes comments, but not in quotes, and not in the middle of a value (`x(1).txt`). */
function withoutComments(text: string): string {
  if (!text.includes('(')) return text
  let result = ''
  let depth = 0
  let isQuoted = false
  let inValue = false
  /** index of the bracket that closed a comment: another one may follow */
  let closed = -1
  for (let at = 0; at < text.length; at++) {
    const one = text[at]!
    if (one === '\\') {
      if (depth === 0) result += text.slice(at, at + 2)
      at++
      continue
    }
    if (depth > 0) {
      if (one === '(') depth++
      else if (one === ')' && --depth === 0) closed = at
      continue
    }
    if (one === '"') isQuoted = !isQuoted
    else if (!isQuoted) {
      const last = text[at - 1]
      const mayBegin =
        !inValue || closed === at - 1 || last === ' ' || last === '\t' || last === '"'
      if (one === '(' && mayBegin) {
        depth = 1
        continue
      }
      if (one === '=') inValue = true
      else if (one === ';') inValue = false
    }
    result += one
  }
  return result
}

// ---- RFC 2231

interface Section {
  readonly full: string
  readonly number: number
  readonly encoded: boolean
  readonly value: string
}

/** The values of parameters of one name. */
function valuesOf(cuts: readonly Cut[]): Set<string> {
  const values = new Set<string>()
  const sections: Section[] = []
  for (const [full, value] of cuts) {
    const match = /\*(\d{0,9})(\*?)$/.exec(full)
    if (match === null) values.add(value)
    else {
      const number = Number(match[1])
      const encoded = match[2] === '*' || match[1] === ''
      sections.push({ full, number, encoded, value })
      // Read it alone too, because it can come together with `filename*0`.
      if (match[1] === '') addJoined([sections.at(-1)!], values)
    }
  }
  if (sections.length === 0) return values
  const byNumber = sections.toSorted((a, b) => a.number - b.number)
  const first = firstOf(byNumber, ({ number }) => number)
  const last = firstOf(byNumber.toReversed(), ({ number }) => number).toReversed()
  const gap = first.findIndex(({ number }, i) => number !== i)
  // Some programs stop at a gap, and others do not. Of two sections with one number, they take the first, the last, the
  // first of each name (`filename*0`, `filename*0*`), or all.
  const lists = [first, last, firstOf(byNumber, ({ full }) => full), byNumber, sections]
  if (gap > 0) lists.push(first.slice(0, gap), last.slice(0, gap))
  if (first.length < sections.length) {
    // Python sorts sections of one number by their text.
    lists.push(sections.toSorted((a, b) => a.number - b.number || (a.value < b.value ? -1 : 1)))
  }
  const seen = new Set<string>()
  for (const list of lists) {
    const key = JSON.stringify(list.map(({ full, value }) => [full, value]))
    if (!seen.has(key)) addJoined(list, values)
    seen.add(key)
  }
  return values
}

/** Maximum number of charsets that are tried for a name in pieces. */
const MAX_CHARSETS = 4

function firstOf(sections: readonly Section[], key: (one: Section) => unknown): Section[] {
  const first = new Map<unknown, Section>()
  for (const one of sections) if (!first.has(key(one))) first.set(key(one), one)
  return [...first.values()]
}

const EXTENDED = /^([^']*)'[^']*'(.*)$/s

function addJoined(sections: readonly Section[], values: Set<string>): void {
  const raw = sections.map(({ value }) => value).join('')
  const [{ number, encoded: isFirst, value: start }] = sections as [Section]
  if (number > 0 || !isFirst || !EXTENDED.test(start)) values.add(raw)
  if (!sections.some(({ encoded }) => encoded)) return
  const charsets = new Set<string>()
  const rest = sections.map((section) => {
    // The first section names the charset. If there are several first sections, each does.
    const parts = section.number === 0 && section.encoded ? EXTENDED.exec(section.value) : null
    if (parts !== null) charsets.add(parts[1]!)
    return parts === null ? section : { ...section, value: parts[2]! }
  })
  const decoded = Buffer.concat(
    rest.map(({ encoded, value }) => (encoded ? percentDecoded(value) : encodeText(value))),
  )
  // Percent signs in sections that are not marked as encoded. This also decodes quotes after them.
  const all = Buffer.concat(rest.map(({ value }) => percentDecoded(value)))
  if (charsets.size === 0) charsets.add('')
  // Each charset costs as much as all the rest.
  for (const charset of [...charsets].slice(0, MAX_CHARSETS)) {
    add(charset, decoded)
    if (!all.equals(decoded)) add(charset, all)
  }
  // Some programs look for the charset in the whole value. Python does so after it has decoded only the marked
  // sections.
  const marked = sections.map(({ encoded, value }) =>
    encoded ? percentDecoded(value) : encodeText(value),
  )
  const whole = percentDecoded(raw)
  const wholes = new Set([whole, Buffer.concat(marked)].map((one) => one.toString('latin1')))
  for (const one of wholes) {
    const late = EXTENDED.exec(one)
    if (late !== null) add(late[1]!, Buffer.from(late[2]!, 'latin1'))
  }
  if (!EXTENDED.test(whole.toString('latin1'))) add('', whole)

  function add(name: string, bytes: Buffer): void {
    for (const text of charsetReadings(name, bytes)) values.add(text)
  }
}

// ---- RFC 2047, and characters that end a name

function addTexts(value: string, texts: Set<string>): void {
  const words = value.includes('=?') ? [decodeEncodedWords(value), ...wordReadings(value)] : []
  for (const text of new Set([...words, value])) {
    texts.add(text)
    texts.add(unquoted(text.trim()))
    if (!text.includes('\0')) continue
    // Programs in C end the name at NUL. Others skip it.
    texts.add(text.slice(0, text.indexOf('\0')))
    texts.add(text.replaceAll('\0', ''))
  }
}
