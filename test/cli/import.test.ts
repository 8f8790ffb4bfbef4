import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { readConfigFile } from '../../src/cli/config/config-file.ts'
import { lineOf } from '../../src/cli/config/place.ts'
import { main } from '../../src/cli/main.ts'

const folder = mkdtempSync(join(tmpdir(), 'tsmilter-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}
async function run(
  ...args: readonly string[]
): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const code = await main(['import', ...args], {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
  })
  return {
    code,
    out: said.out.replaceAll(`${folder}/`, ''),
    err: said.err.replaceAll(`${folder}/`, ''),
  }
}

// What the examples name has to be there.
for (const name of ['key.pem', 'KeyTable', 'SigningTable', 'secrets']) file(name, 'x\n')
file('TrustedHosts', '# us\n127.0.0.1\nlocalhost\n192.0.2.0/24\n*.example.org\n')

/** kind, name of the file, its text, the lines of the result */
const CASES: readonly (readonly [
  kind: string,
  name: string,
  text: string,
  said: readonly string[],
])[] = [
  [
    'opendkim',
    'one-key.conf',
    `# OpenDKIM\nSyslog yes\nDomain example.org, example.net\nSelector mail\nKeyFile ${folder}/key.pem\nCanonicalization relaxed\nMode sv\nInternalHosts ${folder}/TrustedHosts\nSignatureTTL 604800\nOversignHeaders From\nSocket inet:8891@localhost # here\nMode s\nFrobnicate 1\n`,
    [
      'filters:',
      '  - dkimSign:',
      '      keys:',
      '        - domain: example.org',
      '          selector: mail',
      '          file: key.pem',
      '          subdomains: false',
      '        - domain: example.net',
      '          selector: mail',
      '          file: key.pem',
      '          subdomains: false',
      '      canonicalization: relaxed/simple',
      '      networks:',
      '        - 127.0.0.0/8',
      '        - ::1',
      '        - 127.0.0.1',
      '        - 192.0.2.0/24',
      '      expiresIn: 604800s',
      '# Not taken over:',
      '# one-key.conf:2: Syslog yes: the log',
      '# TrustedHosts:5: *.example.org: networks takes addresses only',
      '# one-key.conf:7: Mode: a later line sets it again',
      '# one-key.conf:11: Socket inet:8891@localhost: to keep the lines of the mail server, write listen: inet:8891@localhost',
      '# one-key.conf:13: Frobnicate 1: dkimSign has nothing for it',
    ],
  ],
  [
    'opendkim',
    'tables.conf',
    `KeyTable file:${folder}/KeyTable\nSigningTable refile:${folder}/SigningTable\nMultipleSignatures yes\nSelector x\nSignatureAlgorithm rsa-sha1\n`,
    [
      'filters:',
      '  - dkimSign:',
      '      openDkim:',
      '        keyTable: file:KeyTable',
      '        signingTable: refile:SigningTable',
      '        multiple: true',
      '# Not taken over:',
      '# tables.conf:4: Selector x: the tables take its place',
      '# tables.conf:5: SignatureAlgorithm rsa-sha1: RFC 8301',
    ],
  ],
  [
    'opendkim',
    'database.conf',
    'KeyTable dsn:mysql://u:p@h/db\nSigningTable csl:a=b\n',
    [
      '# There is no key: write keys',
      '# Nothing of it is an option of dkimSign.',
      '# Not taken over:',
      '# database.conf:1: KeyTable dsn:...: only tables in files',
      '# database.conf:2: SigningTable csl:...: only tables in files',
    ],
  ],
  [
    'postgrey',
    'default',
    `POSTGREY_OPTS="--inet=10023 --delay=60 --max-age=40 --retry-window=12h --auto-whitelist-clients=3 --privacy --whitelist-clients=${folder}/TrustedHosts"\nPOSTGREY_TEXT="Wait"\n`,
    [
      'filters:',
      '  - greylist:',
      '      delay: 60s',
      '      retention: 40d',
      '      window: 12h',
      '      autoWhitelist: 3',
      '      whitelistClients:',
      '        - TrustedHosts',
      '# Not taken over:',
      '# default:1: --inet=10023: a policy server',
      '# default:1: --privacy: keys',
      '# default:2: POSTGREY_TEXT="Wait": the text',
    ],
  ],
  [
    'postgrey',
    'whitelist_clients',
    'example.org\n/^mail\\d+\\.example\\.net$/\n192.0.2\nnot a client\n',
    [
      '# whitelist_clients has lines that cannot be read',
      'filters:',
      '  - greylist:',
      '      whitelistClients:',
      '        - whitelist_clients',
      '# Not taken over:',
      '# whitelist_clients:4: not a client: "not a client" is no client; write an address',
    ],
  ],
  [
    'postgrey',
    'clients.dump',
    'VERSION=3\nformat=print\ntype=btree\nHEADER=END\n 192.0.2.1\n 7,1700000000\n 192.0.2.2\n 2,1700000000\n 192.0.2.0/a@example.org/b@example.net\n 1700000000,1700000400\nDATA=END\n',
    [
      '# clients.dump has 1 clients that have come back 5 times.',
      '# 192.0.2.1',
      '# Nothing of it is an option of greylist.',
      '# Not taken over:',
      '# clients.dump:1: 1 triples: their senders wait once more',
    ],
  ],
  [
    'postsrsd',
    'postsrsd',
    `SRS_DOMAIN=srs.example.org\nSRS_EXCLUDE_DOMAINS=.example.org,example.net\nSRS_SEPARATOR==\nSRS_SECRET=${folder}/secrets\nSRS_HASHLENGTH=6\nSRS_HASHMIN=4\nSRS_FORWARD_PORT=10001\n`,
    [
      '# Addresses stay valid',
      'filters:',
      '  - rewrite:',
      '      srs:',
      '        domain: srs.example.org',
      '        secretsFile: secrets',
      '        localDomains:',
      '          - .example.org',
      '          - example.net',
      '        hashLength: 6',
      '        minHashLength: 4',
      '# Not taken over:',
      '# postsrsd:7: SRS_FORWARD_PORT=10001: a milter',
    ],
  ],
  [
    'postsrsd',
    'postsrsd.conf',
    `domains = { "example.org", "example.net" }\nsecrets-file = "${folder}/secrets"\nseparator = "+"\noriginal-envelope = database\n`,
    [
      '# postsrsd took the domain of Postfix',
      '# Addresses stay valid',
      'filters:',
      '  - rewrite:',
      '      srs:',
      '        domain: srs-domain.example',
      '        secretsFile: secrets',
      '        localDomains:',
      '          - example.org',
      '          - example.net',
      '        separator: +',
      '# Not taken over:',
      '# postsrsd.conf:4: original-envelope = database: addresses are made',
    ],
  ],
  [
    'milter-greylist',
    'greylist.conf',
    'pidfile "/run/x.pid" # here\nlist "my network" addr { 192.0.2.0/24 \\\n  198.51.100.7 }\nacl whitelist list "my network"\nacl whitelist rcpt postmaster@example.org\nacl whitelist domain example.net\ngreylist 30m\nacl greylist default delay 15m autowhite 3d\nsubnetmatch /24\ntimeout 5d\n',
    [
      '# retention cannot be shorter than window, so it is 5d in the place of 3d.',
      'filters:',
      '  - greylist:',
      '      delay: 15m',
      '      retention: 5d',
      '      ipv4Prefix: 24',
      '      window: 5d',
      '      networks:',
      '        - 127.0.0.0/8',
      '        - ::1',
      '        - 192.0.2.0/24',
      '        - 198.51.100.7',
      '      recipients:',
      '        - postmaster@',
      '        - abuse@',
      '        - postmaster@example.org',
      '# Not taken over:',
      '# greylist.conf:1: pidfile /run/x.pid: the unit',
      '# greylist.conf:6: acl whitelist domain example.net: write it into a file of whitelistClients',
    ],
  ],
  [
    'policyd-rate-limit',
    'policyd-rate-limit.yaml',
    'debug: True\nlimits:\n  - [10, 60]\n  - [150, 86400]\nlimits_by_id: {}\nlimit_by_sasl: True\nlimit_by_ip: True\ncount_mode: 0\n',
    [
      'filters:',
      '  - rateLimit:',
      '      login:',
      '        recipients:',
      '          - 10/60s',
      '          - 150/86400s',
      '      client:',
      '        recipients:',
      '          - 10/60s',
      '          - 150/86400s',
      '# Not taken over:',
      '# policyd-rate-limit.yaml:1: debug: the option logLevel',
    ],
  ],
]

describe('tsmilter import', () => {
  for (const [kind, name, text, said] of CASES) {
    it(`${kind} reads ${name}, and says what it leaves out`, async () => {
      const { code, out, err } = await run(kind, file(name, text))
      assert.deepEqual([code, err], [0, ''])
      const lines = out.trimEnd().split('\n')
      for (const [i, beginning] of said.entries()) {
        assert.equal(lines[i]?.slice(0, beginning.length), beginning, out)
      }
      assert.equal(lines.length, said.length, out)
      if (!lines.includes('filters:')) return
      const { mistakes } = readConfigFile(file(`${name}.tsmilter.yaml`, out), {})
      assert.deepEqual(mistakes.map(lineOf), [])
    })
  }

  it('has the limits of some users as lines of a table', async () => {
    const { out } = await run(
      'policyd-rate-limit',
      file(
        'users.yaml',
        'limits: [[10, 60]]\nlimits_by_id:\n  alice: [[50, 60]]\n  news: []\n',
      ),
    )
    assert.match(out, /^# alice recipients=50\/60s\n# news unlimited\nfilters:/m)
    assert.match(out, /^ {6}users: texthash:\/etc\/tsmilter\/limits$/m)
  })

  it('reads header_checks, and names each rule that Postfix has to keep', async () => {
    const good = file('good', '/^X-Spam: yes/ REJECT No spam\n/^Received:/ IGNORE\n')
    const { out } = await run('header_checks', `pcre:${good}`)
    assert.match(out, /^ {6}headerChecks:\n {8}- pcre:good$/m)
    assert.doesNotMatch(out, /Not taken over/)
    const bad = file(
      'bad',
      '/^A:/ DISCARD\n/^B:/ REJECT\n/^C:/ FILTER smtp:[a]:1\n  more\n/^(/ REJECT\n',
    )
    const left = await run('header_checks', `pcre:${bad}`)
    assert.match(left.out, /^# bad:1: \/\^A:\/ DISCARD: /m)
    assert.match(left.out, /^# bad:3: \/\^C:\/ FILTER smtp:\[a\]:1: /m)
    assert.match(left.out, /^# bad:5: \/\^\(\/ REJECT: /m)
    assert.match(left.out, /^ {8}- pcre:bad\.tsmilter$/m)
  })

  it('says of a Berkeley DB how to dump it', async () => {
    const bytes = Buffer.alloc(512)
    bytes.writeUInt32LE(0x05_3162, 12)
    const { code, err } = await run('postgrey', file('postgrey.db', bytes))
    assert.equal(code, 2)
    assert.match(err, /^postgrey\.db is a Berkeley DB, .* run db_dump -p /)
  })

  for (const [what, args, said] of [
    ['no such file', ['opendkim', 'nope.conf'], /^nope\.conf does not exist$/m],
    ['two files', ['postsrsd', file('a', ''), file('b', '')], /^postsrsd takes one file$/m],
    [
      'a table without its kind',
      ['header_checks', file('c', '')],
      /write pcre:FILE or regexp:FILE/,
    ],
    ['a kind that is not known', ['rspamd', 'x'], /Allowed choices are opendkim, postgrey/],
    [
      'a file that is no YAML',
      ['policyd-rate-limit', file('d', 'a: [')],
      /^d:1:4: has a bracket/m,
    ],
  ] as const) {
    it(`names a mistake: ${what}`, async () => {
      const { code, err } = await run(...args)
      assert.equal(code, 2)
      assert.match(err, said)
    })
  }

  it('lets no text of a file out of its comment', async () => {
    const { out } = await run(
      'opendkim',
      file('evil.conf', 'Foo a\u001b[2J\rlisten: inet:1\u0085x\n'),
    )
    for (const line of out.trimEnd().split('\n')) assert.match(line, /^#[\x20-\x7e]*$/)
  })
})
