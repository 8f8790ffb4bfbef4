import { UsageError } from '../../errors.ts'
import { headerName } from '../../milter/edit-checks.ts'
import { withoutBlankLines } from '../../protocol/line-ends.ts'
import { decodeText, encodeText } from '../../protocol/text.ts'
import { fieldNameEnd, fieldNameStart } from './field-name.ts'
import { readField, writeField } from './field-text.ts'
import { mailboxesOf, parseAddresses, type Address, type Mailbox } from './mailboxes.ts'

/** The header of a part. Names match in any case. Text is decoded when you read it, and encoded when you write it. */
export interface PartHeaders {
  /** The text of the first field with that name. */
  get(name: string): string | undefined
  getAll(name: string): string[]
  has(name: string): boolean
  /** The addresses in the first field with that name, with groups. */
  addresses(name: string): Address[]
  /** The mailboxes in all fields with that name, also those in groups. */
  mailboxes(name: string): Mailbox[]
  /** Everything after the colon of each field with that name, folded as it is. */
  raw(name: string): Buffer[]
  /** The names, in order. */
  names(): string[]
  /** The fields you choose, as lines of a message. */
  lines(wanted: (name: string) => boolean, eol: string): Buffer
  /**
   * Changes the first field with that name, or adds one, and removes all others. Bytes are everything after the
   * colon. Text that is not ASCII is encoded, so it must be in a place where the field allows encoded text. A part
   * does not know whether the message is sent with SMTPUTF8.
   * @throws UsageError INVALID_HEADER_NAME, INVALID_HEADER_VALUE, INVALID_ADDRESS
   */
  set(name: string, value: string | Uint8Array): void
  append(name: string, value: string | Uint8Array): void
  /** Removes all fields with that name, and returns how many there were. */
  delete(name: string): number
}

const LF = 0x0a
const COLON = 0x3a

interface Line {
  /** unchanged, with its line end */
  readonly bytes: Buffer
  /** unchanged; empty for a line that is no field */
  readonly name: string
  /** the name in lower case */
  readonly key: string
  readonly colon: number
}

/** Functions to call when a header is edited. */
export interface HeaderWatch {
  /** before an edit; it may throw */
  readonly before?: () => void
  /** after a field was written */
  readonly written?: (name: string) => void
}

/** A header as lines of a message. Each line stays as it is until it is changed. */
export class LineHeaders implements PartHeaders {
  #lines: Line[] | undefined
  readonly #bytes: Buffer
  readonly #eol: string
  readonly #watch: HeaderWatch
  #edited = false

  /** @param bytes all lines, without the empty one */
  constructor(bytes: Buffer, eol: string, watch: HeaderWatch = {}) {
    this.#bytes = bytes
    this.#eol = eol
    this.#watch = watch
  }

  get edited(): boolean {
    return this.#edited
  }

  toBytes(): Buffer {
    return this.#edited ? Buffer.concat(this.#all.map(({ bytes }) => bytes)) : this.#bytes
  }

  lines(wanted: (name: string) => boolean): Buffer {
    return Buffer.concat(
      this.#all.filter(({ key }) => key !== '' && wanted(key)).map(({ bytes }) => bytes),
    )
  }

