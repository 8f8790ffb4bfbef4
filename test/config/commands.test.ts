import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { main } from '../../src/cli/main.ts'
import { checkConfig, type CheckResult } from '../../src/cli/trial/check-config.ts'
import { closeStores } from '../../src/filters/index.ts'
import { SigningKey } from '../../src/filters/signing/signing-key.ts'
import { DnsCache, type DnsResolver } from '../../src/toolkit/index.ts'
import { sourcePath } from '../conformance/support/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'tsmilter-'))
after(() => rmSync(folder, { recursive: true }))
const pemOf = (type: 'ed25519' | 'rsa'): string =>
  String(
    (type === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ed25519')
    ).privateKey.export({ type: 'pkcs8', format: 'pem' }),
  )
const pem = pemOf('ed25519')
const rsa = pemOf('rsa')
const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
mkdirSync(join(folder, 'node_modules'))
symlinkSync(sourcePath('.'), join(folder, 'node_modules', 'tsmilter'))
for (const [name, text] of Object.entries({
  'package.json': '{"type":"module"}',
  'key.pem': pem,
  'rsa.pem': rsa,
  'own.js': `import { defineFilter, reply } from 'tsmilter'
export default defineFilter({
  name: 'own',
  recipient: (to) => (to.local === 'nobody' ? reply(550, '5.1.1', 'Nobody here') : undefined),
  message(mail) {
    mail.subject = '[x] ' + mail.subject
    mail.log.info({ reason: 'always', text: '\\u001b[2J' }, 'tagged')
  },
})
`,
  'bad.js': `import { defineFilter } from 'tsmilter'
export default defineFilter({ name: 'bad', message() { throw new Error('no such table') } })
`,
  'maker.js': `import { defineFilter } from 'tsmilter'
export default () => defineFilter({ name: 'made', message() {} })
`,
  'holder.js': `import { defineFilter } from 'tsmilter'
export default defineFilter({ name: 'holder', edits: ['quarantine'], message() {} })
`,
  'module.js': `import { defineConfig, compose, defineFilter } from 'tsmilter'
const one = defineFilter({ name: 'one', message() {} })
export default defineConfig({ listen: 'inet:0@127.0.0.1', filters: [one, defineFilter({ name: 'two', message(mail) { mail.quarantine('for later') } })] })
`,
})) {
  file(name, text)
  chmodSync(join(folder, name), 0o640)
}
const config = (text: string): string => file('tsmilter.yaml', text)
const KEYS = `      keys:
        - {domain: example.org, selector: s1, file: key.pem}
        - {domain: example.org, selector: s2, file: rsa.pem}
`

/** A resolver with these records. */
function dnsOf(records: Readonly<Record<string, string>> | 'dead'): DnsCache {
  const resolver = {
    resolve: (name: string) =>
      Promise.resolve(
        records === 'dead'
          ? { failed: 'timeout' }
          : records[name] === undefined
            ? { none: 'no-domain' }
            : { found: [records[name]] },
      ),
  }
  return new DnsCache({ resolver: resolver as unknown as DnsResolver })
}
const publishedKey = (text: string): string =>
  new SigningKey('a.example', 's', text).publishedKey

async function checked(
  text: string,
  { dns = dnsOf({}), strict = false } = {},
): Promise<CheckResult> {
  const result = await checkConfig(config(text), { json: false, strict, dns })
  await closeStores()
  return { ...result, text: result.text.replaceAll(`${folder}/`, '') }
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const code = await main(args, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
  })
  return { code, out: out.replaceAll(`${folder}/`, ''), err: err.replaceAll(`${folder}/`, '') }
}

