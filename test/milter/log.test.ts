import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { textLogger } from '../../src/milter/log.ts'

describe('textLogger', () => {
  it('lets no text start a line, colour a terminal or turn its direction', () => {
    const lines: string[] = []
    const logger = textLogger('info', (line) => lines.push(line))
    const bad = 'a\n\r\u001b\u007f\u009b\u2028\u2029\u202e\u2066b'
    logger.info({ [bad]: bad, error: new Error(bad), list: [bad], 'two words': 1 }, bad)
    logger.warn(bad)
    assert.equal(lines.length, 2)
    for (const line of lines) {
      assert.match(line, /^[\x20-\x7e]+\n$/)
    }
    assert.ok(lines[0]!.includes('"two words"=1'), lines[0])
    assert.equal(
      lines[1],
      `warn a\\u000a\\u000d\\u001b\\u007f\\u009b\\u2028\\u2029\\u202e\\u2066b\n`,
    )
  })
})
