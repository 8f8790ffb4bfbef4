import { MilterError, type ErrorCode } from '../errors.ts'
import type { ClientTls } from '../mta/channel.ts'
import { MtaClient } from '../mta/client.ts'
import { Action, bitNames, Step } from '../protocol/constants.ts'

export interface Check {
  readonly healthy: boolean
  /** what was found, in one line */
  readonly line: string
}

/** The caller's mistakes, which say nothing about the milter. */
const MISUSE: ReadonlySet<ErrorCode> = new Set(['INVALID_LISTEN_ADDRESS', 'INVALID_OPTION'])

/**
 * Asks a milter, in whatever language, whether it is there and speaks the protocol: negotiates as a
 * mail server would, and quits. It sends no message, so it does not show in the filter's figures.
 *
 * @param timeout milliseconds for the connection, and again for the answer
 * @throws ListenError INVALID_LISTEN_ADDRESS
 * @throws UsageError INVALID_OPTION
 */
export async function checkMilter(
  address: string,
  timeout: number,
  tls?: ClientTls,
): Promise<Check> {
  const began = performance.now()
  try {
    await using client = await MtaClient.connect(address, { timeouts: timeout, tls })
    const { version, actions, steps } = await client.negotiate()
    const took = Math.max(1, Math.round(performance.now() - began))
    const words = [
      `version ${version}`,
      `actions ${namesOf(Action, actions)}`,
      `steps ${namesOf(Step, steps)}`,
    ]
    return { healthy: true, line: `${address} answers after ${took} ms: ${words.join(', ')}` }
  } catch (error) {
    if (!(error instanceof MilterError) || MISUSE.has(error.code)) throw error
    return { healthy: false, line: `${address} does not answer: ${error.message}` }
  }
}

const namesOf = (names: Readonly<Record<string, number>>, bits: number): string =>
  bits === 0 ? 'none' : bitNames(names, bits).replaceAll('|', ' ')
