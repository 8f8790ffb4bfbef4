import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { STARTERS } from '../../src/cli/init/config-text.ts'
import { init, type InitFlags, type InitSurroundings } from '../../src/cli/init/init.ts'
import { postfixLines, sendmailLines } from '../../src/cli/init/mail-server-lines.ts'
import { main } from '../../src/cli/main.ts'
import { checkConfig } from '../../src/cli/trial/check-config.ts'
import { closeStores } from '../../src/filters/index.ts'
import { parseListenAddress } from '../../src/net/listen-address.ts'
import { DnsCache, type DnsResolver } from '../../src/toolkit/index.ts'
import { temporaryDirectory } from '../conformance/support/program.ts'
import {
  postfixMissing,
  sendmailMissing,
  sendmailRoot,
} from '../mail-servers/support/available.ts'

const ALL = Object.keys(STARTERS)
const FLAGS: InitFlags = { yes: true, dryRun: false, domain: 'example.org', mta: 'postfix' }
const made = async (
  folder: string,
  flags: Partial<InitFlags> = {},
  surroundings: Partial<InitSurroundings> = {},
): Promise<string> =>
  await init(
    folder,
    { ...FLAGS, ...flags },
    { ask: undefined, has: () => true, ...surroundings },
  )

/** Nobody answers. */
const dns = new DnsCache({
  resolver: { resolve: () => Promise.resolve({ failed: 'timeout' }) } as unknown as DnsResolver,
})

