import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ConfigFileError } from '../../src/cli/config/config-file-error.ts'
import { loadConfigFile } from '../../src/cli/config/load-config.ts'
import { sourcePath } from '../conformance/support/program.ts'
import { fc } from '../support/property.ts'
import { MISTAKES } from './mistakes.ts'

const pem = String(
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
)

/** What stands beside the file. */
const FILES: Readonly<Record<string, string>> = {
  'package.json': '{"type":"module"}',
  'key.pem': pem,
  empty: '',
  'own.js':
    "import { defineFilter } from 'tsmilter'\nexport default defineFilter({ name: 'own', message() {} })\n",
  'events.js': 'export default () => ({ eom() {} })\n',
  'nothing.js': 'export const filter = 1\n',
  'throws.js': "throw new Error('no database')\n",
  'syntax.js': 'export default {\n',
  'picky.js':
    "import { defineFilter } from 'tsmilter'\nexport default ({ tag }) => {\n  if (typeof tag !== 'string') throw new TypeError('tag has to be text')\n  return defineFilter({ name: 'picky' })\n}\n",
  'wrong.yaml': '- dkimSign:\n    keys: 5\n',
  'server.yaml': 'workers: 2\nfilters: []\n',
  'more.yaml': '- use: ./own.js\n',
}

const folder = mkdtempSync(join(tmpdir(), 'tsmilter-'))
after(() => rmSync(folder, { recursive: true }))
for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text)
mkdirSync(join(folder, 'node_modules'))
symlinkSync(sourcePath('.'), join(folder, 'node_modules', 'tsmilter'))
const path = join(folder, 'tsmilter.yaml')

/** The lines about a file; none if it is right. */
async function said(content: string | Uint8Array): Promise<string[]> {
  writeFileSync(path, content)
  try {
    await loadConfigFile(path, { SECRET: 'hunter2' })
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigFileError, String(error))
    return error.message.replaceAll(folder, 'DIR').split('\n')
  }
}

describe('a mistake in a text file', () => {
  it('is one of many', () => assert.ok(MISTAKES.length >= 100))

  for (const [name, text, expected] of MISTAKES) {
    it(`is named with line and remedy: ${name}`, async () => {
      const lines = (await said(text)).map((line) =>
        line.replace(/^DIR\/(?:tsmilter\.yaml:)?/, ''),
      )
      assert.equal(lines.length, expected.length, lines.join('\n'))
      for (const [i, beginning] of expected.entries()) {
        assert.equal(lines[i]!.slice(0, beginning.length), beginning)
      }
      assert.ok(!lines.join().includes('hunter2'))
    })
  }

  it('is named with all others, in the order of the file', async () => {
    const lines = await said(
      'lisen: x\nworkers: many\nfilters:\n  - dkimSing: {}\n  - use: ./nope.js\n  - dkimSign:\n      domainFrom: form\n    when: {direction: inside}\n',
    )
    assert.deepEqual(
      lines.map((line) => line.split(' ', 1)[0]),
      ['1:1', '2:10', '4:5', '5:10', '6:5', '7:19', '8:23'].map(
        (at) => `DIR/tsmilter.yaml:${at}:`,
      ),
    )
  })

  it('is not a file of many aliases of aliases, which is bounded', async () => {
    const bomb = Array.from({ length: 30 }, (_, i) =>
      i === 0 ? 'a0: &a0 [x]' : `a${i}: &a${i} [${`*a${i - 1}, `.repeat(9)}x]`,
    )
    const lines = await said(bomb.join('\n'))
    assert.match(lines.join('\n'), /has more than 20000 values/)
  })

  for (const [name, text] of [
    ['brackets', '['.repeat(100_000)],
    ['braces', '{a: '.repeat(10_000)],
    ['lists', '- '.repeat(10_000)],
    ['indentation', Array.from({ length: 500 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    ['quotes', '"'.repeat(100_001)],
    ['names', 'a: 1\n'.repeat(3_000)],
    ['anchors', '&a '.repeat(10_000)],
  ] as const) {
    it(`does not hold up the reader: ${name}`, async () => {
      assert.notDeepEqual(await said(text), [])
    })
  }

  it('is a file that is not UTF-8, and one that is too large', async () => {
    assert.deepEqual(await said(Buffer.from('workers: 2\npidFile: caf\xe9\n', 'latin1')), [
      'DIR/tsmilter.yaml:2:1: is not UTF-8: save the file in this encoding',
    ])
    assert.deepEqual(await said('#'.repeat(1_048_577)), [
      'DIR/tsmilter.yaml:1:1: is larger than 1048576 bytes',
    ])
  })

  it('is a file that does not exist', async () => {
    await assert.rejects(loadConfigFile('nope.yaml', {}), {
      code: 'INVALID_OPTION',
      message: 'nope.yaml:1:1: does not exist',
    })
  })

  it('is never an exception of the reader: whatever is in the file', async () => {
    const piece = fc.constantFrom(
      'filters:',
      '- ',
      '  ',
      '\n',
      'dkimSign',
      'keys',
      ': ',
      '[',
      ']',
      '{',
      '}',
      '*a',
      '&a ',

      '!env X',
      '!file key.pem',
      '"',
      "'",
      '|',
      '>',
      '#',
      '---',
      'when',
      'use',
      'include',
      '?',
      'workers',
      'timeouts',
      '0',
      '-1',
      '1e3',
      'true',
      'null',
      '<<',
      '\t',
      '%',
      ',',
      'é',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 40 }), async (pieces) => {
        for (const line of await said(pieces.join('')))
          assert.match(line, /^\S+:\d+:\d+: |^and \d+/)
      }),
      { numRuns: 500 },
    )
  })
})
