import { InterruptedError, MilterError, type ErrorCode } from '../errors.ts'
import type { InterruptReason } from '../session/events.ts'
import type { Verdict } from '../session/verdict.ts'
import type { Logger } from '../diagnostics/log.ts'
import type { RateLimitedLog } from '../diagnostics/rate-limited-log.ts'
import type { Stage } from '../protocol/stages.ts'

/** The errors that handlers get for each reason. */
const INTERRUPTIONS: Readonly<Record<InterruptReason, [ErrorCode, string]>> = {
  abort: ['MESSAGE_ABORTED', 'the mail server abandoned the message'],
  disconnect: ['DISCONNECTED', 'the mail server has closed the connection'],
  shutdown: ['SHUTTING_DOWN', 'this server is stopping'],
}

export function interruption(reason: InterruptReason): InterruptedError {
  const [code, text] = INTERRUPTIONS[reason]
  return new InterruptedError(code, text)
}

/** @param limit milliseconds */
export function missedDeadline(stage: Stage, limit: number): InterruptedError {
  return new InterruptedError(
    'DEADLINE_EXCEEDED',
    `the handler of ${stage} did not answer within ${limit} ms (option "deadlines")`,
  )
}

/**
 * A filter is not to blame for a client that leaves: every RSET in a handler's time is one. And a disk that is full
 * fails each large message, so it has one line a minute.
 *
 * @param fields where it was
 */
export function logFailure(
  log: Logger,
  limitedLog: RateLimitedLog,
  fields: { readonly stage: string; readonly filter?: string },
  error: unknown,
  { kind: verdict }: Verdict,
): void {
  const code = error instanceof MilterError ? error.code : undefined
  if (code !== undefined && CUT_OFF.has(code)) {
    log.info({ ...fields, code, verdict }, 'a handler was cut off')
  } else if (code === 'SPILL_FAILED') {
    limitedLog.write(log, 'error', { ...fields, err: error, verdict }, NO_ROOM)
  } else log.error({ ...fields, err: error, verdict }, 'a handler failed')
}

const NO_ROOM = 'a body could not be kept in a temporary file'
const CUT_OFF: ReadonlySet<ErrorCode> = new Set([
  'MESSAGE_ABORTED',
  'DISCONNECTED',
  'SHUTTING_DOWN',
])
