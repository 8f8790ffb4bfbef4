import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkAttachments } from '../../src/mime/attachments/attachment-findings.ts'
import { DANGEROUS_EXTENSIONS } from '../../src/mime/attachments/file-extensions.ts'
import { parseMime } from '../../src/mime/message.ts'
import { extensionOfType, TYPE_EXTENSIONS } from '../../src/mime/attachments/type-extensions.ts'
import {
  attachedMessage,
  file,
  found,
  multipart,
  part,
  PROGRAM,
  short,
  TEXT,
} from '../support/attachments.ts'
import { zip } from '../support/zip.ts'

it('extensions of types are among those that are kept out', () => {
  for (const type of [
    'application/hta',
    'application/x-dosexec',
    'application/x-ms-shortcut',
    'text/javascript',
    'application/java-archive',
    'application/x-ms-application',
    'application/x-sh',
    'application/vnd.ms-excel.sheet.macroenabled.12',
    'application/vnd.ms-word.document.macroenabled.12',
    'text/x-ms-iqy',
    'application/onenote',
  ]) {
    assert.ok(extensionOfType(type), type)
  }
  for (const extension of TYPE_EXTENSIONS) {
    assert.ok(DANGEROUS_EXTENSIONS.includes(extension), extension)
  }
  assert.equal(extensionOfType('application/pdf'), undefined)
})

