/**
 * The ARC sets of a message as its fields have them (RFC 8617, section 4.2): which there are, in which order, and whether
 * they can be a chain at all. Signatures are not verified here.
 */
import { relaxedName } from '../signing/canonicalization.ts'
import type { SignedField } from '../signing/signed-fields.ts'
import { readTags } from '../signing/tag-list.ts'

/** The fields of a set, in the order in which a seal covers them (section 5.1.1). */
export const ARC_NAMES = [
  'ARC-Authentication-Results',
  'ARC-Message-Signature',
  'ARC-Seal',
] as const
/** Section 4.2.1. */
export const MAX_INSTANCE = 50

export interface ArcChain {
  /** the fields of all sets, in the order of a seal; meaningless if there is a defect */
  readonly fields: readonly SignedField[]
  /** the highest instance that a field has; 0 if there is none */
  readonly highest: number
  /** whether a seal with the highest instance says cv=fail */
  readonly isFailed: boolean
  /** why it cannot be a chain (section 5.2, steps 1 to 3); undefined if it can be one */
  readonly defect: string | undefined
}

interface ArcField {
  readonly field: SignedField
  /** its place in a set */
  readonly kind: number
  /** undefined for a field without a valid one */
  readonly instance: number | undefined
  /** of a seal */
  readonly status: string | undefined
  readonly defect: string | undefined
}

const KINDS = new Map(ARC_NAMES.map((name, kind) => [name.toLowerCase(), kind]))
const SEAL = ARC_NAMES.indexOf('ARC-Seal')

export const isArcName = (name: Uint8Array): boolean => KINDS.has(relaxedName(name))

/** @param header from the top to the bottom */
export function chainOf(header: readonly SignedField[]): ArcChain {
  const found = header.flatMap((field) => arcField(field) ?? [])
  const highest = Math.max(0, ...found.map(({ instance }) => instance ?? 0))
  const isFailed = found.some(
    ({ instance, status }) => instance === highest && status === 'fail',
  )
  const sets = Array.from({ length: highest }, (_, i) =>
    found.filter(({ instance }) => instance === i + 1),
  )
  const defect =
    found.find((one) => one.defect !== undefined)?.defect ??
    sets.map((set, i) => defectOf(set, i + 1)).find((one) => one !== undefined)
  const fields = sets.flatMap((set) =>
    set.toSorted((a, b) => a.kind - b.kind).map(({ field }) => field),
  )
  return { fields, highest, isFailed, defect }
}

function arcField(field: SignedField): ArcField | undefined {
  const kind = KINDS.get(relaxedName(field.name))
  if (kind === undefined) return undefined
  const text = Buffer.from(field.value).toString('latin1')
  const { given, status, defect } = kind === 0 ? resultsTags(text) : signatureTags(text, kind)
  const name = ARC_NAMES[kind]!
  const isValid = given !== undefined && /^\d{1,2}$/.test(given)
  const instance = isValid ? Number(given) : 0
  if (instance < 1 || instance > MAX_INSTANCE) {
    const what = `${name} has no instance from 1 to ${MAX_INSTANCE}`
    return { field, kind, instance: undefined, status, defect: defect ?? what }
  }
  return { field, kind, instance, status, defect }
}

interface Tags {
  readonly given?: string | undefined
  readonly status?: string | undefined
  readonly defect?: string
}

/** Section 4.1.1: the instance is the first thing. Comments may be around it. */
function resultsTags(text: string): Tags {
  const cfws = String.raw`(?:[ \t\r\n]|\([^()\\]*\))*`
  const given = new RegExp(`^${cfws}i${cfws}=${cfws}(\\d+)${cfws};`).exec(text)?.[1]
  return { given }
}

function signatureTags(text: string, kind: number): Tags {
  const name = ARC_NAMES[kind]!
  const tags = readTags(text)
  if (tags === undefined) return { defect: `${name} is not a list of tags` }
  const given = tags.get('i')
  if (kind !== SEAL) return { given }
  const status = tags.get('cv')?.toLowerCase()
  // Section 4.1.3.
  return tags.has('h') ? { given, status, defect: `${name} has h=` } : { given, status }
}

function defectOf(set: readonly ArcField[], instance: number): string | undefined {
  for (const [kind, name] of ARC_NAMES.entries()) {
    const count = set.filter((one) => one.kind === kind).length
    if (count === 0) return `set ${instance} has no ${name}`
    if (count > 1) return `set ${instance} has ${name} ${count} times`
  }
  const status = set.find(({ kind }) => kind === SEAL)!.status
  // Section 5.2, steps 2 and 3: a chain that failed ends, so a seal below the newest cannot say so.
  const wanted = instance === 1 ? 'none' : 'pass'
  return status === wanted
    ? undefined
    : `the seal of set ${instance} says cv=${status ?? ''}, not ${wanted}`
}
