import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { defaultText, flagOf, variableOf } from '../../src/options/names.ts'
import { OPTIONS } from '../../src/options/table.ts'
import { durationText, sizeText } from '../../src/options/units.ts'
import { unknownVariables } from '../../src/cli/run/unknown-variables.ts'
import { givenOptions, processSettings, runSettings } from '../../src/cli/run/settings.ts'
import { defineConfig, UsageError, type Config } from '../../src/index.ts'
import { filterSettings } from '../../src/milter/options.ts'
import { serverSettings } from '../../src/server/options.ts'
import { sourcePath } from '../conformance/support/program.ts'

const filters = [() => ({})]
const flags = (given: object): Map<string, unknown> => new Map(Object.entries(given))
const settings = (
  config?: object,
  given: object = {},
  environment: Record<string, string> = {},
): ReturnType<typeof runSettings> =>
  runSettings(givenOptions(flags(given), environment), config, 'config.ts')
const refused = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UsageError)
  assert.equal(error.code, 'INVALID_OPTION')
  assert.match(error.message, pattern)
  return true
}

describe('options of tsmilter run', () => {
  it('have the defaults of the library', () => {
    const { onError, overload, maxMemory, ...others } = settings()
    const { progressInterval, maxEdits, maxFrameSize, maxPending, dataSize, ...rest } = others
    const filter = filterSettings()
    assert.deepEqual(
      { progressInterval, maxEdits, maxFrameSize, maxPending, dataSize },
      {
        progressInterval: filter.progressInterval,
        maxEdits: filter.maxEdits,
        maxFrameSize: filter.maxFrameSize,
        maxPending: filter.maxPending,
        dataSize: filter.dataSize,
      },
    )
    assert.equal(filterSettings({ onError }).onError, filter.onError)
    assert.equal(overload, filter.overload.answer)
    assert.equal(maxMemory, filter.memory.limit)
    const { backlog, maxConnections, timeouts } = serverSettings({})
    assert.deepEqual(rest, {
      workers: 1,
      backlog,
      maxConnections,
      timeouts,
      stop: { delay: 0, deadline: 30_000, quiet: 2_000 },
      reload: { deadline: 600_000 },
      startTimeout: 30_000,
      hangTimeout: 30_000,
    })
  })

  it('are taken from the command line, the environment, the configuration, in this order', () => {
    const config = defineConfig({ filters, maxEdits: 1, workers: 3, stop: { deadline: '1m' } })
    const variables = { TSMILTER_MAX_EDITS: '2', TSMILTER_STOP_DEADLINE: '' }
    const found = settings(config, { maxEdits: '3' }, variables)
    assert.deepEqual(
      [found.maxEdits, found.workers, found.stop],
      [3, 3, { delay: 0, deadline: 60_000, quiet: 2_000 }],
    )
    assert.equal(settings(config, {}, variables).maxEdits, 2)
    assert.equal(settings(config).maxEdits, 1)
  })

  const taken: readonly (readonly [string, unknown, unknown])[] = [
    ['listen', ['unix:a', 'inet:1@127.0.0.1'], ['unix:a', 'inet:1@127.0.0.1']],
    ['listen', 'unix:a b', ['unix:a b']],
    ['unixSocket.mode', '0660', 0o660],
    ['unixSocket.mode', 0o600, 0o600],
    ['unixSocket.group', 'postfix', 'postfix'],
    ['unixSocket.owner', 12, 12],
    ['allow', ['192.0.2.0/24', '::1'], ['192.0.2.0/24', '::1']],
    ['allow', '127.0.0.1', ['127.0.0.1']],
    ['proxies', ['10.0.0.0/8', 'unix'], ['10.0.0.0/8', 'unix']],
    ['tls.cert', 'cert.pem', 'cert.pem'],
    ['timeouts.idle', '1.5s', 1_500],
    ['timeouts.idle', '20', 20],
    ['timeouts.idle', '2 h', 7_200_000],
    ['progressInterval', 0, 0],
    ['deadlines', '1m', 60_000],
    ['deadlines', { eom: '2m', header: 5 }, { eom: 120_000, header: 5 }],
    ['onError', 'accept', 'accept'],
    ['overload', 'accept', 'accept'],
    ['maxMemory', '64M', 67_108_864],
    ['maxMemory', '1048576', 1_048_576],
    ['maxPending', '1k', 1_024],
    ['maxFrameSize', 65_536, 65_536],
    ['limits.bodySize', '2G', 2_147_483_648],
    ['limits.headers', '7', 7],
    ['limits.temporaryDirectory', '/var/tmp', '/var/tmp'],
    ['actions', 'ADDHDRS,chgbody', 3],
    ['actions', ['ADDHDRS', 'CHGFROM'], 0x41],
    ['actions', 'all', 0x1ff],
    ['actions', [], 0],
    ['requiredActions', 0x11, 0x11],
    ['requiredActions', 'none', 0],
    ['dataSize', '256k', 262_143],
    ['dataSize', 1_048_575, 1_048_575],
    ['dataSize', '65535', 65_535],
  ]
  for (const [name, value, meant] of taken) {
    it(`${name}: ${JSON.stringify(value)}`, () => {
      const found = settings(undefined, { [name]: value })
      let at: unknown = found
      for (const key of name.split('.')) at = (at as Record<string, unknown>)[key]
      assert.deepEqual(at, meant)
    })
  }

  it('lists are separated by spaces in the environment', () => {
    const found = settings(undefined, {}, { TSMILTER_ALLOW: ' 192.0.2.1  ::1 ' })
    assert.deepEqual(found.allow, ['192.0.2.1', '::1'])
    assert.deepEqual(settings({ filters, logContent: 'To' }).logContent, ['To'])
    assert.deepEqual(settings(undefined, {}, { TSMILTER_PROXIES: 'unix' }).proxies, ['unix'])
  })

  it('tls is never left out by mistake', () => {
    const unset: Record<string, string | undefined> = {}
    assert.deepEqual(
      settings({ filters, tls: { cert: unset['CERT'], key: unset['KEY'] } }).tls,
      {},
    )
    assert.equal(settings({ filters, tls: undefined }).tls, undefined)
    assert.equal(settings({ filters }).tls, undefined)
  })

  it('auto is a worker for each CPU', () => {
    assert.ok(settings({ filters, workers: 'auto' }).workers >= 1)
  })

  it('names the key, what it takes, and where it was given', () => {
    const cases: readonly (readonly [object, RegExp])[] = [
      [
        { workers: 'many' },
        /^the option workers of config\.ts: it takes a whole number from 1 to 1024, or auto .*; it got "many"$/,
      ],
      [{ workers: 0 }, /workers.*it got 0$/],
      [
        { worker: 2 },
        /^the option worker of config\.ts: there is no such option; did you mean workers\? The options are: filters, logger, listen, workers/,
      ],
      [
        { limits: { header: 2 } },
        /there is no such option; did you mean limits\.headers\? The options are: limits\./,
      ],
      [{ listen: 'inet:127.0.0.1:8890' }, /listen.*'inet:8890@127\.0\.0\.1'/],
      [{ listen: [] }, /listen.*more than once/],
      [
        { stop: { deadlin: 1 } },
        /stop\.deadlin of config\.ts: there is no such option; did you mean stop\.deadline\? The options are: stop\.delay, stop\.deadline, stop\.quiet/,
      ],
      [
        { stop: 5 },
        /^the option stop of config\.ts: it takes an object with delay, deadline, quiet; it got 5$/,
      ],
      [{ timeouts: { idle: '1 week' } }, /timeouts\.idle .* at most 596h; it got "1 week"$/],
      [{ timeouts: { idle: 0 } }, /timeouts\.idle/],
      [{ hangTimeout: '1000h' }, /hangTimeout/],
      [{ unixSocket: { mode: '0999' } }, /octal digits, such as 0660; it got "0999"$/],
      [{ deadlines: { eoom: 5 } }, /deadlines/],
      [{ overload: 'reject' }, /tempfail or accept; it got "reject"$/],
      [{ maxMemory: '1K' }, /bytes \(1M or more\), or a size such as 64K.*; it got "1K"$/],
      [{ maxMemory: '1 MiB' }, /it got "1 MiB"$/],
      [{ limits: { body: 1 } }, /limits\.body of config\.ts: there is no such option/],
      [{ limits: { bodySize: '-1' } }, /limits\.bodySize/],
      [{ actions: 'ADDHDRS,SING' }, /actions .*some of ADDHDRS, .*; it got "ADDHDRS,SING"$/],
      [{ actions: 0x200 }, /actions/],
      [{ actions: ['constructor'] }, /actions/],
      [{ dataSize: '128K' }, /64K, 256K or 1M; it got "128K"$/],
      [{ dataSize: 65_536 }, /dataSize/],
      [
        { allow: ['127.0.0.1', 'localhost'] },
        /^the option allow of config\.ts: it takes IP addresses and networks, such as .*; it got "localhost"$/,
      ],
      [
        { logContent: ['To:'] },
        /logContent.*takes recipients, or the name of a header.*'To:' \]$/,
      ],
      [{ allow: ['unix'] }, /allow.*it got "unix"$/],
      [{ allow: [] }, /allow.*it got \[\]$/],
      [{ proxies: ['10.0.0.0/33'] }, /proxies.*or unix for unix sockets.*"10\.0\.0\.0\/33"$/],
      [{ tls: { ca: 5 } }, /tls\.ca.*the path of a file; it got 5$/],
      [{ tls: { certificate: 'a' } }, /The options are: tls\.cert, tls\.key, tls\.ca$/],
      [{ onError: 'discard' }, /tempfail, reject, continue or accept; it got "discard"$/],
      [{ user: 'filter' }, /before the configuration is loaded; use --user or TSMILTER_USER$/],
    ]
    for (const [config, reason] of cases) {
      assert.throws(() => settings({ filters, ...config }), refused(reason))
    }
    assert.throws(
      () => settings(undefined, { maxEdits: '-1' }),
      refused(/^the option maxEdits of the command line \(--max-edits\): .*"-1"$/),
    )
    assert.throws(
      () => settings(undefined, {}, { TSMILTER_MAX_EDITS: 'x' }),
      refused(/^the option maxEdits of the environment \(TSMILTER_MAX_EDITS\): .*"x"$/),
    )
    // Also where something else goes before it.
    assert.throws(
      () => settings({ filters, maxEdits: 'x' }, { maxEdits: '1' }),
      refused(/config/),
    )
  })

  it('whatever a configuration holds is taken or refused, and nothing else happens', () => {
    const value = fc.oneof(
      fc.string(),
      fc.double(),
      fc.constantFrom(null, undefined, true, [], {}, [1], () => 1, 7n),
    )
    const config = fc.dictionary(
      fc.constantFrom(...new Set(OPTIONS.map(({ name }) => name.split('.')[0]!))),
      fc.oneof(value, fc.dictionary(fc.constantFrom('mode', 'idle', 'deadline', 'eom'), value)),
    )
    fc.assert(
      fc.property(config, (given) => {
        try {
          settings(given)
        } catch (error) {
          assert.ok(error instanceof UsageError, String(error))
        }
      }),
    )
  })

  it('sizes can be read as they are written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1_048_576, max: 2 ** 40 }), (size) => {
        assert.equal(settings(undefined, { maxMemory: sizeText(size) }).maxMemory, size)
      }),
    )
    assert.deepEqual([0, 1_023, 1_024, 1_536, 2 ** 30].map(sizeText), [
      '0',
      '1023',
      '1K',
      '1536',
      '1G',
    ])
  })

  it('times can be read as they are written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_147_483_647 }), (time) => {
        const found = settings(undefined, { hangTimeout: durationText(time) })
        assert.equal(found.hangTimeout, time)
      }),
    )
  })

  it('of the process are not of a configuration', () => {
    const given = givenOptions(flags({ pidFile: 'a', user: 'nobody' }), { TSMILTER_GROUP: '5' })
    assert.deepEqual(processSettings(given), { pidFile: 'a', user: 'nobody', group: '5' })
  })

  it('are typed', () => {
    const config: Config = defineConfig({ filters, workers: 'auto' })
    assert.equal(config.workers, 'auto')
    defineConfig({
      filters,
      maxMemory: '64M',
      overload: 'accept',
      limits: { bodySize: '10M', headers: 100, temporaryDirectory: '/var/tmp' },
      actions: ['ADDHDRS', 'CHGBODY'],
      requiredActions: 1,
      dataSize: '256K',
    })
    // @ts-expect-error: there is no such action
    defineConfig({ filters, actions: ['SING'] })
    // @ts-expect-error: a refusal would lose mail
    defineConfig({ filters, overload: 'reject' })
    // @ts-expect-error: there is no such limit
    defineConfig({ filters, limits: { body: 1 } })
    // @ts-expect-error: it is workers
    defineConfig({ filters, worker: 2 })
    // @ts-expect-error: there has to be one
    defineConfig({ workers: 2 })
  })

  it('are in the documentation as they are in the code', () => {
    const code = (text: string): string => (text === '' ? '' : `\`${text}\``)
    const rows = OPTIONS.map((row) =>
      [
        code(flagOf(row)),
        code(variableOf(row)),
        code(row.name),
        row.kind.takesText,
        defaultText(row),
        row.text,
      ].join(' | '),
    )
    const page = readFileSync(sourcePath('docs', 'running.md'), 'utf8')
    const found = page
      .split('\n')
      .filter((line) => line.startsWith('| `--'))
      .map((line) =>
        line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim())
          .join(' | '),
      )
    assert.deepEqual(found, rows)
  })
})

