/** Reads the boundaries that programs find in a Content-Type, in the form they have in the lines of a message. */
import { encodeText } from '../../protocol/text.ts'
import { fieldAt, LONGEST_FIELD } from '../fields/content-field.ts'
import { isMediaType } from '../fields/media-type.ts'
import { readingsOf, withoutComments, type ParameterizedValue } from '../fields/parameters.ts'
import type { Span } from './span.ts'

/**
 * The maximum of other boundaries that are tried for a message. Real mail has no lines of another boundary than the
 * usual one, and each boundary doubles the ways to divide the message.
 */
export const MAX_BOUNDARIES = 3

/**
 * Maximum number of bytes in fields that are read in all ways. Each byte costs as much as a hundred others. In real
 * mail, the fields that are not written plainly have some hundred bytes.
 */
const MAX_READ = 262_144

export interface Boundaries {
  /** the one that most programs read; empty if there is none */
  readonly usual: string
  /** the field clearly names several */
  readonly several: boolean
  /** those that only some programs read */
  readonly others: readonly string[]
}

const NONE: Boundaries = { usual: '', several: false, others: [] }

/** The boundaries of one message. */
export class BoundaryReader {
  /** the bytes of fields that may still be read in all ways; below zero if there were more */
  left: number = MAX_READ
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** For a part that is no multipart. mailparser divides a part of any type that has a boundary. */
  ofLeaf(field: Span): Boundaries {
    return namesBoundary(this.#text(field)) ? this.#all(field, NONE) : NONE
  }

  /** @param value the field as it is read elsewhere */
  ofType(field: Span, value: ParameterizedValue): Boundaries {
    if (!isMediaType(value.value) || !value.value.startsWith('multipart/')) {
      return this.ofLeaf(field)
    }
    const usable = readingsOf(value, 'boundary')
      .map((text) => line(text).trimEnd())
      .filter((text) => text !== '')
    const usual = {
      usual: usable[0] ?? '',
      several: new Set(usable).size > 1,
      others: usable.filter((one) => one !== usable[0]),
    }
    const text = this.#text(field)
    const plain = PLAIN.test(text) && text.split(/boundary/i).length === 2
    return plain ? usual : this.#all(field, usual)
  }

  /** The start of the field, as far as it is read. */
  #text({ start, end }: Span): string {
    return this.#bytes.toString('latin1', start, Math.min(end, start + LONGEST_FIELD))
  }

  #all(field: Span, { usual, several, others }: Boundaries): Boundaries {
    this.left -= Math.min(field.end - field.start, LONGEST_FIELD)
    if (this.left < 0) return { usual, several, others }
    const all = new Set(others)
    for (const text of fieldAt(this.#bytes, field).readings.get('boundary') ?? []) {
      const one = line(text)
      for (const end of [one.trimEnd(), one.replace(/[ \t\r\n]+$/, '')]) all.add(end)
    }
    all.delete('')
    all.delete(usual)
    return { usual, several, others: [...all] }
  }
}

/** The bytes of a text, as the lines of the message are read. */
const line = (text: string): string => encodeText(text).toString('latin1')

/** A Content-Type of a multipart in which all programs read the same parameters. */
const PLAIN =
  /^[ \t\r\n]*multipart\/[\w.+-]+(?:[ \t]*;[ \t\r\n]*[a-z-]+=(?:"[\w'+,./:=-]*"|[\w+.-]+))*[ \t]*;?[ \t\r\n]*$/i

/** Whether some program may read a boundary. This is cheap, because hardly any part has one. */
function namesBoundary(text: string): boolean {
  const name = /boundary/i
  if (name.test(text)) return true
  // Some programs accept line ends and comments in the name.
  const bare = text.trimEnd()
  return /[\r\n\0(]/.test(bare) && name.test(withoutComments(bare).replaceAll(/[\r\n\0]/g, ''))
}
