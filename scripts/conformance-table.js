// Writes the tables of docs/conformance.md from what the tests with real mail servers have recorded.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { root } from './setup.js'

/** The versions of each server; the later ones are compared with the first. */
const SERVERS = [
  ['Postfix', ['postfix 3.7', 'postfix 3.10', 'postfix 3.11']],
  ['Sendmail', ['sendmail 8.17', 'sendmail 8.18.1', 'sendmail 8.18.2']],
]
const START = '<!-- the tables'

const behaviours = JSON.parse(
  readFileSync(join(root, 'test/mail-servers/conformance.json'), 'utf8'),
)

function tableOf([server, versions]) {
  const rows = Object.entries(behaviours).map(([what, seen]) => {
    const [first, ...others] = versions.map((version) => seen[version] ?? 'not measured')
    return [what, first, ...others.map((one) => (one === first ? 'same' : one))]
  })
  const numbers = versions.map((version) => version.split(' ')[1])
  const lines = [[server, ...numbers], ['---', ...numbers.map(() => '---')], ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const file = join(root, 'docs/conformance.md')
const page = readFileSync(file, 'utf8')
const head = page.slice(0, page.indexOf('\n', page.indexOf(START)) + 1)
const text = `${head}\n${SERVERS.map(tableOf).join('\n\n')}\n`
const written = await format(text, { ...(await resolveConfig(file)), filepath: file })
if (process.argv.includes('--check')) {
  if (written !== page)
    throw new Error('docs/conformance.md: run node scripts/conformance-table.js')
} else writeFileSync(file, written)
