import type * as PromClient from 'prom-client'
import type { Counter, Registry } from 'prom-client'
import { loadOptional } from '../optional-package.ts'
import { observe } from '../diagnostics/channels.ts'
import type { EditCounts } from '../diagnostics/edit-counts.ts'
import type { Logger } from '../diagnostics/log.ts'

/** The metrics of one process as plain JSON. A worker can send it, and {@link mergeMetrics} adds several. */
export type MetricsSnapshot = readonly object[]

/** The metrics of this process. */
export interface Metrics {
  /** content type of {@link text}: the text format of Prometheus, version 0.0.4 */
  readonly contentType: string
  /** Returns the text for `/metrics`. */
  text(): Promise<string>
  /** Returns the metrics for {@link mergeMetrics}. */
  snapshot(): Promise<MetricsSnapshot>
  /** Stops counting. */
  close(): void
}

/** Options of {@link collectMetrics}. */
export interface MetricsOptions {
  /**
   * Whether to collect a histogram of the time of handlers, by stage. It is the only part with a cost for each header
   * field of a filter of events: about half a microsecond.
   * @default true
   */
  readonly stages?: boolean | undefined
  /**
   * Whether to collect memory, CPU, descriptors and garbage collection of the process with prom-client. Use it only
   * once in a process, because what it installs stays after `close`.
   * @default false
   */
  readonly process?: boolean | undefined
  /**
   * Returns the memory that messages and connections hold, and the limit: `() => server.memory`.
   * @default none; then the two metrics of memory are missing
   */
  readonly memory?: (() => { readonly used: number; readonly limit: number }) | undefined
  /** logger for errors in counting. @default as {@link observe} */
  readonly logger?: Logger | undefined
}

/** Seconds. Most handlers take microseconds. Those that ask another service take seconds. */
const STAGE_BUCKETS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300]
const MESSAGE_BUCKETS = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const MESSAGE_VERDICTS = ['accept', 'reject', 'tempfail', 'discard', 'abort'] as const
const OVERLOAD_ANSWERS = { tempfail: 'deferred', accept: 'accepted' } as const
/** Milliseconds between two checks of the event loop. */
const LAG_INTERVAL = 50

/**
 * Collects metrics of the filters of this process, from the call on. It uses a registry of its own. All labels are
 * words of this package, such as verdicts, stages and codes, so that mail cannot create new time series.
 *
 * It needs the package `prom-client` (`npm install prom-client@15`), which it loads when you call it.
 *
 *     const metrics = await collectMetrics({ memory: () => server.memory })
 *     const telemetry = await serveTelemetry({ metrics })
 *
 * @throws UsageError MISSING_PACKAGE if prom-client is not installed
 */
export async function collectMetrics(options: MetricsOptions = {}): Promise<Metrics> {
  const prom = await loadProm()
  const registry = new prom.Registry()
  const stop = [
    observeConnections(prom, registry, options.logger),
    observeMessages(prom, registry, options.logger),
    observeTrouble(prom, registry, options.logger),
    observeStores(prom, registry, options.logger),
    observeFilters(prom, registry, options.logger),
    observeAuthentication(prom, registry, options.logger),
    watchLoop(prom, registry),
  ]
  if (options.stages !== false) stop.push(observeStages(prom, registry, options.logger))
  if (options.memory !== undefined) showMemory(prom, registry, options.memory)
  if (options.process === true) prom.collectDefaultMetrics({ register: registry })
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    snapshot: () => registry.getMetricsAsJSON(),
    close: () => {
      for (const end of stop.splice(0)) end()
    },
  }
}

/**
 * Merges the metrics of several processes into one text for `/metrics`. Counters, histograms and connections are added.
 * Of the delays of the event loops, the longest is taken.
 */
export async function mergeMetrics(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  const { AggregatorRegistry } = await loadProm()
  // The function only reads the snapshots, but its type does not say so.
  return AggregatorRegistry.aggregate(snapshots as object[][]).metrics()
}

/** Adds several snapshots to one. */
export async function sumMetrics(
  snapshots: readonly MetricsSnapshot[],
): Promise<MetricsSnapshot> {
  const { AggregatorRegistry } = await loadProm()
  return AggregatorRegistry.aggregate(snapshots as object[][]).getMetricsAsJSON()
}

/** The metrics of a process that are valid after its end: all but the gauges. */
export const totalsOf = (snapshot: MetricsSnapshot): MetricsSnapshot =>
  snapshot.filter((metric) => (metric as { type?: string }).type !== 'gauge')

type Prom = typeof PromClient

const loadProm = (): Promise<Prom> =>
  loadOptional('prom-client', 'the collection of metrics', () => import('prom-client'))

