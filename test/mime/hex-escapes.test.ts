import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { equalsDecoded, percentDecoded } from '../../src/mime/encodings/hex-escapes.ts'

describe('bytes as hexadecimal digits', () => {
  const text = fc
    .array(fc.constantFrom('%', '=', '4', '1', 'f', 'F', 'g', '%41', '=e9', 'é', '\0', ' '))
    .map((pieces) => pieces.join(''))
  const expected = (one: string, escape: RegExp): string =>
    Buffer.from(one)
      .toString('latin1')
      .replaceAll(escape, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

  it('are decoded, and nothing else is', () => {
    fc.assert(
      fc.property(text, (one) => {
        assert.equal(percentDecoded(one).toString('latin1'), expected(one, /%([0-9a-f]{2})/gi))
        assert.equal(
          equalsDecoded(Buffer.from(one)).toString('latin1'),
          expected(one, /=([0-9a-f]{2})/gi),
        )
      }),
      { numRuns: 2_000 },
    )
  })
})
