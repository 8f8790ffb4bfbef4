import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deliver } from '../../src/testing/index.ts'
import * as arc from './support/arc.ts'
import { COMPOSED, everything } from './support/composition.ts'
import { byDkimpy, byMailauth } from './support/dkim.ts'
import { byOpendkim, startOpendkim } from './support/opendkim.ts'
import { available } from './support/program.ts'

const hop = async (message: Buffer, mta: 'postfix' | 'sendmail'): Promise<Buffer> => {
  const outcome = await deliver(everything(), { mta, message, ...arc.OUTSIDE })
  assert.deepEqual(outcome.errors, [])
  assert.equal(outcome.verdict, 'accept')
  return Buffer.from(outcome.message!)
}

/** Sendmail refuses each message with a bare CR: 421 4.5.0. */
const isTaken = (name: string, mta: string): boolean =>
  mta === 'postfix' || !name.startsWith('a bare CR')

describe('a message that is checked, tagged, signed and sealed', () => {
  const hasDkimpy = available('/usr/bin/python3', ['-c', 'import dkim, nacl'], 'python3-dkim')
  const hasOpendkim = available('opendkim', ['-V'], 'opendkim')

  for (const mta of ['postfix', 'sendmail'] as const) {
    for (const [name, text] of Object.entries(COMPOSED)) {
      if (!isTaken(name, mta)) continue
      it(`verifies with everybody: ${name}, ${mta}`, async () => {
        const once = await hop(Buffer.from(text, 'latin1'), mta)
        const twice = await hop(once, mta)
        for (const [message, seals] of [
          [once, '1:ok'],
          [twice, '2:ok,1:ok'],
        ] as const) {
          assert.equal(await byMailauth(message), 'pass,pass', String(message))
          assert.equal((await arc.byMailauth(message)).result, 'pass', String(message))
          if (!hasDkimpy) continue
          assert.equal(byDkimpy(message), 'pass,pass', String(message))
          assert.equal(arc.byDkimpy(message), `pass ${seals}`, String(message))
        }
        const header = twice.toString('latin1').replaceAll(/\r\n(?=[ \t])/g, '')
        assert.match(
          header,
          /^Authentication-Results: \S+;[^\r]*dkim=pass[^\r]*dkim=pass[^\r]*arc=pass/m,
        )
      })
    }
  }

  if (!hasOpendkim) return

  it('verifies with opendkim', async () => {
    const address = await startOpendkim()
    for (const [name, text] of Object.entries(COMPOSED)) {
      // It ends a text at a NUL.
      if (name === 'a NUL') continue
      for (const mta of ['postfix', 'sendmail'] as const) {
        if (!isTaken(name, mta)) continue
        const message = await hop(Buffer.from(text, 'latin1'), mta)
        assert.deepEqual(
          await byOpendkim(address, message),
          ['pass', 'pass'],
          `${name}, ${mta}: ${String(message)}`,
        )
      }
    }
  })
})