describe('variables of the environment', () => {
  const unknown = (...names: string[]): (string | undefined)[] =>
    unknownVariables(Object.fromEntries(names.map((name) => [name, 'x']))).map(
      ({ meant }) => meant,
    )

  it('that are read by somebody are known', () => {
    assert.deepEqual(unknown(...OPTIONS.map(variableOf), 'TSMILTER_READS', 'PATH'), [])
  })

  it('that nobody reads are named, with what was meant', () => {
    for (const [name, meant] of [
      ['TSMILTER_MAX_CONNECTION', 'TSMILTER_MAX_CONNECTIONS'],
      ['TSMILTER_TIMEOUT_IDLE', 'TSMILTER_TIMEOUTS_IDLE'],
      ['TSMILTER_ONERROR', 'TSMILTER_ON_ERROR'],
      ['TSMILTER_WORKER', 'TSMILTER_WORKERS'],
      ['TSMILTER_LISTEN_', 'TSMILTER_LISTEN'],
      ['TSMILTER_READ', 'TSMILTER_READS'],
      ['TSMILTER_DATABASE', undefined],
      ['TSMILTER_X', undefined],
      ['TSMILTER_', undefined],
    ] as const) {
      assert.deepEqual(unknown(name), [meant], name)
    }
    assert.deepEqual(unknownVariables({ TSMILTER_WORKRES: '2' }), [
      { variable: 'TSMILTER_WORKRES', meant: 'TSMILTER_WORKERS' },
    ])
  })
})
