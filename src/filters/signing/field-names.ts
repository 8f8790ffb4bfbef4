/** Names of fields in options. */
import { invalidOption } from '../../options/invalid-option.ts'

/**
 * @param never names that may not be in the list, in lower case, with the reason
 * @returns the names in lower case
 * @throws UsageError INVALID_OPTION
 */
export function fieldNames(
  option: string,
  list: readonly string[],
  never: ReadonlyMap<string, string>,
): Set<string> {
  const given: unknown = list
  if (!Array.isArray(given)) throw invalidOption(option, given, 'a list of names of fields')
  const all = new Set<string>()
  for (const name of list) {
    if (typeof name !== 'string' || !/^[!-9;-~]+$/.test(name)) {
      throw invalidOption(option, name, 'names of header fields')
    }
    const key = name.toLowerCase()
    const reason = never.get(key)
    if (reason !== undefined) throw invalidOption(option, name, `no ${name} (${reason})`)
    all.add(key)
  }
  return all
}
