import { ProtocolError } from '../../errors.ts'
import {
  Action,
  bitNames,
  MacroStage,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  Step,
} from '../../protocol/constants.ts'
import { existsIn, noSendSteps } from '../../protocol/event-table.ts'
import type { Payload } from '../../protocol/frame.ts'
import {
  decodeChoice,
  decodeOffer,
  macroLists,
  offeredBits,
  type Choice,
  type Offer,
} from '../../protocol/negotiation.ts'
import { malformed } from '../../protocol/strings.ts'

/** How a mail server takes a filter's answer to its offer. */
export interface NegotiationRules {
  /** @throws ProtocolError MALFORMED_PAYLOAD if the server drops the filter */
  read(payload: Payload): Choice
  /** why the server drops the filter; undefined if it does not */
  flaw(choice: Choice, offer: Offer): string | undefined
  /** a violation that the server tolerates; undefined if there is none */
  oddity(choice: Choice, offer: Offer): string | undefined
  /** the version whose commands the server sends */
  version(choice: Choice, offer: Offer): number
  /** the step bits that the server follows */
  steps(choice: Choice): number
}

const extraActions = (choice: Choice, offer: Offer): string | undefined => {
  const extra = choice.actions & ~offeredBits(offer).actions
  return extra === 0 ? undefined : `the actions ${bitNames(Action, extra)}`
}

const extraSteps = (choice: Choice, offer: Offer): string | undefined => {
  const extra = choice.steps & ~offeredBits(offer).steps
  return extra === 0 ? undefined : `the steps ${bitNames(Step, extra)}`
}

/** Postfix (`src/milter/milter8.c` milter8_connect); measured by `test/mail-servers/random-negotiation`. */
export const POSTFIX_NEGOTIATION: NegotiationRules = {
  read(payload) {
    const choice = decodeChoice(payload)
    if (choice.macros!.size > 0 && payload.bytes[payload.end - 1] !== 0)
      throw malformed('OPTNEG', 'a macro list without a NUL at its end')
    return choice
  },
  flaw: (choice, offer) =>
    choice.version > offer.version
      ? `version ${choice.version}; ${offer.version} was offered`
      : extraActions(choice, offer),
  oddity: extraSteps,
  // It warns about a version that never existed, and uses its own.
  version: ({ version }, offer) =>
    version < OLDEST_PROTOCOL_VERSION ? offer.version : version,
  steps: (choice) => choice.steps,
}

/** SMFI_VERSION of Sendmail 8.17, the version of libmilter's interface. Sendmail compares the answer with it. */
const INTERFACE_VERSION = 0x01000001

/** Sendmail (`sendmail/milter.c` milter_negotiate); measured by `test/mail-servers/random-negotiation`. */
export const SENDMAIL_NEGOTIATION: NegotiationRules = {
  read: readLists,
  flaw: (choice, offer) => {
    const version = choice.version | 0
    if (version === 1 || version > INTERFACE_VERSION)
      return `version ${choice.version}; ${offer.version} was offered`
    return extraActions(choice, offer) ?? extraSteps(choice, offer)
  },
  oddity: ({ version }, offer) =>
    version > offer.version ? `version ${version}; ${offer.version} was offered` : undefined,
  // Events that a version does not have count as declined. The number is read as a signed one.
  version: () => PROTOCOL_VERSION,
  steps: ({ version, steps }) => steps | noSendSteps((event) => !existsIn(event, version | 0)),
}

/**
 * Sendmail reads lists until one cannot be read or its stage does not exist. The list for EOM counts only if there is
 * one for EOH. If there is only one for EOH, Sendmail sends no macros at EOM (milter_data tests the wrong bit).
 */
function readLists(payload: Payload): Choice {
  const macros = new Map<MacroStage, readonly string[]>()
  try {
    for (const [stage, names] of macroLists(payload)) {
      if (stage > MacroStage.EOH) break
      macros.set(stage, names)
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
  }
  if (!macros.has(MacroStage.EOH)) macros.delete(MacroStage.EOM)
  else if (!macros.has(MacroStage.EOM)) macros.set(MacroStage.EOM, [])
  return { ...decodeOffer(payload), macros }
}
