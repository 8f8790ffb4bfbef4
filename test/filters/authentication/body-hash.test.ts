import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import { BodyHash } from '../../../src/filters/authentication/body-hash.ts'
import { fc } from '../../support/property.ts'

const { dkimBody } = createRequire(import.meta.url)('mailauth/lib/dkim/body/index.js') as {
  dkimBody: (form: string, algorithm: string, length: number | '') => BodyHash
}

describe('the hash of a body', () => {
  it('is that of mailauth, in any pieces and with any l=', () => {
    const piece = fc
      .array(fc.constantFrom('\r\n', '\r\n\r\n', ' ', '\t', 'a', '.', '\r', '\0', '\u00e9'))
      .map((parts) => Buffer.from(parts.join(''), 'latin1'))
    fc.assert(
      fc.property(
        fc.array(piece),
        fc.constantFrom('simple', 'relaxed'),
        fc.constantFrom('sha256', 'sha1'),
        fc.oneof(fc.constant('' as const), fc.nat(60)),
        (pieces, form, algorithm, length) => {
          // mailauth takes a bare LF for a line end, and servers send none.
          const ours = new BodyHash(form, algorithm, length)
          const theirs = dkimBody(form, algorithm, length)
          for (const one of pieces) {
            ours.update(one)
            theirs.update(one)
          }
          assert.equal(ours.digest('base64'), theirs.digest('base64'))
          assert.equal(ours.byteLength, theirs.byteLength)
          assert.equal(ours.canonicalizedLength, theirs.canonicalizedLength)
          assert.equal(ours.bodyHashedBytes, theirs.bodyHashedBytes)
        },
      ),
    )
  })
})
