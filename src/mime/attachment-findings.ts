import { UsageError } from '../errors.ts'
import {
  listZip,
  ZIP_PROBLEMS,
  ZipBudget,
  type ZipEntry,
  type ZipLimits,
  type ZipListing,
  type ZipProblemCode,
} from './archive.ts'
import { detectType, type ContentKind } from './content-kind.ts'
import { DANGEROUS_EXTENSIONS, HTML_EXTENSIONS } from './file-extensions.ts'
import {
  dangerousName,
  extensionOf,
  extensionSet,
  LONGEST_NAME,
  NAME_DANGERS,
  type Extensions,
  type NameDanger,
} from './file-names.ts'
import { isMessageType } from './media-type.ts'
import { parseMime, type MimeMessage } from './message.ts'
import { contentReadings, parameterReadings, type ContentReading } from './part-readings.ts'
import type { MimePart } from './part.ts'
import { archiveIn, beginsAsZip } from './zip-layout.ts'

/** Why something in a message is to be kept out. */
export const FINDING_REASONS: Readonly<Record<FindingReason, string>> = {
  ...NAME_DANGERS,
  ...ZIP_PROBLEMS,
  PROGRAM: 'content of a kind that is kept out, whatever its name is',
  CONTENT_CONTRADICTS: 'content of another kind than its name or type says',
  MESSAGES_TOO_DEEP: 'messages attached as files, one in another, beyond limits.messages',
}

export type FindingReason =
  NameDanger | ZipProblemCode | 'PROGRAM' | 'CONTENT_CONTRADICTS' | 'MESSAGES_TOO_DEEP'

export interface Finding {
  /** undefined where only another reading of the message has it: then it concerns the whole message */
  readonly part: MimePart | undefined
  /** the file names of the part */
  readonly names: readonly string[]
  /** what was judged: a file name, another value in the header, the name of an entry; may be empty */
  readonly name: string
  readonly reason: FindingReason
  /** what the reason was found in: a name in the header, a zip, the content */
  readonly where: 'name' | 'zip' | 'content'
  /** the files around it, from the part down: zips, and messages that are attached as files */
  readonly path: readonly string[]
  /** it is in a message that is attached */
  readonly attached: boolean
  /** what the content is, where that is the reason */
  readonly kind?: string
}

/** What is looked for. */
export interface AttachmentChecks {
  /** @default {@link DANGEROUS_EXTENSIONS} */
  readonly extensions?: Extensions | undefined
  /**
   * Files that a browser opens ({@link HTML_EXTENSIONS}), where `extensions` has them; the text of a message
   * may have such a name in any case. With `clean` those that can be cleaned as parts are allowed, and those
   * in archives are not. @default `report`; in `defang` with a function `html`, `clean`
   */
  readonly htmlFiles?: 'allow' | 'clean' | 'report' | undefined
  /** Names in zips, and zips that cannot be read. @default true */
  readonly zips?: boolean | undefined
  /** Parts of attached messages, and of files named `.eml`. @default true */
  readonly messages?: boolean | undefined
  /**
   * Kinds of content that are kept out under any name, as {@link detectType} calls them: `tnef`, `cfb`.
   * @default {@link PROGRAM_KINDS}
   */
  readonly kinds?: readonly string[] | undefined
  /** Content that contradicts its name or type. @default `report` */
  readonly contradictions?: 'allow' | 'report' | undefined
  /** Of all zips of the message together. */
  readonly limits?: Partial<ZipLimits> | undefined
}

/** Programs of Windows, Linux and macOS, shortcuts, compiled help. */
export const PROGRAM_KINDS: readonly string[] = ['exe', 'elf', 'macho', 'lnk', 'chm']

/** Messages attached as files, one in another. */
const MOST_MESSAGES = 5

/** More are not told of one part. */
const MOST_FINDINGS = 100

/**
 * What is dangerous among the attachments of a message: by every name some program may show, in all zips,
 * by content, in attached messages (encoded ones and files too), and in every way the message may be
 * read. Of one part 100 findings are told at most, so that each part has one. Never rejects on content.
 *
 * @throws UsageError INVALID_OPTION for a policy with values it does not take
 */
export async function checkAttachments(
  message: MimeMessage,
  policy: AttachmentChecks = {},
): Promise<readonly Finding[]> {
  const checks = new Checks(policy)
  await checks.message(message)
  const usual = new Set(checks.findings.map(keyOf))
  const findings = [...checks.findings]
  for (const reading of message.otherReadings()) {
    const others = new Checks(policy)
    await others.message(reading)
    for (const finding of others.findings) {
      const key = keyOf(finding)
      if (usual.has(key)) continue
      usual.add(key)
      findings.push({ ...finding, part: undefined })
    }
  }
  return findings
}

