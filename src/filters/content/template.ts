/** Texts of an administrator with variables, such as `{from.address}`. Their values come from mail. */
import { UsageError } from '../../errors.ts'

/** Braces around anything else, as in a style sheet, are text. */
const VARIABLE = /\{([a-z]+(?:[.-][a-z0-9_-]+)*)\}/gi

/** Longer values are cut. */
const MAX_VALUE = 200

export class Template {
  readonly #text: string
  /** the variables in it, in lower case */
  readonly variables: ReadonlySet<string>

  /**
   * @param where the text, for the error: `disclaimer: the option rules[0].text`
   * @param known the variables that there are
   * @throws UsageError INVALID_OPTION for another one, with its line
   */
  constructor(text: string, where: string, known: readonly string[]) {
    this.#text = text
    const found = new Set<string>()
    for (const { 1: name, index } of text.matchAll(VARIABLE)) {
      const variable = name!.toLowerCase()
      if (!known.includes(variable)) {
        const line = text.slice(0, index).split('\n').length
        throw new UsageError(
          'INVALID_OPTION',
          `${where}, line ${line}: {${name}} is not a variable; the variables are ${known.map((one) => `{${one}}`).join(', ')}`,
        )
      }
      found.add(variable)
    }
    this.variables = found
  }

  /** The text with the values of its variables. No value can break a line or hide what follows. */
  asText(values: ReadonlyMap<string, string>): string {
    return this.#filled(values, (value) => value)
  }

  /** The same for HTML: values are text, also within quotes. */
  asHtml(values: ReadonlyMap<string, string>): string {
    return this.#filled(values, (value) =>
      value.replaceAll(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`),
    )
  }

  #filled(values: ReadonlyMap<string, string>, escape: (value: string) => string): string {
    return this.#text.replaceAll(VARIABLE, (_, name: string) =>
      escape(shown(values.get(name.toLowerCase()) ?? '')),
    )
  }
}

const shown = (value: string): string =>
  Array.from(value)
    .slice(0, MAX_VALUE)
    .join('')
    .toWellFormed()
    .replaceAll(/[\s\p{Cc}\p{Bidi_Control}]+/gu, ' ')
