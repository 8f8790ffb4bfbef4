import { parameterReadings } from './parameter-readings.ts'
import {
  parseLeniently,
  parseTypeField,
  readingsOf,
  type ParameterizedValue,
  type TypeField,
} from './parameters.ts'
import type { Span } from '../tree/span.ts'

/** Maximum number of bytes of a field that describes content. In real mail it has some hundred bytes. */
export const LONGEST_FIELD = 16_384

/** A Content-Type or Content-Disposition field. Each reading of it is made once, when it is needed. */
export class ContentField {
  /** whether the field is longer than the part that is read */
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

  /** The field as the standards define it, as far as they go. */
  get strict(): TypeField {
    return (this.#strict ??= parseTypeField(this.#raw))
  }

  /** The field as lenient programs read it, if its value is not valid. */
  get lenient(): ParameterizedValue {
    return (this.#lenient ??= parseLeniently(this.#raw))
  }

  /** The number of bytes that are read. */
  get size(): number {
    return this.#raw.length
  }

  /** Whether {@link readings} are there already. */
  get isRead(): boolean {
    return this.#readings !== undefined
  }

  /** Everything that some program reads as its parameters, by name. */
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

/** All readings of a message share the same bytes. */
const fields = new WeakMap<Buffer, Map<number, ContentField>>()

/** A field in the bytes of a message, which must not change. */
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
