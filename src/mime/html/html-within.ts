/** HTML in content of other kinds, which programs show in place of it. */

/** Type of a calendar; the old one is that of vCalendar 1.0. */
const CALENDARS: ReadonlySet<string> = new Set(['text/calendar', 'text/x-vcalendar'])

export const isCalendar = (types: readonly string[], extensions: readonly string[]): boolean =>
  types.some((type) => CALENDARS.has(type)) ||
  extensions.some((one) => /^(?:ics|ical|ifb|vcs)$/.test(one))

/**
 * A property whose text is HTML: `X-ALT-DESC` of Outlook, and any property with such a `FMTTYPE` (RFC 5545, section
 * 3.2.8).
 */
const PROPERTY = /^(?:x-alt-desc\b|[^:\r\n]*\bfmttype="?[^:;]*html)/i

/** The HTML of each property of a calendar that has some; folds and escapes undone (RFC 5545, 3.1 and 3.3.11). */
export function* htmlInCalendar(text: string): Generator<string> {
  for (const line of text.replaceAll(/(?:\r\n|\r|\n)[ \t]/g, '').split(/[\r\n]+/)) {
    if (!PROPERTY.test(line)) continue
    yield line
      .slice(line.indexOf(':') + 1)
      .replaceAll(/\\([^])/g, (_all, one: string) => (one === 'n' || one === 'N' ? '\n' : one))
  }
}

/** Whether RTF was made from HTML. Programs turn such RTF into HTML again (MS-OXRTFEX, section 2.1.3.1.1). */
export const isRtfOfHtml = (bytes: Buffer): boolean =>
  bytes.toString('latin1', 0, 64).trimStart().startsWith('{\\rt') &&
  bytes.includes('\\fromhtml')
