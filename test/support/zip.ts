import { crc32, deflateRawSync } from 'node:zlib'

/** A small writer of zips, for sound ones and for such as no program writes. */

export interface ZipFile {
  readonly name: string | Buffer
  /** @default empty */
  readonly content?: string | Buffer
  /** @default stored */
  readonly deflate?: boolean
  /** the name in the local header, where it is another one */
  readonly localName?: string | Buffer
  /** the name is UTF-8, and says so */
  readonly utf8?: boolean
  readonly encrypted?: boolean
  /** only the local header tells of it */
  readonly hidden?: boolean
  /** a number of a method nobody has */
  readonly method?: number
  /** in the central directory */
  readonly extra?: Buffer
}

export interface ZipOptions {
  readonly comment?: string
  /** data in front; offsets count from its end, or with `adjusted` from its start */
  readonly before?: Buffer
  readonly adjusted?: boolean
  readonly zip64?: boolean
  /** what the end says of the number of entries */
  readonly count?: number
}

export function zip(files: readonly ZipFile[], options: ZipOptions = {}): Buffer {
  const before = options.before ?? Buffer.alloc(0)
  const base = options.adjusted === true ? before.length : 0
  const locals: Buffer[] = []
  const centrals: Buffer[] = []
  let offset = base
  for (const file of files) {
    const { local, central } = entry(file, offset, options.zip64 === true)
    locals.push(local)
    offset += local.length
    if (file.hidden !== true) centrals.push(central)
  }
  const directory = Buffer.concat(centrals)
  const count = options.count ?? centrals.length
  const end = options.zip64
    ? Buffer.concat([
        end64(count, directory.length, offset),
        ending(0xffff, 0xffffffff, 0xffffffff, ''),
      ])
    : ending(count, directory.length, offset, options.comment ?? '')
  return Buffer.concat([before, ...locals, directory, end])
}

function entry(
  file: ZipFile,
  offset: number,
  zip64: boolean,
): { local: Buffer; central: Buffer } {
  const content = Buffer.from(file.content ?? '')
  const packed = file.deflate === true ? deflateRawSync(content) : content
  const name = Buffer.from(file.name)
  const localName = Buffer.from(file.localName ?? file.name)
  const flags = (file.encrypted === true ? 1 : 0) | (file.utf8 === true ? 0x800 : 0)
  const method = file.method ?? (file.deflate === true ? 8 : 0)
  const facts = (sizes: readonly number[]): Buffer =>
    Buffer.concat([u16(20, flags, method, 0, 0x21), u32(crc32(content), ...sizes)])
  const sizes = [packed.length, content.length]
  const large = Buffer.concat([u16(1, 24), u64(content.length, packed.length, offset)])
  const extra = zip64 ? large : (file.extra ?? Buffer.alloc(0))
  return {
    local: Buffer.concat([
      Buffer.from('PK\x03\x04'),
      facts(sizes),
      u16(localName.length, 0),
      localName,
      packed,
    ]),
    central: Buffer.concat([
      Buffer.from('PK\x01\x02'),
      u16(20),
      facts(zip64 ? [0xffffffff, 0xffffffff] : sizes),
      u16(name.length, extra.length, 0, 0, 0),
      u32(0, zip64 ? 0xffffffff : offset),
      name,
      extra,
    ]),
  }
}

const ending = (count: number, size: number, offset: number, comment: string): Buffer =>
  Buffer.concat([
    Buffer.from('PK\x05\x06'),
    u16(0, 0, count, count),
    u32(size, offset),
    u16(comment.length),
    Buffer.from(comment, 'latin1'),
  ])

const end64 = (count: number, size: number, offset: number): Buffer =>
  Buffer.concat([
    Buffer.from('PK\x06\x06'),
    u64(44),
    u16(45, 45),
    u32(0, 0),
    u64(count, count, size, offset),
    Buffer.from('PK\x06\x07'),
    u32(0),
    u64(offset + size),
    u32(1),
  ])

const u16 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [i, value] of values.entries()) bytes.writeUInt16LE(value, i * 2)
  return bytes
}

const u32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, i * 4)
  return bytes
}

const u64 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 8)
  for (const [i, value] of values.entries()) bytes.writeBigUInt64LE(BigInt(value), i * 8)
  return bytes
}
