import { EVENTS, type Callback, type EventFacts } from './event-table.ts'

/**
 * The callbacks, by libmilter's names without `xxfi_`: those of the events, and three that the protocol has no
 * event for.
 */
export type Stage = 'negotiate' | Callback | 'abort' | 'close'

/** What of an event its callback needs. */
type StageFacts = Pick<EventFacts, 'noSend' | 'noReply' | 'macros' | 'verdicts'>

const NO_EVENT: StageFacts = { noSend: 0, noReply: 0, macros: undefined, verdicts: [] }

export const STAGES: Readonly<Record<Stage, StageFacts>> = {
  negotiate: NO_EVENT,
  connect: EVENTS.connect,
  helo: EVENTS.helo,
  envfrom: EVENTS.mail,
  envrcpt: EVENTS.rcpt,
  data: EVENTS.data,
  header: EVENTS.header,
  eoh: EVENTS.eoh,
  body: EVENTS.body,
  eom: EVENTS.eom,
  abort: NO_EVENT,
  close: NO_EVENT,
  unknown: EVENTS.unknown,
}

export const STAGE_NAMES: readonly Stage[] = Object.keys(STAGES) as Stage[]

export function isStage(name: string): name is Stage {
  return Object.hasOwn(STAGES, name)
}

/** The optional stages, for messages. */
export function optionalStages(): string {
  return STAGE_NAMES.filter((stage) => STAGES[stage].noSend !== 0).join(', ')
}
