import { ProtocolError } from '../errors.ts'
import {
  Action,
  ALL_ACTIONS,
  ALL_STEPS,
  bitNames,
  DataSize,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  Step,
} from '../protocol/constants.ts'
import { NO_SEND_STEPS } from '../protocol/event-table.ts'
import { NO_MACRO_LISTS, type MacroLists } from '../protocol/macros.ts'
import { offeredBits, type Choice, type Offer } from '../protocol/negotiation.ts'

/** What a filter would like, whatever the mail server offers. */
export interface Wishes {
  /** {@link Action} bits the filter uses */
  readonly actions: number
  /** {@link Action} bits without which it cannot work */
  readonly required: number
  /** {@link Step} bits: events it has no use for, events it does not answer, capabilities */
  readonly steps: number
  /** bits of `steps` not to ask for: the event should come, and is answered here */
  readonly withheld?: number | undefined
  readonly macros: MacroLists
  /** the largest frame data to agree on; 65,535 needs no negotiation */
  readonly dataSize: DataSize
}

/**
 * What was agreed for one connection: the answer to the mail server, and the bits to emulate because the filter wants
 * them and the mail server does not offer them.
 */
export interface Terms extends Choice {
  readonly macros: MacroLists
  /** NO* bits that the filter wants: if such events come all the same, they are answered here */
  readonly declined: number
  /** the largest data of a frame we may send, in bytes */
  readonly dataSize: DataSize
}

/**
 * The intersection of wishes and offer, without bits that were not offered: Sendmail drops a filter for such a bit.
 * Missing steps are emulated, so only a missing required action is an error.
 * An offer of no bits is read as libmilter reads it ({@link offeredBits}).
 * @throws ProtocolError VERSION_TOO_OLD, ACTIONS_NOT_OFFERED
 */
export function agree(offer: Offer, wishes: Wishes): Terms {
  if (offer.version < OLDEST_PROTOCOL_VERSION) {
    throw new ProtocolError(
      'VERSION_TOO_OLD',
      `the mail server speaks milter protocol version ${offer.version}; ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION} are understood`,
    )
  }
  const version = Math.min(offer.version, PROTOCOL_VERSION)
  const meant = offeredBits(offer)
  const offeredActions = meant.actions & ALL_ACTIONS
  const offeredSteps = meant.steps & (ALL_STEPS | SIZE_STEPS)
  const missing = wishes.required & ~offeredActions
  if (missing !== 0) {
    throw new ProtocolError(
      'ACTIONS_NOT_OFFERED',
      `the filter requires ${bitNames(Action, missing)} and the mail server offers only ${bitNames(Action, offeredActions)}`,
    )
  }
  // Lists travel behind the twelve bytes; servers that never heard of them might stumble.
  const listsAllowed = version >= 6 && (offeredActions & Action.SETSYMLIST) !== 0
  const macros: MacroLists = listsAllowed ? wishes.macros : NO_MACRO_LISTS
  const actions =
    ((wishes.actions | wishes.required) & offeredActions) |
    (macros.size > 0 ? Action.SETSYMLIST : 0)
  const dataSize = agreedSize(offeredSteps, wishes.dataSize)
  const asked = wishes.steps & ~(wishes.withheld ?? 0)
  const steps = (asked & offeredSteps & ALL_STEPS) | SIZE_STEP[dataSize]
  return { version, actions, steps, macros, declined: wishes.steps & NO_SEND_STEPS, dataSize }
}

const SIZE_STEPS = Step.MDS_256K | Step.MDS_1M
const SIZE_STEP: Readonly<Record<DataSize, number>> = {
  [DataSize.K64]: 0,
  [DataSize.K256]: Step.MDS_256K,
  [DataSize.M1]: Step.MDS_1M,
}

function agreedSize(offered: number, wished: DataSize): DataSize {
  if (wished >= DataSize.M1 && (offered & Step.MDS_1M) !== 0) return DataSize.M1
  if (wished >= DataSize.K256 && (offered & Step.MDS_256K) !== 0) return DataSize.K256
  return DataSize.K64
}
