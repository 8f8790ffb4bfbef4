import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { readConfigFile } from '../../src/cli/config/config-file.ts'
import { closeStores } from '../../src/filters/store-option.ts'
import { READY_FILTERS } from '../../src/filters/registry.ts'
import { deliver } from '../../src/testing/index.ts'
import type { MessageFilter } from '../../src/index.ts'
import { sourcePath } from '../conformance/support/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'examples-'))
after(async () => {
  await closeStores()
  rmSync(folder, { recursive: true })
})

const PAGES = [
  'archive',
  'attachments',
  'bcc',
  'disclaimer',
  'dnsbl',
  'external-tag',
  'greylist',
  'header-rules',
  'quarantine',
  'rate-limit',
  'recipient-check',
  'rewrite',
  'sender-acl',
]

/** What stands in a file of an example. */
const contentOf = (path: string): string =>
  path.includes('whitelist')
    ? 'example.com\n'
    : path.includes('header_checks')
      ? '/^X-Bad:/ REJECT\n'
      : 'key value\n'

describe('the first example of the page', () => {
  for (const page of PAGES) {
    it(`${page} is a configuration that runs`, async () => {
      const text = readFileSync(sourcePath(`docs/ready-made/${page}.md`), 'utf8')
      const yaml = /```yaml\n([^]*?)```/.exec(text)![1]!
      const here = yaml.replaceAll(/\/(?:etc|var)(\/[\w./-]+)/g, (_, path: string) => {
        const file = join(folder, path)
        mkdirSync(dirname(file), { recursive: true })
        if (/\/(?:archive|quarantine)$/.test(path)) mkdirSync(file, { recursive: true })
        else if (!path.includes('/store')) writeFileSync(file, contentOf(path))
        return file
      })
      const file = join(folder, `${page}.yaml`)
      writeFileSync(file, here)
      const { filters, mistakes } = readConfigFile(file, {})
      assert.deepEqual(mistakes, [])
      assert.equal(filters.length, 1)
      const [entry] = filters
      const name = /- (\w+):/.exec(yaml)![1]!
      const make = await READY_FILTERS[name]!.load()
      const filter: MessageFilter = await make(entry!.options as never)
      // From the machine itself, so that nobody asks DNS.
      const outcome = await deliver(filter, {
        message: 'From: a@example.com\r\nTo: b@example.com\r\n\r\nHello\r\n',
        from: 'a@example.com',
        to: ['b@example.com'],
        client: { address: '127.0.0.1' },
      })
      assert.equal(outcome.verdict, 'accept')
      assert.deepEqual(outcome.errors, [])
    })
  }
})
