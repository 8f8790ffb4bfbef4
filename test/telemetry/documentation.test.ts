import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { collectMetrics } from '../../src/telemetry/metrics.ts'
import { deliver } from '../../src/testing/deliver.ts'
import { atEnd } from '../support/resources.ts'

const page = ((): string => {
  for (let at = import.meta.dirname; ; at = dirname(at)) {
    const file = join(at, 'docs/telemetry.md')
    if (existsSync(file)) return readFileSync(file, 'utf8')
  }
})()

describe('docs/telemetry.md', () => {
  it('shows a listener that works', async () => {
    const [, code] = /<!-- run by .*-->\n\n```js\n([^]*?)```/.exec(page)!
    const library = pathToFileURL(
      join(import.meta.dirname, '../../src/telemetry/index.js'),
    ).href
    const directory = mkdtempSync(join(tmpdir(), 'tsmilter-'))
    atEnd(() => rmSync(directory, { recursive: true }))
    const file = join(directory, 'listener.mjs')
    writeFileSync(file, code!.replace("'tsmilter/telemetry'", JSON.stringify(library)))
    const { watchSlow } = (await import(pathToFileURL(file).href)) as {
      watchSlow: (limit: number, alarm: (event: object) => void) => () => void
    }
    const heard: object[] = []
    const stop = watchSlow(-1, (event) => heard.push(event))
    const never = watchSlow(3_600_000, (event) => heard.push(event))
    await deliver(() => ({ eom: () => {} }))
    stop()
    never()
    await deliver(() => ({ eom: () => {} }))
    assert.equal(heard.length, 1)
    assert.deepEqual(Object.keys(heard[0]!), ['queueId', 'milliseconds', 'handlerMilliseconds'])
  })

  it('names each metric', async () => {
    const metrics = await collectMetrics({ memory: () => ({ used: 0, limit: 0 }) })
    atEnd(() => metrics.close())
    const text = (await metrics.text()).matchAll(/^# TYPE (\w+) /gm)
    for (const [, name] of text) {
      const short = name!.replace('tsmilter_sent_bytes_total', '..._sent_')
      assert.ok(page.includes(`\`${short}\``), name)
    }
  })

  it('names each channel of the types', () => {
    const source = readFileSync(
      join(import.meta.dirname, '../../../src/diagnostics/channels.ts'),
      'utf8',
    )
    const names = [...source.matchAll(/^ {2}'(tsmilter:[\w:]+)':/gm)].map(([, name]) => name)
    assert.ok(names.length > 5)
    for (const name of names) assert.ok(page.includes(`\`${name}\``), name)
  })
})
