import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defineFilter } from '../../src/index.ts'
import { deliver } from '../../src/testing/index.ts'

describe('the address of a client', () => {
  for (const [address, wanted, family] of [
    ['192.0.2.7', '192.0.2.7', 'inet'],
    ['2001:db8::1', '2001:db8::1', 'inet6'],
    ['::1', '::1', 'inet6'],
    // IPv4 on a socket for both families.
    ['::ffff:192.0.2.7', '192.0.2.7', 'inet'],
    ['::FFFF:c000:207', '192.0.2.7', 'inet'],
  ] as const) {
    for (const mta of ['postfix', 'sendmail'] as const) {
      it(`${address}, ${mta}`, async () => {
        const seen: unknown[] = []
        const filter = defineFilter({
          name: 'look',
          connect: (connection) => void seen.push(connection.address, connection.family),
        })
        await deliver(filter, { mta, client: { address } })
        assert.deepEqual(seen, [wanted, family])
      })
    }
  }
})
