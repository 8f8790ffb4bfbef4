import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fc } from '../../support/property.ts'
import {
  CidrTable,
  functionTable,
  lookupFirst,
  openTable,
  openTableSync,
  PatternTable,
  TextTable,
} from '../../../src/toolkit/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsmilter-tables-'))
after(() => rmSync(directory, { recursive: true }))
const file = (name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}
const wrong = (message: RegExp): { code: string; message: RegExp } => ({
  code: 'INVALID_ENTRY',
  message,
})

describe('TextTable', () => {
  it('reads what postmap reads', () => {
    const table = new TextTable(
      'A@B.c  OK one\n# c\nfoo\n  bar\n# in the middle\n\n  baz\r\nfoo second\n"a b"@c quoted \nend\\ x v',
      { name: 'access' },
    )
    assert.deepEqual(
      ['a@b.c', 'A@B.C', 'foo', '"a b"@c', 'end\\ x', 'second', ''].map((key) =>
        table.get(key),
      ),
      ['OK one', 'OK one', 'bar  baz', 'quoted', 'v', undefined, undefined],
    )
    assert.deepEqual(table.problems, [
      'access:8: the key "foo" came before, and the first one counts',
    ])
    assert.equal(table.size, 4)
  })

  it('has keys as in aliases(5), and says so', () => {
    const table = new TextTable('key: value')
    assert.equal(table.get('key:'), 'value')
    assert.deepEqual(table.problems, [
      'text table:1: the key "key:" ends with ":", as in aliases(5)',
    ])
    assert.deepEqual(new CidrTable('').problems, [])
  })

  it('keeps the case of keys, if asked to, and always that of values', () => {
    const table = new TextTable('Foo Bar\nfoo Baz', { caseSensitive: true })
    assert.deepEqual(
      [table.get('Foo'), table.get('foo'), table.get('FOO')],
      ['Bar', 'Baz', undefined],
    )
  })

  it('keeps bytes that are not UTF-8', async () => {
    const path = join(directory, 'latin1')
    writeFileSync(path, Buffer.from('key caf\xe9\n', 'latin1'))
    const table = await openTable(`hash:${path}`)
    assert.equal(table.get('key'), 'caf\udce9')
  })

  const rows: [text: string, message: RegExp][] = [
    ['a b\nkey\n', /^t:2: the key "key" has no value; write the key, a space/],
    ['key \t \n', /^t:1: .* no value/],
    ['# c\n\n  x y\n', /^t:3: the first entry "x y" begins with a space; /],
    ['"a b c', /^t:1: the key .* has one quote; add the other/],
  ]
  for (const [text, message] of rows) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => new TextTable(text, { name: 't' }), wrong(message))
    })
  }

  it('reads what makemap reads', () => {
    const table = new TextTable('From:Spam@x.com\t REJECT\n#c\n\n"a REJECT "b\n', {
      format: 'sendmail',
    })
    assert.equal(table.get('from:spam@X.com'), 'REJECT')
    assert.equal(table.get('"a'), 'REJECT "b')
    assert.throws(
      () => new TextTable('a b\n c d', { format: 'sendmail' }),
      wrong(/text table:2: .* makemap knows no continued lines/),
    )
    assert.throws(() => new TextTable('a', { format: 'sendmail' }), wrong(/no value/))
  })
})

describe('spaces of Unicode', () => {
  const text = 'a OK\n\u00a0b REJECT\nq\u00a0r OK \u00a0\n\u3000 c\n'
  for (const format of ['postfix', 'sendmail'] as const) {
    it(`are no spaces for ${format}`, () => {
      const table = new TextTable(text, { format })
      assert.deepEqual(
        ['a', '\u00a0b', 'q\u00a0r', '\u3000', 'b', 'q'].map((key) => table.get(key)),
        ['OK', 'REJECT', 'OK \u00a0', 'c', undefined, undefined],
      )
    })
  }

  it('are an error as a byte order mark', () => {
    for (const format of ['postfix', 'sendmail'] as const) {
      assert.throws(() => new TextTable('\ufeffa b\n', { format }), wrong(/byte order mark/))
    }
    assert.throws(() => new CidrTable('\ufeff192.0.2.1 x\n'), wrong(/byte order mark/))
  })
})

