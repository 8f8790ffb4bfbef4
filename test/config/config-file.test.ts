import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { readConfigFile, type ConfigFile } from '../../src/cli/config/config-file.ts'
import { checkOrder, type FilterEntry } from '../../src/cli/config/filter-list.ts'
import { lineOf, type FileMistake } from '../../src/cli/config/place.ts'
import { loadFilters } from '../../src/cli/run/load.ts'
import { givenOptions, processSettings, runSettings } from '../../src/cli/run/settings.ts'
import type { FilterRole } from '../../src/filters/registry.ts'
import { OPTIONS, type Option } from '../../src/options/table.ts'
import { put } from '../../src/options/validate.ts'
import { deliver, type TestOutcome, type TestTransaction } from '../../src/testing/index.ts'
import { sourcePath } from '../conformance/support/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'tsmilter-'))
after(() => rmSync(folder, { recursive: true }))
const write = (files: Readonly<Record<string, string>>): void => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}
const pem = String(
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
)
mkdirSync(join(folder, 'node_modules'))
symlinkSync(sourcePath('.'), join(folder, 'node_modules', 'tsmilter'))
write({
  'package.json': '{"type":"module"}',
  'key.pem': pem,
  'tag.js': `import { defineFilter } from 'tsmilter'
export default ({ tag }) => defineFilter({ name: 'tag', message(mail) { mail.headers.append('X-Tag', tag) } })
`,
  'node_modules/tagger/package.json':
    '{"name":"tagger","type":"module","exports":{"import":"./main.js"}}',
  'node_modules/tagger/main.js':
    "import { defineFilter } from 'tsmilter'\nexport default defineFilter({ name: 'tagger', message(mail) { mail.headers.append('X-Tagger', 'yes') } })\n",
  'events.js':
    "export default () => ({ eom: (ctx) => void ctx.addHeader('X-Events', 'yes') })\n",
})
const path = join(folder, 'tsmilter.yaml')

function read(text: string, environment: NodeJS.ProcessEnv = {}): ConfigFile {
  writeFileSync(path, text)
  const file = readConfigFile(path, environment)
  assert.deepEqual(file.mistakes.map(lineOf), [])
  return file
}

/** What the filters of a file make of a message. */
async function played(text: string, transaction: TestTransaction = {}): Promise<TestOutcome> {
  writeFileSync(path, text)
  const { factory } = await loadFilters([path])
  const outcome = await deliver(factory, transaction)
  assert.equal(outcome.failure, undefined)
  return outcome
}

const FILTERS = 'filters: [{use: ./tag.js, options: {tag: x}}]\n'

describe('the options of the server in a text file', () => {
  const EXAMPLES: Readonly<Record<string, unknown>> = {
    listen: ['inet:8890@localhost', 'unix:/run/x'],
    'unixSocket.mode': '0660',
    'unixSocket.owner': 'postfix',
    'unixSocket.group': 5,
    allow: '10.0.0.0/8',
    proxies: ['10.0.0.1', 'unix'],
    'tls.cert': '/etc/hostname',
    'tls.key': '/etc/hostname',
    'tls.ca': '/etc/hostname',
    'limits.temporaryDirectory': '/tmp',
    logContent: ['Subject', 'recipients'],
    deadlines: { eom: '2m', header: '500ms' },
    actions: ['ADDHDRS'],
    requiredActions: 'none',
    telemetry: '9090',
    pidFile: '/run/x.pid',
    user: 'filter',
    group: 'filter',
  }
  const valueOf = ({ name, kind, default: usual }: Option): unknown =>
    EXAMPLES[name] ?? kind.show(usual)
  const NEEDED = { cert: '/etc/hostname', key: '/etc/hostname' }
  const configOf = (option: Option): object => {
    const config = option.name.startsWith('tls.') ? { tls: { ...NEEDED } } : {}
    put(config, option.name, valueOf(option))
    return config
  }

  for (const option of OPTIONS) {
    it(`are those of defineConfig: ${option.name}`, async () => {
      const config = configOf(option)
      writeFileSync(
        path,
        JSON.stringify({ filters: [{ use: './tag.js', options: {} }], ...config }),
      )
      const { factory: _, config: fromFile, source } = await loadFilters([path])
      if (option.scope === 'process') {
        // A module is code, so it is loaded when these are known already.
        const given = givenOptions(new Map(), {}, readConfigFile(path, {}).options)
        assert.ok(option.name in processSettings(given))
        assert.throws(() => runSettings([], config, ''), /must be known before/)
        return
      }
      assert.deepEqual(runSettings([], fromFile, source), runSettings([], config, source))
    })
  }

  it('come after the command line and the environment', () => {
    const { options } = read(`workers: 2\nlogLevel: debug\nuser: a\n${FILTERS}`)
    const given = givenOptions(
      new Map([['logLevel', 'error']]),
      { TSMILTER_USER: 'b' },
      options,
    )
    assert.deepEqual(processSettings(given), { logLevel: 'error', user: 'b' })
    assert.ok(!given.some(({ name }) => name === 'workers'))
  })

  it('have octal modes, as chmod does', () => {
    for (const mode of ['0660', '"0660"', '660']) {
      const { options } = read(`unixSocket: {mode: ${mode}}\n${FILTERS}`)
      assert.deepEqual(options.get('unixSocket.mode'), 0o660, mode)
    }
  })

  it('have paths that begin at the folder of the file', () => {
    const { options } = read(`tls: {cert: key.pem, key: ./key.pem}\npidFile: x.pid\n${FILTERS}`)
    assert.equal(options.get('tls.cert'), join(folder, 'key.pem'))
    assert.equal(options.get('pidFile'), join(folder, 'x.pid'))
  })
})

