import { UsageError } from '../errors.ts'
import { Action, ALL_ACTIONS, bitsOf, MacroStage, Step } from '../protocol/constants.ts'
import { EVENTS } from '../protocol/event-table.ts'
import { formatMacroList, NO_MACRO_LISTS, type MacroLists } from '../protocol/macros.ts'
import type { Wishes } from '../session/terms.ts'
import { isVerdict } from '../session/verdict.ts'
import { describe } from './answer.ts'
import type { NegotiationRequest } from './handlers.ts'
import { checkMarks, marksOf } from './marks.ts'
import type { FilterSettings } from './options.ts'
import { STAGE_NAMES, STAGES } from '../protocol/stages.ts'
import type { FilterObject } from './filter-object.ts'

/**
 * What a filter wants, worked out from its handlers: events without a handler are declined, and events whose handler
 * is marked `noReply` get no reply. It is worked out for each object, never for a class.
 * @throws UsageError INVALID_HANDLER for a mark on the wrong handler
 */
export function wishesOf(filter: FilterObject, settings: FilterSettings): Wishes {
  // As pymilter: always able to skip; refused recipients only on demand.
  let steps: number = Step.SKIP
  let macros: Map<MacroStage, readonly string[]> | undefined
  let envelope = false
  for (const stage of STAGE_NAMES) {
    const { noSend, noReply, macros: at } = STAGES[stage]
    const handler = filter.handlers[stage]
    if (handler === undefined) {
      steps |= noSend
      continue
    }
    const marks = marksOf(handler)
    checkMarks(stage, marks)
    if (marks.envelope) envelope = true
    if (marks.macros !== undefined) (macros ??= new Map()).set(at!, marks.macros)
    // Without it the filter cannot know whether a space followed the colon, and signatures break.
    if (stage === 'header' && (marks.headerLeadingSpace || !marks.noCallback)) {
      steps |= Step.HDR_LEADSPC
    }
    if (marks.noCallback) {
      steps |= noSend
      continue
    }
    if (marks.noReply) steps |= noReply
    if (marks.rejectedRecipients) steps |= Step.RCPT_REJ
  }
  if (envelope) steps = askingForEnvelope(steps, filter)
  return {
    actions: (settings.actions & (filter.actions ?? ALL_ACTIONS)) | settings.requiredActions,
    required: settings.requiredActions,
    steps,
    macros: withRefusals(macros ?? NO_MACRO_LISTS, steps),
    dataSize: settings.dataSize,
  }
}

/** Only this macro of RCPT tells that the mail server refuses a recipient. A list without it would leave it out. */
const REFUSAL = 'rcpt_mailer'

function withRefusals(macros: MacroLists, steps: number): MacroLists {
  const asked = macros.get(MacroStage.RCPT)
  if ((steps & Step.RCPT_REJ) === 0 || asked === undefined) return macros
  if (asked.includes(REFUSAL) || asked.includes(`{${REFUSAL}}`)) return macros
  return new Map(macros).set(MacroStage.RCPT, [...asked, REFUSAL])
}

/** MAIL and RCPT are sent, and need no reply where the filter has no handler for them that may be called. */
function askingForEnvelope(steps: number, { handlers }: FilterObject): number {
  let asking = steps
  for (const stage of ['envfrom', 'envrcpt'] as const) {
    const { noSend, noReply } = STAGES[stage]
    const handler = handlers[stage]
    if (handler === undefined || marksOf(handler).noCallback) {
      asking = (asking & ~noSend) | noReply
    }
  }
  return asking
}

/**
 * Over TCP, DATA comes and is answered, though the filter has no use for it. Postfix sends its content
 * from another process, with Nagle's algorithm, and that waits for the acknowledgement of the envelope:
 * 40 ms a message if nothing is answered in between, as seen with 3.7.11 (docs/decisions/data-over-tcp.md). One
 * round trip takes a twentieth of that.
 */
export function answeringData(wishes: Wishes): Wishes {
  return { ...wishes, withheld: EVENTS.data.noSend | EVENTS.data.noReply }
}

/**
 * The wishes, with those that the handler of negotiate adds.
 * @param given the value that the handler of negotiate has returned
 * @throws UsageError INVALID_VERDICT, INVALID_OPTION for a macro that you cannot ask for
 */
export function withRequest(wishes: Wishes, given: unknown): Wishes {
  const request = checkedRequest(given)
  if (request === undefined) return wishes
  const macros = new Map(wishes.macros)
  for (const [stage, names] of request.macros) macros.set(stage, names)
  const steps = request.steps ?? wishes.steps
  return {
    ...wishes,
    actions: request.actions ?? wishes.actions,
    steps,
    withheld: request.steps === undefined ? wishes.withheld : undefined,
    macros: withRefusals(macros, steps),
  }
}

/** The request. It is read only once. */
interface CheckedRequest {
  readonly actions: number | undefined
  readonly steps: number | undefined
  readonly macros: ReadonlyMap<MacroStage, readonly string[]>
}

function checkedRequest(given: unknown): CheckedRequest | undefined {
  if (given === undefined) return undefined
  if (typeof given !== 'object' || given === null || isVerdict(given)) {
    throw new UsageError(
      'INVALID_VERDICT',
      `the handler of negotiate returned ${describe(given)}; it may return { actions, steps, macros } or nothing, or throw to refuse the connection`,
    )
  }
  const request = given as NegotiationRequest
  const macros = new Map<MacroStage, readonly string[]>()
  for (const [stage, names] of Object.entries(request.macros ?? {})) {
    const number = Number(stage)
    if (!STAGE_NUMBERS.has(number)) {
      throw new UsageError(
        'INVALID_OPTION',
        `you cannot ask for macros of the stage ${describe(stage)}; the keys of "macros" are those of MacroStage, such as [MacroStage.MAIL]`,
      )
    }
    const list = [...names]
    formatMacroList(list)
    macros.set(number as MacroStage, list)
  }
  return {
    actions: checkedBits('actions', Action, request.actions),
    steps: checkedBits('steps', Step, request.steps),
    macros,
  }
}

const STAGE_NUMBERS: ReadonlySet<number> = new Set(Object.values(MacroStage))

/** @param given names or bits */
function checkedBits(
  name: string,
  table: Readonly<Record<string, number>>,
  given: unknown,
): number | undefined {
  if (given === undefined) return undefined
  const bits: unknown = Array.isArray(given) ? bitsOf(table, given) : given
  if (
    typeof bits === 'number' &&
    Number.isInteger(bits) &&
    bits >= -(2 ** 31) &&
    bits < 2 ** 32
  ) {
    return bits
  }
  throw new UsageError(
    'INVALID_OPTION',
    `"${name}" of what negotiate returned is ${describe(given)}; it is bits, or a list of some of ${Object.keys(table).join(', ')}`,
  )
}
