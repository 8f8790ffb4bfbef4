import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ERROR_CODES } from '../src/errors.ts'
import { OPTIONAL_PACKAGES } from '../src/optional-package.ts'

const root = ((): string => {
  for (let path = import.meta.dirname; ; path = dirname(path)) {
    if (existsSync(join(path, 'package.json'))) return path
  }
})()
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** From the ground up; a floor may import only from those before it, and from itself. */
const FLOORS = [
  'node-version.ts',
  'errors.ts',
  'optional-package.ts',
  'protocol',
  'net',
  'options',
  'session',
  'diagnostics',
  'milter',
  'mime',
  'message',
  'server',
  'mta',
  'testing',
  'store',
  'toolkit',
  'filters',
  'telemetry',
  'inspector',
  'cli',
  'index.ts',
]
/** The floors that import nothing but Node and each other. */
const CORE = new Set([
  'node-version.ts',
  'errors.ts',
  'optional-package.ts',
  'protocol',
  'net',
  'options',
  'session',
  'diagnostics',
  'milter',
  'message',
  'server',
  'mta',
  'testing',
  'index.ts',
])

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
  (path) => path.endsWith('.ts'),
)
const importsOf = (path: string): string[] =>
  [
    ...read(join('src', path)).matchAll(
      /^(?:import|export)\b[^'"]*?\bfrom '([^']+)'|\bimport\('([^']+)'\)/gms,
    ),
  ].map((match) => (match[1] ?? match[2])!)
/** The sources that one imports, by their paths below src. */
const targetsOf = (path: string): string[] =>
  importsOf(path)
    .filter((imported) => imported.startsWith('.'))
    .map((imported) => relative(join(root, 'src'), join(root, 'src', dirname(path), imported)))
/** Files in a folder. */
const MAX_FILES = 24
/** Files that import one. */
const MAX_IMPORTERS = 30
/** What everything stands on. */
const GROUND = new Set([
  'errors.ts',
  'protocol/constants.ts',
  'protocol/text.ts',
  // What each filter gets, and what it answers.
  'message/mail.ts',
  // Written from the options of all filters.
  'filters/types.ts',
  'session/verdict.ts',
])
const floorOf = (path: string): string => path.split('/')[0]!

describe('the house', () => {
  it('has only floors of the design', () => {
    for (const path of sources) assert.ok(FLOORS.includes(floorOf(path)), path)
  })

  for (const path of sources) {
    it(`${path} imports from its own floor and below`, () => {
      const own = FLOORS.indexOf(floorOf(path))
      for (const imported of importsOf(path)) {
        if (!imported.startsWith('.')) {
          assert.ok(
            !CORE.has(floorOf(path)) || imported.startsWith('node:'),
            `${imported} in the core`,
          )
          continue
        }
        assert.match(imported, /\.ts$/)
        const target = relative(join(root, 'src'), join(root, 'src', dirname(path), imported))
        assert.ok(FLOORS.indexOf(floorOf(target)) <= own, `${target} is above ${path}`)
      }
    })
  }

  it('no file imports its importer, directly or through others, types included', () => {
    const open = new Set<string>()
    const done = new Set<string>()
    const visit = (path: string): void => {
      if (done.has(path)) return
      assert.ok(!open.has(path), `a circle: ${[...open, path].join(' -> ')}`)
      open.add(path)
      for (const target of targetsOf(path)) visit(target)
      open.delete(path)
      done.add(path)
    }
    for (const path of sources) visit(path)
  })

  it('a folder has as many files as one can keep in mind', () => {
    const folders = new Map<string, number>()
    for (const path of sources)
      folders.set(dirname(path), (folders.get(dirname(path)) ?? 0) + 1)
    for (const [folder, files] of folders) {
      assert.ok(files <= MAX_FILES, `${folder} has ${files} files: it wants to be two folders`)
    }
  })

  it('what many files import says one thing', () => {
    const importers = new Map<string, number>()
    for (const path of sources) {
      // Options of a filter are a table of kinds; there is one for each filter.
      if (path.endsWith('-options.ts')) continue
      for (const target of new Set(targetsOf(path))) {
        importers.set(target, (importers.get(target) ?? 0) + 1)
      }
    }
    for (const [path, count] of importers) {
      assert.ok(
        count <= MAX_IMPORTERS || GROUND.has(path),
        `${path} has ${count} importers: it wants to be two files`,
      )
    }
  })

  it('what a file is about stands above its imports', () => {
    for (const path of sources) {
      assert.doesNotMatch(
        read(join('src', path)),
        /^import [^]*?\n\/\*\*(?:(?!\*\/)[^])*\*\/\n\n/m,
        `${path} has a docblock of its own below its imports`,
      )
    }
  })
})

describe('the package', () => {
  const manifest = JSON.parse(read('package.json')) as {
    dependencies?: object
    peerDependencies: Record<string, string>
    peerDependenciesMeta: Record<string, { optional?: boolean }>
    exports: Record<string, { default: string; types: string } | string>
  }

  it('loads nothing but Node when it is imported', () => {
    // Run from a copy without node_modules: whatever else was imported could not be found.
    const copy = mkdtempSync(join(tmpdir(), 'tsmilter-'))
    try {
      cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true })
      cpSync(join(root, 'package.json'), join(copy, 'package.json'))
      const script =
        "for (const path of ['', '/protocol', '/mime', '/mta', '/testing', '/telemetry', '/store', '/toolkit']) await import('tsmilter' + path)"
      const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        cwd: copy,
        encoding: 'utf8',
      })
      assert.equal(result.stderr, '')
      assert.equal(result.status, 0)
    } finally {
      rmSync(copy, { recursive: true })
    }
    // Of the command; and loaded when they are needed: charsets, archives, types of content, HTML,
    // logs, TypeScript, the configuration in a text file.
    assert.deepEqual(Object.keys(manifest.dependencies ?? {}).sort(), [
      'commander',
      'file-type',
      'iconv-lite',
      'jiti',
      'parse5-html-rewriting-stream',
      'pino',
      'yaml',
      'yauzl',
    ])
    // What only some need, and miss at the start: docs/decisions/packages.md.
    assert.deepEqual(
      Object.entries(manifest.peerDependencies).map(([name, range]) => [
        name,
        /^\^(\d+)\./.exec(range)?.[1] ?? range,
      ]),
      Object.entries(OPTIONAL_PACKAGES),
    )
    for (const name of Object.keys(OPTIONAL_PACKAGES)) {
      assert.equal(manifest.peerDependenciesMeta[name]?.optional, true, name)
    }
  })

  it('has built files behind every export', () => {
    for (const target of Object.values(manifest.exports)) {
      const files = typeof target === 'string' ? [target] : [target.default, target.types]
      for (const file of files) assert.ok(existsSync(join(root, file)), file)
    }
  })

  const exported = async (path: string): Promise<string[]> =>
    Object.keys((await import(pathToFileURL(join(root, 'dist', path)).href)) as object).sort()

  it('exports an explicit list of names', async () => {
    assert.deepEqual(await exported('mime/index.js'), [
      'DANGEROUS_EXTENSIONS',
      'FINDING_REASONS',
      'HTML_EXTENSIONS',
      'MIME_PROBLEMS',
      'MimeMessage',
      'MimePart',
      'NAME_DANGERS',
      'PROGRAM_KINDS',
      'PYMILTER_EXTENSIONS',
      'ZIP_LIMITS',
      'ZIP_PROBLEMS',
      'addFooter',
      'checkAttachments',
      'dangerousName',
      'defang',
      'defaultNotice',
      'detectType',
      'insertHtml',
      'parseMime',
      'placeFooter',
      'rewriteHtmlPart',
      'rewriteLinks',
      'sanitizeHtml',
      'zipEntries',
    ])
    assert.deepEqual(await exported('mta/index.js'), [
      'Field',
      'MtaClient',
      'Trace',
      'describeMessage',
      'formatFields',
      'formatForPostfix',
      'formatListenAddress',
      'mailServerModel',
      'parseListenAddress',
      'parseMessage',
    ])
    assert.deepEqual(await exported('telemetry/index.js'), [
      'askForContent',
      'collectMetrics',
      'createLogger',
      'logMessages',
      'mergeMetrics',
      'observe',
      'serveTelemetry',
    ])
    assert.deepEqual(await exported('testing/index.js'), [
      'MtaClient',
      'TestSession',
      'deliver',
      'difference',
      'openSession',
    ])
    assert.deepEqual(await exported('index.js'), [
      'ACCEPT',
      'Base',
      'CONTINUE',
      'DISCARD',
      'ERROR_CODES',
      'InterruptedError',
      'ListenError',
      'Milter',
      'MilterError',
      'ProtocolError',
      'REJECT',
      'SKIP',
      'TEMPFAIL',
      'UsageError',
      'borrowed',
      'compose',
      'decode',
      'defineConfig',
      'defineFilter',
      'envelopeAddress',
      'esmtpParameters',
      'headerLeadingSpace',
      'isMain',
      'noCallback',
      'noReply',
      'rejectedRecipients',
      'reply',
      'runMilter',
      'serve',
      'shadow',
      'silentLogger',
      'symlist',
      'textLogger',
      'withEnvelope',
    ])
  })
})

