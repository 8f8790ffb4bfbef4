/**
 * The edits of the protocol: the changes to a message that a filter may send at end of message. All facts about an edit
 * are in its row here, and nowhere else in the code; docs/protocol.md has the same table.
 *
 * Sources: libmilter's `mfdef.h` and `mfapi.h` (letters, actions) and `smfi.c` (payloads).
 */
import type { TextOrBytes } from './text.ts'
import { Action, Reply } from './constants.ts'

/** A change to the message. It is allowed only in the answer to end of message. */
export type EditMessage =
  | { readonly type: 'addheader'; readonly name: TextOrBytes; readonly value: TextOrBytes }
  | {
      readonly type: 'insheader' | 'chgheader'
      readonly index: number
      readonly name: TextOrBytes
      readonly value: TextOrBytes
    }
  | { readonly type: 'addrcpt' | 'delrcpt'; readonly address: TextOrBytes }
  | {
      readonly type: 'addrcpt_par' | 'chgfrom'
      readonly address: TextOrBytes
      readonly parameters?: TextOrBytes | undefined
    }
  | { readonly type: 'replbody'; readonly chunk: Uint8Array }
  | { readonly type: 'quarantine'; readonly reason: TextOrBytes }

export type EditType = EditMessage['type']

/** The name of the method that makes an edit, in contexts, `Base` and logs. */
export type EditMethod =
  | 'addHeader'
  | 'insertHeader'
  | 'changeHeader'
  | 'addRecipient'
  | 'deleteRecipient'
  | 'changeFrom'
  | 'replaceBody'
  | 'quarantine'

/** A part of a message that a filter may change. */
export type EditKind = 'headers' | 'body' | 'sender' | 'recipients' | 'quarantine'

/** A piece of a payload. */
export interface EditField {
  readonly name: string
  readonly form: FieldForm
}

/**
 * How a field is written: four bytes, a string with its NUL, or all remaining bytes. An optional string is left out if
 * there is none. 'string or nothing' is always written, and read as empty if it is missing.
 */
type FieldForm = 'uint32' | 'string' | 'optional string' | 'string or nothing' | 'bytes'

/** The row of one edit. */
export interface EditFacts {
  readonly type: EditType
  /** the letter of its frame */
  readonly code: Reply
  readonly method: EditMethod
  /** the action bit without which it may not be sent */
  readonly action: number
  /** the part of a message that it changes */
  readonly edits: EditKind
  readonly payload: readonly EditField[]
}

const INDEX: EditField = { name: 'index', form: 'uint32' }
const NAME: EditField = { name: 'name', form: 'string' }
const VALUE: EditField = { name: 'value', form: 'string' }
const ADDRESS: EditField = { name: 'address', form: 'string' }
const PARAMETERS: EditField = { name: 'parameters', form: 'optional string' }
const CHUNK: EditField = { name: 'chunk', form: 'bytes' }
const REASON: EditField = { name: 'reason', form: 'string or nothing' }

// prettier-ignore
export const EDITS: Readonly<Record<EditType, EditFacts>> = Object.freeze({
  //                edit           method             letter                action               edits         payload
  addheader: row(   'addheader',   'addHeader',       Reply.ADDHEADER,   Action.ADDHDRS,     'headers',    [NAME, VALUE]),
  insheader: row(   'insheader',   'insertHeader',    Reply.INSHEADER,   Action.ADDHDRS,     'headers',    [INDEX, NAME, VALUE]),
  chgheader: row(   'chgheader',   'changeHeader',    Reply.CHGHEADER,   Action.CHGHDRS,     'headers',    [INDEX, NAME, VALUE]),
  replbody: row(    'replbody',    'replaceBody',     Reply.REPLBODY,    Action.CHGBODY,     'body',       [CHUNK]),
  chgfrom: row(     'chgfrom',     'changeFrom',      Reply.CHGFROM,     Action.CHGFROM,     'sender',     [ADDRESS, PARAMETERS]),
  addrcpt: row(     'addrcpt',     'addRecipient',    Reply.ADDRCPT,     Action.ADDRCPT,     'recipients', [ADDRESS]),
  addrcpt_par: row( 'addrcpt_par', 'addRecipient',    Reply.ADDRCPT_PAR, Action.ADDRCPT_PAR, 'recipients', [ADDRESS, PARAMETERS]),
  delrcpt: row(     'delrcpt',     'deleteRecipient', Reply.DELRCPT,     Action.DELRCPT,     'recipients', [ADDRESS]),
  quarantine: row(  'quarantine',  'quarantine',      Reply.QUARANTINE,  Action.QUARANTINE,  'quarantine', [REASON]),
})

function row(
  type: EditType,
  method: EditMethod,
  code: Reply,
  action: number,
  edits: EditKind,
  payload: readonly EditField[],
): EditFacts {
  return Object.freeze({ type, method, code, action, edits, payload })
}

const ALL: readonly EditFacts[] = Object.values(EDITS)

const BY_CODE: ReadonlyMap<number, EditFacts> = new Map(ALL.map((edit) => [edit.code, edit]))

export const isEdit = (message: { readonly type: string }): message is EditMessage =>
  Object.hasOwn(EDITS, message.type)

/** The edit with that letter. */
export const editOf = (code: number): EditFacts | undefined => BY_CODE.get(code)

/** The parts of a message that can be edited. */
export const EDIT_KINDS: readonly EditKind[] = [...new Set(ALL.map(({ edits }) => edits))]

/** The actions that editing these parts of a message takes. */
export function actionsFor(kinds: readonly EditKind[]): number {
  let actions = 0
  for (const { edits, action } of ALL) if (kinds.includes(edits)) actions |= action
  return actions
}
