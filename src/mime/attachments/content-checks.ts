import { listZip, type ZipEntry, type ZipProblem } from './archive.ts'
import { type ZipBudget } from './zip-budget.ts'
import type { AttachmentChecks, Finding, FindingReason } from './finding.ts'
import { detectType, type ContentKind } from './content-kind.ts'
import { dangerousName, extensionOf } from './file-names.ts'
import { beginsAsTar, tarEntries } from './tar.ts'
import { beginsAsTnef, tnefFiles } from './tnef.ts'
import type { Turns } from '../turns.ts'
import { isShort, startOfPacked, unpack } from './unpack.ts'
import { uuencodedFiles } from '../encodings/uuencode.ts'
import { yencFiles } from '../encodings/yenc.ts'
import { archiveIn, beginsAsZip } from './zip-layout.ts'

/** A file: a part of a message, or one in an archive. */
export interface FileToCheck {
  /** the usual name first; it may be empty */
  readonly names: readonly string[]
  /** empty if it is unknown */
  readonly type: string
  /** the first bytes, as many as decoding gives at once */
  readonly start: Buffer
  /** undefined if it is above a limit, which was then reported */
  readonly whole: () => Promise<Buffer | undefined>
  /** the files around it */
  readonly path: readonly string[]
  /** for a part of a message; a part that only carries text needs fewer checks */
  readonly part: 'attachment' | 'text' | undefined
}

/** Reports a finding. */
export type Tell = (
  finding: Pick<Finding, 'name' | 'reason' | 'where' | 'path'> & { kind?: string },
) => void

/** Everything that all files of a message share. */
export interface ContentRules {
  readonly policy: AttachmentChecks
  readonly extensions: ReadonlySet<string>
  readonly kinds: ReadonlySet<string>
  readonly budget: ZipBudget
  readonly turns: Turns
  /** checks a message in a file */
  readonly message: (bytes: Buffer, path: readonly string[], tell: Tell) => Promise<void>
}

/** Checks the content of files, and of the files in them. */
export class ContentChecks {
  readonly #rules: ContentRules
  readonly #tell: Tell

  constructor(rules: ContentRules, tell: Tell) {
    this.#rules = rules
    this.#tell = tell
  }

  async file(file: FileToCheck): Promise<void> {
    const { policy, turns } = this.#rules
    await turns.next()
    const kind = await detectType(file.start)
    if (kind !== undefined) this.#kind(file, kind)
    // Content that begins with a tag is text too.
    const mayHoldFiles = kind === undefined || kind.ext === 'html'
    if (mayHoldFiles && file.part === 'text') {
      await this.#inText(file)
      return
    }
    if (policy.zips !== false) await this.#archive(file, kind)
    if (policy.messages !== false && file.names.some((name) => extensionOf(name) === 'eml')) {
      await this.#message(file)
    }
    if (!mayHoldFiles) return
    const isText = await this.#inText(file)
    const uuencoded = file.names.find((name) => /^(?:uue?|yenc)$/.test(extensionOf(name)))
    if (policy.zips !== false && uuencoded !== undefined && !isText) {
      this.#unlisted(uuencoded, file.path, extensionOf(uuencoded))
    }
  }