describe('the filters of a text file', () => {
  const SIGN = '- dkimSign:\n    keys: {domain: example.org, selector: s1, file: key.pem}\n'

  it('run in their order, with their options', async () => {
    const { message } = await played(`filters:
  - use: ./tag.js
    options: {tag: one}
  - use: tagger
  - use: ./tag.js
    options: &two {tag: two}
  - use: ./tag.js
    options: *two
`)
    const fields = [...String(message).matchAll(/^X-(\w+): (.*)\r$/gm)].map(
      ([, name, value]) => `${name} ${value}`,
    )
    assert.deepEqual(fields, ['Tag one', 'Tagger yes', 'Tag two', 'Tag two'])
  })

  it('can be one filter of events', async () => {
    assert.match(String((await played('filters:\n  - use: ./events.js\n')).message), /X-Events/)
  })

  it('have conditions', async () => {
    const text = `filters:\n  - use: tagger\n    when: {direction: authenticated, not: {senderDomain: example.com}}\n`
    const tagged = async (transaction: TestTransaction): Promise<boolean> =>
      String((await played(text, transaction)).message).includes('X-Tagger')
    assert.equal(await tagged({ authenticated: 'alice' }), true)
    assert.equal(await tagged({}), false)
    assert.equal(await tagged({ authenticated: 'alice', from: 'a@example.com' }), false)
  })

  it('come from other files, whose paths begin there', async () => {
    write({
      'parts/sign.yaml': SIGN.replace('key.pem', '../key.pem'),
      'parts/all.yaml': 'filters:\n  - include: sign.yaml\n',
      'parts/tag.yaml': '- use: ../tag.js\n  options: {tag: included}\n',
    })
    const { message } = await played(
      'filters:\n  - include: [parts/tag.yaml, parts/all.yaml]\n',
      { authenticated: 'alice' },
    )
    assert.match(String(message), /^DKIM-Signature: /)
    assert.match(String(message), /X-Tag: included/)
  })

  it('have secrets of files and of the environment', async () => {
    for (const secret of ['!file key.pem', '!env KEY']) {
      const { filters } = read(
        `filters:\n  - dkimSign:\n      keys: {domain: example.org, selector: s1, privateKey: ${secret}}\n`,
        { KEY: pem.trimEnd() },
      )
      const { keys } = filters[0]!.options as { keys: readonly { privateKey: string }[] }
      assert.equal(keys[0]!.privateKey, pem.trimEnd())
    }
  })

  it('have ordinary text that looks like something else', () => {
    const { filters } = read(
      'filters:\n  - use: ./tag.js\n    options: {tag: "${env:HOME} !env x", on: no, date: 2026-11-30, __proto__: 1}\n',
    )
    assert.deepEqual(
      { ...(filters[0]!.options as object) },
      JSON.parse('{"tag":"${env:HOME} !env x","on":"no","date":"2026-11-30","__proto__":1}'),
    )
  })
})

describe('the order of filters', () => {
  const entry = (
    line: number,
    role: FilterRole,
    direction?: readonly ('authenticated' | 'outside')[],
  ): FilterEntry => ({
    place: { file: 'f', line, column: 5 },
    name: role,
    ready: { role } as never,
    options: {},
    optionsNode: undefined as never,
    when: direction && { condition: { direction, networks: [] }, place: undefined as never },
  })
  const mistakesOf = (...entries: FilterEntry[]): string[] => {
    const mistakes: FileMistake[] = []
    checkOrder(entries, mistakes)
    return mistakes.map(lineOf)
  }

  it('is that of what they do', () => {
    assert.deepEqual(
      mistakesOf(
        entry(1, 'none'),
        entry(2, 'judge'),
        entry(3, 'edit'),
        entry(4, 'none'),
        entry(5, 'sign'),
        entry(6, 'seal'),
      ),
      [],
    )
    assert.deepEqual(mistakesOf(entry(1, 'sign'), entry(2, 'edit'), entry(3, 'judge')), [
      'f:2:5: edit has to stand above sign (line 1), which signs the message as it leaves: move it up',
      'f:3:5: judge has to stand above sign (line 1), which signs the message as it leaves: move it up',
    ])
  })

  it('does not matter for mail that cannot get to both', () => {
    assert.deepEqual(
      mistakesOf(entry(1, 'sign', ['authenticated']), entry(2, 'edit', ['outside'])),
      [],
    )
    assert.equal(
      mistakesOf(entry(1, 'sign', ['authenticated', 'outside']), entry(2, 'edit', ['outside']))
        .length,
      1,
    )
  })
})
