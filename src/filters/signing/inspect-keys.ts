/** Looks at keys that sign: whether they are strong, and whether their public keys are published. */
import type { Path } from '../../options/mistake.ts'
import type { Finding, InspectionTools } from '../inspection.ts'
import { checkRecord } from './key-record.ts'
import type { SigningKey } from './signing-key.ts'

/** A key, and the option that names it. */
export interface InspectedKey {
  readonly key: SigningKey
  readonly path: Path
}

export async function* inspectSigningKeys(
  keys: readonly InspectedKey[],
  { dns, signal }: InspectionTools,
): AsyncGenerator<Finding> {
  for (const { key, path } of keys) {
    if (key.weakness !== undefined) yield { level: 'warning', path, text: key.weakness }
    signal.throwIfAborted()
    for (const finding of await publication(key, dns)) yield { path, ...finding }
  }
}

/** What DNS says of a key. A record that is wrong is a warning, because it may have been mended for others already. */
async function publication(
  key: SigningKey,
  dns: InspectionTools['dns'],
): Promise<readonly Omit<Finding, 'path'>[]> {
  const { record, publishedRecord: want } = key
  const { found, failed } = await dns.resolve(record, 'TXT')
  const warning = (text: string): Omit<Finding, 'path'> => ({ level: 'warning', text })
  if (failed !== undefined) return [warning(`DNS does not answer for ${record} (${failed})`)]
  if (found === undefined || found.length === 0) {
    return [warning(`${record} has no TXT record; publish ${want}`)]
  }
  if (found.length > 1) {
    return [warning(`${record} has ${found.length} TXT records; leave only ${want}`)]
  }
  const wrong = checkRecord(found[0]!, key).filter(({ level }) => level !== 'note')
  if (wrong.length === 0) return [{ level: 'ok', text: `${record} is published` }]
  return wrong.map(({ code, text }) =>
    warning(
      code === 'other-key'
        ? `${record} has another key than the file; publish ${want}`
        : `${record}: ${text}`,
    ),
  )
}
