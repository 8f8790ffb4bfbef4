import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  DANGEROUS_EXTENSIONS,
  HTML_EXTENSIONS,
  PYMILTER_EXTENSIONS,
} from '../../src/mime/file-extensions.ts'
import { dangerousName, type NameDanger } from '../../src/mime/file-names.ts'
import { assertGrowth } from '../support/growth.ts'

describe('names that are dangerous', () => {
  const cases: [name: string, danger: NameDanger, why?: string][] = [
    ['x.exe', 'DANGEROUS_EXTENSION'],
    ['A.EXE', 'DANGEROUS_EXTENSION'],
    ['.exe', 'DANGEROUS_EXTENSION'],
    ['x.exe.', 'DANGEROUS_EXTENSION', 'Windows takes the dot away'],
    ['x.exe ', 'DANGEROUS_EXTENSION'],
    ['x.exe. . ', 'DANGEROUS_EXTENSION'],
    ['x.exe"', 'DANGEROUS_EXTENSION', 'quoted twice'],
    ['x.exe\u00a0\u3000', 'DANGEROUS_EXTENSION'],
    ['x.exe:zone', 'DANGEROUS_EXTENSION', 'a stream'],
    ['x.exe::$DATA', 'DANGEROUS_EXTENSION'],
    ['notes.txt:x.exe', 'DANGEROUS_EXTENSION'],
    ['invoice.pdf.exe', 'DOUBLE_EXTENSION'],
    ['invoice.pdf      .exe', 'DOUBLE_EXTENSION'],
    ['invoice      .exe', 'DOUBLE_EXTENSION'],
    ['x.jpeg.scr', 'DOUBLE_EXTENSION'],
    ['x.exe\0.pdf', 'DANGEROUS_EXTENSION', 'some programs stop at the NUL'],
    ['x.exe\n.pdf', 'DANGEROUS_EXTENSION'],
    ['a\0b.pdf', 'CONTROL_CHARACTER'],
    ['a\x1b[2Jb.pdf', 'CONTROL_CHARACTER'],
    ['\u202efdp.exe', 'DIRECTION_OVERRIDE'],
    ['report\u202dfdp.txt', 'DIRECTION_OVERRIDE'],
    ['x.e\u200bxe', 'DANGEROUS_EXTENSION', 'zero width'],
    ['x.exe\u200f', 'DANGEROUS_EXTENSION'],
    ['x.\u2066exe\u2069', 'DANGEROUS_EXTENSION'],
    ['x.exe\ufeff', 'DANGEROUS_EXTENSION'],
    ['x.ｅｘｅ', 'DANGEROUS_EXTENSION', 'full width'],
    ['x．exe', 'DANGEROUS_EXTENSION'],
    ['x.𝐞𝐱𝐞', 'DANGEROUS_EXTENSION'],
    ['x.{00020906-0000-0000-C000-000000000046}', 'CLASS_ID'],
    ['dir/x.exe', 'DANGEROUS_EXTENSION'],
    ['C:\\dir\\x.exe', 'DANGEROUS_EXTENSION'],
    ['x.exe/', 'DANGEROUS_EXTENSION'],
    ['../x.pdf', 'PATH_STEPS_UP'],
    ['a\\..\\..\\x.pdf', 'PATH_STEPS_UP'],
    ['a'.repeat(1_025), 'NAME_TOO_LONG'],
  ]
  for (const [name, danger, why] of cases) {
    it(`${JSON.stringify(name.slice(0, 50))}: ${danger}${why === undefined ? '' : `, ${why}`}`, () => {
      assert.equal(dangerousName(name), danger)
    })
  }

  for (const extension of DANGEROUS_EXTENSIONS) {
    it(`x.${extension}`, () =>
      assert.equal(dangerousName(`x.${extension}`), 'DANGEROUS_EXTENSION'))
  }

  it('are told by a list of today, which has all of pymilter', () => {
    assert.equal(new Set(PYMILTER_EXTENSIONS).size, 42)
    const all = new Set(DANGEROUS_EXTENSIONS)
    assert.equal(all.size, DANGEROUS_EXTENSIONS.length)
    for (const one of [...PYMILTER_EXTENSIONS, ...HTML_EXTENSIONS]) assert.ok(all.has(one), one)
    const kinds =
      'ps1 jar iso img vhd vhdx one iqy slk xll scf msix appx appref-ms application settingcontent-ms ' +
      'library-ms diagcab rdp docm xlsm svg html'
    for (const one of kinds.split(' ')) assert.ok(all.has(one), one)
  })

  it('are not those of ordinary documents, nor of what is in them', () => {
    const all = new Set(DANGEROUS_EXTENSIONS)
    const kinds =
      'bin c csv dat doc docx eml emf eps gif gz h ics jpg json key log md msg numbers odp ods odt otf pages ' +
      'pdf png ppt pptx ps rels rtf tar tex tif ttf txt vcf vml wav webp wmf xls xlsx xml xps zip'
    assert.deepEqual(
      kinds.split(' ').filter((one) => all.has(one)),
      [],
    )
  })
})

describe('names that are fine', () => {
  const names = [
    '',
    'x',
    'x.',
    'exe',
    'x.tar.gz',
    'report.v1.2.pdf',
    'a.exe.txt',
    'a.docx',
    'example.com/readme.txt',
    'Re: your question.pdf',
    'C:\\Users\\me\\report.pdf',
    'long\tname.pdf',
    'Übersicht (2).pdf',
    'گزارش\u200cها.pdf',
    '\u200fדוח.pdf',
    'family 👨\u200d👩\u200d👧.jpg',
    'Screenshot 3.45.10\u202fPM.png',
    'x.{final}',
    'a..b.pdf',
    'x.exes',
  ]
  for (const name of names) {
    it(JSON.stringify(name), () => assert.equal(dangerousName(name), undefined))
  }
})

describe('extensions of one’s own', () => {
  it('replace the usual ones', () => {
    assert.equal(dangerousName('x.docm', ['.DOCM', 'js']), 'DANGEROUS_EXTENSION')
    assert.equal(dangerousName('x.exe', ['docm']), undefined)
    assert.equal(dangerousName('x.exe', []), undefined)
    assert.equal(dangerousName('x.docm', new Set(['docm'])), 'DANGEROUS_EXTENSION')
  })

  for (const wrong of [['a.b'], [''], [7], 'exe', undefined, null]) {
    if (wrong === undefined) continue
    it(`are not ${JSON.stringify(wrong)}`, () => {
      assert.throws(() => dangerousName('x', wrong as never), { code: 'INVALID_OPTION' })
    })
  }
})

describe('any name', () => {
  it('has an answer that what Windows leaves out does not change', () => {
    const tail = fc.string({ unit: fc.constantFrom('.', ' ', '\u200b', '\u00a0', '"') })
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), tail, (name, rest) => {
        assert.equal(dangerousName(`${name}.exe${rest}`) === undefined, false)
        dangerousName(name)
      }),
    )
  })

  describe('takes time that grows with its length only', () => {
    for (const unit of [
      '.',
      ' ',
      '\u200b',
      'a:',
      'a/',
      '\0',
      'a\u0301\u0316',
      '"',
      '.a',
      'ﷺ',
    ]) {
      it(JSON.stringify(unit), () =>
        assertGrowth((n) => unit.repeat(n), 125_000, dangerousName),
      )
    }
  })
})
