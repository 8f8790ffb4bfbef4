/** Files in a TNEF stream (`winmail.dat`), which Outlook sends (MS-OXTNEF, section 2.1.3). */

export interface TnefFile {
  /** all names, short and long */
  readonly names: readonly string[]
  readonly content: Buffer
}

const SIGNATURE = 0x223e9f78
const ATTACHMENT_LEVEL = 2
const RENDER_DATA = 0x00069002
const TITLE = 0x00018010
const DATA = 0x0006800f
const PROPERTIES = 0x00069005
/** PidTagAttachFilename, PidTagAttachLongFilename, PidTagDisplayName, PidTagAttachPathname (MS-OXPROPS) */
const NAMES: ReadonlySet<number> = new Set([0x3704, 0x3707, 0x3001, 0x3708])
/** PidTagAttachDataObject: a message or an OLE object in place of a file */
const DATA_OBJECT = 0x3701

export const beginsAsTnef = (bytes: Buffer): boolean =>
  bytes.length >= 6 && bytes.readUInt32LE(0) === SIGNATURE

/** The files one by one. It returns whether everything could be read. */
export function* tnefFiles(bytes: Buffer): Generator<TnefFile, boolean> {
  let file: { names: string[]; content: Buffer } | undefined
  let whole = true
  let at = 6
  while (at < bytes.length) {
    if (at + 9 > bytes.length) return yield* ended(file, false)
    const level = bytes[at]!
    const id = bytes.readUInt32LE(at + 1)
    const size = bytes.readUInt32LE(at + 5)
    const start = at + 9
    at = start + size + 2
    if (at > bytes.length || (level !== 1 && level !== ATTACHMENT_LEVEL)) {
      return yield* ended(file, false)
    }
    const value = bytes.subarray(start, start + size)
    if (level !== ATTACHMENT_LEVEL) continue
    if (id === RENDER_DATA) {
      if (file !== undefined) yield file
      file = { names: [], content: value.subarray(0, 0) }
    }
    file ??= { names: [], content: value.subarray(0, 0) }
    if (id === TITLE) file.names.push(untilNul(value.toString('latin1')))
    else if (id === DATA) file.content = value
    else if (id === PROPERTIES && !namesIn(value, file)) whole = false
  }
  return yield* ended(file, whole)
}

function* ended(file: TnefFile | undefined, whole: boolean): Generator<TnefFile, boolean> {
  if (file !== undefined) yield file
  return whole
}

const untilNul = (text: string): string => text.replace(/\0.*$/s, '')

/** The maximum of names that are read for one file. */
const MAX_NAMES = 100

const FIXED: Readonly<Record<number, number>> = {
  0x01: 4,
  0x02: 4,
  0x03: 4,
  0x04: 4,
  0x05: 8,
  0x06: 8,
  0x07: 8,
  0x0a: 4,
  0x0b: 4,
  0x14: 8,
  0x40: 8,
  0x48: 16,
}

/** Reads the names among properties (MS-OXTNEF, section 2.1.3.4), and returns whether all could be read. */
function namesIn(bytes: Buffer, file: { names: string[]; content: Buffer }): boolean {
  let at = 0
  const u32 = (): number => {
    const value = bytes.readUInt32LE(at)
    at += 4
    return value
  }
  const padded = (size: number): Buffer => {
    if (at + size > bytes.length) throw new RangeError('cut off')
    const value = bytes.subarray(at, at + size)
    at += Math.ceil(size / 4) * 4
    return value
  }
  try {
    let sound = true
    for (let count = u32(); count > 0; count--) {
      const tag = u32()
      const type = tag & 0xffff
      const id = tag >>> 16
      if (id >= 0x8000) {
        at += 16
        if (u32() === 0) at += 4
        else padded(u32())
      }
      const fixed = FIXED[type & 0x0fff]
      const many = (type & 0x1000) !== 0
      const values = fixed === undefined || many ? u32() : 1
      for (let i = 0; i < values; i++) {
        const value = padded(fixed ?? u32())
        if (NAMES.has(id)) {
          if (file.names.length >= MAX_NAMES) return false
          const wide = (type & 0x0fff) === 0x1f
          file.names.push(untilNul(value.toString(wide ? 'utf16le' : 'latin1')))
        }
        // A message or an object in it is not read.
        if (id === DATA_OBJECT && file.content.length === 0) {
          // The stream of a message, or an object, comes after the identifier of an interface.
          const inner = value.subarray((type & 0x0fff) === 0x0d ? 16 : 0)
          if (beginsAsTnef(inner)) file.content = inner
          else sound = false
        }
      }
    }
    return sound
  } catch {
    return false
  }
}
