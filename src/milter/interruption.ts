import { InterruptedError, type ErrorCode } from '../errors.ts'
import type { InterruptReason } from '../session/events.ts'
import type { Verdict } from '../session/verdict.ts'
import type { Logger } from './log.ts'
import type { Stage } from './stages.ts'

/** How an interruption is told to handlers. */
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

/** A filter is not to blame for a client that leaves: every RSET in a handler's time is one. */
export function logFailure(log: Logger, stage: Stage, error: unknown, verdict: Verdict): void {
  if (error instanceof InterruptedError && error.code !== 'DEADLINE_EXCEEDED') {
    log.info({ stage, code: error.code, verdict: verdict.kind }, 'a handler was cut off')
  } else log.error({ stage, err: error, verdict: verdict.kind }, 'a handler failed')
}
