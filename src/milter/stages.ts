import { MacroStage, Step } from '../protocol/constants.ts'
import type { VerdictKind } from '../session/verdict.ts'

/** The callbacks, by libmilter's names without `xxfi_`. */
export type Stage =
  | 'negotiate'
  | 'connect'
  | 'helo'
  | 'envfrom'
  | 'envrcpt'
  | 'data'
  | 'header'
  | 'eoh'
  | 'body'
  | 'eom'
  | 'abort'
  | 'close'
  | 'unknown'

export interface StageFacts {
  /** the bit that keeps the event from being sent; 0 for events that always are */
  readonly declined: number
  /** the bit that says the event gets no reply; 0 where one is always due */
  readonly silent: number
  /** where its macros can be asked for */
  readonly macros?: MacroStage
  /** what a handler may answer, beside nothing */
  readonly verdicts: readonly VerdictKind[]
}

const CONNECTION: readonly VerdictKind[] = ['continue', 'accept', 'reject', 'tempfail']
const MESSAGE: readonly VerdictKind[] = [...CONNECTION, 'discard']
const BODY: readonly VerdictKind[] = [...MESSAGE, 'skip']

export const STAGES: Readonly<Record<Stage, StageFacts>> = {
  negotiate: { declined: 0, silent: 0, verdicts: [] },
  connect: {
    declined: Step.NOCONNECT,
    silent: Step.NR_CONN,
    macros: MacroStage.CONNECT,
    verdicts: CONNECTION,
  },
  helo: {
    declined: Step.NOHELO,
    silent: Step.NR_HELO,
    macros: MacroStage.HELO,
    verdicts: CONNECTION,
  },
  envfrom: {
    declined: Step.NOMAIL,
    silent: Step.NR_MAIL,
    macros: MacroStage.MAIL,
    verdicts: MESSAGE,
  },
  envrcpt: {
    declined: Step.NORCPT,
    silent: Step.NR_RCPT,
    macros: MacroStage.RCPT,
    verdicts: MESSAGE,
  },
  data: {
    declined: Step.NODATA,
    silent: Step.NR_DATA,
    macros: MacroStage.DATA,
    verdicts: MESSAGE,
  },
  header: { declined: Step.NOHDRS, silent: Step.NR_HDR, verdicts: MESSAGE },
  eoh: { declined: Step.NOEOH, silent: Step.NR_EOH, macros: MacroStage.EOH, verdicts: MESSAGE },
  body: { declined: Step.NOBODY, silent: Step.NR_BODY, verdicts: BODY },
  eom: { declined: 0, silent: 0, macros: MacroStage.EOM, verdicts: MESSAGE },
  abort: { declined: 0, silent: 0, verdicts: [] },
  close: { declined: 0, silent: 0, verdicts: [] },
  unknown: { declined: Step.NOUNKNOWN, silent: Step.NR_UNKN, verdicts: CONNECTION },
}

export const STAGE_NAMES: readonly Stage[] = Object.keys(STAGES) as Stage[]

export function isStage(name: string): name is Stage {
  return Object.hasOwn(STAGES, name)
}

/** The optional stages, for messages. */
export function optionalStages(): string {
  return STAGE_NAMES.filter((stage) => STAGES[stage].declined !== 0).join(', ')
}
