import { z } from 'zod'
import type { FromWorker } from './messages.ts'

/** What a reason or a name may take of the log. */
const TEXT = z.string().transform((text) => text.slice(0, 1_000))
const ID = z.number().int().min(0)

/** As prom-client has them (getMetricsAsJSON): what is something else would take /metrics of all workers away. */
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

/** Settings are read by `runSettings`, which knows the options. */
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
 * What has come from a worker, if it is a message of this program at all. Filters run there, so it may be
 * anything: `process.send` is open to all code of the process.
 */
export function readWorkerMessage(raw: unknown): FromWorker | undefined {
  const { success, data } = SCHEMA.safeParse(raw)
  return success ? (data as unknown as FromWorker) : undefined
}