describe('the documentation', () => {
  const pages = [
    'README.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'bench/README.md',
    ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map(
      (name) => `docs/${name}`,
    ),
  ].filter((name) => name.endsWith('.md'))

  it('has an entry for every error code, and none for others', () => {
    const entries = [...read('docs/errors.md').matchAll(/^### ([A-Z_]+)$/gm)].map(
      (match) => match[1],
    )
    assert.deepEqual(entries.sort(), Object.keys(ERROR_CODES).sort())
  })

  it('has no error code that nothing uses', () => {
    const used = sources
      .filter((path) => path !== 'errors.ts')
      .map((path) => read(join('src', path)))
    for (const code of Object.keys(ERROR_CODES)) {
      assert.ok(
        used.some((text) => text.includes(`'${code}'`)),
        code,
      )
    }
  })

  it('has links that lead somewhere', () => {
    for (const page of pages) {
      for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
        assert.ok(existsSync(join(root, dirname(page), target!)), `${page} links to ${target}`)
      }
    }
  })

  it('has links that lead somewhere in the published package', () => {
    const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
    })
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
    const published = new Set(files.map(({ path }) => path))
    for (const page of pages.filter((name) => published.has(name))) {
      for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
        const path = join(dirname(page), target!)
        assert.ok(
          published.has(path) || [...published].some((file) => file.startsWith(`${path}/`)),
          `${page} links to ${target}, which is not published`,
        )
      }
    }
  })

  // Code that is an example has the path of it in a comment above.
  const shown = pages.flatMap((page) =>
    [...read(page).matchAll(/<!-- (examples\/\S+) -->\n\n```ts\n([^]*?)```/g)].map(
      ([, example, code]) => ({ page, example: example!, code: code! }),
    ),
  )
  for (const { page, example, code } of shown) {
    it(`shows ${example} in ${page} as it is`, () => {
      assert.equal(code.trim(), read(example).trim())
    })
  }

  it('shows examples', () => {
    assert.deepEqual([...new Set(shown.map(({ page }) => page))].sort(), [
      'README.md',
      'docs/messages.md',
      'docs/mime.md',
      'docs/telemetry.md',
      'docs/testing.md',
      'docs/toolkit.md',
    ])
  })
})

describe('the examples', () => {
  const examples = readdirSync(join(root, 'examples')).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== 'demo.ts',
  )
  for (const example of examples) {
    it(`${example} is short, and has a test`, () => {
      assert.ok(read(join('examples', example)).trimEnd().split('\n').length < 40)
      assert.ok(existsSync(join(root, 'examples', example.replace(/ts$/, 'test.ts'))))
    })
  }

  for (const [page, script] of [
    ['docs/conformance.md has what was recorded', 'scripts/conformance-table.js'],
    ['docs/signatures.md has what the sources have', 'scripts/signatures.js'],
    ['types, schema and tables of options are as the table has them', 'scripts/options.js'],
  ] as const) {
    it(page, () => {
      const { status, stderr } = spawnSync(process.execPath, [join(root, script), '--check'], {
        encoding: 'utf8',
      })
      assert.equal(status, 0, stderr)
    })
  }
})
