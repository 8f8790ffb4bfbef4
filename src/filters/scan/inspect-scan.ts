/** Looks whether the daemons that `scan` names can be reached. */
import { connect } from 'node:net'
import { reasonOf } from '../../net/system-error.ts'
import type { Path } from '../../options/mistake.ts'
import type { Finding, InspectionTools } from '../inspection.ts'
import type { ScanSettings } from '../types.ts'
import { endpointOf } from './scan.ts'

export async function* inspectScan(
  settings: ScanSettings,
  { signal }: InspectionTools,
): AsyncGenerator<Finding> {
  for (const name of ['clamd', 'spamd', 'rspamd'] as const) {
    for (const [i, server] of (settings[name] ?? []).entries()) {
      // oxlint-disable-next-line eslint/no-await-in-loop -- in the order of the option
      yield await reached(server, [name, i], signal)
    }
  }
}

async function reached(server: string, path: Path, signal: AbortSignal): Promise<Finding> {
  const socket = connect(endpointOf(server))
  const cut = (): void => void socket.destroy(new Error('there was no answer in time'))
  signal.addEventListener('abort', cut, { once: true })
  try {
    await new Promise((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return { level: 'ok', path, text: `${server} can be reached` }
  } catch (error) {
    const text = `${server} cannot be reached: ${reasonOf(error as Error)}`
    return { level: 'warning', path, text }
  } finally {
    signal.removeEventListener('abort', cut)
    socket.destroy()
  }
}
