/** Looks at the keys of `dkimSign`. */
import type { Finding, InspectionTools } from '../inspection.ts'
import { inspectSigningKeys } from '../signing/inspect-keys.ts'
import type { DkimSignSettings } from '../types.ts'
import { keyListOf } from './key-list-of.ts'

export const inspectKeys = (
  settings: DkimSignSettings,
  tools: InspectionTools,
): AsyncGenerator<Finding> =>
  inspectSigningKeys(
    keyListOf(settings).all.map((key, i) => ({
      key,
      path: settings.keys === undefined ? ['openDkim', 'keyTable'] : ['keys', i],
    })),
    tools,
  )
