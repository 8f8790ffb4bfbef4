/**
 * Checks messages of workers. Filters run in the worker, and all code there can call `process.send`, so a message can be
 * anything that JSON can say.
 */
import { MAX_SHOWN } from '../config/place.ts'
import type { FromWorker } from './messages.ts'

/** Returns the value with what may be kept of it, or undefined if it is not of this kind. */
type Read = (raw: unknown) => unknown

/** Maximum length of a reason or a name, which suits the log. */
const MAX_TEXT = 1_000
const text: Read = (raw) => (typeof raw === 'string' ? raw.slice(0, MAX_TEXT) : undefined)
/** A line for each mistake of a configuration: `MAX_SHOWN` of them. */
const lines: Read = (raw) =>
  typeof raw === 'string' ? raw.slice(0, MAX_SHOWN * MAX_TEXT) : undefined
const boolean: Read = (raw) => (typeof raw === 'boolean' ? raw : undefined)
const id: Read = (raw) => (Number.isSafeInteger(raw) && (raw as number) >= 0 ? raw : undefined)
const matching =
  (pattern: RegExp): Read =>
  (raw) =>
    typeof raw === 'string' && pattern.test(raw) ? raw : undefined
const oneOf =
  (...words: readonly string[]): Read =>
  (raw) =>
    words.includes(raw as string) ? raw : undefined

const list =
  (item: Read): Read =>
  (raw) => {
    if (!Array.isArray(raw)) return undefined
    const items = raw.map(item)
    return items.includes(undefined) ? undefined : items
  }

const isObject = (raw: unknown): raw is Readonly<Record<string, unknown>> =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw)

/** An object with these fields; the others stay as they are. */
const object =
  (
    fields: Readonly<Record<string, Read>>,
    optional: Readonly<Record<string, Read>> = {},
  ): Read =>
  (raw) => {
    if (!isObject(raw)) return undefined
    const read = { ...raw }
    for (const [name, readField] of Object.entries({ ...fields, ...optional })) {
      const given = Object.hasOwn(raw, name) ? raw[name] : undefined
      if (given === undefined && name in optional) continue
      read[name] = readField(given)
      if (read[name] === undefined) return undefined
    }
    return read
  }

const labels: Read = (raw) =>
  isObject(raw) &&
  Object.entries(raw).every(
    ([name, value]) =>
      /^[a-zA-Z_]\w*$/.test(name) && (typeof value === 'string' || typeof value === 'number'),
  )
    ? raw
    : undefined

const sample: Read = object(
  // JSON has no NaN: null stands for it.
  { value: (raw) => (typeof raw === 'number' || raw === null ? raw : undefined), labels },
  { metricName: matching(/^[a-zA-Z_:][\w:]*$/) },
)

/** A metric of prom-client (getMetricsAsJSON). Anything else would break /metrics for all workers. */
const metric: Read = object(
  {
    name: matching(/^[a-zA-Z_:][\w:]{0,200}$/),
    help: text,
    type: oneOf('counter', 'gauge', 'histogram', 'summary'),
    values: list(sample),
  },
  { aggregator: oneOf('sum', 'first', 'min', 'max', 'average', 'omit') },
)

/** By type. `runSettings` checks the settings, because it knows the options. */
const MESSAGES: Readonly<Record<FromWorker['type'], Readonly<Record<string, Read>>>> = {
  loaded: { settings: (raw) => (isObject(raw) ? raw : undefined), name: text },
  failed: { reason: lines, misused: boolean },
  alive: { healthy: boolean },
  echo: { id },
  taken: { id },
  counted: { metrics: list(metric) },
}

/** Undefined if it is not a message of this program. */
export function readWorkerMessage(raw: unknown): FromWorker | undefined {
  const type = isObject(raw) ? raw['type'] : undefined
  if (typeof type !== 'string' || !Object.hasOwn(MESSAGES, type)) return undefined
  return object(MESSAGES[type as FromWorker['type']])(raw) as FromWorker | undefined
}
