import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { ConnectionSet, type Listed } from '../../src/server/connection-set.ts'

class Member implements Listed {
  place = 0
}
const everybody = (connectionSet: ConnectionSet<Member>): Set<Member> => {
  const list = [...connectionSet]
  const all = new Set(list)
  assert.equal(all.size, list.length, 'somebody is there twice')
  return all
}

describe('a set of connections', () => {
  it('has all that came and did not go, whatever the order', () => {
    const steps = fc.array(fc.record({ come: fc.boolean(), who: fc.nat(9) }), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (list) => {
        const members = Array.from({ length: 10 }, () => new Member())
        const connectionSet = new ConnectionSet<Member>()
        const expected = new Set<Member>()
        for (const { come, who } of list) {
          const member = members[who]!
          if (!come) {
            connectionSet.remove(member)
            expected.delete(member)
          } else if (!expected.has(member)) {
            connectionSet.add(member)
            expected.add(member)
          }
          assert.deepEqual(everybody(connectionSet), expected)
          assert.equal(connectionSet.size, expected.size)
        }
      }),
    )
  })

  it('ignores a connection that went twice, or was on another one', () => {
    const connectionSet = new ConnectionSet<Member>()
    const other = new ConnectionSet<Member>()
    const [first, second, stranger] = [new Member(), new Member(), new Member()]
    connectionSet.add(first)
    connectionSet.add(second)
    other.add(stranger)
    connectionSet.remove(first)
    connectionSet.remove(first)
    connectionSet.remove(stranger)
    assert.deepEqual([...connectionSet], [second])
    assert.deepEqual([...other], [stranger])
  })
})
