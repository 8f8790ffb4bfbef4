// Where OpenTelemetry keeps what is active: in a store that the channels of Node can set, so that spans
// for handlers are active in them. `new NodeSDK({ contextManager })` has it used by everything.
import { AsyncLocalStorage } from 'node:async_hooks'
import { ROOT_CONTEXT, type Context, type ContextManager } from '@opentelemetry/api'

export const activeContext: AsyncLocalStorage<Context> = new AsyncLocalStorage()

export const contextManager: ContextManager = {
  active: () => activeContext.getStore() ?? ROOT_CONTEXT,
  with: (context, run, self, ...args) =>
    activeContext.run(context, () => run.call(self as never, ...args)),
  bind: (context, target) =>
    typeof target === 'function'
      ? activeContext.run(context, () => AsyncLocalStorage.bind(target as never))
      : target,
  enable() {
    return this
  },
  disable() {
    return this
  },
}
