import { decodeText } from '../../protocol/text.ts'
import { ZipBudget } from './zip-budget.ts'
import {
  NOT_LOOKED_AT,
  PROGRAM_KINDS,
  type AttachmentChecks,
  type Finding,
  type NotLookedAt,
} from './finding.ts'
import { ContentChecks, type ContentRules, type Tell } from './content-checks.ts'
import { DANGEROUS_EXTENSIONS, HTML_EXTENSIONS } from './file-extensions.ts'
import { dangerousName, extensionOf, extensionSet, LONGEST_NAME } from './file-names.ts'
import {
  holdsActiveHtml,
  isActiveHtml,
  isHtmlPart,
  isLeftActive,
  seemsHtml,
} from '../html/html-parts.ts'
import type { SanitizeOptions } from '../html/sanitize-options.ts'
import { isMessageType } from '../fields/media-type.ts'
import { MimeMessage } from '../message.ts'
import { contentReadings, type ContentReading } from './content-readings.ts'
import { parameterReadings } from '../tree/part-readings.ts'
import type { MimePart } from '../tree/part.ts'
import { extensionOfType } from './type-extensions.ts'
import { decodeTransferInTurns, isIdentity } from '../encodings/transfer-encoding.ts'
import { Turns } from '../turns.ts'

/** Maximum number of findings that are reported for one part. */
const MAX_FINDINGS = 100

/**
 * Bytes that may be read for each byte of the message. A message is read in several ways, and its parts are decoded.
 * The same happens to the messages in it, which are smaller. Only a message that was made for it needs more.
 */
const READ_AGAIN = 24
const READ_IN_ANY_CASE = 1_048_576

/**
 * Content-Type and Content-Disposition fields that may be read in all ways, as a share of the message. A byte of them
 * costs as much as a hundred other bytes. In real mail, these fields are less than a tenth.
 */
const FIELDS = 0.5
const FIELDS_IN_ANY_CASE = 262_144

/** Where a part is. */
interface Place {
  /** the part of the finding, or undefined if only another reading of the message has it */
  readonly part: MimePart | undefined
  readonly names: readonly string[]
  readonly path: readonly string[]
  readonly attached: boolean
  /** the place of the message in the one around it */
  readonly id: string
  /** whether it is in another reading of the message, or of a message around it */
  readonly other: boolean
}

/** Checks one message, in all ways in which programs can read it. */
export class Checks {
  readonly #findings: Finding[] = []
  readonly #message: MimeMessage
  readonly #policy: AttachmentChecks
  readonly #extensions: ReadonlySet<string>
  /** without the extensions of HTML */
  readonly #otherExtensions: ReadonlySet<string>
  /** whether HTML files are cleaned if possible */
  readonly #cleans: boolean
  /** how HTML is cleaned; undefined if it is not */
  readonly #html: SanitizeOptions | undefined
  readonly #budget: ZipBudget
  readonly #turns = new Turns()
  readonly #rules: ContentRules
  readonly #blockedTypes: ReadonlySet<string>
  readonly #counts = new Map<Finding['part'], number>()
  /** parts that were checked, with their readings */
  readonly #seen = new Set<string>()
  /** findings that were reported, with their places */
  readonly #told = new Set<string>()
  #left: number
  #fieldsLeft: number
  #spent = false

  constructor(message: MimeMessage, policy: AttachmentChecks) {
    this.#message = message
    this.#policy = policy
    const extensions = extensionSet(policy.extensions ?? DANGEROUS_EXTENSIONS)
    const others = new Set(extensions)
    for (const one of HTML_EXTENSIONS) others.delete(one)
    this.#otherExtensions = others
    this.#blockedTypes = new Set(policy.types?.map((type) => type.toLowerCase()))
    const { html, htmlFiles = html === undefined ? 'report' : 'clean' } = policy
    this.#extensions = htmlFiles === 'allow' ? others : extensions
    this.#cleans = htmlFiles === 'clean'
    if (html !== undefined || this.#cleans) this.#html = typeof html === 'object' ? html : {}
    this.#budget = new ZipBudget(policy.limits)
    this.#fieldsLeft = FIELDS_IN_ANY_CASE + FIELDS * sizeOf(message)
    this.#left = READ_IN_ANY_CASE + READ_AGAIN * sizeOf(message)
    this.#rules = {
      policy,
      extensions: this.#extensions,
      kinds: new Set(policy.kinds ?? PROGRAM_KINDS),
      budget: this.#budget,
      turns: this.#turns,
      message: () => Promise.resolve(),
    }
  }

