import { parameterReadings } from './parameter-readings.ts'
import {
  parseLeniently,
  parseTypeField,
  readingsOf,
  type ParameterizedValue,
  type TypeField,
} from './parameters.ts'
import type { Span } from '../tree/span.ts'

/** Of a field that describes content no more is read. Those of real mail have some hundred bytes. */
export const LONGEST_FIELD = 16_384

/** A field Content-Type or Content-Disposition; each reading of it is made once, when it is asked for. */
export class ContentField {
  /** there is more of it than is read */
  readonly isCut: boolean
  readonly #raw: Buffer
  #strict: TypeField | undefined
  #lenient: ParameterizedValue | undefined
  #readings: ReadonlyMap<string, readonly string[]> | undefined
  readonly #names = new Map<string, readonly string[]>()

  /** @param raw everything after the colon */
  constructor(raw: Buffer) {
    this.isCut = raw.length > LONGEST_FIELD
    this.#raw = this.isCut ? raw.subarray(0, LONGEST_FIELD) : raw
  }

  /** By the standards, as far as they go. */
  get strict(): TypeField {
    return (this.#strict ??= parseTypeField(this.#raw))
  }

  /** As lenient programs read it, where its value is none. */
  get lenient(): ParameterizedValue {
    return (this.#lenient ??= parseLeniently(this.#raw))
  }

  /** How many bytes of it are read. */
  get size(): number {
    return this.#raw.length
  }

  /** Whether {@link readings} are there already. */
  get isRead(): boolean {
    return this.#readings !== undefined
  }

  /** All that some program makes of its parameters, by name. */
  get readings(): ReadonlyMap<string, readonly string[]> {
    return (this.#readings ??= parameterReadings(this.#raw))
  }

  /** The same of one parameter, the usual reading first. */
  readingsOf(name: string): readonly string[] {
    let readings = this.#names.get(name)
    if (readings === undefined) {
      const usual = readingsOf(this.strict, name)
      readings = [...new Set([...usual, ...(this.readings.get(name) ?? [])])]
      this.#names.set(name, readings)
    }
    return readings
  }
}

/** All readings of a message are of the same bytes. */
const fields = new WeakMap<Buffer, Map<number, ContentField>>()

/** The field that stands in the bytes of a message; they must not change. */
export function fieldAt(bytes: Buffer, { start, end }: Span): ContentField {
  let known = fields.get(bytes)
  if (known === undefined) fields.set(bytes, (known = new Map<number, ContentField>()))
  let field = known.get(start)
  if (field === undefined) {
    field = new ContentField(bytes.subarray(start, end))
    known.set(start, field)
  }
  return field
}