describe('CidrTable', () => {
  it('has the value of the first network in the order of lines', () => {
    const networks = fc.array(
      fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.constantFrom(8, 14, 16, 22, 24, 31, 32)),
      { maxLength: 20 },
    )
    const line = ([a, b, c, bits]: readonly number[]): string => {
      const value = ((10 << 24) | (a! << 16) | (b! << 8) | c!) >>> 0
      const first = bits === 0 ? 0 : (value & (-1 << (32 - bits!))) >>> 0
      return `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 255).join('.')}/${bits}`
    }
    fc.assert(
      fc.property(networks, fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)), (list, [a, b, c]) => {
        const lines = list.map((one) => line(one))
        const address = `10.${a}.${b}.${c}`
        const first = lines.findIndex((one) => new CidrTable(`${one} x`).get(address) === 'x')
        const whole = new CidrTable(lines.map((one, i) => `${one} ${i}\n`).join(''))
        assert.equal(whole.get(address), first === -1 ? undefined : String(first))
      }),
    )
  })

  it('keeps the order around blocks and negated rules', () => {
    const blocks = new CidrTable(
      '10.1.0.0/16 a\nif 10.0.0.0/8\n10.2.0.0/16 b\n10.1.0.0/16 never\nendif\n' +
        '!10.0.0.0/8 outside\n10.2.0.0/16 never\n10.0.0.0/8 rest\n::/0 six\n',
    )
    assert.deepEqual(
      ['10.1.0.1', '10.2.0.1', '10.3.0.1', '192.0.2.1', '2001:db8::1'].map((key) =>
        blocks.get(key),
      ),
      ['a', 'b', 'rest', 'outside', 'six'],
    )
  })

  const table = new CidrTable(
    '# comment\n192.0.2.1 OK\nif 192.168.0.0/16\n192.168.1.0/24 one\n!192.168.0.0/17 upper\nendif\n' +
      'if !0.0.0.0/1\n200.0.0.0/8\n  continued   value\nendif\n!192.0.0.0/8 other\n[2001:db8::]/32 v6\n::/0 all of it\n',
  )
  const rows: [key: string, value: string | undefined][] = [
    ['192.0.2.1', 'OK'],
    ['192.168.1.5', 'one'],
    ['192.168.200.1', 'upper'],
    ['192.168.2.1', undefined],
    ['200.1.1.1', 'continued   value'],
    ['11.0.0.1', 'other'],
    ['2001:db8::1', 'v6'],
    ['::1', 'all of it'],
    ['::ffff:192.0.2.1', 'OK'],
    ['foo', undefined],
    ['192.168.1.300', undefined],
    ['', undefined],
  ]
  for (const [key, value] of rows) {
    it(`has ${value ?? 'nothing'} for ${JSON.stringify(key)}`, async () => {
      assert.equal(table.get(key), value)
      assert.equal(await table.lookup(key), value)
    })
  }

  const mistakes: [text: string, message: RegExp][] = [
    ['1.2.3.4/24 x', /^cidr table:1: "1\.2\.3\.4\/24" has bits after its prefix; write/],
    ['1.2.3.4/33 x', /prefix length; write 0 to 32/],
    ['010.1.1.1 x', /octal/],
    ['example.org x', /is not an IP address or network; write/],
    ['1.2.3.4', /^cidr table:1: this rule has no value; write the value/],
    ['if 1.2.3.4 x\nendif', /text after its pattern/],
    ['endif', /^cidr table:1: this "endif" has no "if"/],
    ['a\n  b\n', /cidr table:1: "a" is not an IP/],
    ['1.2.3.4 x\nif 10.0.0.0/8\n', /^cidr table:2: this "if" has no "endif"/],
    ['if 10.0.0.0/8\n'.repeat(101), /^cidr table:101: more than 100 "if"/],
  ]
  for (const [text, message] of mistakes) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
      assert.throws(() => new CidrTable(text), wrong(message))
    })
  }
})

