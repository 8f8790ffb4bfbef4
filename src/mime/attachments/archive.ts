/** Lists the names in a zip. It unpacks only zips in the zip, to list the names in these. */
import type { Entry } from 'yauzl'
import { extensionOf } from './file-names.ts'
import type { Span } from '../tree/span.ts'
import { Turns } from '../turns.ts'
import { isShort, startOfPacked, unpack } from './unpack.ts'
import { ZipBudget, type ZipLimits } from './zip-budget.ts'
import {
  archiveIn,
  beginsAsZip,
  localHeaderAt,
  otherLocalHeaders,
  type LocalHeader,
} from './zip-layout.ts'

/** Why a zip, or a zip in it, could not be read in full. */
export const ZIP_PROBLEMS = {
  NOT_A_ZIP: 'the file is not a zip',
  ZIP_CORRUPT: 'the zip is damaged',
  ZIP_ENCRYPTED: 'a file in the zip is encrypted',
  ZIP_UNSUPPORTED: 'a file in the zip is packed by an unknown method',
  ZIP_TOO_DEEP: 'archives are nested deeper than limits.depth',
  ZIP_TOO_LARGE: 'archives unpack to more than limits.bytes or limits.ratio',
  ZIP_TOO_MANY_ENTRIES: 'archives hold more files than limits.entries',
} as const

export type ZipProblemCode = keyof typeof ZIP_PROBLEMS

export interface ZipProblem {
  readonly code: ZipProblemCode
  /** the names of the zips around it, from the outermost down; empty for the zip itself */
  readonly path: readonly string[]
}

export interface ZipEntry {
  /** decoded by its flag: from UTF-8, or from code page 437 */
  readonly name: string
  /** every name that a program can show: in the other charset, from the Unicode field, from the local header */
  readonly names: readonly string[]
  /** the name in the central directory */
  readonly rawName: Buffer
  /** the zips around it, from the outermost down, without the zip itself */
  readonly path: readonly string[]
  readonly compressedSize: number
  /** the size that the zip states; it is not checked */
  readonly size: number
  readonly encrypted: boolean
  /** whether it has no content and a name that ends with a slash */
  readonly directory: boolean
  /** whether the central directory lacks it; then only programs that read from the start show it */
  readonly hidden: boolean
}

export interface ZipListing {
  readonly entries: readonly ZipEntry[]
  /** empty if all of it could be read; `entries` has everything that could be read */
  readonly problems: readonly ZipProblem[]
}

/**
 * Lists the entries of a zip and of all zips in it, whatever their names are. Other data may come before the zip, as in
 * a file that unpacks itself. It accepts an empty zip, and also no bytes at all, and does not reject because of
 * content. It unpacks only zips in the zip. It looks at the first bytes of other entries.
 *
 * @throws UsageError INVALID_OPTION for a limit that is not a positive integer
 */
export async function zipEntries(
  bytes: Uint8Array,
  limits: Partial<ZipLimits> = {},
): Promise<ZipListing> {
  const budget = new ZipBudget(limits)
  try {
    return await listZip(bytes, { budget })
  } finally {
    budget.leave()
  }
}

/** Checks a file in a zip that is not a zip itself. */
export type LookAtEntry = (
  entry: ZipEntry,
  start: Buffer,
  whole: () => Promise<Buffer | undefined>,
) => Promise<void>

export interface ZipOptions {
  /** several zips may share one; the code that made it calls {@link ZipBudget.leave} */
  readonly budget: ZipBudget
  /** if it is set, every entry that cannot be read is a problem, not only a zip */
  readonly look?: LookAtEntry | undefined
  /** archives around the zip @default 0 */
  readonly depth?: number | undefined
  readonly turns?: Turns | undefined
}

/** The same with limits that other zips share. */
export async function listZip(bytes: Uint8Array, options: ZipOptions): Promise<ZipListing> {
  const lister = new Lister(options, await loadYauzl())
  await lister.archive(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), [])
  return lister
}

