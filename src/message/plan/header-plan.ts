import { END } from '../../milter/edits.ts'
import type { MailServerKind } from '../../milter/mail-server/mail-server.ts'
import { UNREAD, type FieldRecord } from '../field-record.ts'
import { headerScript, type ScriptRules, type ScriptStep } from './header-script.ts'

/** A header edit as the protocol has it. Names and values are bytes; values have their leading space. */
export type HeaderEdit =
  | { readonly type: 'add'; readonly field: FieldRecord }
  | { readonly type: 'insert'; readonly index: number; readonly field: FieldRecord }
  | { readonly type: 'change'; readonly index: number; readonly field: FieldRecord }
  | { readonly type: 'delete'; readonly index: number; readonly name: Buffer }

/**
 * Sendmail counts nine fields of its own before those of the client, whether the message shows them or not (the `H`
 * lines of cf/m4/proto.m4; headers.c insheader). If other filters have added fields, or the configuration has other `H`
 * lines, a field that is inserted in the middle can be above or below its intended place. Top and end are always right.
 */
const SENDMAIL_OWN = 9

/**
 * Fields Sendmail writes itself if the client has not, in the order and the spelling in which they
 * stand between its own Received and the client's fields (cf/m4/proto.m4).
 */
const SENDMAIL_DEFAULTS: readonly string[] = [
  'Resent-Date',
  'Date',
  'Resent-From',
  'From',
  'Resent-Message-Id',
  'Message-Id',
]
const DEFAULT_PLACES: ReadonlyMap<string, number> = new Map(
  SENDMAIL_DEFAULTS.map((name, place) => [name.toLowerCase(), place]),
)
/** Fields that make a message resent; only then those of the defaults are written (conf.c HdrInfo). */
const RESENT = /^resent-(?:sender|from|reply-to|to|cc|bcc|message-id|date)$/

const RULES: Readonly<Record<MailServerKind, ScriptRules>> = {
  // The name of a changed field is written as the edit spells it (cleanup_milter.c
  // cleanup_patch_header).
  postfix: { changes: (from, to) => from.key === to.key, endsOnly: false },
  // The name stays as it was spelt (milter.c milter_chgheader).
  sendmail: { changes: (from, to) => from.sameName(to), endsOnly: false },
  // Only top and end mean the same to both.
  unknown: { changes: (from, to) => from.sameName(to), endsOnly: true },
}

/**
 * The shortest list of edits that turns one header into another on a server of that kind.
 *
 * Changes and deletions come first, from the last field to the first, since Postfix counts again after each. Then come
 * new fields, from the last to the first, so that no position moves before its turn. Fields for the end come last, in
 * order.
 */
export function planHeaders(
  before: readonly FieldRecord[],
  after: readonly FieldRecord[],
  server: MailServerKind,
  mayChange = true,
): HeaderEdit[] {
  if (before === after) return []
  const steps = headerScript(before, after, RULES[server])
  const changes: HeaderEdit[] = []
  const inserts: Insert[] = []
  const atEnd: Insert[] = []
  const kept = count(steps, 'keep')
  const stay = kept + count(steps, 'change')
  // If no filter reads the header, its missing fields are not known.
  const mayLack = before[0] !== UNREAD
  const counted =
    kept < before.length || (server !== 'postfix' && mayLack && steps.some(isNewDefault))
  const numbers = new Map<string, number>()
  let passed = 0
  let stayed = 0
  for (const step of steps) {
    if (step.type === 'insert') {
      const index = position(server, passed, stayed, stay)
      const list = index === END ? atEnd : inserts
      list.push({ type: 'insert', index, field: step.field })
      continue
    }
    const field = before[passed++]!
    if (!counted) {
      stayed++
      continue
    }
    const index = (numbers.get(field.key) ?? 0) + 1
    numbers.set(field.key, index)
    if (step.type === 'delete') changes.push({ type: 'delete', index, name: field.name })
    else {
      stayed++
      if (step.type === 'change') changes.push({ type: 'change', index, field: step.to })
    }
  }
  if (stay > 0) putBelowReceived(server, inserts)
  const defaults =
    server === 'postfix' || !counted
      ? []
      : defaultEdits(server, stay > 0, numbers, inserts, atEnd, mayChange)
  return [...changes.reverse(), ...defaults, ...inserts.reverse(), ...atEnd]
}

