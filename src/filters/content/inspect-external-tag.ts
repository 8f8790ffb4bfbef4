/** Looks at what `externalTag` names, and at what its edits do to forwarded mail. */
import { openTableSync } from '../../toolkit/tables/open-table.ts'
import type { Finding } from '../inspection.ts'
import type { ExternalTagSettings } from '../types.ts'

// oxlint-disable-next-line typescript/require-await -- as all inspections
export async function* inspectExternalTag(
  settings: ExternalTagSettings,
): AsyncGenerator<Finding> {
  const { subject, banner, forwarded, forwardedTable: table } = settings
  if (typeof table === 'string') {
    for (const text of openTableSync(table).problems) {
      yield { level: 'warning', path: ['forwardedTable'], text }
    }
    yield { level: 'ok', path: ['forwardedTable'], text: `${table} can be read` }
  }
  const changes =
    subject === undefined ? (banner === undefined ? undefined : 'banner') : 'subject'
  if (changes !== undefined && forwarded.length === 0 && table === undefined) {
    yield {
      level: 'warning',
      path: [changes],
      text: 'this breaks the DKIM signatures of mail that is forwarded later; name such recipients in forwarded or forwardedTable',
    }
  }
}
