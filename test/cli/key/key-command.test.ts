import assert from 'node:assert/strict'
import { readFileSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { main } from '../../../src/cli/main.ts'
import { SigningKey } from '../../../src/filters/signing/signing-key.ts'
import { temporaryDirectory } from '../../conformance/support/program.ts'
import {
  dnsServer,
  record,
  strings,
  wireName,
  type DnsBehaviour,
} from '../../support/dns-server.ts'

async function run(
  ...args: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const code = await main(['key', ...args], {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
  })
  return { code, ...said }
}
const NAME = ['--domain', 'Example.org', '--selector', 's1']
const RECORD = 's1._domainkey.example.org'

describe('tsmilter key make and show', () => {
  for (const [type, bits] of [
    ['rsa', '2048'],
    ['rsa', '3072'],
    ['ed25519', undefined],
  ] as const) {
    it(`${type} ${bits ?? ''}: a file for its owner, and its record`, async () => {
      const path = join(temporaryDirectory(), 'key')
      const size = bits === undefined ? [] : ['--bits', bits]
      const made = await run('make', ...NAME, '--type', type, ...size, '--out', path)
      assert.deepEqual([made.code, made.err], [0, ''])
      assert.equal(statSync(path).mode & 0o777, 0o600)
      const key = new SigningKey('example.org', 's1', readFileSync(path))
      assert.equal(key.algorithm, `${type}-sha256`)
      if (bits !== undefined) {
        assert.equal(key.publicKey.asymmetricKeyDetails?.modulusLength, Number(bits))
      }
      assert.match(made.out, new RegExp(`^${RECORD}\\. IN TXT `, 'm'))
      assert.match(made.out, new RegExp(`^v=DKIM1; k=${type}; p=[A-Za-z0-9+/]+=*$`, 'm'))
      assert.doesNotMatch(made.out, /PRIVATE KEY/)
      const shown = await run('show', path, ...NAME)
      assert.ok(made.out.includes(shown.out.trim()))
    })
  }

  it('never overwrites a file, nor what a link leads to', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'key')
    await run('make', ...NAME, '--out', path)
    const before = readFileSync(path)
    symlinkSync(path, join(directory, 'link'))
    symlinkSync(join(directory, 'nothing'), join(directory, 'dangling'))
    for (const name of ['key', 'link', 'dangling']) {
      const { code, err } = await run('make', ...NAME, '--out', join(directory, name))
      assert.equal(code, 2)
      assert.match(err, /exists, and a key is never overwritten/)
    }
    assert.deepEqual(readFileSync(path), before)
  })

  it('says what is wrong on the command line', async () => {
    const path = join(temporaryDirectory(), 'key')
    for (const [args, message] of [
      [['make', ...NAME], /--out/],
      [['make', '--selector', 's1', '--out', path], /--domain/],
      [['make', ...NAME, '--out', path, '--bits', '1024'], /2048 to 4096/],
      [['make', ...NAME, '--out', path, '--type', 'dsa'], /rsa, ed25519/],
      [['make', '--domain', 'a b', '--selector', 's1', '--out', path], /"a b" is not a name/],
      [
        ['make', ...NAME, '--out', '/no/such/key'],
        /\/no\/such\/key cannot be written \(ENOENT\)/,
      ],
      [['show', '/no/such/key'], /\/no\/such\/key \(ENOENT\)/],
      [['check', '--domain', 'a b', '--selector', 's1'], /--domain example\.org --selector s1/],
      [['check', ...NAME, '--server', 'localhost'], /--server ADDRESS/],
      [['check', ...NAME, '--timeout', '0'], /seconds/],
      [['rotation', ...NAME, '--at', '2027-01-15T03:00'], /2027-01-15T03:00:00Z/],
      [['rotation', ...NAME, '--queue-days', '-1'], /whole number of days/],
    ] as const) {
      const { code, err } = await run(...args)
      assert.equal(code, 2, args.join(' '))
      assert.match(err, message)
    }
  })
})

