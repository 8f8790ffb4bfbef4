/** What is kept of HTML that is cleaned. */
export interface SanitizeOptions {
  /** @default false: `form` and `formaction` are taken out; fields stay */
  readonly keepForms?: boolean | undefined
  /** @default false: `link` to a style sheet is taken out */
  readonly keepStylesheets?: boolean | undefined
  /**
   * `false`: nothing is loaded when it is shown, so no picture, film, sound or font from elsewhere; those
   * that come with the mail (`cid:`, `data:`) stay, and so do links. @default true
   */
  readonly keepRemote?: boolean | undefined
}
