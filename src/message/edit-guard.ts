/** Decides whether an edit can be made: at the call, before the mail is changed. */
export interface EditGuard {
  /**
   * Whether an edit that needs these {@link Action} bits may be made. It is false if the mail server has not granted
   * the edit and the filter skips such edits.
   *
   * @throws UsageError WRONG_STAGE when the handler is over, ACTION_NOT_NEGOTIATED
   */
  permit(what: string, actions: number): boolean
}