describe('tsmilter check-config', () => {
  it('says what each filter does with messages', async () => {
    const published = dnsOf({
      's1._domainkey.example.org': `v=DKIM1; k=ed25519; p=${publishedKey(pem)}`,
      's2._domainkey.example.org': `p=${publishedKey(rsa)}; k=rsa`,
    })
    const { code, text } = await checked(
      `listen: inet:8890@localhost\nfilters:\n  - use: ./own.js\n    when: {direction: outside}\n  - dkimSign:\n${KEYS}`,
      { dns: published, strict: true },
    )
    assert.equal(code, 0, text)
    const lines = text.split('\n')
    assert.equal(lines[0], 'tsmilter.yaml: 2 filters, on inet:8890@localhost')
    assert.equal(
      lines[1],
      'ok      tsmilter.yaml:7: dkimSign: s1._domainkey.example.org is published',
    )
    assert.equal(
      lines[2],
      'ok      tsmilter.yaml:8: dkimSign: s2._domainkey.example.org is published',
    )
    assert.match(
      lines[3]!,
      /^a message from outside: accept; \.\/own\.js: tagged \(always\), change 1 to Subject: \[x\] Hello; dkimSign: skipped \(not-ours\)$/,
    )
    assert.match(
      lines[4]!,
      /^a message of a login: accept; dkimSign: changed \(signed\), insert at the top DKIM-/,
    )
    assert.equal(lines.at(-1), 'well')
  })

  it('warns of keys that are not published, are others, or can be read by everybody', async () => {
    chmodSync(join(folder, 'rsa.pem'), 0o644)
    const records = {
      's2._domainkey.example.org': `v=DKIM1; k=ed25519; p=${publishedKey(pem)}`,
    }
    const text = `filters:\n  - dkimSign:\n${KEYS}`
    const result = await checked(text, { dns: dnsOf(records) })
    chmodSync(join(folder, 'rsa.pem'), 0o640)
    assert.equal(result.code, 0)
    const warnings = result.text.split('\n').filter((line) => line.startsWith('warning'))
    assert.equal(warnings.length, 3)
    assert.match(
      warnings[0]!,
      /^warning tsmilter\.yaml:4: dkimSign: s1\._domainkey\.example\.org has no TXT record; publish v=DKIM1; k=ed25519; p=/,
    )
    assert.match(
      warnings[1]!,
      /^warning tsmilter\.yaml:5: .* has another key than the file; publish /,
    )
    assert.match(
      warnings[2]!,
      /^warning tsmilter\.yaml:5: everybody on .* can read rsa\.pem: chmod 640 rsa\.pem$/,
    )
    assert.match(result.text, /well, with 3 warnings$/)
    assert.equal((await checked(text, { strict: true })).code, 1)
  })

  describe('of secrets that everybody can read', () => {
    const REDIS = (address: string): string =>
      `filters:\n  - rateLimit:\n      client: {messages: 5/h}\n      store: {redis: ${address}}\n`
    const warned = async (text: string, mode: number): Promise<string[]> => {
      chmodSync(config(text), mode)
      const { text: said } = await checked(text)
      chmodSync(join(folder, 'tsmilter.yaml'), 0o644)
      return said.split('\n').filter((line) => line.includes('everybody'))
    }
    for (const [what, text, mode, expected] of [
      [
        'a key in the file',
        `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s, privateKey: ${JSON.stringify(pem)}}\n`,
        0o644,
        'warning tsmilter.yaml:3: a secret stands here, and everybody on this machine can read tsmilter.yaml: chmod 640 tsmilter.yaml, or write !file PATH',
      ],
      [
        'a key in a file for some',
        `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s, privateKey: ${JSON.stringify(pem)}}\n`,
        0o640,
        undefined,
      ],
      [
        'a key that a tag names',
        'filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s, privateKey: !file open.pem}\n',
        0o644,
        'warning tsmilter.yaml:3: everybody on this machine can read open.pem: chmod 640 open.pem',
      ],
      [
        'an option of an own filter',
        'filters:\n  - use: ./maker.js\n    options: {password: !file open.pem}\n',
        0o644,
        'warning tsmilter.yaml:3: everybody on this machine can read open.pem: chmod 640 open.pem',
      ],
      [
        'an address with a password',
        REDIS('redis://:pass@127.0.0.1:1'),
        0o644,
        'warning tsmilter.yaml:4: a secret stands here, and everybody on this machine can read tsmilter.yaml: chmod 640 tsmilter.yaml, or write !file PATH',
      ],
      ['an address without a password', REDIS('redis://127.0.0.1:1'), 0o644, undefined],
    ] as const) {
      it(`warns only if there is one: ${what}`, async () => {
        chmodSync(file('open.pem', pem), 0o644)
        assert.deepEqual(await warned(text, mode), expected === undefined ? [] : [expected])
      })
    }
  })

  it('refuses an own filter that may edit what another has signed', async () => {
    const said = async (own: string): Promise<CheckResult> =>
      await checked(`filters:\n  - dkimSign:\n${KEYS}  - use: ./${own}.js\n`)
    assert.deepEqual(await said('own'), {
      code: 2,
      text: 'tsmilter.yaml:6:5: ./own.js has to stand above dkimSign (tsmilter.yaml:2), which signs the message as it leaves: move it up, or if it changes neither header nor body, give it the option edits',
    })
    assert.equal((await said('holder')).code, 0)
  })

  it('does not wait for DNS that is dead', async () => {
    const { code, text } = await checked(`filters:\n  - dkimSign:\n${KEYS}`, {
      dns: dnsOf('dead'),
    })
    assert.equal(code, 0)
    assert.match(text, /DNS does not answer for s1\._domainkey\.example\.org \(timeout\)/)
  })

  it('finds a filter that fails', async () => {
    const path = config('filters:\n  - use: ./bad.js\n')
    const { code, out, err } = await run('check-config', path)
    assert.deepEqual([code, out], [1, ''])
    assert.match(
      err,
      /^error   tsmilter\.yaml: the message "from outside": Error: no such table$/m,
    )
    assert.match(err, /not well/)
  })

  it('says all mistakes, as lines and as JSON', async () => {
    const path = config('workers: many\nfilters:\n  - dkimSing: {}\n')
    const lines = await run('check-config', path)
    assert.equal(lines.code, 2)
    assert.deepEqual(
      lines.err
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ', 1)[0]),
      ['tsmilter.yaml:1:10:', 'tsmilter.yaml:3:5:'],
    )
    const json = await run('check-config', path, '--json')
    assert.equal(json.code, 2)
    const { well, mistakes } = JSON.parse(json.out) as {
      well: boolean
      mistakes: { line: number; column: number; text: string }[]
    }
    assert.equal(well, false)
    assert.deepEqual(
      mistakes.map(({ line, column }) => [line, column]),
      [
        [1, 10],
        [3, 5],
      ],
    )
  })

  it('tries a module, too', async () => {
    const { code, out } = await run('check-config', join(folder, 'module.js'))
    assert.equal(code, 0)
    assert.match(out, /^module\.js: 2 filters, on inet:0@127\.0\.0\.1$/m)
    assert.match(out, /^a message from outside: quarantine; two: quarantine for later$/m)
    const json = JSON.parse(
      (await run('check-config', join(folder, 'module.js'), '--json')).out,
    ) as {
      messages: { sample: string; verdict: string; filters: { name: string }[] }[]
    }
    assert.deepEqual(
      json.messages[0]!.filters.map(({ name }) => name),
      ['one', 'two'],
    )
  })
})

