import { encodeText } from '../protocol/text.ts'
import type { DecodeStrategy } from './marks.ts'

const ESCAPED = /[\udc80-\udcff]/
const ESCAPED_ALONE = /(?<![\ud800-\udbff])[\udc80-\udcff]/g

/** Texts off the wire in the form a handler asked for; all in one form. */
export function decodeAs(
  strategy: DecodeStrategy | undefined,
  texts: readonly string[],
): readonly (string | Buffer)[] {
  switch (strategy) {
    case undefined:
    case 'surrogateescape':
      return texts
    case 'bytes':
      return texts.map(encodeText)
    case 'strict':
      return texts.every((text) => text.isWellFormed()) ? texts : texts.map(encodeText)
    case 'ignore':
      return texts.map((text) => withoutEscapes(text, ''))
    case 'replace':
      return texts.map((text) => withoutEscapes(text, '\ufffd'))
  }
}

function withoutEscapes(text: string, instead: string): string {
  return ESCAPED.test(text) ? text.replaceAll(ESCAPED_ALONE, instead) : text
}
