import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ContentField, fieldAt, LONGEST_FIELD } from '../../src/mime/fields/content-field.ts'
import { parseMime } from '../../src/mime/index.ts'

describe('a field that describes content', () => {
  it('is read once for all readings of a message', () => {
    const bytes = Buffer.from('a/b; name=x\r\n')
    const field = fieldAt(bytes, { start: 0, end: bytes.length })
    assert.equal(fieldAt(bytes, { start: 0, end: bytes.length }), field)
    assert.equal(field.readings, field.readings)
    assert.equal(field.strict, field.strict)
  })

  it('is read up to a length, and says so', () => {
    const field = new ContentField(
      Buffer.from(`a/b; x="${'y'.repeat(LONGEST_FIELD)}"; name=a.exe`),
    )
    assert.equal(field.isCut, true)
    assert.deepEqual(field.readingsOf('name'), [])
  })

  it('above that length is a guess, a file, and a problem', () => {
    const long = `x=${'y'.repeat(LONGEST_FIELD)}`
    const type = parseMime(`Content-Type: text/plain; ${long}\r\n\r\nx\r\n`)
    assert.deepEqual(type.guesses, ['type'])
    const disposition = parseMime(`Content-Disposition: inline; ${long}\r\n\r\nx\r\n`)
    assert.equal(disposition.isAttachment, true)
    for (const { problems } of [type, disposition]) {
      assert.ok(problems.some(({ code }) => code === 'FIELD_TOO_LONG'))
    }
  })
})
