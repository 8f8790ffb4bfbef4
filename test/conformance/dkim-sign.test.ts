import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compose, defineFilter } from '../../src/index.ts'
import { dkimSign, type DkimSignOptions } from '../../src/filters/index.ts'
import { addFooter } from '../../src/mime/index.ts'
import { deliver } from '../../src/testing/index.ts'
import { byDkimpy, byMailauth, KEYS, MESSAGES } from './support/dkim.ts'
import { byOpendkim, startOpendkim } from './support/opendkim.ts'
import { available } from './support/program.ts'

const FORMS = ['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'] as const

async function signed(
  message: string | Buffer,
  options: Partial<DkimSignOptions>,
  mta: 'postfix' | 'sendmail',
): Promise<Buffer> {
  const outcome = await deliver(dkimSign({ keys: KEYS, ...options }), {
    mta,
    message: typeof message === 'string' ? Buffer.from(message, 'latin1') : message,
    authenticated: 'alice',
  })
  assert.deepEqual(outcome.errors, [])
  return Buffer.from(outcome.message!)
}

/** What goes before the signer in one composition: a tag in the subject, and a footer. */
const EDITS = [
  defineFilter({
    name: 'tag',
    message: (mail) => void (mail.subject = `[\u00e9xtern] ${mail.subject}`),
  }),
  defineFilter({
    name: 'footer',
    message: async (mail) => void (await addFooter(await mail.mime(), { text: 'Caf\u00e9\n' })),
  }),
]

async function editedAndSigned(message: string, mta: 'postfix' | 'sendmail'): Promise<Buffer> {
  const outcome = await deliver(compose(...EDITS, dkimSign({ keys: KEYS })), {
    mta,
    message: Buffer.from(message, 'latin1'),
    authenticated: 'alice',
  })
  assert.deepEqual(outcome.errors, [])
  assert.match(String(outcome.message), /W8OpeHRlcm5d/)
  return Buffer.from(outcome.message!)
}

if (available('/usr/bin/python3', ['-c', 'import dkim, nacl'], 'python3-dkim')) {
  describe('dkimSign, verified by dkimpy', () => {
    for (const [name, message] of Object.entries(MESSAGES)) {
      it(name, async () => {
        for (const canonicalization of FORMS) {
          for (const mta of ['postfix', 'sendmail'] as const) {
            const text = await signed(message, { canonicalization }, mta)
            // Sendmail writes lists of addresses anew (commaize), which `simple` does not forgive.
            const written = mta === 'sendmail' && name === 'folded fields'
            const wanted =
              written && canonicalization.startsWith('simple') ? 'fail,fail' : 'pass,pass'
            assert.equal(byDkimpy(text), wanted, `${canonicalization}, ${mta}`)
          }
        }
      })
    }

    it('after a tag and a footer in the same composition', async () => {
      for (const mta of ['postfix', 'sendmail'] as const) {
        const text = await editedAndSigned(MESSAGES['8-bit text in the body']!, mta)
        assert.equal(byDkimpy(text), 'pass,pass', mta)
      }
    })

    it('no field that is oversigned can be added', async () => {
      const text = await signed(MESSAGES['usual']!, {}, 'postfix')
      for (const field of [
        'From: eve@example.net',
        'Subject: other',
        'Reply-To: eve@example.net',
        'Content-Type: text/html',
      ]) {
        for (const changed of [
          Buffer.concat([Buffer.from(`${field}\r\n`), text]),
          Buffer.from(
            text.toString('latin1').replace('\r\n\r\n', `\r\n${field}\r\n\r\n`),
            'latin1',
          ),
        ]) {
          assert.equal(byDkimpy(changed), 'fail,fail', field)
        }
      }
      const added = Buffer.concat([Buffer.from('X-Other: x\r\n'), text])
      assert.equal(byDkimpy(added), 'pass,pass')
    })
  })
}

describe('dkimSign, verified by mailauth', () => {
  for (const [name, message] of Object.entries(MESSAGES)) {
    it(name, async () => {
      for (const canonicalization of FORMS) {
        for (const mta of ['postfix', 'sendmail'] as const) {
          const text = await signed(message, { canonicalization }, mta)
          // As above: commaize.
          const written =
            mta === 'sendmail' &&
            name === 'folded fields' &&
            canonicalization.startsWith('simple')
          const wanted = written ? 'fail,fail' : 'pass,pass'
          assert.equal(await byMailauth(text), wanted, `${canonicalization}, ${mta}`)
        }
      }
    })
  }

  it('after a tag and a footer in the same composition', async () => {
    for (const [name, message] of Object.entries(MESSAGES)) {
      if (name === 'no body' || name === 'a NUL') continue
      for (const mta of ['postfix', 'sendmail'] as const) {
        const text = await editedAndSigned(message, mta)
        assert.equal(await byMailauth(text), 'pass,pass', `${name}, ${mta}`)
      }
    }
  })
})

if (available('opendkim', ['-V'], 'opendkim')) {
  describe('dkimSign, verified by opendkim', () => {
    it('every message that both read alike', async () => {
      const address = await startOpendkim()
      for (const [name, message] of Object.entries(MESSAGES)) {
        // opendkim 2.11 ends a text at a NUL, and says nothing of a body without a line end, which no server sends.
        if (name === 'a NUL' || name === 'no line end') continue
        for (const canonicalization of FORMS) {
          const keys = KEYS.slice(0, 1)
          const text = await signed(message, { canonicalization, keys }, 'postfix')
          assert.deepEqual(
            await byOpendkim(address, text),
            ['pass'],
            `${name}, ${canonicalization}`,
          )
        }
      }
    })

    it('after a tag and a footer in the same composition', async () => {
      const address = await startOpendkim()
      for (const mta of ['postfix', 'sendmail'] as const) {
        const text = await editedAndSigned(MESSAGES['8-bit text in the body']!, mta)
        assert.deepEqual(await byOpendkim(address, text), ['pass', 'pass'], mta)
      }
    })
  })
}
