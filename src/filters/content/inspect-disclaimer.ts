/** Looks at the tables of `disclaimer`. Its files have been read before. */
import { openTableSync } from '../../toolkit/tables/open-table.ts'
import type { Finding } from '../inspection.ts'
import type { DisclaimerSettings } from '../types.ts'

// oxlint-disable-next-line typescript/require-await -- as all inspections
export async function* inspectDisclaimer({
  tables,
}: DisclaimerSettings): AsyncGenerator<Finding> {
  for (const [name, table] of tables ?? []) {
    if (typeof table !== 'string') continue
    const path = ['tables', name]
    for (const text of openTableSync(table).problems) yield { level: 'warning', path, text }
    yield { level: 'ok', path, text: `${table} can be read` }
  }
}
