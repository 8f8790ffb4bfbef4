import { END, type MessageEdits } from '../../milter/edits.ts'
import type { MailServerKind } from '../../milter/mail-server/mail-server.ts'
import { decodeText } from '../../protocol/text.ts'
import type { BodyStore } from '../body-store.ts'
import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'
import type { FieldRecord } from '../field-record.ts'
import { planEnvelope, type EnvelopeEdit } from './envelope-plan.ts'
import { planHeaders, type HeaderEdit } from './header-plan.ts'

/** A message at one moment: as it came, or as a filter has left it. Never changed, only replaced. */
export interface MailState {
  readonly sender: EnvelopeAddress
  readonly recipients: readonly EnvelopeAddress[]
  readonly fields: readonly FieldRecord[]
  readonly body: BodyStore
  /** why the mail server should hold it */
  readonly quarantine: string | undefined
}

/** The edits that turn one message into another. */
export interface MailPlan {
  readonly headers: readonly HeaderEdit[]
  readonly envelope: readonly EnvelopeEdit[]
  readonly quarantine: string | undefined
  /** the new body, which may have the same bytes */
  readonly body: BodyStore | undefined
}

/** @param mayChange header fields may be changed and deleted, not only added */
export function planMail(
  before: MailState,
  after: MailState,
  server: MailServerKind,
  mayChange = true,
): MailPlan {
  return {
    headers: planHeaders(before.fields, after.fields, server, mayChange),
    envelope: planEnvelope(before, after),
    quarantine: after.quarantine === before.quarantine ? undefined : after.quarantine,
    body: after.body === before.body ? undefined : after.body,
  }
}

/** The plan in words, a line an edit. */
export function describePlan(plan: MailPlan): string[] {
  const lines = plan.headers.map((edit) => {
    if (edit.type === 'delete') return `delete ${decodeText(edit.name)} ${edit.index}`
    const field = `${decodeText(edit.field.name)}:${decodeText(edit.field.value)}`
    if (edit.type === 'add') return `add ${field}`
    return edit.type === 'insert'
      ? `insert at ${edit.index === 0 ? 'the top' : edit.index === END ? 'the end' : edit.index} ${field}`
      : `change ${edit.index} to ${field}`
  })
  for (const edit of plan.envelope) {
    const parameters =
      edit.type === 'deleteRecipient' || edit.parameters === undefined
        ? ''
        : ` ${edit.parameters}`
    lines.push(`${WORDS[edit.type]} ${edit.address}${parameters}`)
  }
  if (plan.quarantine !== undefined) lines.push(`quarantine ${plan.quarantine}`)
  if (plan.body !== undefined) lines.push(`replace the body by ${plan.body.size} bytes`)
  return lines
}

const WORDS = {
  changeFrom: 'change the sender to',
  deleteRecipient: 'delete the recipient',
  addRecipient: 'add the recipient',
} as const

/** Makes the edits of a plan, but for the body. */
export function sendPlan(ctx: MessageEdits, { headers, envelope, quarantine }: MailPlan): void {
  for (const edit of headers) {
    if (edit.type === 'insert') {
      ctx.insertHeader(edit.index, edit.field.name, edit.field.value)
    } else if (edit.type === 'change') {
      ctx.changeHeader(edit.field.name, edit.index, edit.field.value)
    } else if (edit.type === 'add') ctx.addHeader(edit.field.name, edit.field.value)
    else ctx.deleteHeader(edit.name, edit.index)
  }
  for (const edit of envelope) {
    if (edit.type === 'changeFrom') ctx.changeFrom(edit.address, edit.parameters)
    else if (edit.type === 'addRecipient') ctx.addRecipient(edit.address, edit.parameters)
    else ctx.deleteRecipient(edit.address)
  }
  if (quarantine !== undefined) ctx.quarantine(quarantine)
}
