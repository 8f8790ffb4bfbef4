/** Small writers of archives other than zips, for tests. */

const BLOCK = 512

const octal = (value: number, size: number): string =>
  `${value.toString(8).padStart(size - 1, '0')}\0`

/** One entry of a tar. */
export function tarEntry(name: string, content: string | Buffer = '', type = '0'): Buffer {
  const bytes = Buffer.from(content)
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0, 100)
  header.write(octal(0o644, 8), 100, 'latin1')
  header.write(octal(bytes.length, 12), 124, 'latin1')
  header.write(' '.repeat(8), 148)
  header.write(type, 156)
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((all, byte) => all + byte, 0)
  header.write(octal(sum, 7), 148, 'latin1')
  const padding = Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)
  return Buffer.concat([header, bytes, padding])
}

export const tar = (...entries: readonly Buffer[]): Buffer =>
  Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)])

/** As `uuencode` writes it. */
export function uuencode(name: string, content: Buffer): string {
  const lines: string[] = []
  for (let at = 0; at < content.length; at += 45) {
    const piece = content.subarray(at, at + 45)
    let line = String.fromCharCode(0x20 + piece.length)
    for (let i = 0; i < piece.length; i += 3) {
      const bits = ((piece[i] ?? 0) << 16) | ((piece[i + 1] ?? 0) << 8) | (piece[i + 2] ?? 0)
      for (const shift of [18, 12, 6, 0]) {
        line += String.fromCharCode(0x20 + ((bits >> shift) & 0x3f)).replace(' ', '`')
      }
    }
    lines.push(line)
  }
  return [`begin 644 ${name}`, ...lines, '`', 'end', ''].join('\r\n')
}

/** A TNEF stream with files, each with a short name and a long one. */
export function tnef(
  files: readonly { title: string; longName: string; content: Buffer }[],
): Buffer {
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    return bytes
  }
  const attribute = (id: number, value: Buffer): Buffer =>
    Buffer.concat([Buffer.from([2]), u32(id), u32(value.length), value, Buffer.alloc(2)])
  const pieces = [u32(0x223e9f78), Buffer.from([1, 0])]
  for (const { title, longName, content } of files) {
    const long = Buffer.from(`${longName}\0`, 'utf16le')
    const padding = Buffer.alloc((4 - (long.length % 4)) % 4)
    pieces.push(
      attribute(0x00069002, Buffer.alloc(14)),
      attribute(0x00018010, Buffer.from(`${title}\0`)),
      attribute(0x0006800f, content),
      attribute(
        0x00069005,
        // Its size, and its long name.
        Buffer.concat([
          u32(2),
          u32(0x0e200003),
          u32(7),
          u32(0x3707001f),
          u32(1),
          u32(long.length),
          long,
          padding,
        ]),
      ),
    )
  }
  return Buffer.concat(pieces)
}
