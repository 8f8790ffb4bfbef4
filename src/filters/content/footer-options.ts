/** The texts of a footer or banner as options: in the configuration, or in files. */
import { inputFile } from '../../options/kinds.ts'
import type { Report } from '../../options/mistake.ts'
import type { Field } from '../../options/shape.ts'
import { text } from '../../options/value-kinds.ts'
import { readOptionFile } from './option-files.ts'
import { Template } from './template.ts'

export interface FooterTexts {
  readonly text?: string | undefined
  readonly textFile?: string | undefined
  readonly html?: string | undefined
  readonly htmlFile?: string | undefined
}

export const footerFields: Record<keyof FooterTexts, Field> = {
  text: { kind: text, text: 'the text, in lines' },
  textFile: { kind: inputFile, text: 'a file with the text, in UTF-8' },
  html: {
    kind: text,
    text: 'what HTML shows; by default the text',
    more: 'It is put into a `div` as it is. Variables are escaped.',
  },
  htmlFile: { kind: inputFile, text: 'a file with the HTML, in UTF-8' },
}

export const footerOneOf: readonly string[] = ['text', 'textFile']

export function checkFooter(
  { text: plain, html, htmlFile }: FooterTexts,
  report: Report,
): void {
  // A footer without text cannot be found again.
  if (plain !== undefined && plain.trim() === '') {
    report({ path: ['text'], text: 'takes a text that is not empty', got: { value: plain } })
  }
  if (html !== undefined && htmlFile !== undefined) {
    report({ path: ['htmlFile'], atName: true, text: 'cannot stand beside html' })
  }
}

/** A footer whose variables have no values yet. */
export class FooterTemplate {
  readonly #text: Template
  readonly #html: Template | undefined

  /**
   * @param option where it stands, for errors: `disclaimer: the option rules[0]`
   * @param known the variables that there are
   * @throws UsageError INVALID_OPTION
   */
  constructor(given: FooterTexts, option: string, known: readonly string[]) {
    const read = (value: string | undefined, path: string | undefined, name: string) => {
      const where = `${option}.${path === undefined ? name : `${name}File`}`
      const found = path === undefined ? value : readOptionFile(where, path)
      return found === undefined ? undefined : new Template(found, where, known)
    }
    this.#text = read(given.text, given.textFile, 'text')!
    this.#html = read(given.html, given.htmlFile, 'html')
  }

  /** the variables in it */
  get variables(): ReadonlySet<string> {
    return new Set([...this.#text.variables, ...(this.#html?.variables ?? [])])
  }

  filled(values: ReadonlyMap<string, string>): { text: string; html?: string } {
    const html = this.#html?.asHtml(values)
    return { text: this.#text.asText(values), ...(html !== undefined && { html }) }
  }
}
