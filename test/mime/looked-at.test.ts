import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { checkAttachments } from '../../src/mime/attachments/attachment-findings.ts'
import { defang } from '../../src/mime/attachments/attachment-policy.ts'
import { parseMime } from '../../src/mime/message.ts'
import { yencFiles } from '../../src/mime/encodings/yenc.ts'
import { tar, tarEntry, tnef, uuencode } from '../support/archives.ts'
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
import { assertGrowth } from '../support/growth.ts'
import { zip } from '../support/zip.ts'

/** What is looked at, and what is told of that was not: nothing passes for want of a look. */

/** Where a message is. */
const PLACES: [where: string, wrap: (message: string) => string][] = [
  ['the message itself', (message) => message],
  ['a message that is attached', (message) => multipart([attachedMessage(message)], 'outer')],
  ['one that is encoded', (message) => multipart([attachedMessage(message, true)], 'outer')],
  ['a file', (message) => multipart([file('a.eml', Buffer.from(message))], 'outer')],
  [
    'a file in a zip',
    (message) =>
      multipart([file('a.zip', zip([{ name: 'a.eml', content: message }]))], 'outer'),
  ],
]

describe('the limits of a tree are findings', () => {
  const deep = (): string => {
    let text = ''
    for (let i = 0; i < 101; i++) {
      text += `Content-Type: multipart/mixed; boundary=d${i}\r\n\r\n--d${i}\r\n`
    }
    return `${text}${file('x.exe')}\r\n`
  }
  const cases: [reason: string, text: string][] = [
    ['TOO_MANY_PARTS', multipart([...Array<string>(10_000).fill('\r\nx'), file('x.exe')])],
    ['TOO_DEEP', deep()],
    ['HEADER_TOO_LARGE', multipart([`X: ${'x'.repeat(1_048_600)}\r\n${file('x.exe')}`])],
    [
      'TOO_MANY_PARTS',
      multipart([...Array<string>(10_000).fill('no field\r\n\r\nx'), file('x.exe')]),
    ],
  ]
  for (const [where, wrap] of PLACES) {
    for (const [reason, text] of cases) {
      it(`${reason} in ${where}`, async () => {
        const message = parseMime(wrap(text))
        const { findings, remaining } = await defang(message)
        const finding = findings.find((one) => one.reason === reason)
        assert.ok(finding, findings.map(short).join('\n'))
        // What has it is taken out, or the message is to be refused.
        assert.equal(remaining.includes(finding), finding.part === undefined)
        const left = await checkAttachments(parseMime(message.toBytes()))
        assert.ok(remaining.length > 0 || left.length === 0)
      })
    }
  }

  it('and do not grow less in an encoded message', async () => {
    let text = file('x.exe')
    for (let i = 0; i < 97; i++) {
      text = `Content-Type: multipart/mixed; boundary=d${i}\r\n\r\n--d${i}\r\n${text}\r\n--d${i}--\r\n`
    }
    const message = parseMime(multipart([multipart([attachedMessage(text, true)], 'inner')]))
    const { findings } = await defang(message)
    assert.deepEqual(findings.map(short), ['name: x.exe: DANGEROUS_EXTENSION'])
    assert.deepEqual(await checkAttachments(parseMime(message.toBytes())), [])
    const small = parseMime(
      multipart([attachedMessage(multipart([TEXT, TEXT, file('x.exe')], 'inner'), true)]),
      {
        limits: { parts: 3 },
      },
    )
    assert.deepEqual((await checkAttachments(small)).map(short), [
      'name: x.exe: DANGEROUS_EXTENSION',
    ])
  })

  it('in an encoded message that is too deep', async () => {
    let text = file('x.exe')
    for (let i = 0; i < 30; i++) text = attachedMessage(text, true)
    const codes = (await checkAttachments(parseMime(text, { limits: { depth: 10 } }))).map(
      ({ reason }) => reason,
    )
    assert.ok(codes.includes('TOO_DEEP'))
  })
})

