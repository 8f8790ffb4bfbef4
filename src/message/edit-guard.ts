/** What decides whether an edit can be made: at the call, before anything of the mail is changed. */
export interface EditGuard {
  /**
   * Whether an edit that needs these {@link Action} bits may be made. False if it is to be left out,
   * because the mail server has not granted it and the filter said to skip such edits.
   *
   * @throws UsageError WRONG_STAGE when the handler is over, ACTION_NOT_NEGOTIATED
   */
  permit(what: string, actions: number): boolean
}
