/** What `sanitizeHtml` keeps. */
export interface SanitizeOptions {
  /** @default false: `form` and `formaction` are removed, and fields stay */
  readonly keepForms?: boolean | undefined
  /** @default false: `link` to a style sheet is removed */
  readonly keepStylesheets?: boolean | undefined
  /**
   * `false`: the HTML loads nothing from elsewhere when it is shown: no picture, film, sound or font. Those that come
   * with the mail (`cid:`, `data:`) stay, and so do links. @default true
   */
  readonly keepRemote?: boolean | undefined
}
