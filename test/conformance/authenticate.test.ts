import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { authenticate, dkimSign } from '../../src/filters/index.ts'
import { deliver } from '../../src/testing/index.ts'
import { DnsCache } from '../../src/toolkit/index.ts'
import { byDkimpy, DOMAIN, KEYS, MESSAGES, RECORDS } from './support/dkim.ts'
import { available } from './support/program.ts'

const FORMS = ['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'] as const

const dns = new DnsCache({
  resolver: {
    resolve: async (name, type) => {
      const record = RECORDS[name]
      return (
        type === 'TXT' && record !== undefined ? { found: [record] } : { none: 'no-domain' }
      ) as never
    },
  },
})

/** Results of the signatures in the order of the header. */
async function byUs(message: Buffer): Promise<string> {
  const outcome = await deliver(authenticate({ dns, maxSignatures: 20 }), {
    message,
    client: { hostname: 'outside.example.org', address: '198.51.100.7' },
  })
  assert.deepEqual(outcome.errors, [])
  const text = outcome.message!.toString('latin1').replaceAll(/\r\n[ \t]+/g, ' ')
  const field = /^Authentication-Results: (.*)$/m.exec(text)![1]!
  return [...field.matchAll(/ dkim=(\w+)/g)].map(([, result]) => result!).join(',')
}

/** dkimpy has one word for all that is not a pass, and an exception for what it cannot read. */
const comparable = (results: string): string =>
  results
    .split(/,(?=pass|fail|error|neutral|policy)/)
    .map((result) => (result === 'pass' ? 'pass' : 'fail'))
    .join(',')

/** What may happen to a message on its way. */
const CHANGES: Readonly<Record<string, (text: string) => string>> = {
  nothing: (text) => text,
  'a word of the body': (text) => text.replace(/\r\n\r\n(?=.)/s, '\r\n\r\nX'),
  'a line at the end': (text) => `${text}more\r\n`,
  'empty lines at the end': (text) => `${text}\r\n\r\n`,
  'spaces at the end of lines of the body': (text) => {
    const at = text.indexOf('\r\n\r\n') + 4
    return text.slice(0, at) + text.slice(at).replaceAll('\r\n', ' \r\n')
  },
  'the subject': (text) => text.replace(/^Subject: /m, 'Subject: Re: '),
  'the case of a name': (text) => text.replace(/^Subject:/m, 'SUBJECT:'),
  'a fold': (text) => text.replace(/^Subject: /m, 'Subject:\r\n '),
  'another field': (text) => `X-Other: x\r\n${text}`,
  'a second subject on top': (text) => `Subject: other\r\n${text}`,
  'a second From at the end': (text) =>
    text.replace('\r\n\r\n', '\r\nFrom: eve@example.net\r\n\r\n'),
  'the domain of signatures': (text) => text.replaceAll(`d=${DOMAIN}`, 'd=example.net'),
  'the selector of signatures': (text) => text.replaceAll(/ s=[re];/g, ' s=x;'),
  'the version of signatures': (text) => text.replaceAll('v=1;', 'v=2;'),
  'the algorithm of signatures': (text) => text.replaceAll('-sha256;', '-sha512;'),
  'the list of fields': (text) => text.replaceAll(' h=from:', ' h='),
  'an unknown tag': (text) => text.replaceAll('v=1;', 'v=1; zz=1;'),
  'a length of 0': (text) => text.replaceAll('v=1;', 'v=1; l=0;'),
}

if (available('/usr/bin/python3', ['-c', 'import dkim, nacl'], 'python3-dkim')) {
  describe('authenticate and dkimpy', () => {
    for (const [m, [name, message]] of Object.entries(MESSAGES).entries()) {
      // It takes a second of dkimpy for each change.
      if (name === 'a large body') continue
      it(`agree on ${name}`, async () => {
        const changes = Object.entries(CHANGES)
        const signed = new Map<string, string>()
        for (const [n, [change, make]] of changes.entries()) {
          // dkimpy starts anew for each, so each message has a third of the changes, in a form of its own.
          if (n > 0 && (n + m) % 3 !== 0) continue
          const canonicalization = FORMS[(n + m) % FORMS.length]!
          const text =
            signed.get(canonicalization) ??
            (
              await deliver(dkimSign({ keys: KEYS, canonicalization }), {
                message: Buffer.from(message, 'latin1'),
                authenticated: 'alice',
              })
            ).message!.toString('latin1')
          signed.set(canonicalization, text)
          const changed = Buffer.from(make(text), 'latin1')
          assert.equal(
            comparable(await byUs(changed)),
            comparable(byDkimpy(changed)),
            `${change}, ${canonicalization}`,
          )
        }
      })
    }
  })
}
