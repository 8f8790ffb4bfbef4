import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { defineFilter } from '../../src/index.ts'
import { MtaClient, type Outcome, type Transaction } from '../../src/mta/index.ts'
import { deliver } from '../../src/testing/index.ts'
import { available, run, startFilter, temporaryDirectory } from './support/program.ts'

const DOMAIN = 'example.test'
const INSIDE = { hostname: 'inside.example.test', address: '192.0.2.1' }
const OUTSIDE = { hostname: 'outside.example.org', address: '198.51.100.7' }
const MESSAGE = [
  `From: Alice <alice@${DOMAIN}>`,
  'To: bob@example.net',
  'Subject:  two spaces,',
  '\tand a fold',
  'Date: Tue, 24 Nov 2026 10:00:00 +0000',
  `Message-ID: <1@${DOMAIN}>`,
  '',
  'Hello  ',
  '',
  'caf\xe9',
  '',
].join('\r\n')

/** opendkim signs what comes from inside and verifies the rest, with keys from a file. */
async function startOpendkim(canonicalization: string): Promise<string> {
  const directory = temporaryDirectory()
  const path = (name: string): string => join(directory, name)
  run('opendkim-genkey', ['-b', '2048', '-d', DOMAIN, '-s', 'sel', '-D', directory])
  const key = [...readFileSync(path('sel.txt'), 'latin1').matchAll(/"([^"]*)"/g)]
    .map((match) => match[1])
    .join('')
    .replaceAll('; ', ';')
  writeFileSync(path('pubkeys'), `sel._domainkey.${DOMAIN} ${key}\n`)
  writeFileSync(path('internal'), `${INSIDE.address}\n`)
  const socket = path('opendkim.sock')
  writeFileSync(
    path('opendkim.conf'),
    [
      `Socket local:${socket}`,
      `Domain ${DOMAIN}`,
      'Selector sel',
      `KeyFile ${path('sel.private')}`,
      'Mode sv',
      `Canonicalization ${canonicalization}`,
      `InternalHosts ${path('internal')}`,
      `TestPublicKeys ${path('pubkeys')}`,
      'RequireSafeKeys no',
      'AlwaysAddARHeader yes',
      'Syslog no',
      '',
    ].join('\n'),
  )
  await startFilter('opendkim', ['-f', '-x', path('opendkim.conf')], socket)
  return `unix:${socket}`
}

async function through(
  address: string,
  mta: 'postfix' | 'sendmail',
  transaction: Transaction,
): Promise<Outcome> {
  await using client = await MtaClient.connect(address, { mta })
  const outcome = await client.deliver({ from: `alice@${DOMAIN}`, ...transaction })
  assert.equal(outcome.failure, undefined, outcome.trace.toString())
  assert.deepEqual(outcome.violations, [])
  assert.equal(outcome.verdict, 'accept')
  return outcome
}

/** What a verifier says of a message's signature. */
async function verified(
  address: string,
  mta: 'postfix' | 'sendmail',
  text: Buffer,
): Promise<string> {
  const outcome = await through(address, mta, { client: OUTSIDE, message: text })
  const fields = outcome.message!.toString('latin1').replaceAll(/\r\n[ \t]+/g, ' ')
  return /^Authentication-Results: .*?\bdkim=(\w+)/m.exec(fields)?.[1] ?? 'none'
}

describe('opendkim', () => {
  if (!available('opendkim', ['-V'], 'opendkim')) return
  for (const mta of ['postfix', 'sendmail'] as const) {
    it(`verifies simple/simple behind ${mta} after a filter that changes nothing, or adds on top, and over raw()`, async () => {
      const address = await startOpendkim('simple/simple')
      const signed = await through(address, mta, {
        client: INSIDE,
        message: Buffer.from(MESSAGE, 'latin1'),
      })
      let raw: Buffer = Buffer.alloc(0)
      const filters = {
        nothing: defineFilter({
          name: 'nothing',
          async message(mail) {
            raw = await mail.raw()
          },
        }),
        top: defineFilter({
          name: 'top',
          message: (mail) => void mail.headers.prepend('X-Scanned-By', 'tsmilter'),
        }),
        same: defineFilter({
          name: 'same',
          async message(mail) {
            for (const field of mail.headers) field.value = String(field.value)
            mail.body.replace(await mail.body.bytes())
          },
        }),
        subject: defineFilter({
          name: 'subject',
          message: (mail) => void (mail.subject = `[EXTERNAL] ${mail.subject}`),
        }),
      }
      for (const [name, filter] of Object.entries(filters)) {
        const passed = await deliver(filter, { mta, message: signed.message! })
        assert.deepEqual(passed.errors, [])
        const expected = name === 'subject' ? 'fail' : 'pass'
        assert.equal(await verified(address, mta, passed.message!), expected, name)
      }
      assert.equal(await verified(address, mta, raw), 'pass')
    })
  }
  for (const mta of ['postfix', 'sendmail'] as const) {
    for (const canonicalization of ['simple/simple', 'relaxed/relaxed']) {
      it(`${canonicalization}: what it signs behind ${mta} verifies after the model's edits`, async () => {
        const address = await startOpendkim(canonicalization)
        const signed = await through(address, mta, {
          client: INSIDE,
          message: Buffer.from(MESSAGE, 'latin1'),
        })
        const message = signed.message!.toString('latin1')
        assert.match(message, /^DKIM-Signature: v=1; a=rsa-sha256; c=/m)
        const result = (text: string) => verified(address, mta, Buffer.from(text, 'latin1'))
        assert.equal(await result(message), 'pass')
        assert.equal(await result(message.replace('Hello', 'HELLO')), 'fail')
        assert.equal(await result(message.replace('Subject:  two', 'Subject: 2')), 'fail')
        assert.equal(await result(MESSAGE), 'none')
      })
    }
  }
})
