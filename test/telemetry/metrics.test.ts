import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { defineFilter } from '../../src/message/define-filter.ts'
import { silentLogger } from '../../src/diagnostics/log.ts'
import { ACCEPT, DISCARD, REJECT, reply, TEMPFAIL } from '../../src/session/verdict.ts'
import {
  collectMetrics,
  mergeMetrics,
  type Metrics,
  type MetricsOptions,
} from '../../src/telemetry/metrics.ts'
import { deliver } from '../../src/testing/deliver.ts'
import { atEnd } from '../support/resources.ts'
import { abort, eom, mail, quit, Wire } from '../support/wire.ts'

async function collect(options?: MetricsOptions): Promise<Metrics> {
  const metrics = await collectMetrics(options)
  atEnd(() => metrics.close())
  return metrics
}
/** The samples of the text format by name and labels. */
function samples(text: string): Map<string, number> {
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const at = line.lastIndexOf(' ')
        return [line.slice(0, at), Number(line.slice(at + 1))]
      }),
  )
}
const read = async (metrics: Metrics): Promise<Map<string, number>> =>
  samples(await metrics.text())

describe('metrics', () => {
  it('count messages by verdict, recipients, edits and bytes', async () => {
    const metrics = await collect()
    for (const verdict of [ACCEPT, REJECT, REJECT, TEMPFAIL, DISCARD]) {
      await deliver(() => ({ body: () => {}, eom: () => verdict }))
    }
    await deliver(
      () => ({
        envrcpt: (ctx) => (ctx.recipient.address === 'no@example.net' ? REJECT : undefined),
        eom(ctx) {
          ctx.addHeader('X', '1')
          ctx.addHeader('Y', '2')
          ctx.addRecipient('<z@example.net>')
        },
      }),
      { to: ['a@example.net', 'no@example.net'] },
    )
    Wire.negotiated(() => ({ envfrom: () => {} })).send(mail(), abort)
    const got = await read(metrics)
    assert.deepEqual(
      ['accept', 'reject', 'tempfail', 'discard', 'abort'].map((verdict) =>
        got.get(`tsmilter_messages_total{verdict="${verdict}"}`),
      ),
      [2, 2, 1, 1, 1],
    )
    assert.equal(got.get('tsmilter_recipients_total{answer="refused"}'), 1)
    assert.equal(got.get('tsmilter_edits_total{kind="addHeader"}'), 2)
    assert.equal(got.get('tsmilter_edits_total{kind="addRecipient"}'), 1)
    assert.equal(got.get('tsmilter_body_bytes_total'), 35)
    assert.equal(got.get('tsmilter_message_seconds_count'), 7)
  })

  it('count connections and their bytes', async () => {
    const before = Wire.negotiated(() => ({}))
    const metrics = await collect()
    before.session.end('eof')
    const wire = Wire.negotiated(() => ({}))
    await deliver(() => ({ connect: () => reply(554, '5.7.1', 'no') }))
    let got = await read(metrics)
    assert.equal(got.get('tsmilter_connections_open'), 1)
    assert.equal(got.get('tsmilter_connections_total'), 2)
    // Postfix asks nothing more of a filter that has refused the client, and says no QUIT.
    assert.equal(got.get('tsmilter_connections_closed_total{reason="eof"}'), 1)
    assert.equal(got.get('tsmilter_clients_refused_total{stage="connect",verdict="reject"}'), 1)
    assert.ok(got.get('tsmilter_received_bytes_total')! > 0)
    assert.ok(got.get('tsmilter_sent_bytes_total')! > 0)
    wire.send(quit)
    got = await read(metrics)
    assert.equal(got.get('tsmilter_connections_open'), 0)
    assert.equal(got.get('tsmilter_connections_closed_total{reason="quit"}'), 1)
  })

  it('count what goes wrong', async () => {
    const metrics = await collect()
    const options = { filter: { logger: silentLogger() } }
    // Only this one: a slow disk takes longer for the body that goes to a file.
    const hurried = { filter: { ...options.filter, deadlines: 20 } }
    await deliver(() => ({ eom: () => new Promise<never>(() => {}) }), hurried)
    await deliver(() => ({ helo: () => Promise.reject(new Error('x')) }), options)
    const large = defineFilter({ name: 'x', limits: { bodyMemory: 1 }, message: () => {} })
    await deliver(large, options)
    Wire.negotiated(() => ({ envfrom: () => {} })).send(eom())
    const got = await read(metrics)
    assert.equal(got.get('tsmilter_handler_timeouts_total{stage="eom"}'), 1)
    assert.equal(got.get('tsmilter_handler_errors_total{stage="helo"}'), 1)
    assert.equal(got.get('tsmilter_protocol_errors_total{code="OUT_OF_ORDER"}'), 1)
    assert.equal(got.get('tsmilter_spills_total{reason="size"}'), 1)
    assert.equal(got.get('tsmilter_spills_total{reason="memory"}'), 0)
    assert.equal(got.get('tsmilter_spill_failures_total'), 0)
  })

  it('measure stages unless told not to', async () => {
    const [all, fewer] = [await collect(), await collect({ stages: false })]
    await deliver(() => ({ helo: () => {}, header: () => {}, eom: async () => {} }))
    const got = await read(all)
    assert.equal(got.get('tsmilter_stage_seconds_count{stage="helo"}'), 1)
    assert.equal(got.get('tsmilter_stage_seconds_count{stage="header"}'), 5)
    assert.equal(got.get('tsmilter_stage_seconds_count{stage="eom"}'), 1)
    assert.equal(got.get('tsmilter_stage_seconds_count{stage="body"}'), undefined)
    assert.doesNotMatch(await fewer.text(), /tsmilter_stage_seconds/)
  })

  it('tell how long the event loop was busy, and forget it', async () => {
    const metrics = await collect()
    await new Promise((resolve) => setTimeout(resolve, 50))
    await metrics.text()
    const end = performance.now() + 150
    while (performance.now() < end);
    await new Promise((resolve) => setTimeout(resolve, 50))
    const lag = (await read(metrics)).get('tsmilter_event_loop_lag_seconds')!
    assert.ok(lag > 0.05 && lag < 10, String(lag))
  })

  it('count no more after they were closed', async () => {
    const metrics = await collect()
    metrics.close()
    metrics.close()
    await deliver(() => ({ eom: () => {} }))
    assert.equal((await read(metrics)).get('tsmilter_messages_total{verdict="accept"}'), 0)
  })

  it('tell what messages hold in memory, of all processes together', async () => {
    const held = [
      { used: 3, limit: 10 },
      { used: 4, limit: 10 },
    ]
    const all = await Promise.all(held.map((one) => collect({ memory: () => one })))
    held[0]!.used = 5
    const merged = samples(
      await mergeMetrics(await Promise.all(all.map((metrics) => metrics.snapshot()))),
    )
    assert.equal(merged.get('tsmilter_memory_bytes'), 9)
    assert.equal(merged.get('tsmilter_memory_limit_bytes'), 20)
  })

  it('have memory and CPU of the process where they are wanted', async () => {
    const metrics = await collect({ process: true })
    assert.match(await metrics.text(), /^process_resident_memory_bytes \d/m)
    assert.doesNotMatch(await (await collect()).text(), /process_/)
  })

  it('have no label that comes from mail', async () => {
    const metrics = await collect()
    const word = 'unheardof'
    const fails = (): never => {
      throw Object.assign(new Error(word), { code: word })
    }
    for (const filter of [{ eom: fails }, { eom: () => reply(550, '5.7.1', word) }]) {
      await deliver(() => filter, {
        from: `${word}@example.org`,
        to: `${word}@example.org`,
        helo: word,
        message: `${word}: ${word}\r\n\r\n${word}\r\n`,
        filter: { logger: silentLogger() },
      })
    }
    assert.doesNotMatch(await metrics.text(), new RegExp(word))
  })
})