describe('other readings are looked at', () => {
  const inner =
    'Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
    `--b\r\n${file('x.exe')}\r\n--b--\r\n`
  for (const [where, wrap] of PLACES) {
    it(`of ${where}`, async () => {
      const message = parseMime(wrap(inner))
      const { findings, remaining } = await defang(message)
      assert.deepEqual(
        findings.map(({ name, reason }) => [name, reason]),
        [['x.exe', 'DANGEROUS_EXTENSION']],
      )
      const left = await checkAttachments(parseMime(message.toBytes()))
      assert.deepEqual(left.length, remaining.length)
    })
  }

  it('also where another part has the same name', async () => {
    const text = `${multipart([file('x.exe')])}--bmixed\r\n${file('x.exe')}\r\n`
    const message = parseMime(text)
    const { remaining } = await defang(message)
    assert.deepEqual(remaining.map(short), ['name: x.exe: DANGEROUS_EXTENSION'])
  })

  it('within bounds', async () => {
    // Each message begins where one reading says, or at the line before; so does the one in it.
    let text = file('x.txt')
    for (let i = 0; i < 20; i++) {
      const fields =
        'no field\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64'
      text = `${fields}\r\nnofields\r\n\r\n${Buffer.from(text).toString('base64')}\r\n`
      if (i === 0) text += 'A'.repeat(200_000)
    }
    const codes = (await checkAttachments(parseMime(text))).map(({ reason }) => reason)
    assert.ok(codes.includes('TOO_MANY_READINGS'), codes.join(' '))
  })
})

describe('transfer encodings', () => {
  const encoded = (encoding: string, text: string): string =>
    multipart([
      TEXT,
      part(
        `Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: ${encoding}`,
        text,
      ),
    ])
  const base64 = PROGRAM.toString('base64')
  for (const encoding of ['"base64"', 'x-base64', '=?us-ascii?Q?base64?=', 'base-64']) {
    it(`${encoding} may be base64`, async () => {
      assert.deepEqual(await found(encoded(encoding, base64)), ['content: a.pdf: PROGRAM exe'])
    })
  }
  for (const encoding of ['x-uuencode', 'uuencode', 'x-uue', 'uue', '"x-uuencode"']) {
    it(encoding, async () => {
      const findings = await found(encoded(encoding, uuencode('a.pdf', PROGRAM)))
      assert.ok(findings.includes('content: a.pdf: PROGRAM exe'), findings.join('\n'))
    })
  }
  it('of an attached message', async () => {
    const text = multipart([
      part(
        'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: "base64"',
        Buffer.from(file('x.exe')).toString('base64'),
      ),
    ])
    assert.deepEqual(await found(text), ['name: x.exe: DANGEROUS_EXTENSION'])
  })
})

describe('uuencoded files', () => {
  const text = (body: string): string =>
    multipart([part('Content-Type: text/plain', body), TEXT])

  it('are found by name and content', async () => {
    assert.deepEqual(
      await found(text(`Hello\r\n\r\n${uuencode('invoice.js', Buffer.from('x'))}`)),
      ['archive: invoice.js: DANGEROUS_EXTENSION'],
    )
    assert.deepEqual(await found(text(uuencode('a.pdf', PROGRAM))), [
      'content: a.pdf: PROGRAM exe',
    ])
    const inner = zip([{ name: 'x.exe', content: 'x' }])
    assert.deepEqual(await found(text(uuencode('a.zip', inner))), [
      'zip: a.zip > x.exe: DANGEROUS_EXTENSION',
    ])
  })

  for (const header of ['begin 0644 x.js', 'begin-base64 644 x.js', 'begin 644\tx.js ']) {
    it(JSON.stringify(header), async () =>
      assert.deepEqual(await found(text(`a\r\n${header}\r\n#86)C\r\n`)), [
        'archive: x.js: DANGEROUS_EXTENSION',
      ]),
    )
  }

  it('as Outlook takes them', async () => {
    assert.deepEqual(await found(text('begin  x.js\r\n#86)C\r\nend\r\n')), [
      'archive: x.js: DANGEROUS_EXTENSION',
    ])
  })

  it('are not what only looks like one', async () => {
    const bodies = [
      'begin with setup.exe',
      'we begin 644 x.exe',
      'begin 644',
      'begin  setup.exe\r\n\r\nHello there',
    ]
    for (const body of bodies) assert.deepEqual(await found(text(body)), [], body)
  })

  it('in a message that has nothing else', async () => {
    const message = parseMime(`Subject: s\r\n\r\n${uuencode('x.js', Buffer.from('x'))}`)
    assert.equal((await defang(message)).removed, 1)
    assert.deepEqual(await checkAttachments(parseMime(message.toBytes())), [])
  })
})