describe('tsmilter init', () => {
  for (const [what, flags] of [
    ['what is usual', {}],
    ['all it knows', { filters: ALL }],
    ['one filter', { filters: ['externalTag'] }],
    ['a unix socket', { listen: 'unix:/var/spool/postfix/tsmilter/filter.sock' }],
    ['Sendmail over IPv6', { mta: 'sendmail', listen: 'inet6:8890@::1' }],
  ] as const) {
    it(`writes a configuration that check-config takes: ${what}`, async () => {
      const folder = temporaryDirectory()
      await made(folder, flags)
      const path = join(folder, 'tsmilter.yaml')
      const text = readFileSync(path, 'utf8')
      assert.ok(text.trimEnd().split('\n').length <= 30, text)
      // The directory of the service belongs to another user.
      writeFileSync(path, text.replaceAll('/var/lib/tsmilter', folder))
      const { code, text: said } = await checkConfig(path, { json: false, strict: false, dns })
      await closeStores()
      assert.equal(code, 0, said)
      assert.doesNotMatch(said, /everybody/)
    })
  }

  it('makes a key for its owner, and prints its record', async () => {
    const folder = temporaryDirectory()
    const said = await made(folder, { selector: 'mail' })
    const key = join(folder, 'example.org.mail.pem')
    assert.equal(statSync(key).mode & 0o777, 0o600)
    assert.match(said, /^mail\._domainkey\.example\.org\. IN TXT \( "v=DKIM1; k=rsa; p=/m)
    assert.doesNotMatch(said, /PRIVATE KEY/)
  })

  it('makes no key for filters that do not sign', async () => {
    const folder = temporaryDirectory()
    const said = await made(folder, { filters: ['attachments'], domain: undefined })
    assert.deepEqual(readdirSync(folder).toSorted(), ['tsmilter.service', 'tsmilter.yaml'])
    assert.doesNotMatch(said, /_domainkey|internal_mail_filter_classes/)
  })

  for (const name of ['tsmilter.yaml', 'tsmilter.service', 'example.org.s1.pem']) {
    it(`overwrites nothing, and then writes nothing: ${name}`, async () => {
      const folder = temporaryDirectory()
      writeFileSync(join(folder, name), 'mine')
      await assert.rejects(made(folder), {
        code: 'INVALID_OPTION',
        message: `${join(folder, name)} exists, and nothing is overwritten: remove it, or name another directory`,
      })
      assert.deepEqual(readdirSync(folder), [name])
      assert.equal(readFileSync(join(folder, name), 'utf8'), 'mine')
    })
  }

  it('writes nothing with --dry-run, and says what it would write', async () => {
    const folder = join(temporaryDirectory(), 'new')
    const said = await made(folder, { dryRun: true })
    assert.ok(!existsSync(folder))
    assert.match(said, /Would write .*tsmilter\.yaml:[^]*- dkimSign:[^]*ExecStart=/)
  })

  it('writes the unit of contrib with the paths of this machine', async () => {
    const folder = temporaryDirectory()
    await made(folder, { listen: 'unix:/run/tsmilter/filter.sock' })
    const unit = readFileSync(join(folder, 'tsmilter.service'), 'utf8')
    assert.match(unit, /^ExecStart=\S*node\S* \S+bin\/tsmilter\.js run \S+\/tsmilter\.yaml$/m)
    assert.match(unit, /^User=tsmilter\nStateDirectory=tsmilter$/m)
    assert.match(unit, /^SupplementaryGroups=postfix$/m)
    assert.match(unit, /^ProtectSystem=strict$/m)
    assert.doesNotMatch(unit, /DynamicUser|\/opt\/filter/)
  })

  it('asks for what is not given, and takes Enter for the usual', async () => {
    const folder = temporaryDirectory()
    const asked: string[] = []
    const ask = async (question: string, usual: string): Promise<string> => {
      asked.push(question)
      return await Promise.resolve(question.includes('domain') ? 'Example.org' : usual)
    }
    const flags = { yes: false, domain: undefined, mta: undefined }
    const said = await made(folder, flags, { ask })
    assert.equal(asked.length, 3)
    assert.match(said, /^s1\._domainkey\.example\.org\. IN TXT/m)
  })

  it('says which packages are missing, and leaves out what needs them', async () => {
    const folder = temporaryDirectory()
    const said = await made(folder, {}, { has: () => false })
    assert.match(said, /^npm install lmdb@3$/m)
    const text = readFileSync(join(folder, 'tsmilter.yaml'), 'utf8')
    assert.doesNotMatch(text, /authenticate|embedded/)
    const wanted = await made(
      temporaryDirectory(),
      { filters: ['authenticate'] },
      { has: () => false },
    )
    assert.match(wanted, /^npm install mailauth@7\.1\.0$/m)
  })

  for (const [what, args, said] of [
    ['no domain', ['--yes'], /^--domain is missing: name the domain that signs your mail/],
    ['a domain that is none', ['--domain', 'a b'], /^--domain takes a domain.*it got "a b"/],
    [
      'a selector that is none',
      ['--domain', 'a.example', '--selector', 'x/y'],
      /^--selector takes/,
    ],
    [
      'a filter that is misspelt',
      ['--filters', 'dkimSing'],
      /^--filters does not know "dkimSing"; did you mean dkimSign\? There are: /,
    ],
    [
      'a filter that needs decisions',
      ['--filters', 'disclaimer'],
      /Other filters need decisions of yours/,
    ],
    [
      'an address that is none',
      ['--domain', 'a.example', '--listen', 'inet:x@y'],
      /cannot listen on "inet:x@y"/,
    ],
  ] as const) {
    it(`names a mistake in one line: ${what}`, async () => {
      let err = ''
      const folder = temporaryDirectory()
      const code = await main(['init', folder, ...args], {
        out() {},
        err: (text) => void (err += text),
      })
      assert.equal(code, 2)
      assert.match(err, said)
      assert.equal(err.trimEnd().split('\n').length, 1)
      assert.deepEqual(readdirSync(folder), [])
    })
  }
})

const ADDRESSES = ['inet:8890@127.0.0.1', 'inet6:8890@::1', 'unix:/var/spool/postfix/t/x.sock']

describe('the lines for Postfix', { skip: postfixMissing() ?? false }, () => {
  for (const listen of ADDRESSES) {
    it(`are taken by postconf: ${listen}`, () => {
      const folder = temporaryDirectory()
      mkdirSync(join(folder, 'etc'))
      writeFileSync(join(folder, 'etc', 'main.cf'), 'compatibility_level = 3.6\n')
      writeFileSync(join(folder, 'etc', 'master.cf'), '')
      const env = { ...process.env, MAIL_CONFIG: join(folder, 'etc') }
      for (const line of postfixLines(parseListenAddress(listen), true)) {
        const { status, stderr } = spawnSync('sh', ['-c', line], { env, encoding: 'utf8' })
        assert.deepEqual([status, stderr], [0, ''], line)
      }
      const { stdout, stderr } = spawnSync(
        'postconf',
        [
          '-x',
          'smtpd_milters',
          'non_smtpd_milters',
          'milter_default_action',
          'internal_mail_filter_classes',
        ],
        { env, encoding: 'utf8' },
      )
      assert.equal(stderr, '')
      const milters = '{ ADDRESS, command_timeout = 30s, content_timeout = 300s }'
      assert.deepEqual(
        stdout
          .trimEnd()
          .split('\n')
          .map((one) => one.replace(/(?:inet|unix):[^,]+/, 'ADDRESS')),
        [
          `smtpd_milters = ${milters}`,
          `non_smtpd_milters = ${milters}`,
          'milter_default_action = tempfail',
          'internal_mail_filter_classes = bounce',
        ],
      )
    })
  }
})

describe('the lines for Sendmail', { skip: sendmailMissing() ?? false }, () => {
  for (const listen of ADDRESSES) {
    it(`are taken by its m4: ${listen}`, () => {
      const cf = join(sendmailRoot(), 'usr/share/sendmail/cf/')
      const mc = [
        'divert(-1)dnl',
        `define(\`_CF_DIR_', \`${cf}')dnl`,
        `include(\`${cf}m4/cf.m4')dnl`,
        'divert(0)dnl',
        "OSTYPE(`linux')dnl",
        ...sendmailLines(parseListenAddress(listen)),
        "MAILER(`smtp')dnl",
        '',
      ].join('\n')
      const { status, stdout, stderr } = spawnSync('m4', [], { input: mc, encoding: 'latin1' })
      assert.deepEqual([status, stderr], [0, ''])
      assert.match(stdout, /^O InputMailFilters=tsmilter$/m)
      assert.match(stdout, /^Xtsmilter, S=(?:inet|inet6|local):\S+, F=T, T=S:10s;R:10s;E:5m$/m)
    })
  }
})
