import assert from 'node:assert/strict'
import type { MtaClient, Outcome, Transaction } from '../../../src/mta/index.ts'

/** Delivers a message. The filter keeps to the protocol, and all its edits are carried out. */
export async function deliverTo(client: MtaClient, transaction: Transaction): Promise<Outcome> {
  const outcome = await client.deliver(transaction)
  assert.equal(outcome.failure, undefined, outcome.trace.toString())
  assert.deepEqual(outcome.violations, [])
  assert.deepEqual(outcome.ignored, [])
  return outcome
}
