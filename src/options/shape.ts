/**
 * Objects of options: those of a ready-made filter, and those within an option. A shape is the only source of the
 * checks, the TypeScript types, the JSON Schema and the tables of the documentation. Everything that takes options reads
 * them by their shape: the function of the filter, the configuration in a text file.
 */
import { UsageError } from '../errors.ts'
import type { Kind } from './kinds.ts'
import { mistakeText, type Path, type Reader, type Report } from './mistake.ts'
import { didYouMean, nearest } from './nearest.ts'
import { isPlainObject } from './plain-object.ts'

/** One option. */
export interface Field {
  readonly kind: Kind
  /** in the form that a program gives */
  readonly default?: unknown
  readonly required?: true
  /** description in one sentence without a full stop */
  readonly text: string
  /** further sentences that an editor shows */
  readonly more?: string
}

/**
 * @typeParam Given the generated type of what is given
 * @typeParam Settings the generated type of what becomes of it
 */
export interface Shape<Given = object, Settings = object> {
  /** name of the function, or what its error messages call the object */
  readonly name: string
  /** `DkimSign` makes `DkimSignOptions` and `DkimSignSettings`; with `isEntry`, `DkimKey` is the type itself */
  readonly type: string
  /** it is an object within an option */
  readonly isEntry?: true
  /** description in one sentence without a full stop */
  readonly text: string
  readonly fields: { readonly [Name in keyof Given & keyof Settings]-?: Field }
  /** the object has exactly one of these */
  readonly oneOf?: readonly string[]
  /** Reports what is wrong with values that are right one by one. It is called only if they are. */
  readonly check?: (settings: Settings, report: Report) => void
}

/** A shape whose types do not matter. */
export interface AnyShape extends Omit<Shape, 'fields' | 'check'> {
  readonly fields: Readonly<Record<string, Field>>
  readonly check?: (settings: never, report: Report) => void
}

/**
 * The checked options of a function, with defaults.
 *
 * @throws UsageError INVALID_OPTION for the first mistake
 */
export function readShape<Settings>(shape: Shape<never, Settings>, given: unknown): Settings {
  const report: Report = (mistake) => {
    const text =
      mistake.path.length === 0
        ? mistakeText(mistake, shape.name)
        : `${shape.name}: the option ${mistakeText(mistake)}`
    throw new UsageError('INVALID_OPTION', text)
  }
  return readObject(shape, given, [], { report }) as Settings
}

/** Reads an object, and reports all its mistakes. The result has no value where there is one. */
export function readObject(
  { name, fields, oneOf, check }: AnyShape,
  given: unknown,
  path: Path,
  reader: Reader,
): Readonly<Record<string, unknown>> {
  const names = Object.keys(fields).filter((one) => !fields[one]!.kind.code)
  let wrong = false
  const report: Report = (mistake) => {
    wrong = true
    reader.report(mistake)
  }
  const inner: Reader = { ...reader, report }
  // Defaults have the form that a program gives.
  const ofProgram: Reader = { ...inner, isFile: false }
  const values: Record<string, unknown> = {}
  if (!isPlainObject(given)) {
    report({ path, text: `takes an object with ${names.join(', ')}`, got: { value: given } })
    return values
  }
  const meant = new Set<string | undefined>()
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(fields, key)) continue
    meant.add(nearest(key, names))
    report({
      path: [...path, key],
      atName: true,
      text: `is not an option of ${name}${didYouMean(key, names) || '.'} The options are: ${names.join(', ')}`,
    })
  }
  for (const [key, field] of Object.entries(fields)) {
    const value = Object.hasOwn(given, key) ? given[key] : undefined
    if (value !== undefined) {
      values[key] = readValue(field.kind, value, [...path, key], inner)
    } else if (field.default !== undefined) {
      values[key] = readValue(field.kind, field.default, [...path, key], ofProgram)
    } else if (field.required && !meant.has(key)) {
      report({ path, text: `needs ${key}: ${field.text}` })
    }
  }
  if (oneOf !== undefined) {
    const found = oneOf.filter((key) => given[key] !== undefined)
    if (found.length === 0 && !oneOf.some((key) => meant.has(key)))
      report({ path, text: `needs either ${oneOf.join(' or ')}` })
    else if (found.length > 1) {
      report({
        path: [...path, found[1]!],
        atName: true,
        text: `cannot stand beside ${found[0]}: give one of ${oneOf.join(' and ')}`,
      })
    }
  }
  if (!wrong) {
    check?.(values as never, (mistake) =>
      reader.report({ ...mistake, path: [...path, ...mistake.path] }),
    )
  }
  return values
}

/** Reads a value of any kind, and reports its mistakes. */
export function readValue(kind: Kind, given: unknown, path: Path, reader: Reader): unknown {
  if (kind.readParts !== undefined) return kind.readParts(given, path, reader)
  const value = kind.read(given)
  const written = reader.isFile === true ? kind.wrongInFile?.(given) : undefined
  const wrong = written ?? kind.wrong(value)
  if (wrong === undefined) {
    if (kind.secret && kind.isPublic?.(value) !== true) reader.secret?.(path)
    if (kind.isPath !== undefined && reader.file !== undefined) {
      const file = reader.file(value as string, path, kind.isPath === 'read')
      if (kind.holdsSecret) reader.secret?.(path, file)
      return file
    }
    return kind.setting === undefined ? value : kind.setting(value)
  }
  const part = wrong.value === undefined ? given : wrong.value
  const usual = kind.list ? `${kind.takes}, or a list` : kind.takesText
  reader.report({
    path: wrong.at === undefined ? path : [...path, wrong.at],
    text: `takes ${wrong.takes ?? usual}`,
    ...(kind.secret ? {} : { got: { value: part } }),
    ...(wrong.reason === undefined ? {} : { reason: wrong.reason }),
    ...(wrong.known === undefined ? {} : { known: wrong.known }),
  })
  return undefined
}