describe('PatternTable', () => {
  const regexp = new PatternTable(
    [
      '/^abc(.*)$/ one $1 ${1}x $(1)y $$z',
      '!/@/ nodomain',
      'if /^user/',
      '/(x+)(y*)@/ X=$1 Y=$2',
      '/./  user-other',
      'endif',
      'if !/^user/',
      '/^a|b@/ alt',
      'endif',
      '|^pipe/x| slash',
      '/^esc\\/aped/ escaped',
      '/a{2,3}b/ rep',
      '/[[:digit:]]+q/ digits',
      '/^(a)?z@/ opt[$1]',
      '/^CASE/i exact',
    ].join('\n'),
    { syntax: 'regexp' },
  )
  const rows: [key: string, value: string | undefined][] = [
    ['abcdef@x', 'one def@x def@xx def@xy $z'],
    ['ABCDEF@x', 'one DEF@x DEF@xx DEF@xy $z'],
    ['nodomain', 'nodomain'],
    ['userxx@d', 'X=xx Y='],
    ['usery@d', 'user-other'],
    ['a@d', 'alt'],
    ['pipe/x@', 'slash'],
    ['esc/aped@', 'escaped'],
    ['caabd@', 'rep'],
    ['1q@d', 'digits'],
    ['z@q', 'opt[]'],
    ['CASE@q', 'exact'],
    ['case@q', undefined],
  ]
  for (const [key, value] of rows) {
    it(`has ${value ?? 'nothing'} for ${key}`, () => {
      assert.equal(regexp.get(key), value)
    })
  }

  it('takes "!" more than once, and "if" without a space, as Postfix does', () => {
    const table = new PatternTable('! !/a/ a\nif!/b/\n! /c/ neither\nENDIF\n', {
      syntax: 'regexp',
    })
    assert.deepEqual(
      ['a', 'b', 'c', 'x'].map((key) => table.get(key)),
      ['a', undefined, undefined, 'neither'],
    )
  })

  const pcre: [rule: string, key: string, value: string | undefined][] = [
    ['/^\\d{1,3}\\.(?:x|y)\\b/ v', '12.X z', 'v'],
    ['/(?-i)^Abc/ v', 'abc', undefined],
    ['/(?<name>a+?)(a*)/ $1-$2', 'aaa', 'a-aa'],
    ['/(a+)(a*)/U $1-$2', 'aaa', 'a-'],
    ['/a . c # comment/x v', 'abc', 'v'],
    ['/a.c/s v', 'a\nc', undefined],
    ['/a.c/ v', 'a\nc', 'v'],
    ['/a$/ v', 'a\n', 'v'],
    ['/a$/E v', 'a\n', undefined],
    ['/^b$/m v', 'a\nb\nc', 'v'],
    ['/b/A v', 'ab', undefined],
    ['/\\Qa.b\\E/ v', 'a.b', 'v'],
    ['/\\Qa.b\\E/ v', 'axb', undefined],
    ['/\\x41\\x{42}\\t/ v', 'AB\t', 'v'],
    ['/[\\w.-]+@[^\\s]+/ v', 'a.b-c@d', 'v'],
    ['/(?#no)a(?i:B)/ v', 'ab', 'v'],
    ['/a{x}/ v', 'a{x}', 'v'],
    ['/é/ v', 'É', 'v'],
    ['/^.$/ v', '😀', 'v'],
  ]
  for (const [rule, key, value] of pcre) {
    it(`pcre: ${rule} for ${JSON.stringify(key)}`, () => {
      assert.equal(new PatternTable(rule, { syntax: 'pcre' }).get(key), value)
    })
  }

  const mistakes: [rule: string, message: RegExp][] = [
    [
      '/bad(/ x',
      /^pcre table:1: the pattern "bad\(" cannot be used: it has a "\(" without a "\)"; /,
    ],
    ['/bad)/ x', /"\)" without a "\("/],
    ['/[a/ x', /"\[" without a "\]"/],
    ['/*a/ x', /nothing before it/],
    ['/(a)\\1/ x', /back reference "\\1", which takes time without a bound; write the rule/],
    ['/a(?=b)/ x', /"\(\?=b", which takes time/],
    ['/(?<!b)a/ x', /"\(\?<!", which takes time/],
    ['/(?>a)/ x', /"\(\?>a", which/],
    ['/a++/ x', /"\+" after a quantifier/],
    ['/a{1001}/ x', /1000 is the limit/],
    ['/a{3,2}/ x', /maximum is below the minimum/],
    ['/((a{1000}){1000}){1000}/ x', /too long: it has more than 10000 steps/],
    ['/' + '('.repeat(101) + ')'.repeat(101) + '/ x', /100 brackets in each other/],
    [`/${'(a)'.repeat(201)}/ x`, /more than 200 groups/],
    ['/\\p{L}/ x', /"\\p", which this package does not know/],
    ['/[z-a]/ x', /ends before it begins/],
    ['/[[:no:]]/ x', /names no class/],
    ['/a', /no \/ at its end; add it/],
    ['a b', /does not begin with a pattern; write it between slashes/],
    ['/a/', /no value/],
    ['/a/q x', /"q" is not a flag/],
    ['/(a)/ $2', /the value has \$2, and the pattern has 1 groups/],
    ['/(a)/ $1x', /the value has \$1x/],
    ['!/(a)/ $1', /such a rule matches no text/],
    ['/a/ 100$', /has a "\$" alone; write "\$\$"/],
  ]
  for (const [rule, message] of mistakes) {
    it(`refuses ${rule.slice(0, 40)}`, () => {
      assert.throws(() => new PatternTable(rule, { syntax: 'pcre' }), wrong(message))
    })
  }

  it('refuses basic regular expressions', () => {
    assert.throws(
      () => new PatternTable('/a/x b', { syntax: 'regexp' }),
      wrong(/basic regular expressions/),
    )
  })

  it('has no key that takes forever', () => {
    const table = new PatternTable('/^(a*)*$/ x\n/(.*a){12}b/ y\n/(a|aa)+$/ z', {
      syntax: 'pcre',
    })
    assert.equal(table.get(`${'a'.repeat(2_000)}!`), undefined)
    assert.throws(() => table.get('a'.repeat(10_001)), { code: 'LOOKUP_FAILED' })
  })

  it('has no patterns that take long together', () => {
    const rules = [
      '/(a?){1000}@/ x',
      '/[a-z]{1,500}[0-9]@/ y',
      `/${'(a?)'.repeat(200)}[0-9]/ z`,
    ]
    for (const rule of [...rules, '/[a-z]{1,50}[0-9]/ v\n'.repeat(500)]) {
      const table = new PatternTable(rule, { syntax: 'pcre' })
      assert.throws(() => table.get(`${'a'.repeat(9_990)}@-@`), { code: 'LOOKUP_FAILED' })
      // An address is short enough.
      table.get(`${'a'.repeat(64)}@example.org`)
    }
  })
})

