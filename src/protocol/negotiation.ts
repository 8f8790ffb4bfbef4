/** The option negotiation, OPTNEG: the first frame in each direction. */
import { Command, MacroStage, Reply, V1_ACTIONS, V1_STEPS } from './constants.ts'
import { encodeFrame, type Payload } from './frame.ts'
import { bareMacroName, formatMacroList, type MacroLists } from './macros.ts'
import { endOfString, malformed, stringParts } from './strings.ts'
import { decodeText } from './text.ts'

/** What the mail server offers: its version, and the bits that it understands. */
export interface Offer {
  readonly version: number
  /** {@link Action} bits */
  readonly actions: number
  /** {@link Step} bits */
  readonly steps: number
}

/** What the filter has chosen from an offer. */
export interface Choice extends Offer {
  /** the macros it asks for, by stage */
  readonly macros?: MacroLists | undefined
}

/** Twelve bytes. Further bytes are for later versions (libmilter `st_optionneg`). */
const OFFER_SIZE = 12

/** @throws ProtocolError MALFORMED_PAYLOAD */
export function decodeOffer(payload: Payload): Offer {
  const { bytes, start, end } = payload
  if (end - start < OFFER_SIZE) {
    throw malformed('OPTNEG', `${end - start} bytes of data, at least ${OFFER_SIZE} are needed`)
  }
  return {
    version: bytes.readUInt32BE(start),
    actions: bytes.readUInt32BE(start + 4),
    steps: bytes.readUInt32BE(start + 8),
  }
}

/**
 * The bits that an offer means. An offer without actions or steps means those of version 1 (libmilter `st_optionneg`).
 * Postfix and Sendmail never make such an offer, whatever their settings. Every filter built with libmilter answers it
 * with these bits.
 */
export function offeredBits(offer: Offer): Offer {
  const { version, actions, steps } = offer
  return { version, actions: actions || V1_ACTIONS, steps: steps || V1_STEPS }
}

/** @throws ProtocolError MALFORMED_PAYLOAD */
export function decodeChoice(payload: Payload): Choice {
  return { ...decodeOffer(payload), macros: new Map(macroLists(payload)) }
}

/**
 * The macro lists of a choice, in order. If there are several for a stage, the last one counts.
 * @throws ProtocolError MALFORMED_PAYLOAD
 */
export function* macroLists(payload: Payload): Generator<[MacroStage, readonly string[]]> {
  const { bytes, end } = payload
  let start = payload.start + OFFER_SIZE
  while (start < end) {
    if (end - start < 5) throw malformed('OPTNEG', 'a macro list is cut off')
    const stage = bytes.readUInt32BE(start) as MacroStage
    const stop = endOfString(bytes, start + 4, end)
    const names = decodeText(bytes, start + 4, stop).split(/[\s,]+/)
    yield [stage, names.filter((name) => name !== '').map(bareMacroName)]
    start = stop + 1
  }
}

/** The frame of the mail server's offer. */
export function encodeOffer(offer: Offer): Buffer {
  return encodeFrame(Command.OPTNEG, numbers(offer))
}

/**
 * The filter's answer.
 *
 * Sendmail 8.17 and 8.18 use a list for EOM only if there is one for EOH too, and send nothing at
 * EOM if there is only one for EOH (`sendmail/milter.c` milter_data tests the wrong bit). So
 * whenever one of the two is set, both are sent.
 */
export function encodeChoice(choice: Choice): Buffer {
  const lists = new Map(choice.macros)
  if (lists.has(MacroStage.EOM) && !lists.has(MacroStage.EOH)) lists.set(MacroStage.EOH, ['i'])
  if (lists.has(MacroStage.EOH) && !lists.has(MacroStage.EOM)) {
    lists.set(MacroStage.EOM, ['i', 'msg_id'])
  }
  const parts: Uint8Array[] = [numbers(choice)]
  for (const [stage, names] of [...lists].sort(([a], [b]) => a - b)) {
    const number = Buffer.allocUnsafe(4)
    number.writeUInt32BE(stage)
    parts.push(number, ...stringParts(formatMacroList(names)))
  }
  return encodeFrame(Reply.OPTNEG, ...parts)
}

function numbers(offer: Offer): Buffer {
  const bytes = Buffer.allocUnsafe(OFFER_SIZE)
  bytes.writeUInt32BE(offer.version >>> 0, 0)
  bytes.writeUInt32BE(offer.actions >>> 0, 4)
  bytes.writeUInt32BE(offer.steps >>> 0, 8)
  return bytes
}
