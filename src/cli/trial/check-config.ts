/** `tsmilter check-config FILE`: whether a configuration can run, and what it does. */
import { ConfigFileError } from '../config/config-file-error.ts'
import { placeText } from '../config/place.ts'
import { UsageError } from '../../errors.ts'
import type { DnsCache } from '../../toolkit/dns/dns-cache.ts'
import { oneLine } from '../run/module.ts'
import { inspect, type Inspected } from './inspect.ts'
import { dataOf, filterWords } from './report.ts'
import { trialOf, type Trial } from './subject.ts'

/** Milliseconds for DNS and other servers. */
const DEADLINE = 15_000

export interface CheckResult {
  /** 0: it can run. 1: mail would suffer. 2: it has mistakes */
  readonly code: 0 | 1 | 2
  readonly text: string
}

export interface CheckConfigOptions {
  readonly json: boolean
  /** a warning counts as an error */
  readonly strict: boolean
  /** for tests */
  readonly dns?: DnsCache
}

export async function checkConfig(
  path: string,
  options: CheckConfigOptions,
): Promise<CheckResult> {
  let trial: Trial
  try {
    trial = await trialOf(path)
  } catch (error) {
    return mistakes(error, options.json)
  }
  const found = await inspect(trial, {
    deadline: DEADLINE,
    own: true,
    ...(options.dns !== undefined && { dns: options.dns }),
  })
  const bad = found.findings.some(
    ({ level }) => level === 'error' || (options.strict && level === 'warning'),
  )
  return {
    code: bad ? 1 : 0,
    text: options.json ? jsonOf(trial, found, bad) : textOf(trial, found, bad),
  }
}

function mistakes(error: unknown, json: boolean): CheckResult {
  const lines = error instanceof ConfigFileError ? error.message.split('\n') : [oneLine(error)]
  const code = error instanceof UsageError ? 2 : 1
  if (!json) return { code, text: lines.join('\n') }
  const found =
    error instanceof ConfigFileError
      ? error.mistakes.map(({ place, text }) => ({
          ...place,
          text,
          shown: `${placeText(place)}: ${text}`,
        }))
      : lines.map((text) => ({ text }))
  return { code, text: JSON.stringify({ well: false, mistakes: found }, undefined, 2) }
}

const jsonOf = ({ path, subjects, listen }: Trial, found: Inspected, bad: boolean): string =>
  JSON.stringify(
    {
      well: !bad,
      file: path,
      listen,
      filters: subjects.map(({ name, place }) => ({ name, place })),
      findings: found.findings,
      messages: found.samples.map(({ sample, ...played }) => ({ sample, ...dataOf(played) })),
    },
    undefined,
    2,
  )

function textOf({ path, subjects, listen }: Trial, found: Inspected, bad: boolean): string {
  const where = listen.length === 0 ? 'the sockets that it is given' : listen.join(' ')
  const lines = [
    `${path}: ${subjects.length} ${subjects.length === 1 ? 'filter' : 'filters'}, on ${where}`,
    ...found.findings.map(({ level, place, text }) => `${level.padEnd(7)} ${place}: ${text}`),
  ]
  for (const { sample, verdict, filters } of found.samples) {
    const words = filters.map(filterWords).filter((one) => one !== '')
    lines.push(`a message ${sample}: ${[verdict, ...words].join('; ')}`)
  }
  const warnings = found.findings.filter(({ level }) => level === 'warning').length
  lines.push(
    bad
      ? 'not well: see the lines above'
      : warnings === 0
        ? 'well'
        : `well, with ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`,
  )
  return lines.join('\n')
}