function counterIn(registry: Registry, { Counter }: Prom) {
  return <Label extends string>(
    name: string,
    help: string,
    ...labelNames: Label[]
  ): Counter<Label> => new Counter({ name, help, labelNames, registers: [registry] })
}

function observeConnections(prom: Prom, registry: Registry, logger?: Logger): () => void {
  const counter = counterIn(registry, prom)
  /** Open connections. Those that were open before the call are not counted, so their end is not counted either. */
  const open = new Set<number>()
  const gauge = new prom.Gauge({
    name: 'tsmilter_connections_open',
    help: 'Connections of mail servers',
    registers: [],
    collect() {
      this.set(open.size)
    },
  })
  registry.registerMetric(gauge)
  const opened = counter(
    'tsmilter_connections_total',
    'Connections that mail servers have made',
  )
  const closed = counter(
    'tsmilter_connections_closed_total',
    'Connections that have ended, by reason',
    'reason',
  )
  const overload = counter(
    'tsmilter_connections_overload_total',
    'Connections above maxConnections: deferred, accepted (unfiltered), or dropped without an answer',
    'answer',
  )
  const refusedConnections = counter(
    'tsmilter_connections_refused_total',
    'Connections that were closed before they were served: address, PROXY header, TLS',
    'code',
  )
  const received = counter(
    'tsmilter_received_bytes_total',
    'Bytes from mail servers, counted when a connection ends',
  )
  const sent = counter(
    'tsmilter_sent_bytes_total',
    'Bytes to mail servers, counted when a connection ends',
  )
  const refused = counter(
    'tsmilter_clients_refused_total',
    'SMTP clients that were refused at connect or HELO',
    'stage',
    'verdict',
  )
  return observe(
    {
      'tsmilter:connection:open': ({ connection }) => {
        open.add(connection)
        opened.inc()
      },
      'tsmilter:connection:close': ({ connection, reason, bytesReceived, bytesSent }) => {
        if (!open.delete(connection)) return
        closed.inc({ reason })
        received.inc(bytesReceived ?? 0)
        sent.inc(bytesSent ?? 0)
      },
      'tsmilter:connection:overload': ({ dropped, answer }) =>
        overload.inc({ answer: dropped ? 'dropped' : OVERLOAD_ANSWERS[answer] }),
      'tsmilter:connection:refused': ({ code }) => refusedConnections.inc({ code }),
      'tsmilter:client:refused': ({ stage, verdict }) => refused.inc({ stage, verdict }),
    },
    logger,
  )
}

function observeMessages(prom: Prom, registry: Registry, logger?: Logger): () => void {
  const counter = counterIn(registry, prom)
  const messages = counter('tsmilter_messages_total', 'Messages, by verdict', 'verdict')
  // A rate needs the zero before the first message.
  for (const verdict of MESSAGE_VERDICTS) messages.inc({ verdict }, 0)
  const seconds = new prom.Histogram({
    name: 'tsmilter_message_seconds',
    help: 'Time from MAIL to the end of a message',
    buckets: MESSAGE_BUCKETS,
    registers: [registry],
  })
  const overload = counter(
    'tsmilter_messages_overload_total',
    'Messages that found no memory: deferred, or accepted (unfiltered)',
    'answer',
  )
  const bytes = counter('tsmilter_body_bytes_total', 'Bytes of bodies received')
  const recipients = counter('tsmilter_recipients_total', 'Recipients, by answer', 'answer')
  const edits = counter('tsmilter_edits_total', 'Edits that were sent, by kind', 'kind')
  const countEdits = (counts: EditCounts): void => {
    for (const [kind, count] of Object.entries(counts)) edits.inc({ kind }, count)
  }
  return observe(
    {
      'tsmilter:message': (event) => {
        messages.inc({ verdict: event.verdict })
        seconds.observe(event.milliseconds / 1_000)
        bytes.inc(event.bodyBytes)
        recipients.inc({ answer: 'accepted' }, event.recipients ?? 0)
        recipients.inc({ answer: 'refused' }, event.refusedRecipients)
        countEdits(event.edits)
      },
      'tsmilter:message:overload': ({ answer }) =>
        overload.inc({ answer: OVERLOAD_ANSWERS[answer] }),
    },
    logger,
  )
}