describe('metrics of several processes', () => {
  it('are added up, and the lag is the worst', async () => {
    const metrics = await collect()
    await deliver(() => ({ eom: () => {} }))
    // As it comes from another process.
    const one = JSON.parse(JSON.stringify(await metrics.snapshot())) as object[]
    await deliver(() => ({ eom: () => {} }))
    const open = Wire.negotiated(() => ({}))
    const two = await metrics.snapshot()
    open.session.end('eof')
    const merged = samples(await mergeMetrics([one, two]))
    assert.equal(merged.get('tsmilter_messages_total{verdict="accept"}'), 3)
    assert.equal(merged.get('tsmilter_message_seconds_count'), 3)
    assert.equal(merged.get('tsmilter_message_seconds_bucket{le="+Inf"}'), 3)
    assert.equal(merged.get('tsmilter_stage_seconds_count{stage="eom"}'), 3)
    assert.equal(merged.get('tsmilter_connections_open'), 1)
    const lags = [one, two].map(
      (snapshot) =>
        (snapshot as { name: string; values: { value: number }[] }[]).find(
          ({ name }) => name === 'tsmilter_event_loop_lag_seconds',
        )!.values[0]!.value,
    )
    assert.equal(merged.get('tsmilter_event_loop_lag_seconds'), Math.max(...lags))
  })

  it('are those of one, if there is one; and of none nothing', async () => {
    const metrics = await collect()
    await deliver(() => ({ eom: () => {} }))
    const snapshot = await metrics.snapshot()
    const lines = (text: string): string[] =>
      text.split('\n').filter((line) => line.startsWith('tsmilter_messages_total'))
    assert.deepEqual(lines(await mergeMetrics([snapshot])), lines(await metrics.text()))
    assert.equal((await mergeMetrics([])).trim(), '')
  })
})

describe('the dashboard', () => {
  const path = ((): string => {
    for (let at = import.meta.dirname; ; at = dirname(at)) {
      const file = join(at, 'contrib/grafana/tsmilter.json')
      if (existsSync(file)) return file
    }
  })()
  interface Panel {
    readonly id: number
    readonly title: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number }
    readonly targets: readonly { readonly expr: string }[]
  }
  const dashboard = JSON.parse(readFileSync(path, 'utf8')) as { panels: Panel[] }

  it('shows metrics that exist, and all of them', async () => {
    const memory = (): { used: number; limit: number } => ({ used: 0, limit: 0 })
    const text = await (await collect({ process: true, memory })).text()
    const existing = new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name))
    const shown = new Set(
      dashboard.panels.flatMap(({ targets }) =>
        targets.flatMap(({ expr }) => expr.match(/\b(?:tsmilter|process|nodejs)_\w+/g) ?? []),
      ),
    )
    const named = [...shown].map((name) =>
      existing.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, ''),
    )
    for (const name of named) assert.ok(existing.has(name), name)
    for (const name of existing) {
      if (name!.startsWith('tsmilter_'))
        assert.ok(named.includes(name!), `${name} is not shown`)
    }
  })

  it('has a number, a title and a place for each panel', () => {
    const { panels } = dashboard
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
    assert.equal(
      new Set(panels.map(({ gridPos }) => `${gridPos.x},${gridPos.y}`)).size,
      panels.length,
    )
    for (const { title, gridPos } of panels) {
      assert.ok(title.length > 0 && gridPos.x + gridPos.w <= 24)
    }
  })
})
