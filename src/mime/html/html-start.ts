/** Tags that content begins with that is HTML: those of MIME Sniffing, section 7.1, and some more. */
const TAGS =
  'html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|meta|form|img|svg|link|base|object|embed'

/**
 * A pattern for the start of HTML. In the standard, a tag name ends at a space or a `>`. In old browsers, it also ends
 * at a slash.
 * @param above what can come before the tags, besides white space
 */
export const htmlStart = (above: string): RegExp =>
  new RegExp(`^(?:\\s|${above})*<(?:!doctype\\s+html|${TAGS})[\\s>/]`, 'i')
