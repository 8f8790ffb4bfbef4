/** Tags that content begins with that is HTML: those of MIME Sniffing, section 7.1, and some more. */
const TAGS =
  'html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|meta|form|img|svg|link|base|object|embed'

/**
 * A pattern for the start of HTML: the standard ends the tags at a space or a `>`, and old browsers at a slash.
 * @param above what may stand above them besides white space
 */
export const htmlStart = (above: string): RegExp =>
  new RegExp(`^(?:\\s|${above})*<(?:!doctype\\s+html|${TAGS})[\\s>/]`, 'i')