describe('tsmilter key check', () => {
  const check = async (behave: DnsBehaviour, ...more: readonly string[]) => {
    await using server = await dnsServer(behave)
    const result = await run('check', ...NAME, '--server', server.address, '-t', '1', ...more)
    return { ...result, asked: server.asked }
  }
  const made = async (...more: readonly string[]): Promise<{ path: string; text: string }> => {
    const path = join(temporaryDirectory(), 'key')
    const { out } = await run('make', ...NAME, '--out', path, ...more)
    return { path, text: /^v=DKIM1.*$/m.exec(out)![0] }
  }
  const txt = (text: string, seconds = 300): Buffer =>
    record(RECORD, 'TXT', strings(...(text.match(/.{1,255}/g) ?? [''])), seconds)

  it('of a key that is published', async () => {
    const { path, text } = await made()
    const { code, out, err, asked } = await check(
      () => ({ answers: [txt(text)] }),
      '--key',
      path,
    )
    assert.deepEqual([code, err, asked], [0, '', [`TXT ${RECORD}`]])
    assert.match(out, /is published, and is of this key \(time-to-live 300 s\)/)
  })

  it('over TCP, if it is too long for UDP', async () => {
    const { path, text } = await made('--bits', '4096')
    const { code, asked } = await check(
      ({ overTcp }) => (overTcp ? { answers: [txt(text)] } : { truncated: true }),
      '--key',
      path,
    )
    assert.deepEqual([code, asked], [0, [`TXT ${RECORD}`, `TXT ${RECORD} over TCP`]])
  })

  it('through an alias', async () => {
    const { text } = await made()
    const { code, out } = await check(() => ({
      answers: [
        record(RECORD, 'CNAME', wireName('k.example.com'), 60),
        record('k.example.com', 'TXT', strings(...text.match(/.{1,255}/g)!)),
      ],
    }))
    assert.equal(code, 0)
    assert.match(out, /time-to-live 60 s/)
    assert.match(out, /note: .* is an alias \(CNAME\) of k\.example\.com/)
  })

  const cases: [string, DnsBehaviour, RegExp, string][] = [
    ['no such name', () => ({ rcode: 3 }), /not published: no such name/, 'not-published'],
    ['no record', () => ({}), /not published: no TXT record/, 'not-published'],
    ['a failure', () => ({ rcode: 2 }), /nobody knows.*SERVFAIL/, 'no-answer'],
    ['a refusal', () => ({ rcode: 5 }), /nobody knows.*REFUSED/, 'no-answer'],
    ['no answer', () => undefined, /nobody knows.*within 1 s/, 'no-answer'],
    [
      'a reply to another question',
      () => ({
        distort: (reply) =>
          Buffer.concat([reply.subarray(0, 13), Buffer.from('x'), reply.subarray(14)]),
      }),
      /nobody knows/,
      'no-answer',
    ],
    [
      'a reply that is cut off',
      () => ({ answers: [txt('v=DKIM1')], distort: (reply) => reply.subarray(0, -3) }),
      /nobody knows/,
      'no-answer',
    ],
    [
      'two records',
      () => ({ answers: [txt('v=DKIM1; p='), txt('hello')] }),
      /2 TXT records/,
      'several-records',
    ],
    [
      'control characters',
      () => ({ answers: [txt('v=DKIM1; h=\u001b[31m\r\n; p=')] }),
      /h=\?\[31m/,
      'hash',
    ],
  ]
  for (const [name, behave, message, finding] of cases) {
    it(`${name}: exit code 1`, async () => {
      const { code, out, err } = await check(behave)
      assert.deepEqual([code, out], [1, ''])
      assert.match(err, message)
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(err, /[\0-\x08\x0b-\x1f]/)
      const data = await check(behave, '--json')
      assert.deepEqual([data.code, data.err], [1, ''])
      const { good, findings } = JSON.parse(data.out) as {
        good: boolean
        findings: { level: string; code: string }[]
      }
      assert.equal(good, false)
      assert.equal(findings.find(({ level }) => level === 'error')?.code, finding)
    })
  }
})
