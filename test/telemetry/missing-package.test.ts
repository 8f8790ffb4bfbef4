import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, it } from 'node:test'
import { sourcePath, temporaryDirectory } from '../conformance/support/program.ts'

const LINE =
  /the collection of metrics needs the package prom-client, which is not installed: npm install prom-client@15/

/** A project with the package as a plain install has it: its dependencies, and no others. */
function plainInstall(): string {
  const project = temporaryDirectory()
  const modules = join(project, 'node_modules')
  const own = join(modules, 'tsmilter')
  mkdirSync(own, { recursive: true })
  for (const name of ['bin', 'dist', 'package.json']) {
    cpSync(sourcePath(name), join(own, name), { recursive: true })
  }
  const { packages } = JSON.parse(readFileSync(sourcePath('package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  for (const [path, { dev }] of Object.entries(packages)) {
    // What is below one of these comes with it.
    if (dev === true || !/^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path)) continue
    mkdirSync(dirname(join(project, path)), { recursive: true })
    symlinkSync(sourcePath(path), join(project, path))
  }
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(project, 'filter.js'),
    "import { defineFilter } from 'tsmilter'\nexport default defineFilter({ name: 'nothing', message() {} })\n",
  )
  return project
}

describe('a plain install', () => {
  let project: string
  beforeEach(() => {
    project = plainInstall()
  })
  const run = (...args: string[]) =>
    spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8', timeout: 60_000 })
  const command = 'node_modules/tsmilter/bin/tsmilter.js'

  it('says how to get what metrics need', () => {
    const program = `
      import { collectMetrics, createLogger } from 'tsmilter/telemetry'
      await createLogger()
      await collectMetrics().catch((error) => console.log(error.name, error.code, error.message))`
    const { stdout, stderr } = run('--input-type=module', '-e', program)
    assert.equal(stderr, '')
    assert.match(stdout, /^UsageError MISSING_PACKAGE /)
    assert.match(stdout, LINE)
  })

  it('says how to get what authenticate needs', () => {
    const program = `
      import { authenticate } from 'tsmilter/filters'
      try { authenticate() } catch (error) { console.log(error.name, error.code, error.message) }`
    const { stdout, stderr } = run('--input-type=module', '-e', program)
    assert.equal(stderr, '')
    assert.equal(
      stdout,
      'UsageError MISSING_PACKAGE authenticate needs the package mailauth, which is not installed: npm install mailauth@7.1.0\n',
    )
  })

  it('ends at the start where the command is asked for metrics', () => {
    const { status, stdout, stderr } = run(
      command,
      'run',
      'filter.js',
      '--listen',
      'inet:0@127.0.0.1',
      '--telemetry',
      '127.0.0.1:0',
    )
    assert.equal(status, 2, stdout + stderr)
    assert.match(stderr, LINE)
    assert.doesNotMatch(stdout, /"msg":"ready"/)
  })
})
