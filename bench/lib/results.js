// Results as files of bench/results/, which is not in git; bench/newest/ has those that are published.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../scripts/setup.js'

/**
 * Writes a result under its day and version of Node, in place of an earlier one of the same name.
 *
 * @param result has `date` and `machine`
 * @param options.kind of measurement, before the day
 * @param options.variant behind the version
 * @param options.markdown the same for readers, in a second file
 */
export function saveResult(result, { kind, variant, markdown } = {}) {
  const { date, machine } = result
  const name = [kind, date.slice(0, 10), machine.versions.node, variant]
    .filter(Boolean)
    .join('-')
  const folder = join(root, 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(result, null, 1)}\n`)
  if (markdown !== undefined) writeFileSync(join(folder, `${name}.md`), markdown)
  console.log(`written: bench/results/${name}.json${markdown === undefined ? '' : ' and .md'}`)
}
