import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { context, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api'
import {
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace'
import { compose, defineFilter, reply, serve, silentLogger } from 'tsmilter'
import { MtaClient } from 'tsmilter/mta'
import { deliver } from 'tsmilter/testing'
import { contextManager } from './context-manager.ts'
import { traceMail } from './open-telemetry.ts'

const exporter = new InMemorySpanExporter()
context.setGlobalContextManager(contextManager)
const tracer = new TracerProvider({
  spanProcessors: [new SimpleSpanProcessor({ exporter })],
}).getTracer('mail')
traceMail(tracer)
afterEach(() => exporter.reset())

const named = (name: string): ReadableSpan[] =>
  exporter.getFinishedSpans().filter((span) => span.name === name)
const idOf = (span: ReadableSpan): string => span.spanContext().spanId
const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId

describe('spans of OpenTelemetry', () => {
  it('one for the message, and in it one for each call of a handler', async () => {
    const active: unknown[] = []
    const look = defineFilter({
      name: 'look',
      sender: () => {},
      async message() {
        await setImmediate()
        active.push(trace.getActiveSpan()?.spanContext().spanId)
        tracer.startSpan('question').end()
      },
    })
    const refuse = defineFilter({
      name: 'refuse',
      message: () => reply(550, '5.7.1', 'No'),
    })
    await deliver(compose(look, refuse), { message: 'Subject: secret\n\nsecret\n' })
    assert.equal(context.active(), ROOT_CONTEXT)
    const [message] = named('message').filter((span) => parentOf(span) === undefined)
    assert.equal(message!.attributes['verdict'], 'reject')
    assert.equal(message!.attributes['filter'], 'refuse')
    assert.match(String(message!.attributes['queueId']), /\w/)
    const calls = exporter
      .getFinishedSpans()
      .filter((span) => parentOf(span) === idOf(message!))
    assert.deepEqual(
      calls.map(({ name, attributes }) => [name, attributes]),
      [
        ['sender', { filter: 'look', verdict: 'continue' }],
        ['message', { filter: 'look', verdict: 'continue' }],
        ['message', { filter: 'refuse', verdict: 'reject' }],
      ],
    )
    assert.deepEqual(active, [idOf(calls[1]!)])
    assert.deepEqual(named('question').map(parentOf), active)
    const all = exporter.getFinishedSpans()
    assert.equal(new Set(all.map((span) => span.spanContext().traceId)).size, 1)
    const shown = JSON.stringify(all.map(({ attributes, events }) => ({ attributes, events })))
    assert.doesNotMatch(shown, /secret|example/)
  })

  it('with the errors of handlers, and ended at their deadline', async () => {
    const fails = defineFilter({
      name: 'fails',
      async message() {
        throw new TypeError('on purpose')
      },
    })
    const hangs = defineFilter({
      name: 'hangs',
      onError: 'accept',
      deadlines: { message: 20 },
      message: () => new Promise(() => {}),
    })
    await deliver(compose(hangs, fails), { filter: { logger: silentLogger() } })
    const errors = exporter
      .getFinishedSpans()
      .filter(({ status }) => status.code === SpanStatusCode.ERROR)
    assert.deepEqual(
      errors.map(({ attributes }) => attributes),
      [
        { filter: 'hangs', verdict: 'accept' },
        { filter: 'fails', verdict: 'tempfail' },
      ],
    )
    const [late, thrown] = errors.map(({ events }) => events[0]!.attributes!)
    assert.match(String(late!['exception.message']), /did not answer at message within 20 ms/)
    assert.equal(thrown!['exception.type'], 'TypeError')
  })

  it('of connections that run at the same time, each in its own trace', async () => {
    const filter = defineFilter({
      name: 'asks',
      async message() {
        await setImmediate()
        tracer.startSpan('question').end()
      },
    })
    await using server = await serve(filter, { listen: 'inet:0@127.0.0.1' })
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        await using client = await MtaClient.connect(server.addresses[0]!)
        return await client.deliver({})
      }),
    )
    const spans = exporter.getFinishedSpans()
    assert.equal(spans.length, 15)
    const traces = [...new Set(spans.map((span) => span.spanContext().traceId))]
    assert.equal(traces.length, 5)
    assert.deepEqual(
      traces.map((id) =>
        spans.filter((span) => span.spanContext().traceId === id).map(({ name }) => name),
      ),
      traces.map(() => ['question', 'message', 'message']),
    )
  })
})
