import { fc } from '../../support/property.ts'
import type { EnvelopeEdit } from '../../../src/message/plan/envelope-plan.ts'
import type { HeaderEdit } from '../../../src/message/plan/header-plan.ts'
import { FieldRecord } from '../../../src/message/field-record.ts'
import { Field } from '../../../src/mta/message.ts'
import type { QueuedMessage } from '../../../src/mta/models/model.ts'
import { mailServerModel } from '../../../src/mta/models/mail-server-model.ts'
import type { EditMessage } from '../../../src/protocol/index.ts'

export const MODELS = {
  postfix: mailServerModel('postfix'),
  sendmail: mailServerModel('sendmail'),
}
export type ModelName = keyof typeof MODELS
export const MODEL_NAMES: readonly ModelName[] = ['postfix', 'sendmail']

/** A message in the hands of a modelled server. */
export function queue(model: ModelName, fields: readonly Field[]): QueuedMessage {
  return MODELS[model].queue({
    sender: { address: 'alice@example.org', parameters: [] },
    recipients: [{ address: 'bob@example.net', parameters: [] }],
    fields,
    body: Buffer.from('body\r\n'),
    added: {
      host: 'mx.example.net',
      date: 'Tue, 24 Nov 2026 10:00:00 +0000',
      messageId: '<id@mx.example.net>',
    },
  })
}

export const recordsOf = (queued: QueuedMessage): FieldRecord[] =>
  queued.shown().map(({ name, value }) => FieldRecord.of(name, value))

export const textOf = (field: FieldRecord): string =>
  `${field.name.toString('latin1')}:${field.value.toString('latin1')}`

/** As the library sends it where the leading space was agreed on. */
export function headerMessage(edit: HeaderEdit): EditMessage {
  switch (edit.type) {
    case 'add':
      return { type: 'addheader', name: edit.field.name, value: edit.field.value }
    case 'insert':
      return {
        type: 'insheader',
        index: edit.index,
        name: edit.field.name,
        value: edit.field.value,
      }
    case 'change':
      return {
        type: 'chgheader',
        index: edit.index,
        name: edit.field.name,
        value: edit.field.value,
      }
    case 'delete':
      return { type: 'chgheader', index: edit.index, name: edit.name, value: '' }
  }
}

export function envelopeMessage(edit: EnvelopeEdit): EditMessage {
  switch (edit.type) {
    case 'changeFrom':
      return { type: 'chgfrom', address: edit.address, parameters: edit.parameters }
    case 'deleteRecipient':
      return { type: 'delrcpt', address: edit.address }
    case 'addRecipient':
      return edit.parameters === undefined
        ? { type: 'addrcpt', address: edit.address }
        : { type: 'addrcpt_par', address: edit.address, parameters: edit.parameters }
  }
}

export function apply(queued: QueuedMessage, edits: readonly EditMessage[]): QueuedMessage {
  for (const edit of edits) {
    const failure = queued.apply(edit, { leadingSpace: true, mayReplaceBody: true })
    if (failure !== undefined) throw new Error(`${edit.type}: ${failure.reason}`)
  }
  return queued
}

// ---- random headers

const NAMES = ['X-A', 'x-a', 'X-B', 'Subject', 'Received', 'Date', 'Message-ID', 'Comments']
const VALUES = [' 1', ' 2', ' three', '4', '\tfive\n six']

const field = (names: readonly string[], values: readonly string[]) =>
  fc
    .tuple(fc.constantFrom(...names), fc.constantFrom(...values))
    .map(([name, value]) => Field.of(name, value))

/** Fields of a client. */
export const fields = (
  maxLength: number,
  names: readonly string[] = NAMES,
  values: readonly string[] = VALUES,
): fc.Arbitrary<Field[]> => fc.array(field(names, values), { maxLength })

/** What a filter does to a list of fields, by position. */
export type Move =
  | { readonly type: 'insert'; readonly at: number; readonly field: Field }
  | { readonly type: 'delete'; readonly at: number }
  | { readonly type: 'change'; readonly at: number; readonly value: string }
  /** taken out and put elsewhere, as new */
  | { readonly type: 'move'; readonly at: number; readonly to: number }

export const moves = (
  maxLength: number,
  names: readonly string[] = NAMES,
  values: readonly string[] = VALUES,
): fc.Arbitrary<Move[]> => {
  const at = fc.nat({ max: 20 })
  return fc.array(
    fc.oneof(
      fc.record({ type: fc.constant('insert' as const), at, field: field(names, values) }),
      fc.record({ type: fc.constant('delete' as const), at }),
      fc.record({
        type: fc.constant('change' as const),
        at,
        value: fc.constantFrom(...values),
      }),
      fc.record({ type: fc.constant('move' as const), at, to: at }),
    ),
    { maxLength },
  )
}

export function moved(before: readonly FieldRecord[], all: readonly Move[]): FieldRecord[] {
  const after = [...before]
  for (const one of all) {
    if (one.type === 'insert') {
      const { name, value } = one.field
      after.splice(one.at % (after.length + 1), 0, FieldRecord.of(name, value))
    } else if (after.length > 0) {
      const at = one.at % after.length
      const old = after[at]!
      if (one.type === 'change') {
        after[at] = FieldRecord.of(old.name, Buffer.from(one.value), old)
      } else {
        after.splice(at, 1)
        if (one.type === 'move') {
          after.splice(one.to % (after.length + 1), 0, FieldRecord.of(old.name, old.value))
        }
      }
    }
  }
  return after
}