/**
 * New fields at the top that were inserted next to a field of the client go below the mail server's own Received: to
 * position 1 in Postfix, and after its own fields in Sendmail. A new field above them that was not inserted so stays at
 * the top, and so do the fields before it, because the order counts. If there are new fields next to Sendmail's own
 * Date and the like, all stay at the top.
 */
function putBelowReceived(server: MailServerKind, inserts: Insert[]): void {
  if (server === 'unknown') return
  const top = inserts.findLastIndex(({ index }) => index === 0)
  const sendmail = server === 'sendmail'
  const replaced = inserts
    .slice(0, top + 1)
    .some(({ field: { key } }) => DEFAULT_PLACES.has(key))
  if (sendmail && replaced) return
  const index = sendmail ? SENDMAIL_OWN - 1 : 1
  for (let i = top; i >= 0 && inserts[i]!.field.side === 'below'; i--) {
    inserts[i] = { ...inserts[i]!, index }
  }
}

type Insert = Extract<HeaderEdit, { type: 'insert' }>

const isNewDefault = (step: ScriptStep): boolean =>
  step.type === 'insert' && DEFAULT_PLACES.has(step.field.key)

function count(steps: readonly ScriptStep[], type: ScriptStep['type']): number {
  let found = 0
  for (const step of steps) if (step.type === type) found++
  return found
}

/**
 * The position of a new field. Of the old header, `passed` fields are above it, of which `stayed` remain; `stay` fields
 * remain in all.
 */
function position(
  server: MailServerKind,
  passed: number,
  stayed: number,
  stay: number,
): number {
  if (stayed === 0) return 0
  if (stayed === stay) return END
  // Postfix counts the fields that exist, its own Received first (cleanup_milter.c cleanup_ins_header).
  return server === 'postfix' ? stayed + 1 : SENDMAIL_OWN + passed - 1
}

/**
 * Sendmail's own Date, From and the like would stand next to new ones. A new field in the place of Sendmail's replaces
 * it if it is added (milter.c milter_addheader); it is removed from `inserts`. For the others, "delete the first of
 * that name" deletes Sendmail's field if the filter sees no such field (milter_chgheader). It has no effect on other
 * servers.
 */
function defaultEdits(
  server: MailServerKind,
  anyStay: boolean,
  present: ReadonlyMap<string, number>,
  inserts: Insert[],
  atEnd: Insert[],
  mayChange: boolean,
): HeaderEdit[] {
  const resent = [...present.keys()].some((key) => RESENT.test(key))
  const isDefault = ({ field: { key } }: Insert): boolean =>
    DEFAULT_PLACES.has(key) && !present.has(key) && (resent || !key.startsWith('resent-'))
  const claims = new Map<string, HeaderEdit>()
  const unwanted = new Map<string, HeaderEdit>()
  if (server === 'sendmail' || !anyStay) {
    // What comes after the last such field need not be above it: below Sendmail's fields is top, too,
    // and so is the end if nothing stays.
    const top = inserts.findLastIndex(({ index }) => index === 0) + 1
    let last = inserts.findLastIndex((insert) => insert.index === 0 && isDefault(insert))
    const below = last === -1 ? [] : inserts.splice(last + 1, top - last - 1)
    if (anyStay) {
      const lower = below.map((insert) => ({ ...insert, index: SENDMAIL_OWN - 1 }))
      inserts.splice(last + 1, 0, ...lower)
    } else atEnd.unshift(...below.map((insert) => ({ ...insert, index: END })))
    let above = SENDMAIL_DEFAULTS.length
    for (; last >= 0 && isDefault(inserts[last]!); last--) {
      const { field } = inserts[last]!
      const place = DEFAULT_PLACES.get(field.key)!
      const spelt = field.name.toString('latin1') === SENDMAIL_DEFAULTS[place]
      if (place >= above || !spelt) break
      above = place
      inserts.splice(last, 1)
      claims.set(field.key, { type: 'add', field })
    }
  }
  for (const insert of [...inserts, ...atEnd]) {
    const { key, name } = insert.field
    if (mayChange && isDefault(insert) && !claims.has(key)) {
      unwanted.set(key, { type: 'delete', index: 1, name })
    }
  }
  return [...unwanted.values(), ...[...claims.values()].reverse()]
}