describe('files in yEnc', () => {
  const yenc = (name: string, content: Buffer, fields = 'line=128 size=3'): string => {
    const bytes = Array.from(content, (byte) => (byte + 42) & 0xff).flatMap((byte) =>
      [0, 0x0a, 0x0d, 0x3d].includes(byte) ? [0x3d, (byte + 64) & 0xff] : [byte],
    )
    const lines = Buffer.from(bytes)
      .toString('latin1')
      .replaceAll(/[^]{128}/g, '$&\r\n')
    return `=ybegin ${fields} name=${name}\r\n${lines}\r\n=yend size=3\r\n`
  }
  const text = (body: string): Buffer =>
    Buffer.from(multipart([part('Content-Type: text/plain', body), TEXT]), 'latin1')
  const foundIn = async (bytes: Buffer): Promise<string[]> =>
    (await checkAttachments(parseMime(bytes))).map(short)

  it('are found by name and content', async () => {
    assert.deepEqual(await foundIn(text(`Hello\r\n${yenc('x.js', Buffer.from('abc'))}bye`)), [
      'archive: x.js: DANGEROUS_EXTENSION',
    ])
    assert.deepEqual(await foundIn(text(yenc('"my x.js"', Buffer.from('abc')))), [
      'archive: my x.js: DANGEROUS_EXTENSION',
    ])
    const odd = Buffer.concat([PROGRAM, Buffer.from([0xd6, 0xe0, 0xe3, 0x13])])
    assert.deepEqual(await foundIn(text(yenc('a.pdf', odd))), ['content: a.pdf: PROGRAM exe'])
    const inner = zip([{ name: 'x.exe', content: odd }])
    assert.deepEqual(await foundIn(text(yenc('a.zip', inner))), [
      'content: a.zip > x.exe: PROGRAM exe',
      'zip: a.zip > x.exe: DANGEROUS_EXTENSION',
    ])
  })

  for (const piece of ['=ybegin name=x\r\n', '=ybegin name=x', '=ybegin name= name=', '=']) {
    it(`in a time that grows with the length: ${JSON.stringify(piece)}`, () =>
      assertGrowth(
        (n) => Buffer.from(`=ybegin name=x\r\n${piece.repeat(n)}`),
        20_000,
        (bytes) => Array.from(yencFiles(bytes), (one) => one.bytes().length),
      ))
  }

  it('are reported if only a piece is here', async () => {
    const piece = yenc('a.pdf', Buffer.from('abc'), 'part=2 total=3 line=128 size=9')
    assert.deepEqual(await foundIn(text(piece)), ['archive: a.pdf: UNLISTED_ARCHIVE yenc'])
  })

  it('are not what only looks like one', async () => {
    for (const body of ['=ybegin x.js', 'a =ybegin line=1 name=x.js', '=ybeginx name=x.js']) {
      assert.deepEqual(await foundIn(text(body)), [], body)
    }
  })
})

describe('files before the first and behind the last delimiter', () => {
  const uu = uuencode('x.js', Buffer.from('x'))
  const binhex = '(This file must be converted with BinHex 4.0)\r\n\r\n:$f0ZEA:\r\n'
  const cases: [what: string, text: string, expected: string][] = [
    ['uuencoded', uu, 'archive: x.js: DANGEROUS_EXTENSION'],
    ['yEnc', '=ybegin line=1 size=1 name=x.js\r\na\r\n', 'archive: x.js: DANGEROUS_EXTENSION'],
    ['BinHex', binhex, 'archive: : UNLISTED_ARCHIVE hqx'],
  ]
  for (const [what, text, expected] of cases) {
    it(what, async () => {
      const message = multipart([TEXT])
      const start = message.indexOf('\r\n\r\n') + 4
      for (const whole of [
        `${message.slice(0, start)}${text}${message.slice(start)}`,
        `${message}${text}`,
      ]) {
        const { removed, remaining } = await defang(parseMime(whole))
        assert.deepEqual([removed, remaining.map(short)], [0, [expected]])
      }
    })
  }
  it('are not found in usual content', async () => {
    const message = multipart([TEXT]).replace(
      '\r\n\r\n',
      '\r\n\r\nThis is a multi-part message; the text begins below.\r\n',
    )
    assert.deepEqual(await found(message), [])
  })
})

