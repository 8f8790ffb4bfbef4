import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MESSAGES } from './support/dkim.ts'
import { byDkimpy, byMailauth, dkimpys, mailauths, ours } from './support/arc.ts'
import { available } from './support/program.ts'

const usual = Buffer.from(MESSAGES['usual']!, 'latin1')
const python = available('/usr/bin/python3', ['-c', 'import dkim, nacl'], 'python3-dkim')
const authres =
  python && available('/usr/bin/python3', ['-c', 'import authres'], 'python3-authres')

async function assertPasses(message: Buffer, sets: number, what: string): Promise<void> {
  const { result, why } = await byMailauth(message)
  assert.equal(result, 'pass', `${what}: ${String(why)}\n${String(message)}`)
  if (!python) return
  const seals = Array.from({ length: sets }, (_, i) => `${sets - i}:ok`).join(',')
  assert.equal(byDkimpy(message), `pass ${seals}`, `${what}\n${String(message)}`)
}

describe('arcSeal, verified by mailauth and dkimpy', () => {
  for (const [name, text] of Object.entries(MESSAGES)) {
    it(`1, 2 and 3 hops: ${name}`, async () => {
      for (const mta of ['postfix', 'sendmail'] as const) {
        let message: Buffer = Buffer.from(text, 'latin1')
        for (let sets = 1; sets <= 3; sets++) {
          message = await ours(message, {}, mta)
          await assertPasses(message, sets, `${mta}, hop ${sets}`)
        }
      }
    })
  }

  const HOPS = { ours, mailauths, dkimpys }
  const first = Object.keys(HOPS) as (keyof typeof HOPS)[]
  const chains = first.flatMap((a) => first.flatMap((b) => first.map((c) => [a, b, c])))
  for (const chain of chains) {
    it(
      `a chain of ${chain.join(', ')}`,
      { skip: !authres && chain.includes('dkimpys') },
      async () => {
        let message: Buffer = usual
        for (const [i, one] of chain.entries()) {
          message = await HOPS[one](message)
          await assertPasses(message, i + 1, `${one}, hop ${i + 1}`)
        }
      },
    )
  }
})
