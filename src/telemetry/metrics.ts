import type * as PromClient from 'prom-client'
import type { Counter, Registry } from 'prom-client'
import { loadOptional } from '../optional-package.ts'
import { observe } from '../diagnostics/channels.ts'
import type { EditCounts } from '../diagnostics/edit-counts.ts'
import type { Logger } from '../diagnostics/log.ts'

/** The metrics of one process as plain JSON, to be sent from a worker and summed up. */
export type MetricsSnapshot = readonly object[]

export interface Metrics {
  /** of {@link text}: the text format of Prometheus, version 0.0.4 */
  readonly contentType: string
  /** for `/metrics` */
  text(): Promise<string>
  /** what {@link mergeMetrics} takes */
  snapshot(): Promise<MetricsSnapshot>
  /** Counts no more. */
  close(): void
}

export interface MetricsOptions {
  /**
   * A histogram of how long handlers take, by stage. It is the only part that costs something for each
   * header field of a filter of events: about half a microsecond.
   * @default true
   */
  readonly stages?: boolean | undefined
  /**
   * Also memory, CPU, descriptors and garbage collection of the process, as prom-client has them. For
   * one collection of a process: what it installs stays after `close`.
   * @default false
   */
  readonly process?: boolean | undefined
  /**
   * What messages and connections hold in memory, and how much they may: `() => server.memory`.
   * @default without these two
   */
  readonly memory?: (() => { readonly used: number; readonly limit: number }) | undefined
  /** Where failures of counting go. @default as {@link observe} */
  readonly logger?: Logger | undefined
}

/** Seconds. Most handlers take microseconds; those that ask others have seconds. */
const STAGE_BUCKETS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300]
const MESSAGE_BUCKETS = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const MESSAGE_VERDICTS = ['accept', 'reject', 'tempfail', 'discard', 'abort'] as const
const OVERLOAD_ANSWERS = { tempfail: 'deferred', accept: 'accepted' } as const
/** Milliseconds between two looks at the event loop. */
const LAG_INTERVAL = 50

/**
 * Counts what the filters of this process do, from now on, in a registry of its own. Labels are words
 * of this package only (verdicts, stages, codes), so that nothing in mail can make new time series.
 *
 * Needs the package `prom-client` (`npm install prom-client@15`), which is loaded at the call.
 *
 * @throws UsageError MISSING_PACKAGE without it
 */
export async function collectMetrics(options: MetricsOptions = {}): Promise<Metrics> {
  const prom = await loadProm()
  const registry = new prom.Registry()
  const stop = [
    observeConnections(prom, registry, options.logger),
    observeMessages(prom, registry, options.logger),
    observeTrouble(prom, registry, options.logger),
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
 * The text for `/metrics` of several processes together: counters, histograms and connections are
 * added; of the lag of event loops it is the worst.
 */
export async function mergeMetrics(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  const { AggregatorRegistry } = await loadProm()
  // The snapshots are read only; the type says less than that.
  return AggregatorRegistry.aggregate(snapshots as object[][]).metrics()
}

/** Several snapshots as one. */
export async function sumMetrics(
  snapshots: readonly MetricsSnapshot[],
): Promise<MetricsSnapshot> {
  const { AggregatorRegistry } = await loadProm()
  return AggregatorRegistry.aggregate(snapshots as object[][]).getMetricsAsJSON()
}

/** What still counts of a process that has ended: not how it was at the time. */
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
  /** Those that were open before are not counted, so their end is not either. */
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
    'Connections that have ended, by how',
    'reason',
  )
  const overload = counter(
    'tsmilter_connections_overload_total',
    'Connections beyond maxConnections: deferred, accepted (unfiltered), or dropped without a word',
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
  // Rates need the zero before the first one.
  for (const verdict of MESSAGE_VERDICTS) messages.inc({ verdict }, 0)
  const seconds = new prom.Histogram({
    name: 'tsmilter_message_seconds',
    help: 'Time from MAIL to the last word on a message',
    buckets: MESSAGE_BUCKETS,
    registers: [registry],
  })
  const overload = counter(
    'tsmilter_messages_overload_total',
    'Messages there was no memory for: deferred, or accepted (unfiltered)',
    'answer',
  )
  const bytes = counter('tsmilter_body_bytes_total', 'Bytes of bodies that have come')
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
    'Handlers that have thrown or answered nonsense',
    'stage',
  )
  const timeouts = counter(
    'tsmilter_handler_timeouts_total',
    'Handlers that have missed their deadline',
    'stage',
  )
  const interrupted = counter(
    'tsmilter_handler_interruptions_total',
    'Handlers that were not waited for: message abandoned, connection gone, server stopped',
    'stage',
  )
  const byCause = { exception: errors, deadline: timeouts, interrupted }
  const violations = counter(
    'tsmilter_protocol_errors_total',
    'What mail servers, or others at the port, have sent against the protocol',
    'code',
  )
  const spills = counter(
    'tsmilter_spills_total',
    'Bodies that went to a temporary file: for their size, or since memory was used up',
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
    'Bytes that they may hold (maxMemory)',
    () => memory().limit,
  )
}

function observeStages(prom: Prom, registry: Registry, logger?: Logger): () => void {
  const stages = new prom.Histogram({
    name: 'tsmilter_stage_seconds',
    help: 'Time a handler takes, by stage',
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
 * The longest the event loop has been busy since the metrics were read last: how late a timer is. Node's
 * own monitor loses what happens right after a reset.
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
    help: 'Longest delay of the event loop since the metrics were read last; of the worst worker',
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
