import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { observe, type FilterDone } from '../../src/diagnostics/channels.ts'
import { directionOf, LOCAL_NETWORKS } from '../../src/filters/direction.ts'
import { readyMade } from '../../src/filters/ready-made.ts'
import { Networks } from '../../src/server/networks.ts'
import { REJECT } from '../../src/session/verdict.ts'
import { collectMetrics } from '../../src/telemetry/metrics.ts'
import { deliver } from '../../src/testing/index.ts'

const MESSAGE = 'From: a@example.org\r\nSubject: Hello\r\n\r\nbody\r\n'

const lottery = (options: { name?: string; observe?: boolean } = {}) =>
  readyMade({ name: 'lottery', observe: false, ...options }, (results) => ({
    message(mail) {
      results.tell(mail, 'refused', 'lottery', { subject: mail.subject })
      return REJECT
    },
  }))

describe('a ready-made filter', () => {
  it('tells its result in the log, and as an event that is counted', async () => {
    const events: FilterDone[] = []
    const stop = observe({ 'tsmilter:filter:result': (event) => void events.push(event) })
    const metrics = await collectMetrics()
    const outcome = await deliver(lottery(), { message: MESSAGE })
    stop()
    assert.equal(outcome.verdict, 'reject')
    assert.deepEqual(
      events.map(({ filter, result, reason, observed }) => [filter, result, reason, observed]),
      [['lottery', 'refused', 'lottery', false]],
    )
    assert.match(
      await metrics.text(),
      /^tsmilter_filter_results_total\{filter="lottery",result="refused",reason="lottery",observed="false"\} 1$/m,
    )
    metrics.close()
    const line = outcome.log.find(({ message }) => message === 'refused')!
    assert.equal(line.fields['filter'], 'lottery')
    assert.equal(line.fields['reason'], 'lottery')
    assert.equal(line.fields['subject'], 'Hello')
  })

  it('only observes, and says what it would have done', async () => {
    const outcome = await deliver(lottery({ observe: true, name: 'trial' }), {
      message: MESSAGE,
    })
    assert.equal(outcome.verdict, 'accept')
    const line = outcome.log.find(({ message }) => message === 'would be refused')!
    assert.equal(line.fields['filter'], 'trial')
  })
})

describe('the direction of a message', () => {
  const local = new Networks('networks', LOCAL_NETWORKS)
  for (const [authenticated, address, expected] of [
    ['me', '203.0.113.5', 'authenticated'],
    [undefined, '203.0.113.5', 'outside'],
    [undefined, '127.0.0.1', 'local'],
    [undefined, '::1', 'local'],
    [undefined, '::ffff:127.0.0.1', 'local'],
    [undefined, '2001:db8::1', 'outside'],
    [undefined, undefined, 'local'],
    [undefined, '/run/socket', 'local'],
  ] as const) {
    it(`of ${authenticated ?? 'nobody'} at ${address} is ${expected}`, () => {
      const connection = { authenticated, address } as never
      assert.equal(directionOf({ connection }, local), expected)
    })
  }
})
