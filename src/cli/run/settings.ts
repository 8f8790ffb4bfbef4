import { cpus } from 'node:os'
import { inspect } from 'node:util'
import { z } from 'zod'
import { MilterError, UsageError } from '../../errors.ts'
import { CONTENT_NAME } from '../../milter/message-content.ts'
import type { MessageLimits } from '../../milter/message-limits.ts'
import type { ErrorPolicy } from '../../milter/options.ts'
import type { OverloadAnswer } from '../../milter/overload.ts'
import { STAGE_NAMES } from '../../milter/stages.ts'
import type { LogLevel } from '../../milter/log.ts'
import { didYouMean } from '../../milter/nearest.ts'
import { Action, ALL_ACTIONS, DataSize } from '../../protocol/constants.ts'
import { UNIX } from '../../server/entrance.ts'
import { parseListenAddress } from '../../server/listen-address.ts'
import { parseNetwork } from '../../server/networks.ts'
import { hostAndPort } from '../../telemetry/http.ts'
import { LOG_FORMATS, LOG_LEVELS, type LogFormat } from '../../telemetry/logger.ts'
import {
  DATA_SIZES,
  flagOf,
  isList,
  MAX_WORKERS,
  OPTION_TABLE,
  SIZE_UNITS,
  takes,
  UNITS,
  variableOf,
  type OptionRow,
} from './option-table.ts'

/** An option that was given outside the configuration. */
export interface Given {
  readonly name: string
  readonly value: unknown
}

/** All options, with nothing left out that has a default. Plain data: it goes between processes. */
export interface RunSettings {
  /** none: what systemd has opened */
  readonly listen?: readonly string[]
  readonly workers: number
  readonly unixSocket?: { mode?: number; owner?: string | number; group?: string | number }
  readonly allow?: readonly string[]
  readonly proxies?: readonly string[]
  /** paths */
  readonly tls?: { cert?: string; key?: string; ca?: string }
  readonly backlog: number
  readonly maxConnections: number
  readonly maxMemory: number
  readonly overload: OverloadAnswer
  readonly timeouts: { idle: number; frame: number; write: number }
  readonly deadlines?: number | Record<string, number>
  readonly progressInterval: number
  readonly maxEdits: number
  readonly maxFrameSize: number
  readonly maxPending: number
  readonly limits?: Partial<MessageLimits>
  readonly actions?: number
  readonly requiredActions?: number
  readonly dataSize: DataSize
  readonly onError: ErrorPolicy
  readonly stop: { delay: number; deadline: number; quiet: number }
  readonly reload: { deadline: number }
  readonly logContent?: readonly string[]
  readonly startTimeout: number
  readonly hangTimeout: number
}

/** What is known before any code of a filter is loaded. */
export interface ProcessSettings {
  readonly logLevel?: LogLevel | 'silent'
  readonly logFormat?: LogFormat | 'auto'
  /** host and port */
  readonly telemetry?: string
  readonly pidFile?: string
  readonly user?: string | number
  readonly group?: string | number
}

/** Of a configuration, what is no plain data. */
const OF_CODE = ['filters', 'logger']

/**
 * What the command line and the environment say, the command line first.
 *
 * @param flags raw values by option name
 * @throws UsageError INVALID_OPTION
 */
export function givenOptions(
  flags: ReadonlyMap<string, unknown>,
  environment: Readonly<Record<string, string | undefined>>,
): Given[] {
  const given: Given[] = []
  for (const row of OPTION_TABLE) {
    const flag = flags.get(row.name)
    const variable = environment[variableOf(row)]
    if (flag !== undefined) {
      given.push({
        name: row.name,
        value: parse(row, flag, `the command line (${flagOf(row)})`),
      })
    } else if (variable !== undefined && variable !== '') {
      const value = isList(row) ? variable.trim().split(/\s+/) : variable
      given.push({
        name: row.name,
        value: parse(row, value, `the environment (${variableOf(row)})`),
      })
    }
  }
  return given
}

export function processSettings(given: readonly Given[]): ProcessSettings {
  const rows = OPTION_TABLE.filter((row) => row.process).map(({ name }) => name)
  return Object.fromEntries(
    given.filter(({ name }) => rows.includes(name)).map(({ name, value }) => [name, value]),
  )
}

