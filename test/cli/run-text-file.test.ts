import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { sourcePath } from '../conformance/support/program.ts'
import { field, launch, project, send, start } from './support/command.ts'

const TAG = `import { defineFilter } from 'tsmilter'
export default ({ tag }) => defineFilter({
  name: 'tag',
  message(mail) { mail.headers.append('X-Tag', tag) },
})
`
const config = (tag: string, more = ''): string =>
  `listen: inet:0@127.0.0.1\n${more}filters:\n  - use: ./tag.js\n    options: {tag: ${tag}}\n`
const files = (text: string): Record<string, string> => ({
  'package.json': '{"type":"module"}',
  'tag.js': TAG,
  'tsmilter.yaml': text,
})

describe('tsmilter run with a text file', () => {
  it('runs its filters, with its options', async () => {
    const folder = project(files(config('one', 'workers: 2\npidFile: run.pid\n')))
    await using running = await start(['tsmilter.yaml'], folder)
    assert.equal(field(await send(running.address), 'X-Tag'), 'one')
    assert.match(running.said, /ready .*workers=2/)
    assert.equal(await running.stop(), 0)
  })

  it('says all mistakes at once, and does not start', async () => {
    const folder = project(files('workers: many\nlogLevel: loud\nfilters:\n  - tag: x\n'))
    const running = launch(['tsmilter.yaml'], folder)
    assert.equal(await running.ended, 2)
    assert.deepEqual(
      running.said
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ', 1)[0]),
      ['tsmilter.yaml:1:10:', 'tsmilter.yaml:2:11:', 'tsmilter.yaml:4:5:'],
    )
  })

  it('says what a worker finds in the code of filters', async () => {
    const folder = project({ ...files(config('one')), 'tag.js': 'export default 5\n' })
    const running = launch(['tsmilter.yaml'], folder)
    assert.equal(await running.ended, 2)
    assert.match(
      running.said,
      /^tsmilter\.yaml:3:5: \.\/tag\.js cannot be made: its default export is of type number/m,
    )
  })

  it('keeps the old version if the new one has mistakes, and takes over when they are mended', async () => {
    const folder = project(files(config('one')))
    const path = join(folder, 'tsmilter.yaml')
    await using running = await start(['tsmilter.yaml'], folder)
    const { address } = running
    writeFileSync(path, config('two', 'workers: many\nonErrer: reject\n'))
    running.signal('SIGHUP')
    await running.says(/the old one goes on: tsmilter\.yaml:2:10: workers takes/)
    await running.says(
      /the old one goes on: tsmilter\.yaml:3:1: onErrer is not an option; did you mean onError/,
    )
    assert.equal(field(await send(address), 'X-Tag'), 'one')
    writeFileSync(path, config('two'))
    running.signal('SIGHUP')
    await running.says(/INFO  reloaded/)
    assert.equal(field(await send(running.address), 'X-Tag'), 'two')
  })

  it('keeps the old version if mail would suffer from the new one', async () => {
    const folder = project(files(config('one')))
    const path = join(folder, 'tsmilter.yaml')
    await using running = await start(['tsmilter.yaml'], folder)
    // Nobody listens at this port, so the store does not answer.
    const limit =
      '  - rateLimit: {client: {messages: 5/h}, store: {redis: "redis://127.0.0.1:1"}}\n'
    writeFileSync(path, `${config('two')}${limit}`)
    running.signal('SIGHUP')
    await running.says(
      /the old one goes on: tsmilter\.yaml:5: rateLimit: the store does not answer/,
    )
    assert.equal(field(await send(running.address), 'X-Tag'), 'one')
    assert.equal(await running.stop(), 0)
  })

  it('begins its log with its version', async () => {
    const folder = project(files(config('one')))
    await using running = await start(['tsmilter.yaml'], folder)
    const { version } = JSON.parse(readFileSync(sourcePath('package.json'), 'utf8')) as {
      version: string
    }
    assert.match(
      running.said.split('\n')[0]!,
      new RegExp(`INFO {2}ready .*version=${version} node=v`),
    )
    running.signal('SIGHUP')
    await running.says(/INFO {2}reloaded/)
    assert.doesNotMatch(running.said, /restart it/)
  })

  it('says which options need a restart', async () => {
    const folder = project(files(config('one')))
    await using running = await start(['tsmilter.yaml'], folder)
    writeFileSync(join(folder, 'tsmilter.yaml'), config('one', 'logLevel: error\n'))
    running.signal('SIGHUP')
    await running.says(
      /the option logLevel of tsmilter\.yaml has changed, which has no effect before a restart/,
    )
  })

  it('is alone', async () => {
    const folder = project(files(config('one')))
    const running = launch(['tsmilter.yaml', 'tag.js'], folder)
    assert.equal(await running.ended, 2)
    assert.match(running.said, /tsmilter\.yaml is a configuration; give it alone/)
  })
})