describe('tsmilter explain', () => {
  const message = file(
    'message.eml',
    'From: alice@example.org\nTo: bob@example.net\nSubject: hi\nDate: Tue, 24 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.org>\n\nHello\n',
  )
  const filters = `filters:
  - use: ./own.js
    when: {not: {senderDomain: example.com}}
  - dkimSign:
${KEYS}`

  it('says what each filter has done, by which line of the file, and what changes', async () => {
    const { code, out, err } = await run(
      'explain',
      config(filters),
      message,
      '--from',
      'alice@example.org',
      '--auth',
      'alice',
      '--to',
      'bob@example.net',
      '--to',
      'nobody@example.net',
    )
    assert.deepEqual([code, err], [0, ''])
    assert.match(
      out,
      /^Postfix: accept \(250 .*\)\n {2}1\. \.\/own\.js \(tsmilter\.yaml:2\)\n {5}recipient: reject 550 5\.1\.1 Nobody here\n {5}message: continue\n {7}change 1 to Subject: \[x\] hi\n {5}tagged reason=always text="\\+u001b\[2J"\n {2}2\. dkimSign \(tsmilter\.yaml:4\)\n/,
    )
    assert.match(
      out,
      /^ {5}changed reason=signed domain=example\.org selector=s1 .* \(tsmilter\.yaml:6\)$/m,
    )
    assert.match(
      out,
      /^ {5}changed reason=signed domain=example\.org selector=s2 .* \(tsmilter\.yaml:7\)$/m,
    )
    assert.match(out, /^ {2}refused: nobody@example\.net \(550 5\.1\.1 Nobody here\)$/m)
    assert.match(out, /^ {4}- Subject: hi\n {4}\+ Subject: \[x\] hi$/m)
    assert.match(out, /^Sendmail: accept /m)
  })

  it('says why a filter was not called', async () => {
    const { out } = await run(
      'explain',
      config(filters),
      message,
      '--from',
      'a@example.com',
      '--client',
      'none',
      '--mta',
      'sendmail',
    )
    assert.match(out, /^Sendmail: accept /)
    assert.match(out, /^ {5}not called: when is false \(tsmilter\.yaml:3\)$/m)
    assert.match(out, /^ {5}changed reason=signed /m)
  })

  it('says why a message is not signed', async () => {
    const { out } = await run(
      'explain',
      config(`filters:\n  - dkimSign:\n${KEYS}      senderMismatch: skip\n`),
      message,
      '--from',
      'a@example.com',
      '--auth',
      'alice',
    )
    assert.match(out, /^ {5}skipped reason=sender-mismatch .*\(tsmilter\.yaml:6\)$/m)
    assert.match(out, /^ {2}the message is unchanged$/m)
    assert.match(out, /^Sendmail: accept \(.*\), and the rest as behind Postfix$/m)
  })

  it('gives JSON', async () => {
    const { out } = await run(
      'explain',
      config(filters),
      message,
      '--json',
      '--client',
      '192.0.2.1',
    )
    const { servers } = JSON.parse(out) as {
      servers: { mta: string; verdict: string; filters: { place: string; log: object[] }[] }[]
    }
    assert.deepEqual(
      servers.map(({ mta, verdict }) => [mta, verdict]),
      [
        ['postfix', 'accept'],
        ['sendmail', 'accept'],
      ],
    )
    assert.deepEqual(servers[0]!.filters[1]!.log, [
      { level: 'info', message: 'skipped', fields: { reason: 'not-ours' } },
    ])
  })

  it('refuses what it cannot read', async () => {
    const missing = await run('explain', config(filters), join(folder, 'nope.eml'))
    assert.deepEqual(missing, { code: 2, out: '', err: 'nope.eml: cannot be read (ENOENT)\n' })
    const wrong = await run('explain', config('filters: 5\n'), message)
    assert.equal(wrong.code, 2)
    assert.match(wrong.err, /^tsmilter\.yaml:1:10: filters takes a list/)
  })
})
