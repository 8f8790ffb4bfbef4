import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createContextKey, ROOT_CONTEXT } from '@opentelemetry/api'
import { activeContext, contextManager } from './context-manager.ts'

const KEY = createContextKey('test')
const one = ROOT_CONTEXT.setValue(KEY, 1)
const two = ROOT_CONTEXT.setValue(KEY, 2)
const value = (): unknown => contextManager.active().getValue(KEY)

it('the context manager keeps contexts apart, through all that is awaited', async () => {
  assert.equal(contextManager.enable(), contextManager.disable())
  assert.equal(contextManager.active(), ROOT_CONTEXT)
  const look = async (): Promise<unknown[]> => {
    const before = value()
    await setImmediate()
    return [before, value()]
  }
  const seen = [contextManager.with(one, look), contextManager.with(two, look)]
  assert.deepEqual(await Promise.all(seen), [
    [1, 1],
    [2, 2],
  ])
  assert.equal(value(), undefined)
  assert.equal(activeContext.run(two, value), 2)
})

it('the context manager hands on this and arguments, and binds', () => {
  function add(this: unknown, a: number, b: number): unknown[] {
    return [this, a + b, value()]
  }
  const self = { self: true }
  assert.deepEqual(contextManager.with(one, add, self, 1, 2), [self, 3, 1])
  assert.equal(contextManager.bind(two, value)(), 2)
  assert.equal(contextManager.bind(two, 'no function'), 'no function')
})
