import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { HeaderView } from '../../src/protocol/commands.ts'
import { decodeText } from '../../src/protocol/text.ts'

const SOME_BYTES = fc.array(
  fc.constantFrom(0, 0x09, 0x0a, 0x20, 0x61, 0x7f, 0x80, 0xc3, 0xa9, 0xff),
  {
    maxLength: 12,
  },
)

describe('a header field', () => {
  it('is its name and its value up to the next NUL, as text and as bytes', () => {
    const view = new HeaderView()
    fc.assert(
      fc.property(SOME_BYTES, SOME_BYTES, fc.boolean(), (name, value, ended) => {
        const field = Buffer.from([...name.filter((byte) => byte !== 0), 0, ...value])
        const bytes = Buffer.concat([Buffer.from('x'), field, Buffer.from(ended ? '\0' : '')])
        if (bytes.length === bytes.indexOf(0) + 1) return
        view.read({
          bytes: Buffer.concat([bytes, Buffer.from('y\0')]),
          start: 1,
          end: bytes.length,
        })
        const nul = field.indexOf(0)
        const rest = field.subarray(nul + 1)
        const whole = rest.includes(0) ? rest.subarray(0, rest.indexOf(0)) : rest
        assert.equal(view.name, decodeText(field.subarray(0, nul)))
        assert.equal(view.value, decodeText(whole))
        assert.equal(
          view.valueAfterSpace,
          decodeText(whole[0] === 0x20 ? whole.subarray(1) : whole),
        )
        assert.deepEqual(view.valueBytes, Buffer.from(whole))
        view.keep()
        assert.equal(view.value, decodeText(whole))
        assert.deepEqual(view.nameBytes, Buffer.from(field.subarray(0, nul)))
      }),
      { numRuns: 2_000 },
    )
  })

  it('without an end of its name, or without a value, is refused', () => {
    for (const text of ['', 'Name', 'Name\0']) {
      const bytes = Buffer.from(`${text}\0y\0`)
      assert.throws(() => new HeaderView().read({ bytes, start: 0, end: text.length }), {
        code: 'MALFORMED_PAYLOAD',
      })
    }
  })
})
