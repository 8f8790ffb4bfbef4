import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import { unsignSes } from '../../../src/toolkit/index.ts'

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-'
const SLOT = 21_600_000
const SLOTS = 63n

/** What the Signed Envelope Sender of pysrs makes (SES/ses.py, sign), with its defaults. */
function sign(
  local: string,
  domain: string,
  id: bigint,
  slot: bigint,
  secret = 'shhh!',
): string {
  const numbers = Buffer.alloc(16)
  numbers.writeBigUInt64BE(slot)
  numbers.writeBigUInt64BE(id, 8)
  const digest = createHmac('sha1', secret)
    .update(numbers)
    .update(`${local}@${domain.toLowerCase()}`)
    .digest('hex')
  let bits = (id << 6n) | (slot === 0n ? SLOTS : slot % SLOTS)
  bits = (bits << 80n) | (BigInt(`0x${digest}`) >> 80n)
  let text = ''
  for (; bits > 0n; bits /= 38n) text = DIGITS[Number(bits % 38n)]! + text
  return `SES=${text}=${local}@${domain}`
}

describe('unsignSes', () => {
  const current = 60_000n
  const options = { secrets: ['new', 'shhh!'], now: () => Number(current) * SLOT + 5 }

  it('finds the address, the id and the time', () => {
    const address = sign('mickey', 'Mouse.com', 7n, current - 3n)
    const wanted = {
      address: 'mickey@Mouse.com',
      messageId: 7n,
      signed: Number(current - 3n) * SLOT,
    }
    assert.deepEqual(unsignSes(address, options), wanted)
    assert.deepEqual(unsignSes(`<${address.replace('SES', 'ses')}>`, options), wanted)
  })

  it('knows signatures without end, and checks them too', () => {
    const address = sign('mickey', 'mouse.com', 12_345_678n, 0n)
    assert.deepEqual(unsignSes(address, options), {
      address: 'mickey@mouse.com',
      messageId: 12_345_678n,
      signed: undefined,
    })
    const forged = sign('mickey', 'mouse.com', 12_345_678n, 0n, 'guessed')
    assert.deepEqual(unsignSes(forged, options), {
      address: undefined,
      reason: 'wrong-signature',
    })
  })

  it('says why there is no address', () => {
    for (const [address, reason] of [
      ['mickey@mouse.com', 'not-ses'],
      ['SES', 'not-ses'],
      ['SES=@mouse.com', 'malformed'],
      ['SES=ABC@mouse.com', 'malformed'],
      ['SES=A B=mickey@mouse.com', 'malformed'],
      [`SES=${'A'.repeat(100_000)}=mickey@mouse.com`, 'malformed'],
      ['SES=ABC=mickey@mouse.com', 'wrong-signature'],
      [sign('minnie', 'mouse.com', 1n, current).replace('minnie', 'mickey'), 'wrong-signature'],
      [sign('mickey', 'mouse.com', 1n, current, 'other'), 'wrong-signature'],
      [sign('mickey', 'mouse.com', 1n, current - 40n), 'expired'],
    ]) {
      assert.deepEqual(unsignSes(address!, options), { address: undefined, reason }, address)
    }
    assert.ok(unsignSes(sign('mickey', 'mouse.com', 1n, current - 39n), options).address)
  })

  it('never throws, whatever a stranger wrote', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        unsignSes(text, options)
        unsignSes(`SES=${text}`, options)
        unsignSes(`SES=ABC${text}=x@b`, options)
      }),
    )
  })

  it('refuses options that make no sense', () => {
    for (const wrong of [
      { secrets: [] },
      { secrets: [...options.secrets, ''] },
      { hashBits: 7 },
      { expiration: 0 },
      { fractionBits: 8 },
    ]) {
      assert.throws(() => unsignSes('a@b', { ...options, ...wrong }), {
        code: 'INVALID_OPTION',
      })
    }
  })
})
