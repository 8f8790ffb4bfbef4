import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  available,
  run,
  sourcePath,
  startFilter,
  temporaryDirectory,
} from './support/program.ts'

interface Report {
  readonly messages: number
  readonly edits: number
  readonly verdicts: Readonly<Record<string, number>>
}

/** The load generator of bench/, which fails at every answer it does not expect. */
function buildLoad(program: string): void {
  const source = (name: string): string => sourcePath('bench', 'load', name)
  const sources = ['load.c', 'script.c', 'check.c'].map(source)
  run('gcc', ['-O1', '-std=gnu11', '-Wall', '-Wextra', '-Werror', '-o', program, ...sources])
}

const WORKLOADS: readonly (readonly [workload: string, ...options: string[]])[] = [
  ['noop'],
  ['addheader'],
  ['addheader-nr'],
  ['body'],
  // Three pieces, and none.
  ['body', '--body', '150000'],
  ['body', '--body', '0', '--headers', '0'],
  ['noop', '--recipients', '30'],
]
const MESSAGES = 50

describe('the benchmark gets right answers', () => {
  if (!available('gcc', ['--version'], 'gcc')) return
  // For all tests of this file, so it is not given back after the first.
  const programs = mkdtempSync(join(tmpdir(), 'tsmilter-'))
  const load = join(programs, 'load')
  before(() => buildLoad(load))
  after(() => rmSync(programs, { recursive: true }))

  for (const level of ['events', 'objects', 'messages']) {
    for (const [workload, ...options] of WORKLOADS) {
      // Whole messages have nothing to mark: what gets no answer is worked out.
      if (level === 'messages' && workload === 'addheader-nr') continue
      it(`${level}: ${[workload, ...options].join(' ')}`, async () => {
        const directory = temporaryDirectory()
        const socket = join(directory, 'filter.sock')
        const server = sourcePath('bench', 'servers', `${level}.js`)
        await startFilter(process.execPath, [server, `unix:${socket}`, workload], socket)
        for (const how of [[], ['--like-postfix']]) {
          const args = ['--workload', workload, '--messages', `${MESSAGES}`, '--timeout', '10']
          const usage = ['--connections', '4', '--per-connection', '3']
          const said = run(load, [...args, ...usage, ...options, ...how, `unix:${socket}`])
          const report = JSON.parse(said) as Report
          assert.equal(report.messages, MESSAGES)
        }
      })
    }
  }

  for (const edits of [1, 5, 20]) {
    it(`messages: ${edits} edits`, async () => {
      const directory = temporaryDirectory()
      const socket = join(directory, 'filter.sock')
      const server = sourcePath('bench', 'servers', 'messages.js')
      await startFilter(
        process.execPath,
        [server, `unix:${socket}`, 'edits', `${edits}`],
        socket,
      )
      const args = ['--workload', 'edits', '--edits', `${edits}`, '--messages', `${MESSAGES}`]
      const report = JSON.parse(run(load, [...args, `unix:${socket}`])) as Report
      assert.equal(report.edits, edits)
    })
  }

  it('and would notice wrong ones', async () => {
    const directory = temporaryDirectory()
    const socket = join(directory, 'filter.sock')
    const server = sourcePath('bench', 'servers', 'events.js')
    await startFilter(process.execPath, [server, `unix:${socket}`, 'addheader'], socket)
    const play = (workload: string): string =>
      run(load, ['--workload', workload, '--messages', '1', `unix:${socket}`])
    assert.throws(() => play('noop'), /X-Bench: yes was added/)
    assert.throws(() => play('body'), /X-Bench: yes was added/)
    assert.deepEqual((JSON.parse(play('any')) as Report).verdicts, { accept: 1 })
  })

  it('and holds idle connections until its input ends', async () => {
    const directory = temporaryDirectory()
    const socket = join(directory, 'filter.sock')
    const server = sourcePath('bench', 'servers', 'objects.js')
    await startFilter(process.execPath, [server, `unix:${socket}`, 'noop'], socket)
    // Its standard input is closed from the beginning.
    const said = run(load, [
      '--workload',
      'noop',
      '--hold',
      '--connections',
      '30',
      `unix:${socket}`,
    ])
    const lines = said.trim().split('\n')
    assert.deepEqual(JSON.parse(lines[0]!), { holding: 30 })
    assert.equal((JSON.parse(lines[1]!) as Report).messages, 30)
  })
})
