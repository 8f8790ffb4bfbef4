/** Looks at the keys of `arcSeal`, and at the name whose results it seals. */
import { inspectAuthservId } from '../authentication/inspect-authenticate.ts'
import type { Finding, InspectionTools } from '../inspection.ts'
import { DomainKeys } from '../signing/domain-keys.ts'
import { inspectSigningKeys } from '../signing/inspect-keys.ts'
import type { ArcSealSettings } from '../types.ts'

export async function* inspectArcSeal(
  { keys, authservId }: ArcSealSettings,
  tools: InspectionTools,
): AsyncGenerator<Finding> {
  yield* inspectAuthservId(authservId)
  const { all } = new DomainKeys(keys)
  yield* inspectSigningKeys(
    all.map((key, i) => ({ key, path: ['keys', i] })),
    tools,
  )
  if (all.every(({ algorithm }) => algorithm !== 'rsa-sha256')) {
    yield {
      level: 'warning',
      path: ['keys'],
      text: 'few servers check seals by Ed25519 keys: add an RSA key',
    }
  }
}
