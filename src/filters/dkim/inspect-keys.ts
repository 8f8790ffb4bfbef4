/** Looks at the keys of `dkimSign`: whether others can read them, and whether their public keys are published. */
import { createPublicKey } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type { Path } from '../../options/mistake.ts'
import type { Finding, InspectionTools } from '../inspection.ts'
import type { DkimSignSettings } from '../types.ts'
import type { SigningKey } from '../signing/signing-key.ts'
import { keyListOf } from './key-list-of.ts'

const OTHERS = 0o007

export async function* inspectKeys(
  settings: DkimSignSettings,
  { dns, signal }: InspectionTools,
): AsyncGenerator<Finding> {
  const { all } = keyListOf(settings)
  for (const [i, key] of all.entries()) {
    const path: Path = settings.keys === undefined ? ['openDkim', 'keyTable'] : ['keys', i]
    const file = settings.keys?.[i]?.file
    if (file !== undefined && ((await stat(file)).mode & OTHERS) !== 0) {
      yield {
        level: 'warning',
        path: [...path, 'file'],
        text: `everybody on this machine can read ${file}: chmod 640 ${file}`,
      }
    }
    if (key.weakness !== undefined) yield { level: 'warning', path, text: key.weakness }
    signal.throwIfAborted()
    yield { path, ...(await publication(key, dns)) }
  }
}

/** RFC 6376, section 3.6.2. A record may have spaces, and tags in any order. */
async function publication(
  key: SigningKey,
  dns: InspectionTools['dns'],
): Promise<Omit<Finding, 'path'>> {
  const { record, publishedKey, publishedRecord: want } = key
  const { found, failed } = await dns.resolve(record, 'TXT')
  if (failed !== undefined) {
    return { level: 'warning', text: `DNS does not answer for ${record} (${failed})` }
  }
  if (found === undefined || found.length === 0) {
    return { level: 'warning', text: `${record} has no TXT record; publish ${want}` }
  }
  const keys = found.map((text) =>
    /(?:^|;)\s*p\s*=([^;]*)/.exec(text)?.[1]?.replaceAll(/\s+/g, ''),
  )
  if (keys.some((one) => one !== undefined && sameKey(one, publishedKey))) {
    return { level: 'ok', text: `${record} is published` }
  }
  return { level: 'warning', text: `${record} has another key than the file; publish ${want}` }
}

/** RSA keys are published with and without their algorithm (RFC 6376, section 3.6.1, erratum 3017). */
function sameKey(published: string, own: string): boolean {
  if (published === own) return true
  try {
    const key = createPublicKey({
      key: Buffer.from(published, 'base64'),
      format: 'der',
      type: 'pkcs1',
    })
    return key.export({ format: 'der', type: 'spki' }).toString('base64') === own
  } catch {
    return false
  }
}
