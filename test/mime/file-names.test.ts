import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import {
  DANGEROUS_EXTENSIONS,
  HTML_EXTENSIONS,
  PYMILTER_EXTENSIONS,
} from '../../src/mime/attachments/file-extensions.ts'
import { dangerousName, type NameDanger } from '../../src/mime/attachments/file-names.ts'
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

  it('are found by a current list, which has all of pymilter', () => {
    assert.equal(new Set(PYMILTER_EXTENSIONS).size, 42)
    const all = new Set(DANGEROUS_EXTENSIONS)
    assert.equal(all.size, DANGEROUS_EXTENSIONS.length)
    for (const one of [...PYMILTER_EXTENSIONS, ...HTML_EXTENSIONS]) assert.ok(all.has(one), one)
  })

  /** What filters and programs keep out by default, and kinds that attacks came in. */
  const LISTS: readonly (readonly [list: string, extensions: string])[] = [
    [
      'Gmail (support.google.com/mail/answer/6590)',
      'ade adp apk appx appxbundle bat cab chm cmd com cpl diagcab diagcfg diagpkg dll dmg ex ex_ exe hta img ins ' +
        'iso isp jar jnlp js jse lib lnk mde mjs msc msi msix msixbundle msp mst nsh pif ps1 scr sct shb sys vb vbe ' +
        'vbs vhd vxd wsc wsf wsh xll',
    ],
    [
      'Outlook (Blocked attachments in Outlook)',
      'ade adp app appcontent-ms application appref-ms asp aspx asx bas bat bgi cab cer chm cmd cnt com cpl crt csh ' +
        'der diagcab exe fxp gadget grp hlp hpj hta htc inf ins iso img isp its jar jnlp js jse ksh lnk mad maf mag ' +
        'mam maq mar mas mat mau mav maw mcf mda mdb mde mdt mdw mdz msc msh msh1 msh2 mshxml msh1xml msh2xml msi ' +
        'msp mst msu ops osd pcd pif pl plg prf prg printerexport ps1 ps1xml ps2 ps2xml psc1 psc2 psd1 psdm1 pst py ' +
        'pyc pyo pyw pyz pyzw reg scf scr sct settingcontent-ms shb shs theme tmp udl url vb vbe vbp vbs vhd vhdx ' +
        'vsmacros vsw webpnp website ws wsb wsc wsf wsh xbap xll xnk library-ms search-ms',
    ],
    [
      'Exchange Online (Set-MalwareFilterPolicy, FileTypes)',
      'ace ani apk app appx arj bat cab cmd com deb dex dll docm elf exe hta img iso jar jnlp kext lha lib library ' +
        'lnk lzh macho msc msi msix msp mst pif ppa ppam reg rev scf scr sct sys uif vb vbe vbs vxd wsc wsf wsh xll ' +
        'xz z',
    ],
    [
      'MIMEDefang (filter_bad_filename)',
      'ade adp app asd asf asx bas bat chm cmd com cpl crt dll exe fxp hlp hta hto inf ini ins isp js jse lib lnk ' +
        'mdb mde msc msi msp mst ocx pcd pif prg reg scr sct sh shb shs sys url vb vbe vbs vcs vxd wmd wms wmz wsc ' +
        'wsf wsh',
    ],
    [
      'attacks of the last years',
      'ps1 jar iso img vhd vhdx one onepkg iqy slk xll scf msix appx appref-ms application settingcontent-ms ' +
        'library-ms search-ms searchconnector-ms diagcab rdp docm xlsm svg html htm xhtml mht shtml svgz ppam xlam ' +
        'dotm pptm xlsb xla pub accde wiz wll vsto msc url lnk theme themepack contact group desklink wax m3u pls ' +
        'wmx xspf odc rqy oqy dqy uxdc appinstaller msixbundle wim vmdk ova ccd mdf ps1xml psm1 vbscript ahk au3 a3x ' +
        'py rb php sh command terminal webloc inetloc fileloc scpt dmg pkg mobileconfig desktop appimage apk xapk ' +
        'xpi crx vsix csproj vcxproj targets sln hlp chm hxs fas lsp vlx docb dochtml xlshtml xlk xsl xslt ovpn xaml ' +
        'doc dot xls xlt ppt pot pps rtf mpp vsd pdf xml csv eml msg ics vcf hwp jtd zip 7z rar gz tar p7m',
    ],
  ]
  const table = readFileSync('docs/mime.md', 'utf8')
    .split('| Not in the list')[1]!
    .split('\n\n')[0]!
  /** The first column of the table. */
  const reasons = new Set(
    table
      .split('\n')
      .slice(2)
      .flatMap((row) => [...row.split('|')[1]!.matchAll(/`([^`]+)`/g)].map(([, one]) => one!)),
  )
  for (const [list, extensions] of LISTS) {
    it(`are those of ${list}, or the docs say why not`, () => {
      const all = new Set(DANGEROUS_EXTENSIONS)
      const missing = extensions.split(' ').filter((one) => !all.has(one) && !reasons.has(one))
      assert.deepEqual(missing, [])
    })
  }

  it('are not those that the docs say are not in the list', () => {
    assert.ok(reasons.size > 40)
    const all = new Set(DANGEROUS_EXTENSIONS)
    assert.deepEqual(
      [...reasons].filter((one) => all.has(one)),
      [],
    )
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
