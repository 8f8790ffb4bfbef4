/** Entries of a tar: ustar and pax (POSIX, pax), and GNU tar, which has long names in entries of their own. */

export interface TarEntry {
  readonly name: string
  readonly directory: boolean
  /** empty for a link or a device, which has a name and no content */
  readonly content: Buffer
}

const BLOCK = 512

/** Whether the header of an entry is here. Its checksum must be right, over signed or unsigned bytes. */
export function beginsAsTar(bytes: Buffer, at = 0): boolean {
  if (at + BLOCK > bytes.length || bytes[at] === 0) return false
  const said = octal(bytes, at + 148, 8)
  if (said === undefined || said === 0) return false
  let unsigned = 0
  let signed = 0
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : bytes[at + i]!
    unsigned += byte
    signed += byte > 127 ? byte - 256 : byte
  }
  return said === unsigned || said === signed
}

/** The entries one by one. It returns whether everything could be read. */
export function* tarEntries(bytes: Buffer): Generator<TarEntry, boolean> {
  let longName: string | undefined
  let at = 0
  while (at < bytes.length) {
    if (isZero(bytes, at)) return true
    if (!beginsAsTar(bytes, at)) return false
    const size = octal(bytes, at + 124, 12)
    if (size === undefined) return false
    const type = String.fromCharCode(bytes[at + 156]!)
    const start = at + BLOCK
    const content = bytes.subarray(start, Math.min(start + size, bytes.length))
    const header = at
    at = start + Math.ceil(size / BLOCK) * BLOCK
    if (type === 'L') longName = text(content, 0, content.length)
    else if (type === 'x') longName = paxPath(content) ?? longName
    else if (type !== 'g' && type !== 'K') {
      const name = longName ?? nameIn(bytes, header)
      longName = undefined
      const plain = type === '0' || type === '\0' || type === '7'
      yield {
        name,
        directory: type === '5' || (plain && size === 0 && name.endsWith('/')),
        content: plain ? content : content.subarray(0, 0),
      }
    }
    if (start + size > bytes.length) return false
  }
  // Some programs leave out the two blocks of zeros at the end.
  return at === bytes.length
}

function nameIn(bytes: Buffer, at: number): string {
  const name = text(bytes, at, 100)
  const ustar = bytes.toString('latin1', at + 257, at + 263) === 'ustar\0'
  const prefix = ustar ? text(bytes, at + 345, 155) : ''
  return prefix === '' ? name : `${prefix}/${name}`
}

function text(bytes: Buffer, at: number, size: number): string {
  const end = bytes.subarray(at, at + size).indexOf(0)
  return bytes.toString('utf8', at, at + (end === -1 ? size : end))
}

/** Records `25 path=some/name\n`, each with its length. */
function paxPath(content: Buffer): string | undefined {
  let path: string | undefined
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(0x20, at)
    const size =
      space === -1 ? 0 : Number(content.toString('latin1', at, Math.min(space, at + 12)))
    if (!Number.isSafeInteger(size) || size <= space - at) break
    const record = content.toString('utf8', space + 1, at + size - 1)
    if (record.startsWith('path=')) path = record.slice(5)
    at += size
  }
  return path
}

/** A number in octal digits, or in binary if the first bit is set, as GNU tar writes large numbers. */
function octal(bytes: Buffer, at: number, size: number): number | undefined {
  if ((bytes[at]! & 0x80) !== 0) {
    const value = Number(bytes.readBigUInt64BE(at + size - 8))
    return Number.isSafeInteger(value) ? value : undefined
  }
  const match = /^[\0 ]*([0-7]*)(?:[\0 ]|$)/.exec(bytes.toString('latin1', at, at + size))
  return match === null ? undefined : Number.parseInt(match[1] || '0', 8)
}

function isZero(bytes: Buffer, at: number): boolean {
  for (let i = at; i < Math.min(at + BLOCK, bytes.length); i++) if (bytes[i] !== 0) return false
  return true
}