  async all(): Promise<readonly Finding[]> {
    const place = { part: undefined, names: [], path: [], attached: false, id: '' }
    try {
      await this.#readings(this.#message, { ...place, other: false }, true)
    } finally {
      this.#budget.leave()
    }
    return this.#findings
  }

  /** Checks a message, and then its other readings. */
  async #readings(message: MimeMessage, place: Place, own = false): Promise<void> {
    await this.#tree(message, place, own)
    await this.#others(message, place)
  }

  async #others(message: MimeMessage, place: Place): Promise<void> {
    for await (const reading of message.eachReading(this.#turns)) {
      if (this.#spent) return
      await this.#tree(reading, { ...place, other: true }, false)
    }
    if (message.readingsLeft) this.#tooMany()
  }

  /** @param own whether this is the message itself, so that its parts can be removed */
  async #tree(message: MimeMessage, place: Place, own: boolean): Promise<void> {
    if (!this.#spend(sizeOf(message))) return
    this.#limits(message, place)
    /** For each part, the start and the id of the message that it is in. */
    const origins = new Map<MimePart, { start: number; id: string }>()
    // From the top down, so that a part in an attached message is known as one.
    const attached = new Set<MimePart>()
    const encoded: [part: MimePart, place: Place][] = []
    for (const part of message.walk()) {
      await this.#turns.next()
      await part.readInTurns(this.#turns)
      if (this.#spent) return
      const { parent } = part
      if (parent !== undefined && (attached.has(parent) || isMessageType(parent.type))) {
        attached.add(part)
      }
      if (attached.has(part) && this.#policy.messages === false) continue
      let origin = parent === undefined ? undefined : origins.get(parent)
      if (parent === undefined || origin === undefined) {
        origin = { start: startOf(part), id: place.id }
      } else if (isEncodedMessage(parent)) {
        origin = { start: startOf(part), id: `${origin.id}${startOf(parent) - origin.start}>` }
      }
      origins.set(part, origin)
      const at = startOf(part) - origin.start
      const here: Place = {
        ...place,
        id: `${origin.id}${at}`,
        part: own ? part : place.part,
        attached: place.attached || attached.has(part),
      }
      if (!this.#isNew(part, here)) continue
      if (!(await this.#readFields(part))) return
      const names = part.filenames
      const named = place.part === undefined ? { ...here, names } : here
      await this.#part(part, names, named)
      if (isEncodedMessage(part)) encoded.push([part, named])
    }
    // These come after all parts that can be removed on their own.
    for (const [part, here] of encoded) await this.#encoded(part, here)
  }

  /** Reads the fields of a part in turns, each once for all readings. Returns whether the limit allowed it. */
  async #readFields(part: MimePart): Promise<boolean> {
    for (const field of part.describing()) {
      if (field.isRead) continue
      this.#fieldsLeft -= field.size
      if (this.#fieldsLeft < 0) this.#tooMany()
      if (this.#spent) return false
      void field.readings
      await this.#turns.next()
    }
    return true
  }

  /** Whether a part has not been checked yet in another reading of the message. */
  #isNew(part: MimePart, { id, other }: Place): boolean {
    const { raw } = part
    const size = `${raw.byteOffset - startOf(part)}:${raw.length}`
    const key = `${id}:${size}:${part.type}:${part.encoding}:${part.children.length === 0}`
    if (other && !part.edited && this.#seen.has(key)) return false
    this.#seen.add(key)
    return true
  }

  /** Reports the limits that keep parts from being checked. It is not always known which part is concerned. */
  #limits(message: MimeMessage, place: Place): void {
    const codes = new Set<string>(message.problems.map(({ code }) => code))
    for (const reason of NOT_LOOKED_AT) if (codes.has(reason)) this.#limit(reason, place)
  }

  #limit(reason: NotLookedAt, place: Place): void {
    const name = place.path.at(-1) ?? ''
    this.#add({ name, reason, where: 'structure', path: place.path }, place)
  }

  /** Whether so many more bytes may be read. */
  #spend(count: number): boolean {
    this.#left -= count
    if (this.#left < 0) this.#tooMany()
    return !this.#spent
  }

  #tooMany(): void {
    if (this.#spent) return
    this.#spent = true
    const place = {
      part: undefined,
      names: [],
      path: [],
      attached: false,
      id: '',
      other: true,
    }
    this.#add({ name: '', reason: 'TOO_MANY_READINGS', where: 'structure', path: [] }, place)
  }

  async #part(part: MimePart, names: readonly string[], place: Place): Promise<void> {
    this.#names(part, names, place)
    this.#types(part, names, place)
    // An encoded message is a tree of its own, and is checked with its readings. Other messages are in this tree.
    const isTree = part.children.length > 0
    if (part.isMultipart && isTree) return await this.#around(part, place)
    if (isEncodedMessage(part) && !isTree) this.#limit('TOO_DEEP', place)
    let usual = true
    for (const content of contentReadings(part)) {
      await this.#turns.next()
      if (!this.#spend(part.raw.length)) return
      if (!isTree) await this.#content(part, names, content, place, usual)
      // Other programs decode it in another way.
      else if (!usual) await this.#file(await content.whole(this.#turns), place, [])
      usual = false
    }
  }

  async #content(
    part: MimePart,
    names: readonly string[],
    { start, whole }: ContentReading,
    place: Place,
    usual: boolean,
  ): Promise<void> {
    const tell: Tell = (finding) => this.#add(finding, place)
    await this.#activeHtml(part, names, { start, whole }, place, usual)
    const rules: ContentRules = {
      ...this.#rules,
      message: async (content, path) => await this.#file(content, place, path),
    }
    await new ContentChecks(rules, tell).file({
      // A message in a part of type message/rfc822 is not a file in a file.
      names: isMessageType(part.type)
        ? names.filter((name) => extensionOf(name) !== 'eml')
        : names,
      type: part.type,
      start,
      whole: async () => await whole(this.#turns),
      path: place.path,
      part: part.isAttachment ? 'attachment' : 'text',
    })
  }

  /** Reports active HTML that is not cleaned, or that programs read in another charset. */
  async #activeHtml(
    part: MimePart,
    names: readonly string[],
    { start, whole }: ContentReading,
    place: Place,
    usual: boolean,
  ): Promise<void> {
    if (this.#html === undefined) return
    if (!seemsHtml(part, names, start)) {
      const bytes = await whole(this.#turns)
      if (await holdsActiveHtml(part, names, bytes, this.#html, this.#turns)) {
        this.#htmlFound(names[0] ?? '', place)
      }
      return
    }
    const given = !place.other && place.part === part && part.sealedBy === undefined
    const cleaned = given && usual && isHtmlPart(part)
    if (await isLeftActive(part, await whole(this.#turns), cleaned, this.#html)) {
      this.#htmlFound(names[0] ?? '', place)
    }
  }

  #htmlFound(name: string, place: Place): void {
    const { path } = place
    this.#add({ name, reason: 'HTML_NOT_CLEANED', where: 'content', path }, place)
  }

  /** Checks the text before and after the parts of a multipart. Programs that do not know parts show it. */
  async #around(part: MimePart, place: Place): Promise<void> {
    if (part.edited) return
    const { raw, children } = part
    const first = startOf(children[0]!) - raw.byteOffset
    const last = children.at(-1)!
    const end = startOf(last) + last.toBytes().length - raw.byteOffset
    // Removing the multipart would remove its parts too.
    const message = { ...place, part: undefined }
    for (const bytes of [raw.subarray(0, first), raw.subarray(end)]) {
      const html = bytes.includes('<') ? this.#html : undefined
      const holdsFile = bytes.includes('begin') || bytes.includes('BinHex')
      if (html === undefined && !holdsFile) continue
      await this.#turns.next()
      if (!this.#spend(bytes.length)) return
      if (html !== undefined && (await isActiveHtml(bytes.toString('latin1'), html))) {
        this.#htmlFound('', message)
      }
      if (holdsFile) await this.#text(bytes, message)
    }
  }

  /** Checks a text that programs show, and the files in it. */
  async #text(bytes: Buffer, place: Place): Promise<void> {
    await new ContentChecks(this.#rules, (finding) => this.#add(finding, place)).file({
      names: [],
      type: '',
      start: bytes,
      whole: () => Promise.resolve(bytes),
      path: place.path,
      part: 'text',
    })
  }

  /** Checks an encoded message, in all its readings. Its usual reading was in the tree around it. */
  async #encoded(part: MimePart, place: Place): Promise<void> {
    if (part.children.length === 0 || this.#policy.messages === false) return
    if (!this.#spend(part.raw.length)) return
    const bytes = await decodeTransferInTurns(part.raw, part.encoding, this.#turns)
    const message = await MimeMessage.read(bytes, {}, {}, this.#turns)
    // In the tree around it, the limits leave less room than for a message of its own. Parts in both trees are checked
    // once.
    await this.#readings(message, { ...place, id: `${place.id}>`, attached: true, other: true })
  }

  /** Checks a message in a file, as mail programs open it. */
  async #file(bytes: Buffer, place: Place, path: readonly string[]): Promise<void> {
    if (this.#policy.messages === false) return
    await this.#turns.next()
    const id = `${place.id}>${path.slice(place.path.length).join('>')}>`
    await this.#readings(await MimeMessage.read(bytes, {}, {}, this.#turns), {
      ...place,
      id,
      path: path.length === 0 ? place.path : path,
      attached: true,
    })
  }

  #add(
    { name, reason, where, path, kind }: Parameters<Tell>[0],
    { part, names, attached, id }: Place,
  ): void {
    const count = this.#counts.get(part) ?? 0
    if (count >= MAX_FINDINGS) return
    const key = JSON.stringify([id, name, reason, where, path])
    if (this.#told.has(key)) return
    this.#told.add(key)
    this.#counts.set(part, count + 1)
    const finding = { part, names, name, reason, where, path, attached }
    this.#findings.push(kind === undefined ? finding : { ...finding, kind })
  }

  // ---- what a header says

  #names(part: MimePart, names: readonly string[], place: Place): void {
    const extensions = this.#mayBeHtml(part) ? this.#otherExtensions : this.#extensions
    const add = (name: string, reason: Finding['reason']): void =>
      this.#add({ name, reason, where: 'name', path: place.path }, place)
    for (const name of names) {
      const reason = dangerousName(name, extensions)
      if (reason !== undefined) add(name, reason)
    }
    // The parameters of a multipart can contain addresses, and no program shows a multipart as a file.
    if (part.isMultipart) return
    // Programs make a name from the type if there is none.
    if (names.every((name) => extensionOf(name) === '')) {
      for (const type of part.types) {
        const extension = extensionOfType(type)
        const name = `${names[0] ?? ''}.${extension}`
        if (extension !== undefined && extensions.has(extension))
          add(name, 'DANGEROUS_EXTENSION')
      }
    }
    const known = new Set(names)
    for (const value of parameterReadings(part)) {
      if (known.has(value)) continue
      const reason = dangerousName(value.slice(-LONGEST_NAME), extensions)
      if (reason === 'DANGEROUS_EXTENSION' || reason === 'DOUBLE_EXTENSION') add(value, reason)
    }
  }

  #mayBeHtml(part: MimePart): boolean {
    return (this.#cleans && isHtmlPart(part)) || isBodyText(part)
  }

  /** Reports content that is not in the message (RFC 2046, sections 5.2.2 and 5.2.3). */
  #types(part: MimePart, names: readonly string[], place: Place): void {
    const { types } = part
    const name = names[0] ?? ''
    for (const [type, reason] of ELSEWHERE) {
      if (types.includes(type)) {
        this.#add({ name, reason, where: 'content', path: place.path }, place)
      }
    }
    const blocked = this.#blockedTypes
    if (blocked.size === 0) return
    for (const type of types) {
      if (!blocked.has(type) && !blocked.has(`${type.split('/', 1)[0]!}/*`)) continue
      const [reason, where] = ['BLOCKED_TYPE', 'name'] as const
      this.#add({ name: name || type, reason, where, path: place.path }, place)
    }
  }
}

const ELSEWHERE = [
  ['message/partial', 'PARTIAL_MESSAGE'],
  ['message/external-body', 'EXTERNAL_BODY'],
] as const

/** The position of a part in memory. Parsed parts are views of the message. An edited part has no position. */
const startOf = (part: MimePart): number => (part.edited ? 0 : part.toBytes().byteOffset)
const sizeOf = (message: MimeMessage): number => message.toBytes().length

const isEncodedMessage = (part: MimePart): boolean =>
  isMessageType(part.type) && !isIdentity(part.encoding)

/** Whether programs show this HTML as the text of the message, or as one version of it. It can have a name. */
function isBodyText(part: MimePart): boolean {
  if (part.type !== 'text/html') return false
  // A part with another disposition than `inline` counts as a file (RFC 2183, section 2.8).
  const fields = part.fields('Content-Disposition').map((raw) => decodeText(raw))
  if (!fields.every((one) => /^\s*(?:inline\b|$)/i.test(one))) return false
  for (let one = part; one.parent !== undefined; one = one.parent) {
    const { parent } = one
    if (isMessageType(parent.type)) return true
    if (parent.type !== 'multipart/alternative' && parent.children[0] !== one) return false
  }
  return true
}
