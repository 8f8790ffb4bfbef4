/** Boundaries that programs read in a Content-Type, as they stand in the lines of a message. */
import { encodeText } from '../../protocol/text.ts'
import { fieldAt, LONGEST_FIELD } from '../fields/content-field.ts'
import { isMediaType } from '../fields/media-type.ts'
import { readingsOf, withoutComments, type ParameterizedValue } from '../fields/parameters.ts'
import type { Span } from './span.ts'

/**
 * More of a message are not tried. In real mail lines of another boundary than the usual one do not occur, and
 * each doubles the ways to divide it.
 */
export const MAX_BOUNDARIES = 3

/**
 * Bytes of fields that are read in all ways: each costs as much as a hundred others. Those of real mail that
 * are not written plainly have some hundred.
 */
const MAX_READ = 262_144

export interface Boundaries {
  /** what most programs read; empty where there is none */
  readonly usual: string
  /** it names several without any doubt */
  readonly several: boolean
  /** what only some programs read */
  readonly others: readonly string[]
}

const NONE: Boundaries = { usual: '', several: false, others: [] }

/** Those of one message. */
export class BoundaryReader {
  /** bytes of fields that may still be read in all ways; below zero where there were more */
  left: number = MAX_READ
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Of a part that is no multipart: mailparser divides one of any type that has a boundary. */
  ofLeaf(field: Span): Boundaries {
    return namesBoundary(this.#text(field)) ? this.#all(field, NONE) : NONE
  }

  /** @param value as the field is read otherwise */
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

  /** As much of it as is read. */
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

/** A multipart that is written so that all programs read the same parameters. */
const PLAIN =
  /^[ \t\r\n]*multipart\/[\w.+-]+(?:[ \t]*;[ \t\r\n]*[a-z-]+=(?:"[\w'+,./:=-]*"|[\w+.-]+))*[ \t]*;?[ \t\r\n]*$/i

/** Whether some program may read a parameter of that name; cheap, as nearly no part has one. */
function namesBoundary(text: string): boolean {
  const name = /boundary/i
  if (name.test(text)) return true
  // Line ends and comments may stand in it, for some.
  const bare = text.trimEnd()
  return /[\r\n\0(]/.test(bare) && name.test(withoutComments(bare).replaceAll(/[\r\n\0]/g, ''))
}
