/** What a page of the documentation tells its readers to do. */
import { readFileSync } from 'node:fs'
import { sourcePath } from '../../conformance/support/program.ts'

/** The blocks of commands after the mark `<!-- test commands -->`, by the heading above them. */
export function commandsOf(page: string): Map<string, string[]> {
  const text = readFileSync(sourcePath('docs', page), 'utf8')
  const found = new Map<string, string[]>()
  let heading = ''
  for (const [, title, block] of text.matchAll(
    /^## (.*)$|^<!-- test commands -->\n\n```sh\n([^]*?)^```$/gm,
  )) {
    if (title !== undefined) heading = title
    else found.set(heading, [...(found.get(heading) ?? []), ...block!.trim().split('\n')])
  }
  return found
}

/** The content of a file that the page shows after the mark `<!-- test file NAME -->`. */
export function shownFile(page: string, name: string): string | undefined {
  const text = readFileSync(sourcePath('docs', page), 'utf8')
  return new RegExp(`<!-- test file ${name} -->\n\n\`\`\`\\w+\n([^]*?)^\`\`\`$`, 'm').exec(
    text,
  )?.[1]
}