function observeTrouble(prom: Prom, registry: Registry, logger?: Logger): () => void {
  const counter = counterIn(registry, prom)
  const errors = counter(
    'tsmilter_handler_errors_total',
    'Handlers that threw, or returned something that is not a verdict',
    'stage',
  )
  const timeouts = counter(
    'tsmilter_handler_timeouts_total',
    'Handlers that missed their deadline',
    'stage',
  )
  const interrupted = counter(
    'tsmilter_handler_interruptions_total',
    'Handlers that were cut off: message aborted, connection closed, server stopped',
    'stage',
  )
  const byCause = { exception: errors, deadline: timeouts, interrupted }
  const violations = counter(
    'tsmilter_protocol_errors_total',
    'Violations of the protocol by mail servers, or other programs that use the port',
    'code',
  )
  const spills = counter(
    'tsmilter_spills_total',
    'Bodies that were moved to a temporary file: because of their size, or because memory was short',
    'reason',
  )
  for (const reason of ['size', 'memory'] as const) spills.inc({ reason }, 0)
  const failedSpills = counter(
    'tsmilter_spill_failures_total',
    'Bodies that could not be written to a temporary file',
  )
  return observe(
    {
      'tsmilter:handler:error': ({ cause, stage }) => byCause[cause].inc({ stage }),
      'tsmilter:violation': ({ code }) => violations.inc({ code }),
      'tsmilter:spill': ({ failed, reason }) =>
        failed ? failedSpills.inc() : spills.inc({ reason }),
    },
    logger,
  )
}

function observeStores(prom: Prom, registry: Registry, logger?: Logger): () => void {
  const counter = counterIn(registry, prom)
  const calls = counter(
    'tsmilter_store_calls_total',
    'Calls of stores, by use; those that failed too',
    'use',
    'store',
  )
  const failures = counter(
    'tsmilter_store_failures_total',
    'Calls that a store did not answer, by what answered instead: open, closed or local',
    'use',
    'store',
    'code',
    'policy',
  )
  return observe(
    {
      'tsmilter:store': ({ use, store, code, policy }) => {
        calls.inc({ use, store })
        if (code !== undefined && policy !== undefined)
          failures.inc({ use, store, code, policy })
      },
    },
    logger,
  )
}

function observeFilters(prom: Prom, registry: Registry, logger?: Logger): () => void {
  const results = counterIn(registry, prom)(
    'tsmilter_filter_results_total',
    'Results of ready-made filters; those of filters that only observe have observed="true"',
    'filter',
    'result',
    'reason',
    'observed',
  )
  return observe(
    {
      'tsmilter:filter:result': ({ filter, result, reason, observed }) =>
        results.inc({ filter, result, reason, observed: String(observed) }),
    },
    logger,
  )
}

function observeAuthentication(prom: Prom, registry: Registry, logger?: Logger): () => void {
  const results = counterIn(registry, prom)(
    'tsmilter_authentication_results_total',
    'Results of SPF, DKIM (the best signature), DMARC and ARC in messages that were checked',
    'method',
    'result',
  )
  return observe(
    {
      'tsmilter:authentication': (event) => {
        for (const method of ['spf', 'dkim', 'dmarc', 'arc'] as const) {
          results.inc({ method, result: event[method] })
        }
      },
    },
    logger,
  )
}

function showMemory(
  prom: Prom,
  registry: Registry,
  memory: NonNullable<MetricsOptions['memory']>,
): void {
  const gauge = (name: string, help: string, value: () => number): void => {
    const made = new prom.Gauge({
      name,
      help,
      registers: [],
      collect() {
        this.set(value())
      },
    })
    registry.registerMetric(made)
  }
  gauge(
    'tsmilter_memory_bytes',
    'Bytes that messages and connections hold in memory',
    () => memory().used,
  )
  gauge(
    'tsmilter_memory_limit_bytes',
    'Maximum bytes that messages and connections may hold in memory (maxMemory)',
    () => memory().limit,
  )
}

function observeStages(prom: Prom, registry: Registry, logger?: Logger): () => void {
  const stages = new prom.Histogram({
    name: 'tsmilter_stage_seconds',
    help: 'Time of a handler, by stage',
    labelNames: ['stage'],
    buckets: STAGE_BUCKETS,
    registers: [registry],
  })
  return observe(
    {
      'tsmilter:handler': ({ stage, milliseconds }) =>
        stages.observe({ stage }, milliseconds / 1_000),
    },
    logger,
  )
}

/**
 * Measures the longest delay of the event loop since the metrics were last read, which is how late a timer fires.
 * Node's own monitor misses delays right after a reset.
 */
function watchLoop(prom: Prom, registry: Registry): () => void {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last - LAG_INTERVAL)
    last = now
  }, LAG_INTERVAL)
  timer.unref()
  const gauge = new prom.Gauge({
    name: 'tsmilter_event_loop_lag_seconds',
    help: 'Longest delay of the event loop since the metrics were last read; the worst of all workers',
    registers: [],
    aggregator: 'max',
    collect() {
      this.set(longest / 1_000)
      longest = 0
    },
  })
  registry.registerMetric(gauge)
  return () => clearInterval(timer)
}
