import { END } from '../../milter/edits.ts'
import type { MailServerKind } from '../../milter/mail-server.ts'
import { decodeText } from '../../protocol/text.ts'
import type { BodyStore } from '../body-store.ts'
import type { MailState } from '../mail-state.ts'
import { planEnvelope, type EnvelopeEdit } from './envelope-plan.ts'
import { planHeaders, type HeaderEdit } from './header-plan.ts'

/** What makes one message another. */
export interface MailPlan {
  readonly headers: readonly HeaderEdit[]
  readonly envelope: readonly EnvelopeEdit[]
  readonly quarantine: string | undefined
  /** another body, which may hold the same bytes */
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