describe('names in the header', () => {
  const cases: [what: string, text: string, expected: string[]][] = [
    ['a harmless message', multipart([TEXT, file('a.pdf', '%PDF-1.7')]), []],
    [
      'the name of a part',
      multipart([TEXT, file('x.exe')]),
      ['name: x.exe: DANGEROUS_EXTENSION'],
    ],
    ['the name of the message', file('x.exe'), ['name: x.exe: DANGEROUS_EXTENSION']],
    [
      'a Content-Disposition',
      multipart([
        part('Content-Type: image/png\r\nContent-Disposition: inline; filename=x.scr'),
      ]),
      ['name: x.scr: DANGEROUS_EXTENSION'],
    ],
    [
      'the second of two names',
      multipart([
        part(
          'Content-Type: image/png; name=x.exe\r\nContent-Disposition: inline; filename=x.png',
        ),
      ]),
      ['name: x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'an encoded word',
      multipart([file('=?utf-8?B?ZXZpbC5leGU=?=')]),
      ['name: evil.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'a continued name',
      multipart([part("Content-Type: a/b; name*0*=utf-8''evil.e; name*1=xe")]),
      ['name: evil.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'another parameter',
      multipart([part('Content-Type: a/b; title="x.exe"')]),
      ['name: x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'a type without a name',
      multipart([part('Content-Type: Application/HTA\r\nContent-Disposition: attachment')]),
      ['name: .hta: DANGEROUS_EXTENSION'],
    ],
    [
      'a type, and a name without an extension',
      multipart([part('Content-Type: text/vbscript; name=invoice')]),
      ['name: invoice.vbs: DANGEROUS_EXTENSION'],
    ],
    [
      'the second of two types',
      multipart([part('Content-Type: text/plain\r\nContent-Type: application/x-msdownload')]),
      ['name: .exe: DANGEROUS_EXTENSION'],
    ],
    [
      'a type, and a name with an extension',
      multipart([part('Content-Type: application/x-sh; name=readme.txt')]),
      [],
    ],
    [
      'a charset and an id',
      multipart([part('Content-Type: message/partial; id="a@example.com"')]),
      ['content: : PARTIAL_MESSAGE'],
    ],
    [
      'a boundary',
      'Content-Type: multipart/mixed; boundary="x.com"\r\n\r\n--x.com\r\n\r\nx\r\n--x.com--\r\n',
      [],
    ],
    [
      'a name without the word before it',
      multipart([part('Content-Type: image/png\r\nContent-Disposition: filename=x.exe')]),
      ['name: x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'a name without the semicolon before it',
      multipart([part('Content-Type: image/png name="x.exe"')]),
      ['name: x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'the name of a multipart',
      multipart([multipart([TEXT], 'related').replace('related;', 'related; name=x.exe;')]),
      ['name: x.exe: DANGEROUS_EXTENSION'],
    ],
  ]
  for (const [what, text, expected] of cases) {
    it(what, async () => assert.deepEqual(await found(text), expected))
  }

  it('are those of the policy', async () => {
    const text = multipart([file('a.docm'), file('b.exe')])
    assert.deepEqual(await found(text, { extensions: ['docm'] }), [
      'name: a.docm: DANGEROUS_EXTENSION',
    ])
  })
})

describe('HTML files', () => {
  const html = (fields = ''): string =>
    part(`Content-Type: text/html; name=a.html${fields}`, '<html>')

  it('are reported', async () => {
    const expected = ['name: a.html: DANGEROUS_EXTENSION']
    assert.deepEqual(await found(multipart([TEXT, html()])), expected)
    assert.deepEqual(await found(multipart([file('a.html')])), expected)
    assert.deepEqual(
      await found(multipart([html('\r\nContent-Disposition: attachment')])),
      expected,
    )
    assert.deepEqual(await found(html('\r\nContent-Disposition: attachment')), expected)
  })

  it('are not, where they are the text of the message', async () => {
    for (const text of [
      html(),
      multipart([html(), file('a.pdf')]),
      multipart([TEXT, html()], 'alternative'),
      multipart([multipart([TEXT, multipart([html()], 'related')], 'alternative')]),
      multipart([TEXT, attachedMessage(html())]),
    ]) {
      assert.deepEqual(await found(text), [], text)
    }
  })

  it('are not, if the policy says so', async () => {
    const text = multipart([
      TEXT,
      html(),
      file('a.svg'),
      file('a.zip', zip([{ name: 'a.htm', content: 'x' }])),
    ])
    assert.equal((await found(text)).length, 3)
    assert.deepEqual(await found(text, { htmlFiles: 'allow' }), [])
  })
})

describe('content', () => {
  const cases: [what: string, text: string, expected: string[]][] = [
    [
      'a program with a harmless name',
      multipart([file('a.pdf', PROGRAM)]),
      ['content: a.pdf: PROGRAM exe'],
    ],
    [
      'a program under the second of two encodings',
      multipart([
        part(
          'Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: 7bit',
          PROGRAM,
        ),
      ]),
      ['content: a.pdf: PROGRAM exe'],
    ],
    [
      'a program without a name',
      multipart([part('Content-Type: image/png', PROGRAM)]),
      ['content: : PROGRAM exe'],
    ],
    [
      'HTML that is called an image',
      multipart([file('a.png', '<html><script>')]),
      ['content: a.png: CONTENT_CONTRADICTS html'],
    ],
    [
      'HTML that says it is an image',
      multipart([part('Content-Type: image/png', '<html>')]),
      ['content: : CONTENT_CONTRADICTS html'],
    ],
    [
      'a script that is called a PDF',
      multipart([file('a.pdf', '#!/bin/sh\n')]),
      ['content: a.pdf: CONTENT_CONTRADICTS sh'],
    ],
    ['a GIF that is called otherwise', multipart([file('a.png', 'GIF89a')]), []],
    ['HTML that is called a table', multipart([file('a.xls', '<html><table>')]), []],
    [
      'an old Office document',
      multipart([file('a.doc', Buffer.from('d0cf11e0a1b11ae1', 'hex'))]),
      [],
    ],
    ['text', multipart([part('Content-Type: text/plain', '#!/bin/sh')]), []],
    [
      'a film of Windows',
      multipart([
        part('Content-Type: video/x-ms-wmv', Buffer.from('3026b2758e66cf11a6d9', 'hex')),
      ]),
      [],
    ],
  ]
  for (const [what, text, expected] of cases) {
    it(what, async () => assert.deepEqual(await found(text), expected))
  }

  it('is of the kinds of the policy', async () => {
    const text = multipart([
      file('winmail.dat', Buffer.from('789f3e220100', 'hex')),
      file('a.png', '<html>'),
    ])
    assert.deepEqual(await found(text, { kinds: ['tnef'], contradictions: 'allow' }), [
      'content: winmail.dat: PROGRAM tnef',
    ])
  })
})

describe('zips', () => {
  const bad = zip([{ name: 'dir/x.exe', content: 'MZ' }])
  const cases: [what: string, text: string, expected: string[]][] = [
    [
      'a name in one',
      multipart([file('a.zip', bad)]),
      ['zip: a.zip > dir/x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'without a name',
      multipart([part('Content-Type: application/zip', bad)]),
      ['zip:  > dir/x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'with a wrong name',
      multipart([file('a.docx', bad)]),
      ['zip: a.docx > dir/x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'behind an image',
      multipart([file('a.gif', Buffer.concat([Buffer.from('GIF89a'), bad]))]),
      ['zip: a.gif > dir/x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'in one another',
      multipart([file('a.zip', zip([{ name: 'b.dat', content: bad, deflate: true }]))]),
      ['zip: a.zip > b.dat > dir/x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'encrypted',
      multipart([
        file('a.zip', zip([{ name: 'x.exe', content: 'x'.repeat(20), encrypted: true }])),
      ]),
      ['zip: a.zip > x.exe: DANGEROUS_EXTENSION', 'zip: a.zip > x.exe: ZIP_ENCRYPTED'],
    ],
    ['no zip at all', multipart([file('a.zip', 'hello')]), ['zip: a.zip: NOT_A_ZIP']],
    [
      'cut off, with another name',
      multipart([file('a.docx', zip([{ name: 'a' }]).subarray(0, 31))]),
      [],
    ],
    ['empty', multipart([file('a.zip', zip([]))]), []],
    [
      'a directory',
      multipart([file('a.zip', zip([{ name: 'example.com/' }, { name: 'example.com/a' }]))]),
      [],
    ],
    [
      'a way out',
      multipart([file('a.zip', zip([{ name: '../../a.txt' }]))]),
      ['zip: a.zip > ../../a.txt: PATH_STEPS_UP'],
    ],
  ]
  for (const [what, text, expected] of cases) {
    it(what, async () => assert.deepEqual(await found(text), expected))
  }

  it('are not looked into if the policy says so', async () => {
    assert.deepEqual(await found(multipart([file('a.zip', bad)]), { zips: false }), [])
  })

  it('share the limits of a message', async () => {
    const five = zip(['a', 'b', 'c', 'd', 'e'].map((name) => ({ name })))
    const text = multipart([file('a.zip', five), file('b.zip', five)])
    assert.deepEqual(await found(text, { limits: { entries: 10 } }), [])
    assert.deepEqual(await found(text, { limits: { entries: 9 } }), [
      'zip: b.zip: ZIP_TOO_MANY_ENTRIES',
    ])
  })
})

describe('attached messages', () => {
  const inner = multipart([TEXT, file('x.exe')], 'related')

  for (const encoded of [false, true]) {
    it(encoded ? 'encoded' : 'as they are', async () => {
      const text = multipart([TEXT, attachedMessage(inner, encoded)])
      const [finding, ...others] = await checkAttachments(parseMime(text))
      assert.equal(short(finding!), 'name: x.exe: DANGEROUS_EXTENSION')
      assert.equal(finding!.attached, true)
      assert.deepEqual(others, [])
      assert.deepEqual(await found(text, { messages: false }), [])
    })
  }

  it('in files', async () => {
    const text = multipart([
      file('a.eml', multipart([file('b.eml', Buffer.from(inner))], 'alternative')),
    ])
    const findings = await checkAttachments(parseMime(text))
    assert.deepEqual(findings.map(short), ['name: a.eml > b.eml > x.exe: DANGEROUS_EXTENSION'])
    assert.deepEqual(findings[0]!.part!.filename, 'a.eml')
    assert.deepEqual(findings[0]!.names, ['a.eml'])
  })

  it('in files without an end', async () => {
    let text = 'x'
    for (let i = 0; i < 8; i++) text = `Content-Type: a/b; name=a.eml\r\n\r\n${text}`
    assert.deepEqual(await found(text), [
      `content: ${'a.eml > '.repeat(5)}a.eml: MESSAGES_TOO_DEEP`,
    ])
  })
})

describe('other readings of a message', () => {
  const text =
    'Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
    `--b\r\n${file('x.exe')}\r\n--b--\r\n`

  it('are looked at too, and have no part', async () => {
    const findings = await checkAttachments(parseMime(text))
    assert.deepEqual(findings.map(short), ['name: x.exe: DANGEROUS_EXTENSION'])
    assert.equal(findings[0]!.part, undefined)
  })

  it('do not tell the same again', async () => {
    const closed = multipart([file('x.exe')])
    const findings = await checkAttachments(
      parseMime(`${closed}--bmixed\r\n${file('y.exe')}\r\n`),
    )
    assert.deepEqual(
      findings.map(({ name, part: one }) => [name, one !== undefined]),
      [
        ['x.exe', true],
        ['y.exe', false],
      ],
    )
  })
})
