/** Detects the kind of content from its first bytes: the kinds of the package file-type, and more that mail needs. */
import { htmlStart } from '../html/html-start.ts'

export interface ContentKind {
  /** the usual extension: `exe`, `pdf`, `tnef` */
  readonly ext: string
  readonly mime: string
}

/** Number of bytes that are checked. */
const LOOKED_AT = 4_100

/**
 * The kind of content, or undefined for text and for an unknown kind. Only the first 4,100 bytes count. It does not
 * reject.
 *
 * Besides the kinds of file-type, it knows TNEF (`winmail.dat`, MS-OXTNEF section 2.1.3), Windows shortcuts
 * (MS-SHLLINK section 2.1), compiled help, scripts (`sh`), HTML, and zips that are cut off. OLE compound files, such as
 * old Office documents, are `cfb`.
 */
export async function detectType(bytes: Uint8Array): Promise<ContentKind | undefined> {
  const start = Buffer.from(
    bytes.buffer,
    bytes.byteOffset,
    Math.min(bytes.byteLength, LOOKED_AT),
  )
  if (start.length < 2) return undefined
  const own = byMagic(start) ?? byText(start)
  if (own !== undefined) return own
  // A letter can begin with MZ, too. file-type does not look further.
  if (start.toString('latin1', 0, 2) === 'MZ') return undefined
  return await byFileType(start)
}

const MAGIC: readonly (readonly [bytes: string, ext: string, mime: string])[] = [
  ['\x7fELF', 'elf', 'application/x-elf'],
  ['\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'cfb', 'application/x-cfb'],
  ['\x78\x9f\x3e\x22', 'tnef', 'application/vnd.ms-tnef'],
  ['\x4c\0\0\0\x01\x14\x02\0', 'lnk', 'application/x-ms-shortcut'],
  ['ITSF\x03\0\0\0', 'chm', 'application/vnd.ms-htmlhelp'],
  ['\x1f\x8b', 'gz', 'application/gzip'],
  ['7z\xbc\xaf\x27\x1c', '7z', 'application/x-7z-compressed'],
  ['Rar!\x1a\x07', 'rar', 'application/vnd.rar'],
  ['MSCF\0\0\0\0', 'cab', 'application/vnd.ms-cab-compressed'],
  ['MSWIM\0\0\0', 'wim', 'application/x-ms-wim'],
  ['\x60\xea', 'arj', 'application/x-arj'],
  ['vhdxfile', 'vhdx', 'application/x-vhdx'],
  ['conectix', 'vhd', 'application/x-vhd'],
  ['!BDN', 'pst', 'application/vnd.ms-outlook-pst'],
  ['xar!', 'xar', 'application/x-xar'],
  ['\xfd7zXZ\0', 'xz', 'application/x-xz'],
  ['\x28\xb5\x2f\xfd', 'zst', 'application/zstd'],
  ['BZh', 'bz2', 'application/x-bzip2'],
  ['EGGA', 'egg', 'application/x-egg'],
  ['ALZ\x01', 'alz', 'application/x-alz'],
  ['StuffIt', 'sit', 'application/x-stuffit'],
  ['SIT!', 'sit', 'application/x-stuffit'],
  // RFC 1740, appendix A; AppleDouble, which has the other number, has its data in a part of its own.
  ['\0\x05\x16\0\0', 'applesingle', 'application/applefile'],
  [
    '\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3',
    'onenote',
    'application/onenote',
  ],
  ['#!', 'sh', 'text/x-shellscript'],
  // Word does not ask for the rest of the word.
  ['{\\rt', 'rtf', 'application/rtf'],
]

function byMagic(start: Buffer): ContentKind | undefined {
  const text = start.toString('latin1', 0, 64)
  // No header of a program of Windows is without a NUL.
  if (/^(?:MZ|ZM)/.test(text) && text.includes('\0')) {
    return { ext: 'exe', mime: 'application/x-msdownload' }
  }
  // Some text may come before it (RFC 1741, appendix B).
  const binhex = start.includes('(This file must be converted with BinHex')
  if (binhex) return { ext: 'hqx', mime: 'application/mac-binhex40' }
  if (text.startsWith('**ACE**', 7)) return { ext: 'ace', mime: 'application/x-ace-compressed' }
  if (/^..-l(?:h[\da-z]|z[s\d])-/s.test(text)) {
    return { ext: 'lzh', mime: 'application/x-lzh-compressed' }
  }
  const found = MAGIC.find(([magic]) => text.startsWith(magic))
  return found === undefined ? undefined : { ext: found[1], mime: found[2] }
}

const HTML = htmlStart('<!--(?:[^-]|-(?!->))*-->')

/** White space, a byte order mark and comments may come first (WHATWG MIME Sniffing, section 7.1). */
function byText(start: Buffer): ContentKind | undefined {
  const wide = start[0] === 0xff && start[1] === 0xfe
  const text = wide ? start.toString('utf16le', 2) : start.toString('latin1')
  const bare = text.replace(/^(?:\xef\xbb\xbf)?/, '')
  return HTML.test(bare) ? { ext: 'html', mime: 'text/html' } : undefined
}

async function byFileType(start: Buffer): Promise<ContentKind | undefined> {
  const zip = start.toString('latin1', 0, 4) === 'PK\x03\x04'
  try {
    const { fileTypeFromBuffer } = await import('file-type')
    const found = await fileTypeFromBuffer(start)
    if (found !== undefined) return { ext: found.ext, mime: found.mime }
  } catch {
    // Content that ends too early.
  }
  return zip ? { ext: 'zip', mime: 'application/zip' } : undefined
}