describe('openTable', () => {
  it('reads only files', { skip: process.platform === 'win32' }, async () => {
    const pipe = join(directory, 'pipe')
    assert.equal(spawnSync('mkfifo', [pipe]).status, 0)
    for (const path of [pipe, directory, '/dev/zero']) {
      await assert.rejects(openTable(`hash:${path}`), { code: 'FILE_FAILED' })
    }
  })

  it('opens what Postfix has in main.cf', async () => {
    const text = file('access', 'Example.org REJECT\n')
    const opened: [name: string, key: string, value: string | undefined][] = [
      [`hash:${text}`, 'example.org', 'REJECT'],
      [`lmdb:${text}`, 'EXAMPLE.org', 'REJECT'],
      [`texthash:${text}`, 'other', undefined],
      [`cidr:${file('cidr', '10.0.0.0/8 v\n')}`, '10.1.1.1', 'v'],
      [`regexp:${file('regexp', '/a/ v\n')}`, 'A', 'v'],
      [`pcre:${file('pcre', '/\\d/ v\n')}`, '1', 'v'],
      ['inline:{ k1=v1, {k2 = text, with comma}, k3=c}', 'K1', 'v1'],
      ['inline:{ k1=v1, {k2 = text, with comma}, k3=c}', 'k2', 'text, with comma'],
      ['inline:{k1=v1 k3=a=b}', 'k3', 'a=b'],
      ['static:a b', 'any', 'a b'],
      ['static:{a b}', 'any', 'a b'],
    ]
    for (const [name, key, value] of opened) {
      const table = await openTable(name)
      assert.equal(openTableSync(name).get(key), value, name)
      assert.equal(await table.lookup(key), value, name)
    }
  })

  it('names the file and line of a mistake', async () => {
    const path = file('broken', 'a b\nc\n')
    await assert.rejects(openTable(`hash:${path}`), (error: Error) => {
      assert.ok(error.message.startsWith(`${path}:2: `), error.message)
      return true
    })
    await assert.rejects(openTable('cidr:/does/not/exist'), {
      name: 'FileError',
      code: 'FILE_FAILED',
      message: /^\/does\/not\/exist cannot be read: ENOENT/,
    })
    await assert.rejects(openTable(`cidr:${directory}`), { code: 'FILE_FAILED' })
    assert.throws(() => openTableSync(`cidr:${directory}`), { code: 'FILE_FAILED' })
    assert.throws(() => openTableSync('cidr:/does/not/exist'), { code: 'FILE_FAILED' })
    await assert.rejects(
      openTable('mysql:/etc/x.cf'),
      wrong(/"mysql" are not known; .* functionTable/),
    )
    await assert.rejects(openTable('/etc/postfix/access'), wrong(/it has no type; write hash:/))
    await assert.rejects(openTable('inline:k=v'), wrong(/no braces/))
    await assert.rejects(openTable('inline:{k}'), wrong(/"k" has no key with a value/))
    await assert.rejects(openTable('inline:{}'), wrong(/no entries/))
  })
})

