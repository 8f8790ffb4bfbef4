// Writes what is made of the table of options (src/options/table.ts) and of the ready-made filters
// (src/filters/registry.ts): types, the JSON Schema of a configuration,
// the tables in the documentation. With --check it only compares.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createJiti } from 'jiti'
import { format, resolveConfig } from 'prettier'
import { filterListSchema, filterTypesOf, shapesOf } from './options/filters.js'
import { schemaOf } from './options/schema.js'
import { filterTable, filterTables, tables, withTable } from './options/tables.js'
import { settingsOf, typesOf } from './options/types.js'
import { root } from './setup.js'

const jiti = createJiti(import.meta.url, { fsCache: false })
const table = await jiti.import(join(root, 'src/options/table.ts'))
const names = await jiti.import(join(root, 'src/options/names.ts'))

const parts = await jiti.import(join(root, 'src/options/part-kinds.ts'))
const registry = await jiti.import(join(root, 'src/filters/registry.ts'))
const condition = await jiti.import(join(root, 'src/filters/condition-options.ts'))

const files = {
  'src/options/types.ts': () => typesOf(table),
  'src/options/settings.ts': () => settingsOf(table),
  'src/filters/types.ts': () => filterTypesOf(shapesOf(registry, condition, parts)),
  'config.schema.json': () => schemaOf(table, filterListSchema(registry, condition, parts)),
}
for (const [page, made] of Object.entries(tables)) {
  files[page] = (before) =>
    Object.entries(made).reduce(
      (text, [name, make]) => withTable(text, name, make(table, names)),
      before,
    )
}
for (const [page, names] of Object.entries(filterTables)) {
  const shapeOf = (name) =>
    name === 'when' ? condition.CONDITION : registry.READY_FILTERS[name].shape
  files[page] = (before) =>
    Object.entries(names).reduce(
      (text, [name, shape]) =>
        withTable(text, name, filterTable(shapeOf(shape), parts.shapesIn)),
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