describe('archives', () => {
  const js = tar(tarEntry('dir/', '', '5'), tarEntry('dir/x.js', 'x'))
  const cases: [what: string, name: string, bytes: Buffer, expected: string[]][] = [
    ['tar', 'a.tar', js, ['archive: a.tar > dir/x.js: DANGEROUS_EXTENSION']],
    [
      'tar without its end',
      'a.tar',
      js.subarray(0, -1_024),
      ['archive: a.tar > dir/x.js: DANGEROUS_EXTENSION'],
    ],
    [
      'tar with a program',
      'a.tar',
      tar(tarEntry('x.txt', PROGRAM)),
      ['content: a.tar > x.txt: PROGRAM exe'],
    ],
    ['tar under another name', 'a.dat', js, ['archive: a.dat > dir/x.js: DANGEROUS_EXTENSION']],
    [
      'tar with long names',
      'a.tar',
      tar(tarEntry('././@LongLink', `${'d/'.repeat(100)}x.js\0`, 'L'), tarEntry('short', 'x')),
      [`archive: a.tar > ${'d/'.repeat(100)}x.js: DANGEROUS_EXTENSION`],
    ],
    [
      'tar of pax',
      'a.tar',
      tar(tarEntry('pax', '13 path=x.js\n', 'x'), tarEntry('x.txt', 'x')),
      ['archive: a.tar > x.js: DANGEROUS_EXTENSION'],
    ],
    [
      'tar, damaged',
      'a.tar',
      Buffer.concat([js.subarray(0, 512), Buffer.alloc(600, 'x')]),
      ['archive: a.tar: ZIP_CORRUPT'],
    ],
    [
      'tar.gz',
      'a.tar.gz',
      gzipSync(js),
      ['archive: a.tar.gz > a.tar > dir/x.js: DANGEROUS_EXTENSION'],
    ],
    ['tgz', 'a.tgz', gzipSync(js), ['archive: a.tgz > a.tar > dir/x.js: DANGEROUS_EXTENSION']],
    ['gz by name', 'x.js.gz', gzipSync('x'), ['archive: x.js.gz > x.js: DANGEROUS_EXTENSION']],
    ['gz with a program', 'x.gz', gzipSync(PROGRAM), ['content: x.gz > x: PROGRAM exe']],
    ['gz in good order', 'report.xml.gz', gzipSync('<a/>'), []],
    [
      'gz, damaged',
      'x.gz',
      Buffer.from('1f8b08000000000000ffff', 'hex'),
      ['archive: x.gz: ZIP_CORRUPT'],
    ],
    [
      'gz in gz',
      'x.gz.gz',
      gzipSync(gzipSync(js)),
      ['archive: x.gz.gz > x.gz > x > dir/x.js: DANGEROUS_EXTENSION'],
    ],
    [
      'gz too large',
      'x.tar.gz',
      gzipSync(Buffer.concat([tarEntry('x', 'x'), Buffer.alloc(2e7)])),
      ['archive: x.tar.gz: ZIP_TOO_LARGE'],
    ],
    [
      'zip with tar.gz',
      'a.zip',
      zip([{ name: 'b.tgz', content: gzipSync(js), deflate: true }]),
      ['archive: a.zip > b.tgz > b.tar > dir/x.js: DANGEROUS_EXTENSION'],
    ],
    [
      'tar with zip',
      'a.tar',
      tar(tarEntry('b.zip', zip([{ name: 'x.js', content: 'x' }]))),
      ['zip: a.tar > b.zip > x.js: DANGEROUS_EXTENSION'],
    ],
    [
      'a program in a zip',
      'a.zip',
      zip([{ name: 'b.txt', content: PROGRAM, deflate: true }]),
      ['content: a.zip > b.txt: PROGRAM exe'],
    ],
    [
      'a program that is stored',
      'a.zip',
      zip([{ name: 'b.txt', content: PROGRAM }]),
      ['content: a.zip > b.txt: PROGRAM exe'],
    ],
    [
      'an encrypted zip',
      'a.zip',
      zip([{ name: 'b.txt', content: 'x'.repeat(20), encrypted: true }]),
      ['zip: a.zip > b.txt: ZIP_ENCRYPTED'],
    ],
    [
      'a zip packed otherwise',
      'a.zip',
      zip([{ name: 'b.txt', content: 'x', method: 14 }]),
      ['zip: a.zip > b.txt: ZIP_UNSUPPORTED'],
    ],
    [
      'a message in a zip',
      'a.zip',
      zip([{ name: 'b.eml', content: file('x.exe') }]),
      ['name: a.zip > b.eml > x.exe: DANGEROUS_EXTENSION'],
    ],
    [
      'a 7z in a zip',
      'a.zip',
      zip([{ name: 'b.dat', content: Buffer.from('377abcaf271c0004', 'hex') }]),
      ['archive: a.zip > b.dat: UNLISTED_ARCHIVE 7z'],
    ],
    [
      'a message of Outlook',
      'a.msg',
      Buffer.from('d0cf11e0a1b11ae1', 'hex'),
      ['archive: a.msg: UNLISTED_ARCHIVE msg'],
    ],
    [
      'winmail.dat',
      'winmail.dat',
      tnef([{ title: 'A.TXT', longName: 'x.js', content: Buffer.from('x') }]),
      ['archive: winmail.dat > x.js: DANGEROUS_EXTENSION'],
    ],
    [
      'winmail.dat with a program',
      'winmail.dat',
      tnef([{ title: 'A.TXT', longName: 'a.txt', content: PROGRAM }]),
      ['content: winmail.dat > A.TXT: PROGRAM exe'],
    ],
    [
      'winmail.dat in good order',
      'winmail.dat',
      tnef([{ title: 'A.TXT', longName: 'a.txt', content: Buffer.from('x') }]),
      [],
    ],
    [
      'winmail.dat, cut off',
      'winmail.dat',
      tnef([{ title: 'A.TXT', longName: 'a.txt', content: Buffer.from('x') }]).subarray(0, -9),
      ['archive: winmail.dat: UNLISTED_ARCHIVE tnef'],
    ],
  ]
  for (const [what, name, bytes, expected] of cases) {
    it(what, async () =>
      assert.deepEqual(await found(multipart([TEXT, file(name, bytes)])), expected),
    )
  }

  const kinds: [kind: string, bytes: string][] = [
    ['7z', '7z\xbc\xaf\x27\x1c\0\x04'],
    ['rar', 'Rar!\x1a\x07\0'],
    ['rar', 'Rar!\x1a\x07\x01\0'],
    ['cab', 'MSCF\0\0\0\0'],
    ['bz2', 'BZh91AY&SY'],
    ['xz', '\xfd7zXZ\0\0'],
    ['zst', '\x28\xb5\x2f\xfd\x04'],
    ['ace', '0123456**ACE**'],
    ['lzh', '01-lh5-'],
    ['arj', '\x60\xea\x2c\0'],
    ['wim', 'MSWIM\0\0\0'],
    ['vhdx', 'vhdxfile'],
    ['vhd', 'conectix'],
    ['hqx', '(This file must be converted with BinHex 4.0)'],
    ['applesingle', '\0\x05\x16\0\0\x02\0\0'],
    ['onenote', '\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3'],
  ]
  for (const [kind, bytes] of kinds) {
    it(`${kind} is reported, under any name`, async () => {
      const text = multipart([
        TEXT,
        file('a.dat', Buffer.from(bytes.padEnd(100, 'x'), 'latin1')),
      ])
      assert.deepEqual(await found(text), [`archive: a.dat: UNLISTED_ARCHIVE ${kind}`])
      assert.deepEqual(await found(text, { unread: 'allow' }), [])
    })
  }

  it('are reported by name and type', async () => {
    const names =
      'a.7zip a.b64 a.bhx a.gz a.mim a.taz a.tgz a.tar a.uu a.uue a.yenc a.7z a.rar a.r00 a.tar.xz a.tar.bz2 a.mbox'
    for (const name of names.split(' ')) {
      const findings = await found(multipart([file(name, Buffer.from('?'))]))
      assert.ok(
        findings.some((one) => one.includes('UNLISTED_ARCHIVE')),
        name,
      )
    }
    assert.deepEqual(await found(multipart([part('Content-Type: application/vnd.rar')])), [
      'archive: : UNLISTED_ARCHIVE rar',
    ])
  })

  it('pass where the policy says so', async () => {
    const bytes = zip([
      { name: 'a.txt', content: 'x'.repeat(20), encrypted: true },
      { name: 'b.txt', content: 'x', method: 14 },
    ])
    assert.deepEqual(await found(multipart([file('a.zip', bytes)]), { unread: 'allow' }), [])
    assert.deepEqual(await found(multipart([file('a.tgz', gzipSync(js))]), { zips: false }), [])
  })

  it('share their limits', async () => {
    const text = multipart([
      file('a.tar', tar(tarEntry('a'), tarEntry('b'))),
      file('b.tar', tar(tarEntry('c'))),
    ])
    assert.deepEqual(await found(text, { limits: { entries: 3 } }), [])
    assert.deepEqual(await found(text, { limits: { entries: 2 } }), [
      'archive: b.tar: ZIP_TOO_MANY_ENTRIES',
    ])
    let nested = js
    for (let i = 0; i < 7; i++) nested = tar(tarEntry('in.tar', nested))
    const findings = await found(multipart([file('a.tar', nested)]))
    assert.equal(findings.length, 1)
    assert.match(findings[0]!, /ZIP_TOO_DEEP$/)
  })
})

