// Kinds of values that have parts: lists, maps, objects, and one of several kinds.
import type { Kind, Wrong } from './kinds.ts'
import type { Mistake, Path, Reader } from './mistake.ts'
import { isPlainObject } from './plain-object.ts'
import { readObject, readValue, type AnyShape, type Shape } from './shape.ts'

/** A kind of parts, with the objects among them. */
interface PartKind extends Kind {
  readonly shapes: readonly AnyShape[]
}

/** The objects within a value of a kind. */
export const shapesIn = (kind: Kind): readonly AnyShape[] =>
  (kind as Partial<PartKind>).shapes ?? []

type ReadParts = (given: unknown, path: Path, reader: Reader) => unknown

/** What all of them have in common: `wrong` and `read` follow from the parts. */
const withParts = (
  kind: Omit<PartKind, 'wrong' | 'read' | 'takesText'>,
  read: ReadParts,
): PartKind => ({
  ...kind,
  takesText: kind.takes,
  wrong(value): Wrong | undefined {
    const [first] = mistakesOf(read, value)
    return first && { takes: first.text.replace(/^takes /, '') }
  },
  read: (given) => given,
  readParts: read,
})

function mistakesOf(read: ReadParts, value: unknown): Mistake[] {
  const mistakes: Mistake[] = []
  read(value, [], { report: (mistake) => mistakes.push(mistake) })
  return mistakes
}

const given = ({ configType, type }: Kind): string => configType ?? type
const setting = ({ settingType, type }: Kind): string => settingType ?? type
const inList = (type: string): string => (/^[\w.]+$/.test(type) ? type : `(${type})`)

/** A list. One entry can stand without a list. */
export function listOf(kind: Kind, { min = 1 }: { readonly min?: number } = {}): Kind {
  return withParts(
    {
      takes: `${kind.takes}, or a list`,
      placeholder: kind.placeholder,
      list: true,
      shapes: shapesIn(kind),
      show: (value) => (value as readonly unknown[]).map((one) => kind.show(one)).join(', '),
      type: `${given(kind)} | readonly ${inList(given(kind))}[]`,
      settingType: `readonly ${inList(setting(kind))}[]`,
      schema: {
        anyOf: [
          kind.schema,
          { type: 'array', items: kind.schema, ...(min > 0 && { minItems: min }) },
        ],
      },
    },
    (value, path, reader) => {
      if (!Array.isArray(value)) return [readValue(kind, value, path, reader)]
      if (value.length < min) {
        reader.report({
          path,
          text: `takes ${min === 1 ? 'at least one entry' : `${min} entries or more`}`,
          got: { value },
        })
      }
      return value.map((one, i) => readValue(kind, one, [...path, i], reader))
    },
  )
}

/** An object with names that the administrator chooses. Its setting is a Map. */
export function mapOf(name: Kind, kind: Kind): Kind {
  return withParts(
    {
      takes: `an object: ${name.takes}, and for each ${kind.takes}`,
      placeholder: 'map',
      shapes: shapesIn(kind),
      show: () => '',
      type: `Readonly<Record<string, ${given(kind)}>>`,
      settingType: `ReadonlyMap<string, ${setting(kind)}>`,
      schema: { type: 'object', additionalProperties: kind.schema },
    },
    (value, path, reader) => {
      const map = new Map<unknown, unknown>()
      const entries =
        value instanceof Map
          ? [...(value as ReadonlyMap<string, unknown>)]
          : isPlainObject(value)
            ? Object.entries(value)
            : undefined
      if (entries === undefined) {
        reader.report({
          path,
          text: `takes an object: ${name.takes}, and its value`,
          got: { value },
        })
        return map
      }
      for (const [key, one] of entries) {
        const at = [...path, key]
        const read = readValue(name, key, at, {
          ...reader,
          report: (mistake) => reader.report({ ...mistake, atName: true }),
        })
        map.set(read, readValue(kind, one, at, reader))
      }
      return map
    },
  )
}

/** An object of named options. */
export function object<Given, Settings>(typed: Shape<Given, Settings>): Kind {
  const shape = typed as unknown as AnyShape
  return withParts(
    {
      takes: `an object with ${Object.keys(shape.fields).join(', ')}`,
      placeholder: 'object',
      shapes: [shape, ...Object.values(shape.fields).flatMap(({ kind }) => shapesIn(kind))],
      show: () => '',
      type: shape.type,
      settingType: `${shape.type}Settings`,
      schema: schemaOfShape(shape),
    },
    (value, path, reader) => readObject(shape, value, path, reader),
  )
}

/** A value of one of several kinds: the first that takes it. */
export function either(...kinds: readonly Kind[]): Kind {
  const takes = kinds.map((kind) => kind.takes).join(', or ')
  return withParts(
    {
      takes,
      placeholder: kinds[0]!.placeholder,
      shapes: kinds.flatMap(shapesIn),
      show: (value) => kinds.find((kind) => kind.wrong(value) === undefined)!.show(value),
      type: kinds.map(given).join(' | '),
      settingType: kinds.map(setting).join(' | '),
      schema: { anyOf: kinds.map(({ schema }) => schema) },
    },
    (value, path, reader) => {
      const read =
        (kind: Kind): ReadParts =>
        (one, at, to) =>
          readValue(kind, one, at, to)
      const taken = kinds.find((kind) => mistakesOf(read(kind), value).length === 0)
      if (taken !== undefined) return readValue(taken, value, path, reader)
      // The only kind that has parts of this form says more than "neither".
      const inside = kinds.filter(
        (kind) => kind.readParts !== undefined && isPlainObject(value) && !kind.list,
      )
      if (inside.length === 1) return readValue(inside[0]!, value, path, reader)
      reader.report({ path, text: `takes ${takes}`, got: { value } })
      return undefined
    },
  )
}

/** The JSON Schema of an object. Options that are code are not in it. */
export function schemaOfShape(shape: AnyShape): object {
  const fields = Object.entries(shape.fields).filter(([, { kind }]) => !kind.code)
  const required = fields.filter(([, field]) => field.required).map(([name]) => name)
  return {
    type: 'object',
    properties: Object.fromEntries(
      fields.map(([name, field]) => [
        name,
        {
          description: described(field),
          ...(['string', 'number', 'boolean'].includes(typeof field.default) && {
            default: field.default,
          }),
          ...field.kind.schema,
        },
      ]),
    ),
    ...(required.length > 0 && { required }),
    ...(shape.oneOf !== undefined && {
      anyOf: shape.oneOf.map((name) => ({ required: [name] })),
    }),
    additionalProperties: false,
  }
}

/** Adds a capital letter and a full stop. */
const described = ({ text, more }: { readonly text: string; readonly more?: string }): string =>
  `${text[0]!.toUpperCase()}${text.slice(1)}.${more === undefined ? '' : ` ${more}`}`
