import { lfToCrlf } from '../protocol/line-ends.ts'
import { decodeText } from '../protocol/text.ts'

/** Number of lines that are shown around a change. */
const CONTEXT = 2
/** Above this number of lines, a change is shown as a whole, because the cost of comparing is their product. */
const MAX_LINES = 2_000

/**
 * Shows what a filter changed in a message, line by line: `-` marks a removed line, `+` a new one. The result is empty
 * if nothing changed. Control characters, bytes that are not UTF-8 and spaces at the end of a line are made visible.
 * Line ends are shown if they are not CRLF. If `before` has only bare LF, as a file of a test does, and `after` has
 * CRLF, the line ends of `before` are read as CRLF, because `deliver` sends them so.
 *
 *     assert.equal(difference(message, outcome.message!), '')
 */
export function difference(before: Uint8Array | string, after: Uint8Array | string): string {
  const file = onlyLf(before) && hasCrlf(after)
  const old = linesOf(file ? lfToCrlf(bytesOf(before)) : before)
  const now = linesOf(after)
  let start = 0
  while (start < old.length && start < now.length && old[start] === now[start]) start++
  let end = 0
  while (
    end < old.length - start &&
    end < now.length - start &&
    old.at(-1 - end) === now.at(-1 - end)
  )
    end++
  if (start === old.length && start === now.length) return ''
  const shown = [
    ...old.slice(Math.max(0, start - CONTEXT), start).map((line) => `  ${line}`),
    ...changes(old.slice(start, old.length - end), now.slice(start, now.length - end)),
    ...old.slice(old.length - end, old.length - end + CONTEXT).map((line) => `  ${line}`),
  ]
  return shown.join('\n')
}

/** The shortest list of changes, found with the longest common subsequence. */
function changes(old: readonly string[], now: readonly string[]): string[] {
  if (old.length * now.length > MAX_LINES ** 2) {
    return [...old.map((line) => `- ${line}`), ...now.map((line) => `+ ${line}`)]
  }
  const width = now.length + 1
  const common = new Uint32Array((old.length + 1) * width)
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      common[i * width + j] =
        old[i] === now[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!)
    }
  }
  const lines: string[] = []
  let i = 0
  let j = 0
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      lines.push(`  ${old[i]}`)
      i++
      j++
    } else if (
      j === now.length ||
      (i < old.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)
    ) {
      lines.push(`- ${old[i++]}`)
    } else {
      lines.push(`+ ${now[j++]}`)
    }
  }
  return lines
}

const bytesOf = (text: Uint8Array | string): Buffer => Buffer.from(text as Uint8Array)
const hasCrlf = (text: Uint8Array | string): boolean => bytesOf(text).includes('\r\n')
const onlyLf = (text: Uint8Array | string): boolean =>
  bytesOf(text).includes('\n') && !bytesOf(text).includes('\r')

function linesOf(text: Uint8Array | string): string[] {
  const whole = typeof text === 'string' ? text : decodeText(Buffer.from(text))
  const lines = whole === '' ? [] : whole.split(/(?<=\n)/)
  return lines.map((line) => {
    if (line.endsWith('\r\n')) return visible(line.slice(0, -2))
    if (line.endsWith('\n')) return `${visible(line.slice(0, -1))}\\n`
    return `${visible(line)} (no line end)`
  })
}

function visible(line: string): string {
  const shown = Array.from(
    line.replace(/ +$/, (spaces) => '·'.repeat(spaces.length)),
    (one) => {
      const code = one.codePointAt(0)!
      if (one === '\t') return '\\t'
      if (code < 0x20 || code === 0x7f) return escapeByte(code)
      // A byte that is not UTF-8 (see decodeText).
      return code >= 0xdc80 && code <= 0xdcff ? escapeByte(code - 0xdc00) : one
    },
  )
  return shown.join('')
}

const escapeByte = (byte: number): string => `\\x${byte.toString(16).padStart(2, '0')}`
