import type { BodyStore } from './body-store.ts'
import type { EnvelopeAddress } from './envelope.ts'
import type { FieldRecord } from './field-record.ts'

/** A message at one moment: as it came, or as a filter has left it. Never changed, only replaced. */
export interface MailState {
  readonly sender: EnvelopeAddress
  readonly recipients: readonly EnvelopeAddress[]
  readonly fields: readonly FieldRecord[]
  readonly body: BodyStore
  /** why it is to be held */
  readonly quarantine: string | undefined
}