const keyOf = ({ name, reason, where, path }: Finding): string =>
  JSON.stringify([name, reason, where, path])

class Checks {
  readonly findings: Finding[] = []
  #extensions: ReadonlySet<string>
  /** without those of HTML */
  readonly #otherExtensions: Set<string>
  readonly #kinds: ReadonlySet<string>
  readonly #policy: AttachmentChecks
  readonly #budget: ZipBudget
  readonly #counts = new Map<Finding['part'], number>()

  constructor(policy: AttachmentChecks) {
    this.#policy = policy
    this.#extensions = extensionSet(policy.extensions ?? DANGEROUS_EXTENSIONS)
    const kinds = policy.kinds ?? PROGRAM_KINDS
    if (!Array.isArray(kinds)) {
      throw new UsageError('INVALID_OPTION', 'kinds takes a list such as ["exe", "tnef"]')
    }
    this.#kinds = new Set(kinds as readonly string[])
    this.#budget = new ZipBudget(policy.limits)
    if (![undefined, 'allow', 'clean', 'report'].includes(policy.htmlFiles)) {
      throw new UsageError('INVALID_OPTION', 'htmlFiles takes "allow", "clean" or "report"')
    }
    this.#otherExtensions = new Set(this.#extensions)
    for (const one of HTML_EXTENSIONS) this.#otherExtensions.delete(one)
    if (policy.htmlFiles === 'allow') this.#extensions = this.#otherExtensions
    if (![undefined, 'allow', 'report'].includes(policy.contradictions)) {
      throw new UsageError('INVALID_OPTION', 'contradictions takes "allow" or "report"')
    }
  }

  async message(message: MimeMessage, around?: Place): Promise<void> {
    // Whether a part is in an attached message is told from the top down.
    const attached = new Set<MimePart>()
    for (const part of message.walk()) {
      const { parent } = part
      if (parent !== undefined && (attached.has(parent) || isMessageType(parent.type))) {
        attached.add(part)
      }
      if (attached.has(part) && this.#policy.messages === false) continue
      const names = part.filenames
      await this.#part(part, names, {
        part: around?.part ?? part,
        names: around?.names ?? names,
        path: around?.path ?? [],
        attached: around !== undefined || attached.has(part),
      })
    }
  }

  async #part(part: MimePart, names: readonly string[], place: Place): Promise<void> {
    this.#names(part, names, place)
    if (part.children.length > 0) return
    for (const content of contentReadings(part)) {
      const kind = await detectType(content.start)
      if (kind !== undefined) this.#content(part, names, kind, place)
      if (kind === undefined && !part.isAttachment) continue
      if (this.#policy.zips !== false) await this.#zip(part, names, content, place)
      if (this.#policy.messages === false || isMessageType(part.type)) continue
      const file = names.find((name) => extensionOf(name) === 'eml')
      if (file !== undefined) await this.#file(content.bytes(), file, place)
    }
  }

  #add(finding: Omit<Finding, keyof Place>, place: Place, path = place.path): void {
    const count = this.#counts.get(place.part) ?? 0
    if (count >= MOST_FINDINGS) return
    this.#counts.set(place.part, count + 1)
    this.findings.push({ ...place, ...finding, path })
  }

  #names(part: MimePart, names: readonly string[], place: Place): void {
    const extensions = this.#mayBeHtml(part) ? this.#otherExtensions : this.#extensions
    for (const name of names) {
      const reason = dangerousName(name, extensions)
      if (reason !== undefined) this.#add({ name, reason, where: 'name' }, place)
    }
    // A multipart has parameters that hold addresses, and is shown as a file by nobody.
    if (part.isMultipart) return
    for (const value of parameterReadings(part)) {
      if (names.includes(value)) continue
      const reason = dangerousName(value.slice(-LONGEST_NAME), extensions)
      if (reason === 'DANGEROUS_EXTENSION' || reason === 'DOUBLE_EXTENSION') {
        this.#add({ name: value, reason, where: 'name' }, place)
      }
    }
  }

  #mayBeHtml(part: MimePart): boolean {
    return (this.#policy.htmlFiles === 'clean' && isHtmlPart(part)) || isBodyText(part)
  }

  #content(part: MimePart, names: readonly string[], kind: ContentKind, place: Place): void {
    const finding = { name: names[0] ?? '', where: 'content', kind: kind.ext } as const
    if (this.#kinds.has(kind.ext)) this.#add({ ...finding, reason: 'PROGRAM' }, place)
    else if (
      this.#policy.contradictions !== 'allow' &&
      CARRIERS.has(kind.ext) &&
      (names.some((name) => SHOWN.has(extensionOf(name))) || isShownAsItIs(part.type))
    ) {
      this.#add({ ...finding, reason: 'CONTENT_CONTRADICTS' }, place)
    }
  }

  async #zip(
    part: MimePart,
    names: readonly string[],
    { start, bytes: all }: ContentReading,
    place: Place,
  ): Promise<void> {
    const says = ZIP_TYPES.has(part.type) || names.some((name) => extensionOf(name) === 'zip')
    const bytes = all()
    if (!says && !beginsAsZip(start) && archiveIn(bytes) === undefined) return
    const listing = await listZip(bytes, this.#budget)
    this.#entries(listing, names[0] ?? '', place)
    for (const { code, path } of listing.problems) {
      // What does not say that it is a zip need not be a sound one.
      const damaged = code === 'NOT_A_ZIP' || code === 'ZIP_CORRUPT'
      if (damaged && !says && path.length === 0) continue
      const name = path.at(-1) ?? names[0] ?? ''
      const around = path.length === 0 ? [] : [names[0] ?? '', ...path.slice(0, -1)]
      this.#add({ name, reason: code, where: 'zip' }, place, [...place.path, ...around])
    }
  }

  #entries({ entries }: ZipListing, file: string, place: Place): void {
    for (const entry of entries) {
      const found = this.#entry(entry)
      if (found === undefined) continue
      const path = [...place.path, file, ...entry.path]
      this.#add({ ...found, where: 'zip' }, place, path)
    }
  }

  #entry({ names, directory }: ZipEntry): { name: string; reason: FindingReason } | undefined {
    for (const name of names) {
      const reason = dangerousName(name, this.#extensions)
      // A directory may be called anything, but where it leads counts.
      if (reason !== undefined && (!directory || reason === 'PATH_STEPS_UP'))
        return { name, reason }
    }
    return undefined
  }

  /** A message in a file, as mail programs open it. */
  async #file(bytes: Buffer, name: string, place: Place): Promise<void> {
    const path = [...place.path, name]
    if (path.length > MOST_MESSAGES) {
      this.#add({ name, reason: 'MESSAGES_TOO_DEEP', where: 'content' }, place)
      return
    }
    await this.message(parseMime(bytes), { ...place, path })
  }
}

