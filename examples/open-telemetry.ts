// Spans for OpenTelemetry: one for each message, and in it one for each call of a handler.
import { tracingChannel } from 'node:diagnostics_channel'
import { ROOT_CONTEXT, SpanStatusCode, trace, type Span, type Tracer } from '@opentelemetry/api'
import { observe, type HandlerTrace } from 'tsmilter/telemetry'
import { activeContext } from './context-manager.ts'

/** Once, when OpenTelemetry is set up: `traceMail(trace.getTracer('mail'))`. */
export function traceMail(tracer: Tracer): void {
  const messages = new Map<number | undefined, Span>()
  observe({
    'tsmilter:message:start': ({ message }) =>
      messages.set(message, tracer.startSpan('message', {}, ROOT_CONTEXT)),
    'tsmilter:message': ({ message, queueId, verdict, filter }) => {
      messages.get(message)?.setAttributes({ queueId, verdict, filter }).end()
      messages.delete(message)
    },
  })

  const calls = tracingChannel<unknown, HandlerTrace>('tsmilter:handler')
  const spans = new WeakMap<HandlerTrace, Span>()
  calls.start.bindStore(activeContext, (call) => {
    const message = messages.get(call.message)
    const parent = message === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, message)
    const span = tracer.startSpan(call.stage, {}, parent)
    spans.set(call, span)
    return trace.setSpan(parent, span)
  })
  const end = (call: HandlerTrace): void => {
    const span = spans.get(call)
    span?.setAttributes({ filter: call.filter, verdict: call.verdict })
    if (call.error !== undefined) {
      span?.recordException(call.error as Error)
      span?.setStatus({ code: SpanStatusCode.ERROR })
    }
    span?.end()
  }
  calls.end.subscribe((call) => (call as HandlerTrace).isAsync || end(call as HandlerTrace))
  calls.asyncEnd.subscribe((call) => end(call as HandlerTrace))
}