describe('functionTable', () => {
  it('knows "not there" from "could not ask"', async () => {
    const cause = new Error('connection refused')
    const table = functionTable(
      (key) => {
        if (key === 'broken') throw cause
        if (key === 'later') return Promise.reject(cause)
        if (key === 'number') return 1 as unknown as string
        return key === 'a@b' ? 'c' : null
      },
      { name: 'the table of aliases' },
    )
    assert.equal(await table.lookup('A@B'), 'c')
    assert.equal(await table.lookup('x'), undefined)
    for (const key of ['broken', 'later']) {
      await assert.rejects(table.lookup(key), {
        name: 'TableError',
        code: 'LOOKUP_FAILED',
        message: 'the table of aliases could not be asked: connection refused; try again later',
        cause,
      })
    }
    await assert.rejects(table.lookup('number'), /returned a number instead of a string/)
    const exact = functionTable((key) => key, { caseSensitive: true })
    assert.equal(await exact.lookup('A'), 'A')
  })

  it('waits no longer than the deadline, or the signal, and not for many', async () => {
    const signals: AbortSignal[] = []
    const table = functionTable(
      (_, signal) => {
        signals.push(signal)
        return new Promise(() => {})
      },
      { deadline: 10, maxPending: 2 },
    )
    await assert.rejects(table.lookup('a'), { code: 'LOOKUP_FAILED', message: /within 10 ms/ })
    const stop = new AbortController()
    const reason = new Error('gone')
    const waiting = assert.rejects(table.lookup('b', stop), reason)
    stop.abort(reason)
    await waiting
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, true],
    )
    // The function goes on, so it still counts.
    await assert.rejects(table.lookup('c'), /2 look-ups are already waiting/)
    await assert.rejects(table.lookup('c', stop), reason)
  })
})

describe('lookupFirst', () => {
  it('gives the first that is there, and asks patterns for the first key only', async () => {
    const text = new TextTable('b B\nc C')
    assert.deepEqual(await lookupFirst(text, ['a', 'b', 'c']), { key: 'b', value: 'B' })
    assert.equal(await lookupFirst(text, ['x']), undefined)
    const patterns = new PatternTable('/b/ B', { syntax: 'pcre' })
    assert.equal(await lookupFirst(patterns, ['a', 'b']), undefined)
    assert.deepEqual(await lookupFirst(patterns, ['b']), { key: 'b', value: 'B' })
  })
})
