/**
 * The answer to mail when a filter fails: milter_default_action of Postfix, `F=` of Sendmail (`T` is tempfail, `R`
 * reject, `4` shutdown; without it, mail is accepted).
 */
export type FailureAction = 'accept' | 'reject' | 'tempfail' | 'quarantine' | 'shutdown'