// oxlint-disable-next-line typescript/consistent-type-imports -- loaded when it is needed
type Yauzl = typeof import('yauzl')
let yauzl: Promise<Yauzl> | undefined
const loadYauzl = (): Promise<Yauzl> =>
  (yauzl ??= import('yauzl').then((module) => module.default))

/** An entry that may be a zip itself. */
interface Candidate {
  readonly entry: ZipEntry
  readonly method: number
  readonly packed: Buffer
}

const STORED = 0
const DEFLATED = 8
const ENCRYPTED = 1
const SIZES_BEHIND = 8
const UTF8 = 0x800

class Lister implements ZipListing {
  readonly entries: ZipEntry[] = []
  readonly problems: ZipProblem[] = []
  readonly #budget: ZipBudget
  readonly #look: LookAtEntry | undefined
  readonly #depth: number
  readonly #turns: Turns
  readonly #yauzl: Yauzl
  #full = false

  constructor({ budget, look, depth = 0, turns = new Turns() }: ZipOptions, module: Yauzl) {
    this.#budget = budget
    this.#look = look
    this.#depth = depth
    this.#turns = turns
    this.#yauzl = module
  }

  #problem(code: ZipProblemCode, path: readonly string[]): void {
    this.problems.push({ code, path })
  }

  /** Recursion goes no deeper than the limit. */
  async archive(bytes: Buffer, path: readonly string[]): Promise<void> {
    if (bytes.length === 0) return
    const candidates: Candidate[] = []
    const known: Span[] = []
    const before = this.entries.length
    const complete = await this.#central(bytes, path, known, candidates)
    for (const header of otherLocalHeaders(bytes, known)) {
      await this.#turns.next()
      if (header === undefined) continue
      if (!this.#room(path)) break
      candidates.push(this.#local(bytes, header, path))
    }
    if (!complete) {
      const found = this.entries.length > before || beginsAsZip(bytes)
      this.#problem(found ? 'ZIP_CORRUPT' : 'NOT_A_ZIP', path)
    }
    for (const candidate of candidates) {
      if (this.#full) return
      await this.#turns.next()
      await this.#nested(candidate)
    }
  }

  #room(path: readonly string[]): boolean {
    if (!this.#full && !this.#budget.takeEntry()) {
      this.#full = true
      this.#problem('ZIP_TOO_MANY_ENTRIES', path)
    }
    return !this.#full
  }

  /** Whether the central directory could be read to its end, or to the limit. */
  async #central(
    bytes: Buffer,
    path: readonly string[],
    known: Span[],
    candidates: Candidate[],
  ): Promise<boolean> {
    const found = archiveIn(bytes)
    if (found === undefined) return false
    let sound = true
    try {
      const zip = await this.#yauzl.fromBufferPromise(found.bytes, {
        // Names are checked here, and the stated sizes are not trusted.
        decodeStrings: false,
        validateEntrySizes: false,
      })
      for await (const entry of zip.eachEntry()) {
        await this.#turns.next()
        if (!this.#room(path)) break
        const start = found.start + entry.relativeOffsetOfLocalHeader
        const header = localHeaderAt(bytes, start)
        const listed = this.#entry(entry, header?.name, path)
        if (header === undefined) sound = false
        else {
          const end = header.dataStart + entry.compressedSize
          known.push({ start, end })
          const packed = bytes.subarray(header.dataStart, end)
          candidates.push({ entry: listed, method: entry.compressionMethod, packed })
        }
      }
    } catch {
      return false
    }
    return sound
  }

  #entry(entry: Entry, localName: Buffer | undefined, path: readonly string[]): ZipEntry {
    // yauzl types it as text. Without decoding it is bytes.
    const rawName = entry.fileNameRaw
    const flags = entry.generalPurposeBitFlag
    const { getFileNameLowLevel } = this.#yauzl
    const unicode = getFileNameLowLevel(flags, rawName, entry.extraFields, true)
    const names = this.#readings(flags, rawName)
    const others =
      localName === undefined || localName.equals(rawName)
        ? []
        : this.#readings(flags, localName)
    const listed: ZipEntry = {
      name: unicode,
      names: [...new Set([unicode, ...names, ...others])],
      rawName,
      path,
      compressedSize: entry.compressedSize,
      size: entry.uncompressedSize,
      encrypted: (flags & ENCRYPTED) !== 0,
      directory:
        entry.compressedSize === 0 &&
        isDirectory(rawName) &&
        (localName === undefined || isDirectory(localName)),
      hidden: false,
    }
    this.entries.push(listed)
    return listed
  }

  #local(bytes: Buffer, header: LocalHeader, path: readonly string[]): Candidate {
    const { flags, method, compressedSize, size, name, dataStart } = header
    const names = this.#readings(flags, name)
    const entry: ZipEntry = {
      name: names[0]!,
      names,
      rawName: name,
      path,
      compressedSize,
      size,
      encrypted: (flags & ENCRYPTED) !== 0,
      directory: compressedSize === 0 && isDirectory(name),
      hidden: true,
    }
    this.entries.push(entry)
    // If the size comes after the data, the data ends by itself.
    const open = compressedSize === 0 && (flags & SIZES_BEHIND) !== 0 && method === DEFLATED
    const end = open ? bytes.length : dataStart + compressedSize
    return { entry, method, packed: bytes.subarray(dataStart, end) }
  }

  #readings(flags: number, name: Buffer): string[] {
    const { getFileNameLowLevel } = this.#yauzl
    const said = getFileNameLowLevel(flags, name, [], true)
    const other = getFileNameLowLevel(flags ^ UTF8, name, [], true)
    return said === other ? [said] : [said, other]
  }

  async #nested({ entry, method, packed }: Candidate): Promise<void> {
    const path = [...entry.path, entry.name]
    const named = entry.names.some((name) => extensionOf(name) === 'zip')
    // A hidden entry may not be a real one.
    const wanted = named || (this.#look !== undefined && !entry.hidden)
    if (packed.length === 0 || entry.directory) return
    if (entry.encrypted || (method !== STORED && method !== DEFLATED)) {
      if (wanted) this.#problem(entry.encrypted ? 'ZIP_ENCRYPTED' : 'ZIP_UNSUPPORTED', path)
      return
    }
    const start = method === STORED ? packed : startOfPacked(packed, 'deflate')
    if (start === undefined && !named) {
      if (wanted) this.#problem('ZIP_CORRUPT', path)
      return
    }
    // Some content is packed so that even its first bytes need much work.
    const open = start !== undefined && method === DEFLATED && isShort(start, packed)
    if (!named && !open && !beginsAsZip(start!)) {
      await this.#look?.(entry, start!, () => this.#whole(packed, method, entry, path))
      return
    }
    if (path.length + this.#depth > this.#budget.limits.depth) {
      this.#problem('ZIP_TOO_DEEP', path)
      return
    }
    const bytes = await this.#whole(packed, method, entry, path)
    if (bytes === undefined) return
    if (named || beginsAsZip(bytes)) await this.archive(bytes, path)
    else await this.#look?.(entry, bytes, () => Promise.resolve(bytes))
  }

  /** The unpacked bytes, or undefined above the limits. */
  async #whole(
    packed: Buffer,
    method: number,
    { size }: ZipEntry,
    path: readonly string[],
  ): Promise<Buffer | undefined> {
    // Entries may share their bytes, so packed bytes count each time.
    if (!this.#budget.takeBytes(packed.length)) {
      this.#problem('ZIP_TOO_LARGE', path)
      return undefined
    }
    if (method === STORED) return packed
    const { bytes, problem } = await unpack(packed, 'deflate', this.#budget, size)
    if (problem !== undefined) this.#problem(problem, path)
    return bytes
  }
}

/** Whether the name ends with a slash, or with a backslash, which Windows takes for one. */
const isDirectory = (name: Buffer): boolean => name.at(-1) === 0x2f || name.at(-1) === 0x5c
