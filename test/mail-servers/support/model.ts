import type { MailServerChoice } from '../../../src/mta/index.ts'
import { KNOWN_VERSIONS } from '../../../src/mta/models/versions.ts'
import type { MailServer } from './mail-server.ts'

/** The model of a server that runs: the latest version that is known and not newer. */
export function modelOf({
  name,
  version,
}: Pick<MailServer, 'name' | 'version'>): MailServerChoice {
  const known = KNOWN_VERSIONS[name].findLast((one) => compare(one, version) <= 0)
  if (known === undefined) throw new Error(`no model for ${name} ${version}`)
  return { [name]: known } as MailServerChoice
}

function compare(one: string, other: string): number {
  const numbers = (version: string): number[] =>
    version.split('.').map((part) => parseInt(part))
  const [left, right] = [numbers(one), numbers(other)]
  const at = left.findIndex((part, index) => part !== right[index])
  return at === -1 ? 0 : left[at]! - (right[at] ?? 0)
}
