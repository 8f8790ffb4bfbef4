import type { EnvelopeAddress } from '../../milter/envelope/envelope-address.ts'

export type EnvelopeEdit =
  | {
      readonly type: 'changeFrom'
      readonly address: string
      readonly parameters?: string | undefined
    }
  | { readonly type: 'deleteRecipient'; readonly address: string }
  | {
      readonly type: 'addRecipient'
      readonly address: string
      readonly parameters?: string | undefined
    }

export interface Envelope {
  readonly sender: EnvelopeAddress
  readonly recipients: readonly EnvelopeAddress[]
}

/**
 * The edits that make one envelope another. A recipient with other parameters is deleted and added
 * again. A recipient that exists is never added: Postfix would send the message there twice.
 */
export function planEnvelope(before: Envelope, after: Envelope): EnvelopeEdit[] {
  const edits: EnvelopeEdit[] = []
  const { sender } = after
  if (sender !== before.sender) {
    const parameters = parametersOf(sender)
    const same = parameters === parametersOf(before.sender)
    if (sender.address !== before.sender.address || !same) {
      edits.push({
        type: 'changeFrom',
        address: sender.raw,
        parameters: same ? undefined : parameters,
      })
    }
  }
  if (after.recipients === before.recipients) return edits
  const wanted = new Map(after.recipients.map((one) => [one.mailbox, one]))
  const present = new Map<string, EnvelopeAddress[]>()
  for (const one of before.recipients) {
    const same = present.get(one.mailbox)
    if (same === undefined) present.set(one.mailbox, [one])
    else same.push(one)
  }
  for (const [mailbox, written] of present) {
    const goal = wanted.get(mailbox)
    const kept = goal !== undefined && written.some((one) => sameParameters(one, goal))
    if (kept) wanted.delete(mailbox)
    else {
      for (const address of new Set(written.map(({ raw }) => raw))) {
        edits.push({ type: 'deleteRecipient', address })
      }
    }
  }
  for (const one of wanted.values()) {
    const parameters = parametersOf(one)
    edits.push({
      type: 'addRecipient',
      address: one.raw,
      parameters: parameters === '' ? undefined : parameters,
    })
  }
  return edits
}

const parametersOf = ({ words }: EnvelopeAddress): string => words.slice(1).join(' ')
const sameParameters = (one: EnvelopeAddress, other: EnvelopeAddress): boolean =>
  parametersOf(one) === parametersOf(other)
