/**
 * What becomes of mail when a filter fails: milter_default_action of Postfix, `F=` of Sendmail (`T` is tempfail,
 * `R` reject, `4` shutdown, and without it mail is accepted).
 */
export type FailureAction = 'accept' | 'reject' | 'tempfail' | 'quarantine' | 'shutdown'
