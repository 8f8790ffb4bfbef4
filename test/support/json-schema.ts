/** Whether a value is valid by a JSON Schema. It knows the keywords of config.schema.json, and throws for others. */
export interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly minimum?: number
  readonly maximum?: number
  readonly pattern?: string
  readonly items?: Schema
  readonly minItems?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: false
}

type Check = (schema: Required<Schema>, value: unknown) => boolean

const CHECKS: Readonly<Record<string, Check>> = {
  type: ({ type }, value) =>
    type === 'integer' ? Number.isInteger(value) : typeOf(value) === type,
  enum: (schema, value) => schema.enum.includes(value),
  const: (schema, value) => schema.const === value,
  anyOf: ({ anyOf }, value) => anyOf.some((one) => isValid(one, value)),
  minimum: ({ minimum }, value) => typeof value !== 'number' || value >= minimum,
  maximum: ({ maximum }, value) => typeof value !== 'number' || value <= maximum,
  pattern: ({ pattern }, value) =>
    typeof value !== 'string' || new RegExp(pattern, 'u').test(value),
  items: ({ items }, value) =>
    !Array.isArray(value) || value.every((item) => isValid(items, item)),
  minItems: ({ minItems }, value) => !Array.isArray(value) || value.length >= minItems,
  required: ({ required }, value) =>
    !isObject(value) || required.every((name) => Object.hasOwn(value, name)),
  properties: ({ properties }, value) =>
    !isObject(value) ||
    Object.entries(value).every(
      ([name, one]) => !Object.hasOwn(properties, name) || isValid(properties[name]!, one),
    ),
  additionalProperties: ({ properties }, value) =>
    !isObject(value) || Object.keys(value).every((name) => Object.hasOwn(properties, name)),
}
const ANNOTATIONS: ReadonlySet<string> = new Set(['$schema', 'title', 'description', 'default'])

export function isValid(schema: Schema, value: unknown): boolean {
  return Object.keys(schema)
    .filter((keyword) => !ANNOTATIONS.has(keyword))
    .every((keyword) => {
      const check = CHECKS[keyword]
      if (check === undefined) throw new Error(`unknown keyword ${keyword}`)
      return check(schema as Required<Schema>, value)
    })
}

const isObject = (value: unknown): value is object => typeOf(value) === 'object'

const typeOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value
