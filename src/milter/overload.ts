import type { OverloadAnswer } from '../options/types.ts'
import { ACCEPT, TEMPFAIL, type Verdict } from '../session/verdict.ts'

/** How a server answers when it is overloaded. */
export interface Overload {
  readonly answer: OverloadAnswer
  readonly verdict: Verdict<OverloadAnswer>
}

export const OVERLOADS: Readonly<Record<OverloadAnswer, Overload>> = {
  tempfail: { answer: 'tempfail', verdict: TEMPFAIL },
  accept: { answer: 'accept', verdict: ACCEPT },
}
