import type { FieldRecord } from '../field-record.ts'
import { headerScript, type ScriptRules, type Step } from './header-script.ts'
import type { MailServerKind } from './server.ts'

/** A header edit as the protocol has it. Names and values are bytes; values have their leading space. */
export type HeaderEdit =
  | { readonly type: 'insert'; readonly index: number; readonly field: FieldRecord }
  | { readonly type: 'change'; readonly index: number; readonly field: FieldRecord }
  | { readonly type: 'delete'; readonly index: number; readonly name: Buffer }

/** Beyond the last field of any message; libmilter takes no larger number. */
const END = 0x7fffffff

/**
 * Sendmail counts nine fields of its own before those of the client, shown or not (the `H` lines of
 * cf/m4/proto.m4; headers.c insheader). In a list of fields that other filters have added to, or with
 * `H` lines of one's own, a field that is inserted in the middle comes out above or below the one that
 * was meant; top and end are always right.
 */
const SENDMAIL_OWN = 9

/** Fields Sendmail writes itself if the client has not, unless it is told to delete them. */
const SENDMAIL_DEFAULTS: ReadonlySet<string> = new Set(['date', 'from', 'message-id'])
const SENDMAIL_RESENT_DEFAULTS: ReadonlySet<string> = new Set([
  'resent-date',
  'resent-from',
  'resent-message-id',
])
/** Fields that make a message resent (conf.c HdrInfo, H_RESENT). */
const RESENT = /^resent-(?:sender|from|reply-to|to|cc|bcc|message-id|date)$/

const RULES: Readonly<Record<MailServerKind, ScriptRules>> = {
  // The name of a changed field is written as the edit spells it (cleanup_milter.c
  // cleanup_patch_header).
  postfix: { changes: (from, to) => from.key === to.key, endsOnly: false },
  // The name stays as it was spelt (milter.c milter_chgheader).
  sendmail: { changes: (from, to) => from.sameName(to), endsOnly: false },
  // What both do alike: positions are top and end only.
  unknown: { changes: (from, to) => from.sameName(to), endsOnly: true },
}

/**
 * The shortest list of edits that makes one header another on a server of that kind.
 *
 * Changes and deletions come first, from the last field to the first, since Postfix counts anew after
 * each; then new fields, from the last to the first, so that no position moves before its turn.
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
  const inserts: HeaderEdit[] = []
  const stay = count(steps, 'keep') + count(steps, 'change')
  const numbers = new Map<string, number>()
  let passed = 0
  let stayed = 0
  for (const step of steps) {
    if (step.type === 'insert') {
      inserts.push({
        type: 'insert',
        index: position(server, passed, stayed, stay),
        field: step.field,
      })
      continue
    }
    const field = before[passed++]!
    const index = (numbers.get(field.key) ?? 0) + 1
    numbers.set(field.key, index)
    if (step.type === 'delete') changes.push({ type: 'delete', index, name: field.name })
    else {
      stayed++
      if (step.type === 'change') changes.push({ type: 'change', index, field: step.to })
    }
  }
  const defaults = server === 'postfix' || !mayChange ? [] : unwantedDefaults(numbers, inserts)
  return [...changes.reverse(), ...defaults, ...inserts.reverse()]
}

function count(steps: readonly Step[], type: Step['type']): number {
  let found = 0
  for (const step of steps) if (step.type === type) found++
  return found
}

/**
 * Where a new field goes that has `passed` fields of the header before above it, of which `stayed` are
 * still there; `stay` do in all.
 */
function position(
  server: MailServerKind,
  passed: number,
  stayed: number,
  stay: number,
): number {
  if (stayed === 0) return 0
  if (stayed === stay) return END
  // Postfix counts what is there, its own Received first (cleanup_milter.c cleanup_ins_header).
  return server === 'postfix' ? stayed + 1 : SENDMAIL_OWN + passed - 1
}

/**
 * Sendmail's own Date, From and Message-Id would stand beside the new one. Where they are not shown,
 * deleting "the first of that name" deletes them (milter.c milter_chgheader); elsewhere it is nothing.
 */
function unwantedDefaults(
  present: ReadonlyMap<string, number>,
  inserts: readonly HeaderEdit[],
): HeaderEdit[] {
  const edits = new Map<string, HeaderEdit>()
  const resent = [...present.keys()].some((key) => RESENT.test(key))
  for (const edit of inserts) {
    if (edit.type !== 'insert') continue
    const { key, name } = edit.field
    const written = SENDMAIL_DEFAULTS.has(key) || (resent && SENDMAIL_RESENT_DEFAULTS.has(key))
    if (written && !present.has(key)) edits.set(key, { type: 'delete', index: 1, name })
  }
  return [...edits.values()]
}
