import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { givenOptions, runSettings } from '../../src/cli/run/settings.ts'
import { UsageError } from '../../src/errors.ts'
import { flagOf, variableOf } from '../../src/options/names.ts'
import { OPTIONS } from '../../src/options/table.ts'
import { put, valueAt } from '../../src/options/validate.ts'
import { sourcePath } from '../conformance/support/program.ts'
import { isValid, type Schema } from '../support/json-schema.ts'

const schema = JSON.parse(readFileSync(sourcePath('config.schema.json'), 'utf8')) as Schema

function isTaken(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error))
    assert.equal(error.code, 'INVALID_OPTION')
    return false
  }
}
const taken = (config: object): boolean =>
  isTaken(() => runSettings(givenOptions(new Map(), {}), config, 'config'))
/** What a text file can have: the same, but times have units. */
const runs = (config: object): boolean =>
  OPTIONS.every(({ name, kind }) => kind.wrongInFile?.(valueAt(config, name)) === undefined) &&
  taken(config)

const inConfig = OPTIONS.filter(({ scope }) => scope !== 'process')
const option = fc.constantFrom(...inConfig)

/** A configuration with one option, and what its object needs. */
function configOf(name: string, value: unknown): object {
  const config = name.startsWith('tls.') ? { tls: { cert: 'c', key: 'k' } } : {}
  put(config, name, value)
  return config
}

