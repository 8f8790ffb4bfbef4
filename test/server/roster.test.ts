import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Roster, type Listed } from '../../src/server/roster.ts'

class Member implements Listed {
  place = 0
}
const everybody = (roster: Roster<Member>): Set<Member> => {
  const list = [...roster]
  const all = new Set(list)
  assert.equal(all.size, list.length, 'somebody is there twice')
  return all
}

describe('roster', () => {
  it('has who came and did not go, whatever the order', () => {
    const steps = fc.array(fc.record({ come: fc.boolean(), who: fc.nat(9) }), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (list) => {
        const members = Array.from({ length: 10 }, () => new Member())
        const roster = new Roster<Member>()
        const expected = new Set<Member>()
        for (const { come, who } of list) {
          const member = members[who]!
          if (!come) {
            roster.remove(member)
            expected.delete(member)
          } else if (!expected.has(member)) {
            roster.add(member)
            expected.add(member)
          }
          assert.deepEqual(everybody(roster), expected)
          assert.equal(roster.size, expected.size)
        }
      }),
    )
  })

  it('does not miss who went twice, or was on another one', () => {
    const roster = new Roster<Member>()
    const other = new Roster<Member>()
    const [first, second, stranger] = [new Member(), new Member(), new Member()]
    roster.add(first)
    roster.add(second)
    other.add(stranger)
    roster.remove(first)
    roster.remove(first)
    roster.remove(stranger)
    assert.deepEqual([...roster], [second])
    assert.deepEqual([...other], [stranger])
  })
})
