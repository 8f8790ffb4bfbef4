/** Violations of the protocol by frames that can be read. */
import { ProtocolError } from '../errors.ts'
import { letter } from '../protocol/constants.ts'

export function notNegotiated(command: number): ProtocolError {
  return new ProtocolError(
    'NOT_NEGOTIATED',
    `${letter(command)} came before the option negotiation`,
  )
}

export function negotiatedTwice(): ProtocolError {
  return new ProtocolError(
    'NEGOTIATED_TWICE',
    'a second option negotiation came; a connection has only one',
  )
}

export function outOfOrder(command: number, withoutMail: boolean): ProtocolError {
  return new ProtocolError(
    'OUT_OF_ORDER',
    withoutMail
      ? `${letter(command)} came without a MAIL before it`
      : `${letter(command)} cannot come at this point of a message`,
  )
}

/** @param held bytes */
export function noMemory(held: number): ProtocolError {
  return new ProtocolError(
    'MEMORY_EXHAUSTED',
    `frames of ${held} bytes wait, and there is no memory left for them (option "maxMemory")`,
  )
}