  #kind({ names, type, path, part }: FileToCheck, kind: ContentKind): void {
    const { policy, kinds } = this.#rules
    const finding = { name: names[0] ?? '', where: 'content', kind: kind.ext, path } as const
    if (kinds.has(kind.ext)) this.#tell({ ...finding, reason: 'PROGRAM' })
    else if (
      policy.contradictions !== 'allow' &&
      part !== undefined &&
      CARRIERS.has(kind.ext) &&
      (names.some((name) => SHOWN.has(extensionOf(name))) || isShownAsItIs(type))
    ) {
      this.#tell({ ...finding, reason: 'CONTENT_CONTRADICTS' })
    }
  }

  async #message({ names, path, whole }: FileToCheck): Promise<void> {
    const name = names.find((one) => extensionOf(one) === 'eml')!
    const around = [...path, name]
    if (around.length > MAX_MESSAGES) {
      this.#tell({ name, reason: 'MESSAGES_TOO_DEEP', where: 'content', path })
      return
    }
    const bytes = await whole()
    if (bytes !== undefined) await this.#rules.message(bytes, around, this.#tell)
  }

  // ---- archives

  async #archive(file: FileToCheck, kind: ContentKind | undefined): Promise<void> {
    const { names, type, start, path } = file
    const name = names[0] ?? ''
    const extensions = names.map((one) => extensionOf(one))
    if (kind?.ext === 'gz') return await this.#gzip(file)
    if (beginsAsTar(start)) return await this.#tar(file)
    if (beginsAsTnef(start)) return await this.#tnef(file)
    await this.#zip(file)
    const unlisted =
      kind !== undefined && UNLISTED.has(kind.ext)
        ? kind.ext
        : (extensions.find((one) => UNLISTED.has(one) || UNLISTED_NAMES.has(one)) ??
          UNLISTED_TYPES.get(type))
    if (unlisted !== undefined) this.#unlisted(name, path, unlisted)
  }

  async #zip({ names, type, start, path, whole, part }: FileToCheck): Promise<void> {
    const says = ZIP_TYPES.has(type) || names.some((name) => extensionOf(name) === 'zip')
    // In an archive, only files that begin as a zip are checked. `listZip` has checked those with the name of one.
    if (part === undefined && !says && !beginsAsZip(start)) return
    const bytes = await whole()
    if (bytes === undefined) return
    if (!says && !beginsAsZip(start) && archiveIn(bytes) === undefined) return
    const file = names[0] ?? ''
    if (!this.#fits(file, path)) return
    const { budget, turns } = this.#rules
    const listing = await listZip(bytes, {
      budget,
      turns,
      depth: path.length,
      look: async (entry, first, all) =>
        await this.file({
          names: entry.names,
          type: '',
          start: first,
          whole: all,
          path: [...path, file, ...entry.path],
          part: undefined,
        }),
    })
    for (const entry of listing.entries) this.#entry(entry, [...path, file, ...entry.path])
    for (const problem of listing.problems) this.#problem(problem, file, path, says)
  }

  #problem(
    { code, path: inside }: ZipProblem,
    file: string,
    path: readonly string[],
    says: boolean,
  ): void {
    // A file that does not claim to be a zip need not be valid.
    const damaged = code === 'NOT_A_ZIP' || code === 'ZIP_CORRUPT'
    if (damaged && !says && inside.length === 0) return
    const unread = code === 'ZIP_ENCRYPTED' || code === 'ZIP_UNSUPPORTED'
    if (unread && this.#rules.policy.unread === 'allow') return
    const around = inside.length === 0 ? [] : [file, ...inside.slice(0, -1)]
    this.#tell({
      name: inside.at(-1) ?? file,
      reason: code,
      where: 'zip',
      path: [...path, ...around],
    })
  }

  #entry({ names, directory }: ZipEntry, path: readonly string[]): void {
    const found = this.#danger(names, directory)
    if (found !== undefined) this.#tell({ ...found, where: 'zip', path })
  }

  #danger(
    names: readonly string[],
    directory = false,
  ): { name: string; reason: FindingReason } | undefined {
    for (const name of names) {
      const reason = dangerousName(name, this.#rules.extensions)
      // A directory can have any name, but its path must not lead out.
      if (reason !== undefined && (!directory || reason === 'PATH_STEPS_UP')) {
        return { name, reason }
      }
    }
    return undefined
  }

  /** Whether an archive may be opened at this depth. */
  #fits(name: string, path: readonly string[]): boolean {
    if (path.length <= this.#rules.budget.limits.depth) return true
    this.#tell({ name, reason: 'ZIP_TOO_DEEP', where: 'archive', path })
    return false
  }

  /** Checks the name and the content of a file in an archive other than a zip. */
  async #inner(file: Omit<FileToCheck, 'type' | 'part'>, outer: string): Promise<boolean> {
    const { names, path } = file
    if (!this.#rules.budget.takeEntry()) {
      const around = path.slice(0, -1)
      this.#tell({
        name: outer,
        reason: 'ZIP_TOO_MANY_ENTRIES',
        where: 'archive',
        path: around,
      })
      return false
    }
    const found = this.#danger(names)
    if (found !== undefined) this.#tell({ ...found, where: 'archive', path })
    await this.file({ ...file, type: '', part: undefined })
    return true
  }

  async #gzip({ names, path, whole }: FileToCheck): Promise<void> {
    const outer = names[0] ?? ''
    const packed = await whole()
    if (packed === undefined || !this.#fits(outer, path)) return
    const tellOf = (reason: FindingReason): void =>
      this.#tell({ name: outer, reason, where: 'archive', path })
    const { budget } = this.#rules
    const all = async (): Promise<Buffer | undefined> => {
      // The size at the end of the file is not trusted.
      const said = packed.length >= 18 ? packed.readUInt32LE(packed.length - 4) : 0
      const { bytes, problem } = await unpack(packed, 'gzip', budget, said)
      if (problem !== undefined) tellOf(problem)
      return bytes
    }
    let start = startOfPacked(packed, 'gzip')
    if (start === undefined) return tellOf('ZIP_CORRUPT')
    if (isShort(start, packed)) start = await all()
    if (start === undefined) return
    const inner = [...gzipNames(packed), ...names.map(withoutGz)].filter((name) => name !== '')
    await this.#inner({ names: inner, start, whole: all, path: [...path, outer] }, outer)
  }

  async #tar({ names, path, whole }: FileToCheck): Promise<void> {
    const outer = names[0] ?? ''
    const bytes = await whole()
    if (bytes === undefined || !this.#fits(outer, path)) return
    const entries = tarEntries(bytes)
    const around = [...path, outer]
    for (let next = entries.next(); ; next = entries.next()) {
      if (next.done === true) {
        if (!next.value) {
          this.#tell({ name: outer, reason: 'ZIP_CORRUPT', where: 'archive', path })
        }
        return
      }
      const { name, directory, content } = next.value
      if (directory) {
        const found = this.#danger([name], true)
        if (found !== undefined) this.#tell({ ...found, where: 'archive', path: around })
        continue
      }
      const file = { names: [name], start: content, whole: () => Promise.resolve(content) }
      if (!(await this.#inner({ ...file, path: around }, outer))) return
    }
  }

  async #tnef({ names, path, whole }: FileToCheck): Promise<void> {
    const outer = names[0] ?? ''
    const bytes = await whole()
    if (bytes === undefined || !this.#fits(outer, path)) return
    const files = tnefFiles(bytes)
    for (let next = files.next(); ; next = files.next()) {
      if (next.done === true) {
        if (!next.value) this.#unlisted(outer, path, 'tnef')
        return
      }
      const { content } = next.value
      const file = {
        names: next.value.names,
        start: content,
        whole: () => Promise.resolve(content),
        path: [...path, outer],
      }
      if (!(await this.#inner(file, outer))) return
    }
  }

  /** Checks files in a text: uuencoded, or in yEnc. Returns whether there was one. */
  async #inText({ names, start, whole, path, part }: FileToCheck): Promise<boolean> {
    // Programs look for such files in the text of messages, and in files of that kind.
    if (part === undefined && !start.includes('begin')) return false
    const bytes = await whole()
    if (bytes === undefined) return true
    const outer = names[0]
    const around = outer === undefined ? path : [...path, outer]
    let count = 0
    for (const files of [uuencodedFiles(bytes), yencFiles(bytes)]) {
      for (const found of files) {
        count++
        const { name, start: first, bytes: all } = found
        if (!this.#fits(name, path)) return true
        if ('isPiece' in found && found.isPiece) this.#unlisted(name, around, 'yenc')
        const file = { names: [name], start: first, whole: () => Promise.resolve(all()) }
        if (!(await this.#inner({ ...file, path: around }, outer ?? ''))) return true
      }
    }
    return count > 0
  }

  #unlisted(name: string, path: readonly string[], kind: string): void {
    if (this.#rules.policy.unread === 'allow') return
    this.#tell({ name, reason: 'UNLISTED_ARCHIVE', where: 'archive', path, kind })
  }
}

/** Maximum number of messages as files, one in another. */
const MAX_MESSAGES = 5

/** The name in the header (RFC 1952, section 2.3), if there is one. */
function gzipNames(packed: Buffer): string[] {
  const flags = packed[3] ?? 0
  if ((flags & 8) === 0) return []
  const start = (flags & 4) === 0 || packed.length < 12 ? 10 : 12 + packed.readUInt16LE(10)
  const end = packed.indexOf(0, start)
  return end === -1 ? [] : [packed.toString('latin1', start, end)]
}

const withoutGz = (name: string): string =>
  /\.tgz$/i.test(name) ? `${name.slice(0, -4)}.tar` : name.replace(/\.gz[.\s]*$/i, '')

const ZIP_TYPES: ReadonlySet<string> = new Set([
  'application/zip',
  'application/x-zip',
  'application/x-zip-compressed',
])

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))

/** Archives, disks and mail folders that this library cannot list, by names and kinds of content. */
const UNLISTED = words(
  '7z ace alz ar arc arj bz2 cab cpio deb dmg egg hqx iso lha lz lz4 lzh pst rar rpm sit sitx vhd vhdx wim ' +
    'xar xz zst applesingle onenote',
)

/** The same, recognised only by a name. Parts of sets have numbers. */
const UNLISTED_NAMES = words(
  '7zip b64 bhx bz cpgz dbx emlx gz lrz lzma mbox mbx mim msg oft ost r00 r01 001 rev rz sea tar taz tbz tbz2 tgz ' +
    'tlz txz tz tzst xxe z z01 zipx zoo zpaq',
)

const UNLISTED_TYPES: ReadonlyMap<string, string> = new Map([
  ['application/x-7z-compressed', '7z'],
  ['application/vnd.rar', 'rar'],
  ['application/x-rar', 'rar'],
  ['application/x-rar-compressed', 'rar'],
  ['application/vnd.ms-cab-compressed', 'cab'],
  ['application/mac-binhex40', 'hqx'],
  ['application/x-stuffit', 'sit'],
  ['application/vnd.ms-outlook', 'msg'],
  ['application/x-iso9660-image', 'iso'],
  ['application/x-bzip2', 'bz2'],
  ['application/x-xz', 'xz'],
  ['application/mbox', 'mbox'],
])

/** Extensions of files that programs only show. Office documents of one kind often have the name of another. */
const SHOWN: ReadonlySet<string> = words(
  'pdf jpg jpeg jpe png gif bmp tif tiff webp heic mp3 mp4 m4a wav avi mov',
)

/**
 * Content that can carry other content, or does more than being shown. Pictures with the name of another kind are
 * common and harmless.
 */
const CARRIERS: ReadonlySet<string> = words(
  'html sh rtf cfb tnef swf zip jar apk docx docm xlsx xlsm pptx pptm odt ods odp ' +
    '7z rar cab ace arj lz lzh gz bz2 xz zst tar iso deb rpm',
)

const isShownAsItIs = (type: string): boolean =>
  /^(?:image\/(?!svg)|audio\/|video\/)/.test(type) || type === 'application/pdf'