describe('types that are blocked', () => {
  it('are reported by each reading of a part', async () => {
    const types = ['video/*', 'application/x-a']
    const mail = multipart([
      part('Content-Type: Video/mp4; name=a.mp4'),
      part('Content-Type: text/plain\r\nContent-Type: application/x-a'),
      part('Content-Type: audio/mp4'),
    ])
    const all = await found(mail, { types })
    assert.deepEqual(
      [...new Set(all.filter((one) => one.includes('BLOCKED_TYPE')))],
      ['name: a.mp4: BLOCKED_TYPE', 'name: application/x-a: BLOCKED_TYPE'],
    )
    assert.ok(!(await found(mail)).some((one) => one.includes('BLOCKED_TYPE')))
  })
})

describe('content from elsewhere', () => {
  it('is reported', async () => {
    const external =
      'Content-Type: message/external-body; access-type=URL; URL="http://x.example/"'
    assert.deepEqual(await found(multipart([part(external)])), ['content: : EXTERNAL_BODY'])
    assert.deepEqual(await found('Content-Type: message/partial; id=x; number=1\r\n\r\nx'), [
      'content: : PARTIAL_MESSAGE',
    ])
  })
})

describe('parts of the Macintosh', () => {
  it('are looked at both', async () => {
    const fork = part(
      'Content-Type: application/applefile; name=x',
      Buffer.from('00051607', 'hex'),
    )
    assert.deepEqual(await found(multipart([fork, file('x.exe')], 'appledouble')), [
      'name: x.exe: DANGEROUS_EXTENSION',
    ])
  })
})

describe('what is only one way to read it', () => {
  it('is looked at where one field names two transfer encodings', async () => {
    const fields = 'Content-Type: a/b\r\nContent-Transfer-Encoding: 7bit base64'
    const text = `${fields}\r\n\r\n${PROGRAM.toString('base64')}\r\n`
    assert.deepEqual(await found(text), ['content: : PROGRAM exe'])
  })

  it('is looked at in a text that begins with a tag', async () => {
    const text = `Content-Type: text/plain\r\n\r\n<p>\r\n${uuencode('x.exe', PROGRAM)}`
    assert.ok((await found(text)).some((one) => one.includes('x.exe')))
  })
})