/**
 * Every option: what was given, else the configuration, else the default.
 *
 * @param config the object of `defineConfig`, or undefined
 * @param source the name of its file, for errors
 * @throws UsageError INVALID_OPTION
 */
export function runSettings(
  given: readonly Given[],
  config: object | undefined,
  source: string,
): RunSettings {
  if (config !== undefined) refuseUnknownKeys(config, source)
  const settings = {}
  for (const row of OPTION_TABLE) {
    if (row.process) continue
    const configured = config === undefined ? undefined : valueAt(config, row.name)
    // A mistake in the configuration is told even where something else goes before it.
    const parsed = configured === undefined ? undefined : parse(row, configured, source)
    const value = given.find(({ name }) => name === row.name)?.value ?? parsed ?? row.default
    if (value !== undefined) put(settings, row.name, value)
  }
  // What is there without being given, such as a variable that is not set, must not mean plain text.
  if (config !== undefined && valueAt(config, 'tls') !== undefined && !('tls' in settings)) {
    put(settings, 'tls', {})
  }
  const { workers } = settings as { workers: number | 'auto' }
  put(
    settings,
    'workers',
    workers === 'auto' ? Math.min(cpus().length || 1, MAX_WORKERS) : workers,
  )
  return settings as RunSettings
}

function parse(row: OptionRow, value: unknown, source: string): unknown {
  const result = schemaOf(row).safeParse(value)
  if (result.success) return result.data
  // What is wrong with an address is said better by who understands addresses.
  const custom = result.error.issues.find(({ code }) => code === 'custom')
  const said = custom?.message ?? `it takes ${takes(row)}; it got ${show(value)}`
  throw new UsageError('INVALID_OPTION', `the option ${row.name} of ${source}: ${said}`)
}

function schemaOf(row: OptionRow): z.ZodType {
  const { least = 0, most = Number.MAX_SAFE_INTEGER } = row
  const whole = z.number().int().min(least).max(most)
  const time = z.preprocess(milliseconds, whole)
  const name = z
    .string()
    .min(1)
    .regex(/^[^\0\s]+$/)
  switch (row.kind) {
    case 'addresses':
      return z.preprocess(asList, z.array(z.string().superRefine(checkAddress)).min(1))
    case 'networks':
    case 'proxies':
      return z.preprocess(
        asList,
        z
          .array(
            z.string().superRefine((entry, context) => {
              if (parseNetwork(entry) !== undefined) return
              if (row.kind === 'proxies' && entry === UNIX) return
              const message = `it takes ${takes(row)}; it got ${show(entry)}`
              context.addIssue({ code: 'custom', message })
            }),
          )
          .min(1),
      )
    case 'workers':
      return z.union([
        z.literal('auto'),
        z.preprocess(fromDigits, z.number().int().min(1).max(MAX_WORKERS)),
      ])
    case 'number':
      return z.preprocess(fromDigits, whole)
    case 'size':
      return z.preprocess(fromSize, whole)
    case 'dataSize':
      return z.preprocess(fromDataSize, z.literal(Object.values(DataSize)))
    case 'actions':
      return z.preprocess(fromActionNames, z.number().int().min(0).max(ALL_ACTIONS))
    case 'overload':
      return z.enum(['tempfail', 'accept'])
    case 'duration':
      return time
    case 'deadlines':
      return z.union([time, z.partialRecord(z.enum(STAGE_NAMES as [string]), time)])
    case 'mode':
      return z.preprocess(fromOctal, z.number().int().min(0).max(0o777))
    case 'account':
      return z.union([z.number().int().min(0), name])
    case 'policy':
      return z.enum(['tempfail', 'reject', 'continue', 'accept'])
    case 'content':
      return z.preprocess(asList, z.array(z.string().regex(CONTENT_NAME)).min(1))
    case 'logLevel':
      return z.enum(LOG_LEVELS as [string])
    case 'logFormat':
      return z.enum(LOG_FORMATS as [string])
    case 'httpAddress':
      return z.preprocess(httpAddress, z.string())
    case 'path':
    case 'directory':
      return z
        .string()
        .min(1)
        .regex(/^[^\0]+$/)
  }
}

const asList = (value: unknown): unknown => (typeof value === 'string' ? [value] : value)

