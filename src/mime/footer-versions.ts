/** Finds the versions of the text of a message, for a footer. */
import type { MimePart } from './tree/part.ts'
import type { Turns } from './turns.ts'

/** One version of a text, such as plain or HTML. */
export type TextVersion =
  | { readonly part: MimePart }
  /** a version that cannot take a footer */
  | { readonly part?: undefined; readonly type: string; readonly reason: string }

export interface MessageText {
  readonly versions: readonly TextVersion[]
  /** at least one version of the text is signed or encrypted */
  readonly sealed: boolean
}

interface Found extends MessageText {
  /** it is a file by its name or disposition, unless it is in the place of the text */
  readonly isFile?: true
}

const NONE: Found = { versions: [], sealed: false }

/** The versions of the text of a message. */
export async function textOf(message: MimePart, turns: Turns): Promise<MessageText> {
  const text = await find(message, turns)
  return text.isFile === true ? NONE : text
}

const isFound = ({ versions, sealed }: Found): boolean =>
  sealed || versions.some(({ part }) => part !== undefined)

/** The depth of the tree is bounded by the parser. */
async function find(part: MimePart, turns: Turns): Promise<Found> {
  await turns.next()
  await part.readInTurns(turns)
  if (part.protection !== undefined) return { versions: [], sealed: true }
  const { type } = part
  if (!part.isMultipart) return ofLeaf(part)
  if (type === 'multipart/alternative') return await ofAlternatives(part, turns)
  if (type === 'multipart/related') return await ofRelated(part, turns)
  return await first(part.children, turns)
}

function ofLeaf(part: MimePart): Found {
  if (part.type !== 'text/plain' && part.type !== 'text/html') return NONE
  if (!part.isAttachment && !part.typeIsGuess) return { versions: [{ part }], sealed: false }
  return part.disposition === 'attachment'
    ? NONE
    : { versions: [{ part }], sealed: false, isFile: true }
}

async function ofAlternatives(part: MimePart, turns: Turns): Promise<Found> {
  const versions: TextVersion[] = []
  let sealed = false
  for (const child of part.children) {
    const text = await find(child, turns)
    sealed ||= text.sealed
    if (isFound(text)) versions.push(...text.versions)
    else versions.push({ type: child.type, reason: reasonOf(child) })
  }
  return { versions, sealed }
}

/** The text of the root, or the first text after it if the root is no text. Programs show it, whatever its name is. */
async function ofRelated(part: MimePart, turns: Turns): Promise<Found> {
  const { children } = part
  // RFC 2387, section 3.2: if no root is named, it is the first part.
  const start = part.parameter('start')?.replace(/^\s*<(.*)>\s*$/s, '$1')
  const root = children.find(({ contentId }) => contentId !== undefined && contentId === start)
  const rest = children.filter((child) => child !== root)
  for (const child of root === undefined ? rest : [root, ...rest]) {
    const { versions, sealed } = await find(child, turns)
    if (isFound({ versions, sealed })) return { versions, sealed }
  }
  return NONE
}

const reasonOf = (part: MimePart): string =>
  part.isMultipart
    ? 'it has no text'
    : part.type.startsWith('text/') && part.disposition === 'attachment'
      ? 'it is marked as an attachment'
      : 'only text/plain and text/html can take a footer'

/** The first text in the parts. A text that is a file by its name counts only if there is no other. */
async function first(parts: readonly MimePart[], turns: Turns): Promise<Found> {
  let file: Found | undefined
  for (const part of parts) {
    const text = await find(part, turns)
    if (!isFound(text)) continue
    if (text.isFile !== true) return text
    file ??= text
  }
  return file ?? NONE
}