const number = fc.oneof(
  fc.constantFrom(0, -0, 1, -1, 0.5, 511, 512, 65_535, 65_536, 262_143, 2 ** 31, 2 ** 32 - 1),
  fc.constantFrom(2 ** 31 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e21, -1e21),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const text = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '5 ',
    ' 5',
    '5\n',
    '1e3',
    '0x10',
    '-0',
    'NaN',
    'a\0',
    'a\tb',
    '1777',
  ),
  fc.constantFrom('64k', '10MB', '065535', 'all', 'addhdrs, ChgBody', 'ADDHDRS,', 'None'),
  fc.constantFrom(
    '0.4',
    '0.4ms',
    '1.5s',
    '0.0001s',
    '5 ms',
    '600h',
    '__proto__',
    'constructor',
  ),
  fc.stringMatching(/^[0-9.]{1,4} ?(?:ms|s|m|h|[KMGkmg])?$/),
  fc.string(),
)
const json = fc.oneof(
  number,
  text,
  fc.constantFrom(null, true, {}, []),
  fc.array(fc.oneof(text, number), { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('eom', 'helo', 'eoom', '__proto__'), fc.oneof(text, number)),
)

const holdsText = (value: unknown): boolean =>
  typeof value === 'string' ||
  (typeof value === 'object' && value !== null && Object.values(value).some(holdsText))

describe('config.schema.json', () => {
  it('is of the language that the test understands, and refuses other names', () => {
    assert.ok(isValid(schema, {}))
    assert.ok(!isValid(schema, { worker: 2 }))
    assert.ok(!isValid(schema, { timeouts: { idel: 1 } }))
    assert.ok(!isValid(schema, { filters: [{ dkimSing: {} }] }))
  })

  it('takes all that the command takes', () => {
    fc.assert(
      fc.property(option, json, ({ name }, value) => {
        const config = configOf(name, value)
        if (runs(config)) assert.ok(isValid(schema, config), JSON.stringify(config))
      }),
      { numRuns: 3_000 },
    )
  })

  it('takes nothing but text that the command refuses: it cannot say which addresses there are', () => {
    fc.assert(
      fc.property(option, json, ({ name }, value) => {
        const config = configOf(name, value)
        if (!holdsText(value) && isValid(schema, config)) {
          assert.ok(runs(config), JSON.stringify(config))
        }
      }),
      { numRuns: 3_000 },
    )
  })

  for (const config of [
    { workers: 'auto', listen: ['inet:0@127.0.0.1'], allow: '127.0.0.1' },
    { workers: '4' },
    { workers: 0 },
    { workers: 1_025 },
    { maxConnections: 2 ** 53 },
    { maxMemory: '64M', maxPending: 0, maxFrameSize: 65_535 },
    { maxMemory: 1 },
    { maxMemory: '1 MiB' },
    { timeouts: { idle: '1.5s', frame: 20 } },
    { timeouts: { idle: 0 } },
    { timeouts: { idle: 300 } },
    { stop: { delay: 0, deadline: '5000' } },
    { timeouts: { idle: '1 week' } },
    { deadlines: '1m' },
    { deadlines: '0.4' },
    { deadlines: { eom: '2m', header: 5 } },
    { deadlines: { eoom: 5 } },
    { unixSocket: { mode: '0660', owner: 12, group: 'postfix' } },
    { unixSocket: { mode: '0999' } },
    { unixSocket: { mode: '1777' } },
    { unixSocket: { owner: 2 ** 32 - 1 } },
    { unixSocket: { owner: 'a\tb' } },
    { actions: ['ADDHDRS'], requiredActions: 0 },
    { actions: ['SING'] },
    { actions: 'sing' },
    { actions: 'addhdrs chgbody' },
    { dataSize: '256k' },
    { dataSize: 65_536 },
    { overload: 'reject' },
    { onError: 'reject' },
    { stop: 5 },
    { logContent: ['To', 'recipients'] },
    { logContent: 'To:' },
    { tls: { cert: 'cert.pem', key: 'key.pem' } },
    { tls: { cert: 5 } },
    { tls: { cert: 'a\0', key: 'key.pem' } },
  ]) {
    it(`says of ${JSON.stringify(config)} what the command says`, () => {
      assert.equal(isValid(schema, config), runs(config))
    })
  }
})

describe('config.schema.json, of filters', () => {
  const KEY = { domain: 'example.org', selector: 's', privateKey: 'x' }
  const cases: [unknown, boolean][] = [
    [{ dkimSign: { keys: [KEY] } }, true],
    [{ dkimSign: { keys: KEY, domainFrom: 'sender', expiresIn: '7d', observe: true } }, true],
    [
      {
        dkimSign: { keys: KEY },
        when: { direction: ['local'], not: { senderDomain: 'a.example' } },
      },
      true,
    ],
    [{ use: './own.ts', options: { anything: [1] } }, true],
    [{ use: './own.ts', when: {} }, true],
    [{ include: 'more.yaml' }, true],
    [{ include: ['more.yaml', 'most.yaml'] }, true],
    [{ dkimSign: {} }, false],
    [{ dkimSign: { keys: { ...KEY, selector: undefined } } }, false],
    [{ dkimSign: { keys: { ...KEY, selctor: 's' } } }, false],
    [{ dkimSign: { keys: KEY, domainFrom: 'form' } }, false],
    [{ dkimSign: { keys: KEY, expiresIn: 'long' } }, false],
    [{ dkimSign: { keys: KEY, expiresIn: 604_800 } }, false],
    [{ dkimSign: { keys: KEY, now: 5 } }, false],
    [{ dkimSign: { keys: KEY }, when: { direction: 'inside' } }, false],
    [{ dkimSign: { keys: KEY }, wehn: {} }, false],
    [{ dkimSing: {} }, false],
    [{ when: {} }, false],
    [{ use: '' }, false],
    [5, false],
  ]
  for (const [entry, valid] of cases) {
    it(`${valid ? 'takes' : 'refuses'} ${JSON.stringify(entry)}`, () => {
      const filters = JSON.parse(JSON.stringify([entry])) as unknown
      assert.equal(isValid(schema, { filters }), valid)
    })
  }
})

describe('the command line and the environment', () => {
  it('take the text that a configuration takes', () => {
    fc.assert(
      fc.property(option, text, (of, value) => {
        // Empty variables are not set, and words of a list have no spaces.
        if (value === '' || (of.kind.list && /\s/.test(value))) return
        const expected = taken(configOf(of.name, value))
        const flags = new Map([[of.name, value]])
        assert.equal(
          isTaken(() => givenOptions(flags, {})),
          expected,
          flagOf(of),
        )
        const variables = { [variableOf(of)]: value }
        assert.equal(
          isTaken(() => givenOptions(new Map(), variables)),
          expected,
          value,
        )
      }),
      { numRuns: 3_000 },
    )
  })

  it('report a wrong variable also if the command line takes precedence', () => {
    assert.throws(
      () => givenOptions(new Map([['workers', '2']]), { TSMILTER_WORKERS: 'many' }),
      { code: 'INVALID_OPTION', message: /TSMILTER_WORKERS/ },
    )
  })
})
