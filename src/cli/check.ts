import { isIPv6 } from 'node:net'
import { MilterError, type ErrorCode } from '../errors.ts'
import type { ClientTls } from '../mta/channel.ts'
import { MtaClient } from '../mta/client.ts'
import { hostAndPort } from '../telemetry/http.ts'
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
 * mail server would, and quits. It sends no message, so it does not show in the filter's figures. One that answers,
 * but can only refuse mail, is not well.
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
    if (await refusesAll(client)) {
      return {
        healthy: false,
        line: `${address} answers, but refuses all mail: its filter cannot be made, or it has no room for more connections; its log says which`,
      }
    }
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

/**
 * What `/healthz` of a `tsmilter run` on this machine says, which the limits on its milter ports do not concern;
 * undefined if nobody answers there.
 *
 * @param listen the option `telemetry`
 */
export async function askHealth(
  listen: string | undefined,
  timeout: number,
): Promise<Check | undefined> {
  if (listen === undefined || listen === '') return undefined
  const { host, port } = hostAndPort(listen)
  const name = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host
  const url = `http://${isIPv6(name) ? `[${name}]` : name}:${port}/healthz`
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeout) })
    const line = `${url} says ${(await response.text()).trim().slice(0, 100)}`
    return { healthy: response.ok, line }
  } catch {
    return undefined
  }
}

/**
 * A milter of this package whose filter cannot be made, or that has too many connections, wants to hear of the client
 * and of the sender only, and refuses both. No other is told of a client here.
 */
async function refusesAll(client: MtaClient): Promise<boolean> {
  const wanted = EVENTS.filter((event) => client.handling(event) !== 'declined')
  if (wanted.join() !== 'connect,mail') return false
  const answer = await client.command({
    type: 'connect',
    client: {
      hostname: 'localhost',
      family: 'inet',
      address: '127.0.0.1',
      rawAddress: '127.0.0.1',
      port: 0,
    },
  })
  return answer !== undefined && !PASSING.has(answer.type)
}

const EVENTS = ['connect', 'helo', 'mail', 'rcpt', 'header', 'eoh', 'body'] as const
const PASSING: ReadonlySet<string> = new Set(['continue', 'accept'])

const namesOf = (names: Readonly<Record<string, number>>, bits: number): string =>
  bits === 0 ? 'none' : bitNames(names, bits).replaceAll('|', ' ')
