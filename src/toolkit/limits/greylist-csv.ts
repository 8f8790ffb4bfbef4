/** Records of greylisting as lines of CSV (RFC 4180), as pymilter's `export_csv` and `import_csv` have them. */
import { decodeText, encodeText } from '../../protocol/text.ts'
import { isRecord, type GreylistRecord } from './greylist-rules.ts'

/** Bytes of a line that are kept. A longer line cannot be a record. */
const MAX_LINE = 8_192
const COLUMNS = 7
const [QUOTE, COMMA, CR, LF] = [0x22, 0x2c, 0x0d, 0x0a]
/** Seconds: the year 9999. */
const MAX_SECONDS = 253_402_300_799

interface CsvRecord {
  /** number of the line, from 1 */
  readonly line: number
  /** undefined if it cannot be read */
  readonly record: GreylistRecord | undefined
  /** what is wrong with it */
  readonly reason: string
}

/** One line, with its end. */
export function csvLine({ ip, sender, recipient, first, last, count }: GreylistRecord): Buffer {
  const columns = [
    ip,
    sender,
    recipient,
    String(first / 1_000),
    String(last / 1_000),
    String(count),
    '',
  ]
  return encodeText(`${columns.map(quoted).join(',')}\r\n`)
}

const quoted = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text

/** Reads lines as they come. Empty lines, and a first line of column names, are left out. */
export async function* csvRecords(
  input: AsyncIterable<string | Uint8Array>,
): AsyncGenerator<CsvRecord> {
  const reader = new LineReader()
  for await (const piece of input) {
    for (const line of reader.read(encodeText(piece))) yield* recordOf(line)
  }
  for (const line of reader.end()) yield* recordOf(line)
}

interface Line {
  readonly number: number
  /** undefined if it is too long, or has a quote without end */
  readonly columns: readonly string[] | undefined
  readonly reason: string
}

function* recordOf({ number, columns, reason }: Line): Generator<CsvRecord> {
  if (columns === undefined) {
    yield { line: number, record: undefined, reason }
    return
  }
  if (columns.length === 1 && columns[0] === '') return
  if (number === 1 && columns[0] === 'ip' && columns[1] === 'sender') return
  yield { line: number, ...read(columns) }
}

function read(columns: readonly string[]): Omit<CsvRecord, 'line'> {
  const wrong = (reason: string): Omit<CsvRecord, 'line'> => ({ record: undefined, reason })
  // The last column is not used, and some writers leave it out.
  if (columns.length !== COLUMNS && columns.length !== COLUMNS - 1) {
    return wrong(`it has ${columns.length} columns, not ${COLUMNS}`)
  }
  const [ip = '', sender = '', recipient = '', firstText = '', lastText = '', countText = ''] =
    columns
  const [first, last] = [secondsIn(firstText), secondsIn(lastText)]
  if (ip === '') return wrong('column 1 (ip) is empty')
  if (first === undefined) return wrong('column 4 (first seen) is not a time in seconds')
  if (last === undefined) return wrong('column 5 (last seen) is not a time in seconds')
  if (last < first) return wrong('last seen is before first seen')
  if (!/^\d{1,15}$/.test(countText)) return wrong('column 6 (count) is not a number')
  const record = { ip, sender, recipient, first, last, count: Number(countText) }
  return isRecord(record) ? { record, reason: '' } : wrong('it is not a record')
}

/** Milliseconds. */
function secondsIn(text: string): number | undefined {
  const seconds = /^\d{1,12}(?:\.\d{1,9})?$/.test(text) ? Number(text) : undefined
  return seconds === undefined || seconds > MAX_SECONDS
    ? undefined
    : Math.round(seconds * 1_000)
}

/**
 * Cuts bytes into lines and columns. Whatever comes, it keeps at most one line of bounded length. A line break ends a
 * record even inside of quotes: no address has one, and a quote without end would swallow the rest of the file.
 */
class LineReader {
  #number = 1
  #columns: string[] = []
  #column: number[] = []
  #size = 0
  #inQuotes = false
  /** The last byte was a quote that ends the quoted part, or is the first half of one. */
  #afterQuote = false
  #afterReturn = false

  #add(byte: number): void {
    if (this.#size <= MAX_LINE) this.#column.push(byte)
  }

  *read(bytes: Uint8Array): Generator<Line> {
    for (const byte of bytes) {
      const isSecondHalf = byte === LF && this.#afterReturn
      this.#afterReturn = byte === CR
      if (isSecondHalf) continue
      if (byte === LF || byte === CR) yield this.#finish()
      else this.#take(byte)
    }
  }

  *end(): Generator<Line> {
    if (this.#size > 0) yield this.#finish()
  }

  #take(byte: number): void {
    this.#size++
    if (this.#afterQuote) {
      this.#afterQuote = false
      if (byte === QUOTE) {
        this.#add(byte)
        return
      }
      this.#inQuotes = false
    }
    if (this.#inQuotes) {
      if (byte === QUOTE) this.#afterQuote = true
      else this.#add(byte)
    } else if (byte === COMMA) this.#endColumn()
    else if (byte === QUOTE && this.#column.length === 0) this.#inQuotes = true
    else this.#add(byte)
  }

  #endColumn(): void {
    if (this.#columns.length <= COLUMNS)
      this.#columns.push(decodeText(Buffer.from(this.#column)))
    this.#column = []
  }

  #finish(): Line {
    this.#endColumn()
    const isOpen = this.#inQuotes && !this.#afterQuote
    const reason =
      this.#size > MAX_LINE
        ? `it is longer than ${MAX_LINE} bytes`
        : isOpen
          ? 'a quote has no end'
          : ''
    const line = {
      number: this.#number++,
      columns: reason === '' ? this.#columns : undefined,
      reason,
    }
    this.#columns = []
    this.#size = 0
    this.#inQuotes = this.#afterQuote = false
    return line
  }
}
