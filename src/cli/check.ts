import { isIPv6 } from 'node:net'
import { MilterError, type ErrorCode } from '../errors.ts'
import type { ClientTls } from '../mta/channel.ts'
import { MtaClient } from '../mta/client.ts'
import { hostAndPort } from '../telemetry/http.ts'
import { Action, bitNames, Step } from '../protocol/constants.ts'

/** The result of a health check. */
export interface Check {
  readonly healthy: boolean
  /** the result in one line */
  readonly line: string
}

/** Codes of mistakes of the caller. They say nothing about the milter. */
const MISUSE: ReadonlySet<ErrorCode> = new Set(['INVALID_LISTEN_ADDRESS', 'INVALID_OPTION'])

/**
 * Connects to a milter, negotiates as a mail server would, and quits. The milter can be written in any language. The
 * check sends no message, so the metrics of the filter do not count it. A milter that answers, but can only refuse
 * mail, is not healthy.
 *
 * @param timeout milliseconds for the connection, and again for each answer
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
        line: `${address} answers, but refuses all mail: its filter cannot be created, or it has no room for more connections; see its log`,
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
 * Asks `/healthz` of a `tsmilter run` on this machine. The limits of its milter ports do not apply there.
 * Undefined if there is no answer.
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
    const line = `${url} answers ${(await response.text()).trim().slice(0, 100)}`
    return { healthy: response.ok, line }
  } catch {
    return undefined
  }
}

/**
 * A milter of this package asks for CONNECT and MAIL only, and refuses both, if its filter cannot be created or it has
 * too many connections. No other milter gets a client from this check.
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
