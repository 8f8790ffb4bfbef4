/** Looks at where `archive`, `bcc` and `quarantine` put messages. */
import { mkdtemp, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../net/system-error.ts'
import type { Finding } from '../inspection.ts'
import type { ArchiveSettings, BccSettings, QuarantineSettings } from '../types.ts'

export async function* inspectQuarantine(
  settings: QuarantineSettings,
): AsyncGenerator<Finding> {
  const { directory, whenFull } = settings
  yield await looked(directory, ['directory'])
  if (whenFull === 'oldest') {
    const text = 'somebody who sends much mail that is held can make older messages go'
    yield { level: 'warning', path: ['whenFull'], text }
  }
}

export async function* inspectArchive(settings: ArchiveSettings): AsyncGenerator<Finding> {
  const { directory, http, onFailure } = settings
  if (directory !== undefined) yield await looked(directory, ['directory'])
  if (http !== undefined) {
    const text = `whether ${new URL(http.url).host} takes files was not tried: a file would stay there`
    yield { level: 'warning', path: ['http'], text }
  }
  if (onFailure === 'pass') {
    const text = 'a message that cannot be kept goes on without a copy'
    yield { level: 'warning', path: ['onFailure'], text }
  }
}

/** Whether a directory can be written. */
async function looked(directory: string, path: Finding['path']): Promise<Finding> {
  try {
    await rmdir(await mkdtemp(join(directory, 'inspection-')))
    return { level: 'ok', path, text: `${directory} can be written` }
  } catch (error) {
    const text = `${directory} cannot be written (${codeOf(error)})`
    return { level: 'error', path, text }
  }
}

// oxlint-disable-next-line typescript/require-await -- as all inspections
export async function* inspectBcc({ rules }: BccSettings): AsyncGenerator<Finding> {
  for (const [i, { sender, recipient, direction }] of rules.entries()) {
    if (sender !== undefined || recipient !== undefined || direction !== undefined) continue
    const text = 'this rule has no condition: all mail is copied, also unsolicited mail'
    yield { level: 'warning', path: ['rules', i], text }
  }
}
