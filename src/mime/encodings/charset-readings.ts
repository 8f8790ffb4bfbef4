import { decodeCharset, decodeCharsetNow, decodeRareCharset } from './charset.ts'
import { ebcdicText, ownCodeOf, withoutShifts, type OwnCode } from './own-codes.ts'

/**
 * The texts that programs read in bytes of a charset. A charset that this package or iconv-lite knows is decoded. If
 * programs disagree on whether a charset exists, the readings of programs that do not know it are added.
 */
export function charsetReadings(charset: string, bytes: Buffer): string[] {
  const name = charset.trim().toLowerCase()
  const usual = name === '' ? undefined : decodeCharset(name, bytes)
  const readings = new Set<string>()
  if (usual !== undefined) readings.add(usual)
  if (/utf|ucs|unicode|10646/.test(name) && !/^utf-?8$/.test(name)) {
    for (const one of ['utf-16le', 'utf-16be']) readings.add(decodeCharset(one, bytes)!)
  } else if (usual !== undefined) return [usual]
  const code = ownCodeOf(name)
  for (const one of [name, ...(code === undefined ? [] : (KNOWN_AS[code] ?? []))]) {
    const rare = decodeRareCharset(one, bytes)
    if (rare !== undefined) readings.add(rare)
  }
  if (code === 'ebcdic') readings.add(ebcdicText(bytes))
  readings.add(decodeCharsetNow('', bytes))
  readings.add(decodeCharset('windows-1252', bytes)!)
  readings.add(bytes.toString('latin1'))
  // The ASCII in charsets with shifts (iso-2022-kr, hz).
  const ascii = withoutShifts(bytes.toString('latin1'))
  readings.add(ascii)
  return [...readings]
}

/** The names in iconv-lite. */
const KNOWN_AS: Partial<Record<OwnCode, readonly string[]>> = {
  'utf-7': ['utf-7', 'utf-7-imap'],
  'utf-32': ['utf-32le', 'utf-32be'],
}
