/** Looks at what the filters of a text file name, and plays the samples through them. */
import { DnsCache } from '../../toolkit/dns/dns-cache.ts'
import { DnsSession } from '../../toolkit/dns/dns-session.ts'
import { within } from '../../toolkit/within.ts'
import { nodeAt } from '../config/nodes.ts'
import { lineText } from '../config/place.ts'
import { openSecrets } from './open-secrets.ts'
import type { PlacedFinding } from './placed-finding.ts'
import { play, type Played } from './play.ts'
import { SAMPLES } from './samples.ts'
import type { Subject, Trial } from './subject.ts'

export interface PlayedSample extends Played {
  readonly sample: string
}

export interface Inspected {
  readonly findings: readonly PlacedFinding[]
  readonly samples: readonly PlayedSample[]
}

export interface InspectOptions {
  /** milliseconds for all that has to be waited for */
  readonly deadline: number
  /** plays the samples also through filters of the administrator, which may do anything */
  readonly own: boolean
  /** for tests; by default the servers of this machine */
  readonly dns?: DnsCache
}

export async function inspect(trial: Trial, options: InspectOptions): Promise<Inspected> {
  const findings: PlacedFinding[] = []
  const { dns = new DnsCache() } = options
  const looked = trial.subjects.map((subject) => inspectOne(subject, dns, options.deadline))
  for (const found of await Promise.all(looked)) findings.push(...found)
  findings.push(...(await openSecrets(trial.secrets)))
  const samples: PlayedSample[] = []
  const leaveOut = leaveOutFor(options.own)
  for (const { name, transaction } of SAMPLES) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- one message after the other, as in a session
    const played = await play(trial, transaction, 'postfix', leaveOut)
    samples.push({ ...played, sample: name })
    for (const failure of played.failures) {
      findings.push({
        level: 'error',
        place: trial.path,
        text: `the message "${name}": ${failure}`,
      })
    }
  }
  return { findings, samples }
}

/** Which filters are not called, and why. */
export const leaveOutFor =
  (own: boolean) =>
  ({ entry }: Subject): string | undefined => {
    const { effect: given } = entry?.ready ?? {}
    const effect = typeof given === 'function' ? given(entry!.options as never) : given
    if (effect !== undefined) return `not called here: it ${effect}`
    return own || entry === undefined || entry.ready !== undefined
      ? undefined
      : 'not called here: it is a filter of your own, which may do anything'
  }

/** @param deadline milliseconds; what was found until then counts */
async function inspectOne(
  { name, entry, options, place }: Subject,
  dns: DnsCache,
  deadline: number,
): Promise<PlacedFinding[]> {
  const found: PlacedFinding[] = []
  const inspection = await entry?.ready?.inspect?.()
  if (inspection === undefined || options === undefined) return found
  try {
    await within(deadline, undefined, async (signal) => {
      const tools = { dns: new DnsSession(dns, { signal }), signal }
      for await (const { level, text, path } of inspection(entry!.options as never, tools)) {
        if (signal.aborted) return
        const at = path.length === 0 ? place : lineText(nodeAt(options, path).node.place)
        found.push({ level, place: at, text: `${name}: ${text}` })
      }
    })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const text = `${name}: not all was looked at: ${why}`
    found.push({ level: 'warning', place, text })
  }
  return [...found]
}
