import { z } from 'zod'
import type { FromWorker } from './messages.ts'

/** A reason or a name, cut to a length that suits the log. */
const TEXT = z.string().transform((text) => text.slice(0, 1_000))
const ID = z.number().int().min(0)

/** A metric of prom-client (getMetricsAsJSON). Anything else would break /metrics for all workers. */
const METRIC = z.looseObject({
  name: z.string().regex(/^[a-zA-Z_:][\w:]{0,200}$/),
  help: TEXT,
  type: z.enum(['counter', 'gauge', 'histogram', 'summary']),
  aggregator: z.enum(['sum', 'first', 'min', 'max', 'average', 'omit']).optional(),
  values: z.array(
    z.looseObject({
      // JSON has no NaN.
      value: z.number().nullable(),
      labels: z.record(z.string().regex(/^[a-zA-Z_]\w*$/), z.union([z.string(), z.number()])),
      metricName: z
        .string()
        .regex(/^[a-zA-Z_:][\w:]*$/)
        .optional(),
    }),
  ),
})

/** `runSettings` checks the settings, because it knows the options. */
const SCHEMA = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('loaded'),
    settings: z.record(z.string(), z.unknown()),
    name: TEXT,
  }),
  z.object({ type: z.literal('failed'), reason: TEXT, misused: z.boolean() }),
  z.object({ type: z.literal('alive'), healthy: z.boolean() }),
  z.object({ type: z.literal('echo'), id: ID }),
  z.object({ type: z.literal('taken'), id: ID }),
  z.object({ type: z.literal('counted'), metrics: z.array(METRIC) }),
])

/**
 * Checks a message from a worker. Undefined if it is not a message of this program. Filters run in the worker, and all
 * code there can call `process.send`, so a message can be anything.
 */
export function readWorkerMessage(raw: unknown): FromWorker | undefined {
  const { success, data } = SCHEMA.safeParse(raw)
  return success ? (data as unknown as FromWorker) : undefined
}