const fromDigits = (value: unknown): unknown =>
  typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value

function fromSize(value: unknown): unknown {
  const match = typeof value === 'string' ? /^(\d{1,15})([KMG]?)$/i.exec(value) : null
  if (match === null) return value
  const [, size] = SIZE_UNITS.find(([unit]) => unit === match[2]!.toUpperCase())!
  return Number(match[1]) * size
}

const fromDataSize = (value: unknown): unknown =>
  typeof value === 'string' ? (DATA_SIZES[value.toUpperCase()] ?? fromDigits(value)) : value

/** Names as text or as a list become bits. What is no name stays as it is, and is refused. */
function fromActionNames(value: unknown): unknown {
  const names = typeof value === 'string' ? value.split(/[\s,]+/) : value
  if (!Array.isArray(names)) return value
  let bits = 0
  for (const name of names) {
    const bit = typeof name === 'string' ? ACTION_NAMES.get(name.toUpperCase()) : undefined
    if (bit === undefined) return value
    bits |= bit
  }
  return bits
}

const ACTION_NAMES: ReadonlyMap<string, number> = new Map([
  ['ALL', ALL_ACTIONS],
  ['NONE', 0],
  ...Object.entries(Action),
])

const fromOctal = (value: unknown): unknown =>
  typeof value === 'string' && /^[0-7]{1,4}$/.test(value) ? Number.parseInt(value, 8) : value

function milliseconds(value: unknown): unknown {
  const match =
    typeof value === 'string' ? /^(\d{1,12}(?:\.\d{1,3})?) ?(ms|s|m|h)?$/.exec(value) : null
  if (match === null) return value
  const [, size] = UNITS.find(([unit]) => unit === (match[2] ?? 'ms'))!
  return Math.round(Number(match[1]) * size)
}

/** Undefined for what the server would not take either. */
function httpAddress(value: unknown): unknown {
  try {
    hostAndPort(String(value))
    return value
  } catch {
    return undefined
  }
}

function checkAddress(address: string, context: z.RefinementCtx): void {
  try {
    parseListenAddress(address)
  } catch (error) {
    if (!(error instanceof MilterError)) throw error
    context.addIssue({ code: 'custom', message: error.message })
  }
}

function refuseUnknownKeys(config: object, source: string): void {
  const names = OPTION_TABLE.filter((row) => !row.process).map(({ name }) => name)
  const ofProcess = OPTION_TABLE.filter((row) => row.process)
  const refuse = (key: string, there: readonly string[]): never => {
    const row = ofProcess.find(({ name }) => name === key)
    throw new UsageError(
      'INVALID_OPTION',
      row === undefined
        ? `the option ${key} of ${source}: there is none${didYouMean(key, there) || '.'} There are: ${there.join(', ')}`
        : `the option ${key} of ${source}: it has to be known before the configuration is loaded; give ${flagOf(row)} or ${variableOf(row)}`,
    )
  }
  const tops = [...new Set([...OF_CODE, ...names.map((name) => name.split('.')[0]!)])]
  for (const [key, value] of Object.entries(config)) {
    if (!tops.includes(key)) refuse(key, tops)
    const inner = names.filter((name) => name.startsWith(`${key}.`))
    if (inner.length === 0 || value === undefined) continue
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new UsageError(
        'INVALID_OPTION',
        `the option ${key} of ${source}: it takes an object with ${inner.map((name) => name.slice(key.length + 1)).join(', ')}; it got ${show(value)}`,
      )
    }
    for (const name of Object.keys(value)) {
      if (!inner.includes(`${key}.${name}`)) refuse(`${key}.${name}`, inner)
    }
  }
}

function valueAt(config: object, name: string): unknown {
  let value: unknown = config
  for (const key of name.split('.'))
    value = (value as Record<string, unknown> | undefined)?.[key]
  return value
}

function put(target: object, name: string, value: unknown): void {
  const keys = name.split('.')
  let at = target as Record<string, unknown>
  for (const key of keys.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>
  at[keys.at(-1)!] = value
}

function show(value: unknown): string {
  const text =
    typeof value === 'string'
      ? JSON.stringify(value)
      : inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 10 })
  return text.length > 200 ? `${text.slice(0, 200)}...` : text
}