  get #all(): Line[] {
    this.#lines ??= linesOf(this.#bytes)
    return this.#lines
  }

  get(name: string): string | undefined {
    const line = this.#all.find(({ key }) => key === name.toLowerCase())
    return line === undefined ? undefined : textOf(line)
  }

  getAll(name: string): string[] {
    return this.#named(name).map(textOf)
  }

  has(name: string): boolean {
    return this.#all.some(({ key }) => key === name.toLowerCase())
  }

  addresses(name: string): Address[] {
    return [...parseAddresses(this.get(name) ?? '', false).addresses]
  }

  mailboxes(name: string): Mailbox[] {
    return this.getAll(name).flatMap((text) =>
      mailboxesOf(parseAddresses(text, false).addresses),
    )
  }

  raw(name: string): Buffer[] {
    return this.#named(name).map(rawOf)
  }

  names(): string[] {
    return this.#all.filter(({ key }) => key !== '').map(({ name }) => name)
  }

  set(name: string, value: string | Uint8Array): void {
    const line = this.#line(name, value)
    this.#edit()
    const lines = this.#all
    const first = lines.findIndex(({ key }) => key === line.key)
    if (first === -1) lines.push(line)
    else {
      lines[first] = line
      this.#lines = lines.filter(({ key }, i) => key !== line.key || i === first)
    }
    this.#watch.written?.(name)
  }

  append(name: string, value: string | Uint8Array): void {
    const line = this.#line(name, value)
    this.#edit()
    this.#all.push(line)
    this.#watch.written?.(name)
  }

  delete(name: string): number {
    const lines = this.#all
    const rest = lines.filter(({ key }) => key !== name.toLowerCase())
    if (rest.length < lines.length) {
      this.#edit()
      this.#lines = rest
    }
    return lines.length - rest.length
  }

  #named(name: string): Line[] {
    return this.#all.filter(({ key }) => key === name.toLowerCase())
  }

  #edit(): void {
    this.#watch.before?.()
    this.#edited = true
    // If the message ended inside the last line, the line gets its line end.
    const last = this.#all.at(-1)
    if (last !== undefined && last.bytes.at(-1) !== LF) {
      const bytes = Buffer.concat([last.bytes, Buffer.from(this.#eol)])
      this.#all[this.#all.length - 1] = { ...last, bytes }
    }
  }

  /** A text as it is written after the colon, folded with LF. */
  #fieldText(name: string, text: string): string {
    const clean = withoutBlankLines(text)
    // This comes before the encoding, because a line break must not vanish in an encoded word.
    checkFolds(name, clean.replaceAll(/\r?\n/g, '\n'))
    const came = (word: string): boolean => this.#bytes.includes(encodeText(word))
    return writeField(name, clean, { came })
  }

  #line(name: string, value: string | Uint8Array): Line {
    const label = headerName(name)
    const after =
      typeof value === 'string' ? this.#fieldText(name, value) : decodeText(Buffer.from(value))
    const lines = after.replaceAll(/\r?\n/g, '\n')
    checkFolds(name, lines)
    const bytes = encodeText(`:${lines.replaceAll('\n', this.#eol)}${this.#eol}`)
    return {
      bytes: Buffer.concat([label, bytes]),
      name,
      key: name.toLowerCase(),
      colon: label.length,
    }
  }
}

function checkFolds(name: string, lines: string): void {
  if (!/[\r\0]|\n(?![ \t])/.test(lines)) return
  throw new UsageError(
    'INVALID_HEADER_VALUE',
    `the value of ${name} has a NUL, a CR, or a line break without a space or tab after it; it would end the field there`,
  )
}

const rawOf = ({ bytes, colon }: Line): Buffer => withoutEol(bytes.subarray(colon + 1))

export function withoutEol(bytes: Buffer): Buffer {
  let end = bytes.length
  if (bytes[end - 1] === LF) {
    end--
    while (bytes[end - 1] === 0x0d) end--
  }
  return bytes.subarray(0, end)
}

const textOf = (line: Line): string => readField(line.name, decodeText(rawOf(line)))

function linesOf(bytes: Buffer): Line[] {
  const lines: Line[] = []
  for (let at = 0; at < bytes.length;) {
    const first = lineEnd(bytes, at)
    let end = first
    const nameStart = fieldNameStart(bytes, at, at === 0)
    // Folds belong to the field above.
    while (bytes[end] === 0x20 || bytes[end] === 0x09) end = lineEnd(bytes, end)
    const nameEnd = fieldNameEnd(bytes, nameStart, first)
    const name = nameEnd === -1 ? '' : decodeText(bytes, nameStart, nameEnd)
    const colon = nameEnd === -1 ? -1 : bytes.indexOf(COLON, nameEnd) - at
    lines.push({ bytes: bytes.subarray(at, end), name, key: name.toLowerCase(), colon })
    at = end
  }
  return lines
}

function lineEnd(bytes: Buffer, at: number): number {
  const feed = bytes.indexOf(LF, at)
  return feed === -1 ? bytes.length : feed + 1
}
