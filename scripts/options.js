// Writes what is made of the table of options (src/options/table.ts): types, the JSON Schema of a configuration,
// the tables in the documentation. With --check it only compares.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createJiti } from 'jiti'
import { format, resolveConfig } from 'prettier'
import { schemaOf } from './options/schema.js'
import { tables, withTable } from './options/tables.js'
import { settingsOf, typesOf } from './options/types.js'
import { root } from './setup.js'

const jiti = createJiti(import.meta.url, { fsCache: false })
const table = await jiti.import(join(root, 'src/options/table.ts'))
const names = await jiti.import(join(root, 'src/options/names.ts'))

const files = {
  'src/options/types.ts': () => typesOf(table),
  'src/options/settings.ts': () => settingsOf(table),
  'config.schema.json': () => schemaOf(table),
}
for (const [page, made] of Object.entries(tables)) {
  files[page] = (before) =>
    Object.entries(made).reduce(
      (text, [name, make]) => withTable(text, name, make(table, names)),
      before,
    )
}

for (const [path, make] of Object.entries(files)) {
  const file = join(root, path)
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const text = await format(make(before), { ...(await resolveConfig(file)), filepath: file })
  if (text === before) continue
  if (process.argv.includes('--check')) throw new Error(`${path}: run node scripts/options.js`)
  writeFileSync(file, text)
  console.log(`${path} written`)
}
