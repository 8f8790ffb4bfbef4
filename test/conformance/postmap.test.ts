/** Tables give what `postmap -q` of the installed Postfix gives. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { openTable } from '../../src/toolkit/index.ts'
import { fc } from '../support/property.ts'
import { available, run } from './support/program.ts'

const RUNS = 25

describe(
  'tables as postmap reads them',
  { skip: !available('postconf', ['-d', 'mail_version'], 'Postfix') },
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsmilter-postmap-'))
    after(() => rmSync(directory, { recursive: true }))
    for (const name of ['main.cf', 'master.cf']) writeFileSync(join(directory, name), '')
    // Without it, postmap warns.
    writeFileSync(join(directory, 'main.cf'), 'compatibility_level = 3.6\n')

    /** What postmap has for each key, in the order of the keys. */
    function asked(name: string, keys: readonly string[]): (string | undefined)[] {
      const { status, stdout, stderr, error } = spawnSync(
        'postmap',
        ['-c', directory, '-q', '-', name],
        {
          encoding: 'utf8',
          timeout: 30_000,
          input: keys.map((key) => `${key}\n`).join(''),
          env: { PATH: '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin', LC_ALL: 'C' },
        },
      )
      if (error !== undefined) throw error
      assert.equal(stderr, '')
      assert.ok(status === 0 || status === 1, `postmap ended with ${status}`)
      const lines = stdout.split('\n').filter((line) => line !== '')
      const values = new Map(
        lines.map((line) => {
          const tab = line.indexOf('\t')
          return [line.slice(0, tab), line.slice(tab + 1)]
        }),
      )
      return keys.map((key) => values.get(key))
    }

    /** Postfix waits until a table is no longer being written (dict_thash.c). */
    const aged = (path: string): void => utimesSync(path, 1, 1)

    async function same(type: string, text: string, keys: readonly string[]): Promise<void> {
      const path = join(directory, 'table')
      writeFileSync(path, text)
      aged(path)
      await sameTable(`${type}:${path}`, keys)
    }

    async function sameTable(name: string, keys: readonly string[]): Promise<void> {
      const table = await openTable(name)
      assert.deepEqual(
        keys.map((key) => table.get(key)),
        asked(name, keys),
        name,
      )
    }

    const TEXT =
      'A@B.c  OK one\n# c\nfoo\n  bar\n# comment in the middle\n\n  baz\n' +
      '"a b"@c quoted\nq"x y" z  \nend\\ x v\nUPPER Value\n' +
      '\u00a0nbsp after\nin\u00a0nbsp v\u00a0\nlong value\n\u3000wide no continuation\n\v but this\n'
    const KEYS = ['a@b.c', 'A@B.C', 'foo', 'baz', '"a b"@c', 'q"x y"', 'end\\ x', 'upper', 'no']
    KEYS.push('\u00a0nbsp', 'nbsp', 'in\u00a0nbsp', 'in', 'long', '\u3000wide', 'wide')

    it('texthash', () => same('texthash', TEXT, KEYS))

    it('hash, as postmap makes it of the text', async () => {
      writeFileSync(join(directory, 'table'), TEXT)
      aged(join(directory, 'table'))
      const types = run('postconf', ['-c', directory, '-m']).split('\n')
      for (const type of ['hash', 'lmdb'].filter((one) => types.includes(one))) {
        run('postmap', ['-c', directory, `${type}:${join(directory, 'table')}`])
        // oxlint-disable-next-line eslint/no-await-in-loop -- one file
        await sameTable(`${type}:${join(directory, 'table')}`, KEYS)
      }
    })

    it('texthash, with random lines', async () => {
      const word = fc.string({ unit: fc.constantFrom('a', 'B', '\\', '@', '.'), minLength: 1 })
      const line = fc
        .tuple(word, fc.constantFrom(' ', '\t', '\n ', ' \n# c\n\t'), word)
        .filter(([key]) => !key.endsWith('\\'))
        .map((parts) => parts.join(''))
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(line, {
            minLength: 1,
            selector: (one) => one.split(/\s/)[0]!.toLowerCase(),
          }),
          (lines) =>
            same('texthash', `${lines.join('\n')}\n`, [
              ...new Set(lines.map((one) => one.split(/\s/)[0]!)),
            ]),
        ),
        { numRuns: RUNS },
      )
    })

    it('cidr', () =>
      same(
        'cidr',
        '192.0.2.1 OK\nif 192.168.0.0/16\n192.168.1.0/24 one\n!192.168.0.0/17 upper\nendif\n' +
          'if !0.0.0.0/1\n200.0.0.0/8\n  continued   value\nendif\n!192.0.0.0/8 other\n[2001:db8::]/32 v6\n::/1 half\n',
        '192.0.2.1 192.168.1.5 192.168.200.1 192.168.2.1 200.1.1.1 11.0.0.1 2001:db8::1 ::1 ff::1 8000::1 foo 192.168.1.300 010.1.1.1'.split(
          ' ',
        ),
      ))

    it('regexp', () =>
      same(
        'regexp',
        '/^abc(.*)$/ one $1 ${1}x $(1)y $$z\n!/@/ nodomain\nif /^user/\n/(x+)(y*)@/ X=$1 Y=$2\n' +
          '/./  user-other\nendif\nif !/^user/\n/^a|b@/ alt\nendif\n|^pipe/x| slash\n/^esc\\/aped/ escaped\n' +
          '/a{2,3}b/ rep\n/[[:digit:]]+q/ digits\n/^(a)?z@/ opt[$1]\n/^CASE/i exact\n/[]x-]y/ set\n/\\bw\\b/ word\n! !/twice/ two\nif!/j/\n! /k/ neither\nENDIF\n',
        'abcdef@x ABCDEF@x nodomain userxx@d usery@d a@d pipe/x@ esc/aped@ caabd@ 1q@d z@q CASE@q case@q ]y@ -y@ q.w.@ qw@ twice@ j@ k@ x@'.split(
          ' ',
        ),
      ))

    it('regexp, with random patterns', async () => {
      const atom = fc.constantFrom('a', 'b', '.', '[aB]', '[^a]', '[a-c]', '\\.', '[[:alpha:]]')
      const quantifier = fc.constantFrom('', '', '*', '+', '?', '{2}', '{0,2}', '{1,}')
      // No loops in loops: glibc, which Postfix uses, takes minutes for some of these.
      const group = fc
        .array(fc.array(atom, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 2 })
        .map((choices) => `(${choices.map((one) => one.join('')).join('|')})`)
      const term = fc.oneof(
        fc.constantFrom('^', '$'),
        fc.tuple(fc.oneof(atom, group), quantifier).map((parts) => parts.join('')),
      )
      const pattern = fc
        .array(term, { minLength: 1, maxLength: 4 })
        .chain((terms) => fc.constantFrom('', '|').map((joint) => terms.join(joint)))
      const key = fc.string({
        unit: fc.constantFrom('a', 'b', 'c', '.', 'A', '1'),
        minLength: 1,
        maxLength: 6,
      })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.constantFrom('', '!'), pattern, fc.constantFrom('', 'i')), {
            minLength: 1,
            maxLength: 4,
          }),
          fc.uniqueArray(key, { minLength: 20, maxLength: 40 }),
          (rules, keys) =>
            same(
              'regexp',
              rules.map(([not, one, flags], i) => `${not}/${one}/${flags} v${i}\n`).join(''),
              keys,
            ),
        ),
        { numRuns: RUNS },
      )
    })

    it('inline and static', async () => {
      for (const name of [
        'inline:{ k1=v1, {k2 = text, with comma}, K3=c}',
        'inline:{k1=v1 k3=a=b}',
        'static:a b',
        'static:{a b}',
      ]) {
        // oxlint-disable-next-line eslint/no-await-in-loop -- in turn
        await sameTable(name, ['k1', 'K1', 'k2', 'k3', 'K3', 'no'])
      }
    })
  },
)
