// The one validator for the options of a program, of the command line, of the environment and of a configuration.
// An invalid value throws a UsageError INVALID_OPTION that names the option and what it takes.
import { UsageError } from '../errors.ts'
import { invalidOption } from './invalid-option.ts'
import { didYouMean } from './nearest.ts'
import { isWhole, wholeNumberForm, type Wrong } from './kinds.ts'
import { isPlainObject } from './plain-object.ts'
import { show } from './show.ts'
import type { Option } from './table.ts'

/**
 * Where a value was written. Undefined means a program, which gives values only. The other sources also give text,
 * and the error names the source.
 */
export type Source = string | undefined

/** A checked value of an option. @throws UsageError INVALID_OPTION */
export function readOption(option: Option, given: unknown, source?: Source): unknown {
  const { kind, name } = option
  const value = source === undefined ? given : kind.read(given)
  const wrong = kind.wrong(value)
  if (wrong === undefined) return kind.setting === undefined ? value : kind.setting(value)
  throw source === undefined
    ? invalidOption(
        wrong.at === undefined ? name : `${name}.${wrong.at}`,
        wrong.value === undefined ? given : wrong.value,
        wrong.takes ?? kind.takes,
        wrong.known,
      )
    : new UsageError(
        'INVALID_OPTION',
        `the option ${name} of ${source}: ${said(wrong, kind.takesText, given)}`,
      )
}

const said = ({ reason, takes, value }: Wrong, usual: string, given: unknown): string =>
  reason ?? `it takes ${takes ?? usual}; it got ${show(value === undefined ? given : value)}`

/**
 * Checked values of some options, as an object of objects.
 *
 * @param otherwise the value of an option that was not given
 * @throws UsageError INVALID_OPTION
 */
export function readOptions(
  options: readonly Option[],
  given: object,
  otherwise: (option: Option) => unknown = (option) => option.default,
): Record<string, unknown> {
  const values = {}
  for (const option of options) {
    const found = valueAt(given, option.name)
    const value = found === undefined ? otherwise(option) : readOption(option, found)
    if (value !== undefined) put(values, option.name, value)
  }
  return values
}

/** The value at `stop.deadline`. */
export function valueAt(from: object, name: string): unknown {
  let value: unknown = from
  for (const key of name.split('.')) {
    value = (value as Record<string, unknown> | undefined)?.[key]
  }
  return value
}

export function put(target: object, name: string, value: unknown): void {
  const keys = name.split('.')
  let at = target as Record<string, unknown>
  for (const key of keys.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>
  at[keys.at(-1)!] = value
}

/** A name that is not an option, or an option that should be an object and is not. */
export type Unknown =
  | { readonly name: string; readonly there: readonly string[] }
  | { readonly name: string; readonly value: unknown; readonly inside: readonly string[] }

/**
 * The first name that is not one of `names`. A misspelt option would do nothing. TypeScript reports it, JavaScript
 * does not.
 *
 * @param names names as in the table; the value of a name without a row is not checked
 */
export function firstUnknown(given: object, names: readonly string[]): Unknown | undefined {
  const tops = [...new Set(names.map((name) => name.split('.')[0]!))]
  for (const [name, value] of Object.entries(given)) {
    if (!tops.includes(name)) return { name, there: tops }
    const inner = names.filter((one) => one.startsWith(`${name}.`))
    if (inner.length === 0 || value === undefined) continue
    if (!isPlainObject(value)) {
      return { name, value, inside: inner.map((one) => one.slice(name.length + 1)) }
    }
    const other = Object.keys(value).find((key) => !inner.includes(`${name}.${key}`))
    if (other !== undefined) return { name: `${name}.${other}`, there: inner }
  }
  return undefined
}

/** Names of options at other functions, by the name that was given. */
const ELSEWHERE: Readonly<Record<string, string>> = { socket: 'listen' }

/**
 * Refuses names that are not options of a function.
 *
 * @param what the name of the function
 * @throws UsageError INVALID_OPTION
 */
export function checkNames(what: string, given: unknown, names: readonly string[]): void {
  if (!isPlainObject(given)) {
    throw new UsageError(
      'INVALID_OPTION',
      `the options of ${what} are an object; it got ${show(given)}`,
    )
  }
  const found = firstUnknown(given, names)
  if (found === undefined) return
  const { name } = found
  if ('inside' in found) {
    throw invalidOption(name, found.value, `an object with ${found.inside.join(', ')}`)
  }
  const { there } = found
  const other = ELSEWHERE[name]
  const last = (one: string): string => one.slice(one.indexOf('.') + 1)
  const hint =
    other !== undefined && there.includes(other)
      ? `; here it is called ${other}.`
      : didYouMean(last(name), there.map(last))
  throw new UsageError(
    'INVALID_OPTION',
    `${name} is not an option of ${what}${hint || '.'} The options are: ${there.join(', ')}`,
  )
}

/** @throws UsageError INVALID_OPTION */
export function wholeNumber(name: string, value: number, from: number, to?: number): number {
  const bounds = { from, ...(to === undefined ? {} : { to }) }
  if (!isWhole(value, bounds)) throw invalidOption(name, value, wholeNumberForm(bounds))
  return value
}

/** One string, or a list of strings. @throws UsageError INVALID_OPTION if there is none, or it is something else */
export function textList(
  name: string,
  given: string | readonly string[],
  takes: string,
): readonly string[] {
  const list = typeof given === 'string' ? [given] : given
  if (!Array.isArray(list) || list.length === 0) throw invalidOption(name, list, takes)
  return list as readonly string[]
}
