import { ACCEPT, TEMPFAIL, type Verdict } from '../session/verdict.ts'
import { invalidOption } from './option-values.ts'

/** What mail is told that there is no room for: to come again, or to pass as if there were no filter. */
export type OverloadAnswer = 'tempfail' | 'accept'

/** How one server answers what is too much for it. */
export interface Overload {
  readonly answer: OverloadAnswer
  readonly verdict: Verdict<OverloadAnswer>
}

const OVERLOADS: Readonly<Record<OverloadAnswer, Overload>> = {
  tempfail: { answer: 'tempfail', verdict: TEMPFAIL },
  accept: { answer: 'accept', verdict: ACCEPT },
}

/** @throws UsageError INVALID_OPTION */
export function overloadOf(answer: OverloadAnswer): Overload {
  if (!Object.hasOwn(OVERLOADS, answer)) {
    throw invalidOption('overload', answer, 'tempfail or accept')
  }
  return OVERLOADS[answer]
}