/** What {@link AttachmentChecks.htmlFiles} has cleaned: by type; or by name, where the type tells nothing. */
export const isHtmlPart = (part: MimePart): boolean =>
  part.children.length === 0 &&
  (part.type === 'text/html' ||
    part.type === 'application/xhtml+xml' ||
    (part.type === 'application/octet-stream' &&
      part.filenames.some((name) => /^x?html?$/.test(extensionOf(name)))))

/** HTML that programs show as the text of the message, or as one version of it: it may have a name. */
function isBodyText(part: MimePart): boolean {
  if (part.type !== 'text/html' || part.disposition === 'attachment') return false
  for (let one = part; one.parent !== undefined; one = one.parent) {
    const { parent } = one
    if (isMessageType(parent.type)) return true
    if (parent.type !== 'multipart/alternative' && parent.children[0] !== one) return false
  }
  return true
}

type Place = Pick<Finding, 'part' | 'names' | 'path' | 'attached'>

const ZIP_TYPES: ReadonlySet<string> = new Set([
  'application/zip',
  'application/x-zip',
  'application/x-zip-compressed',
])

/** Extensions of what programs show and do not run. Office documents of one kind often have the name of another. */
const SHOWN: ReadonlySet<string> = new Set(
  'pdf jpg jpeg jpe png gif bmp tif tiff webp heic mp3 mp4 m4a wav avi mov'.split(' '),
)

/** What can carry something else, or is more than shown. Pictures of another kind are common and harmless. */
const CARRIERS: ReadonlySet<string> = new Set(
  (
    'html sh rtf cfb tnef swf zip jar apk docx docm xlsx xlsm pptx pptm odt ods odp ' +
    '7z rar cab ace arj lz lzh gz bz2 xz zst tar iso deb rpm'
  ).split(' '),
)

const isShownAsItIs = (type: string): boolean =>
  /^(?:image\/(?!svg)|audio\/|video\/)/.test(type) || type === 'application/pdf'
