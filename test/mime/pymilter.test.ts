import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkAttachments } from '../../src/mime/attachments/attachment-findings.ts'
import { defang, type AttachmentPolicy } from '../../src/mime/attachments/attachment-policy.ts'
import { PYMILTER_EXTENSIONS } from '../../src/mime/attachments/file-extensions.ts'
import { parseMime, type MimeMessage } from '../../src/mime/message.ts'
import { zip, type ZipFile } from '../support/zip.ts'

/**
 * What filters that used `defang` of pymilter's `mime` rely on: what it asserts of itself, and what it
 * gets wrong, done right.
 */

const lines = (...all: string[]): string => all.map((line) => `${line}\r\n`).join('')

const mixed = (...parts: string[]): string =>
  lines(
    'From: me@example.com',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="=_x"',
    '',
  ) +
  parts.map((part) => `--=_x\r\n${part}\r\n`).join('') +
  '--=_x--\r\n'

const TEXT = lines('Content-Type: text/plain', '', 'See the attachment.')

const attachment = (parameters: string, content = 'aGVsbG8='): string =>
  lines(
    `Content-Type: application/octet-stream; ${parameters}`,
    'Content-Transfer-Encoding: base64',
    '',
    content,
  )

const zipped = (...files: ZipFile[]): string =>
  attachment('name=a.zip', zip(files).toString('base64'))

interface Outcome {
  readonly message: MimeMessage
  readonly before: string
  readonly after: string
  readonly removed: number
}

async function outcomeOf(before: string | Buffer, policy?: AttachmentPolicy): Promise<Outcome> {
  const message = parseMime(before)
  const { removed } = await defang(message, policy)
  return {
    message,
    before: before.toString('latin1'),
    after: message.toBytes().toString('latin1'),
    removed,
  }
}

const replaced = async (text: string, policy?: AttachmentPolicy): Promise<void> => {
  const { after, removed } = await outcomeOf(text, policy)
  assert.equal(removed, 1)
  const parts = [...parseMime(after).walk()]
  assert.ok(parts.some(({ filename }) => filename === 'WARNING.TXT'))
  assert.deepEqual(await checkAttachments(parseMime(after)), [])
}

const kept = async (text: string, policy: AttachmentPolicy = {}): Promise<void> => {
  const { before, after, removed } = await outcomeOf(text, {
    extensions: PYMILTER_EXTENSIONS,
    ...policy,
  })
  assert.equal(removed, 0)
  assert.equal(after, before)
}

describe('parsing', () => {
  it('a quoted boundary, and parameters with an entity in them, stay one item', () => {
    const text = lines(
      'Content-Type: multipart/mixed; boundary="a;b=c"; title="one &amp; two; three"',
      '',
      '--a;b=c',
      '',
      'x',
      '--a;b=c--',
    )
    const message = parseMime(text)
    assert.equal(message.parameter('boundary'), 'a;b=c')
    assert.equal(message.parameter('title'), 'one &amp; two; three')
    assert.equal(message.children.length, 1)
  })

  it('a message of two parts has its text', async () => {
    const message = parseMime(mixed(TEXT, lines('Content-Type: text/html', '', '<b>x</b>')))
    assert.equal(await message.children[0]!.text(), 'See the attachment.\r\n')
    assert.equal(message.children[1]!.type, 'text/html')
  })

  it('a missing boundary does no harm', async () => {
    await kept(lines('Content-Type: multipart/mixed', '', '--x', '', 'text'))
  })
})

describe('a bad part is replaced', () => {
  it('among others', async () => {
    await replaced(mixed(TEXT, attachment('name="love.txt.vbs"')))
  })
  it('as the only part', async () => {
    await replaced(mixed(attachment('name="x.pif"')))
  })
  it('with a missing end boundary', async () => {
    await replaced(mixed(TEXT, attachment('name="x.exe"')).replace('--=_x--\r\n', ''))
  })
  it('with a malformed header', async () => {
    await replaced(mixed(TEXT, attachment('name="x.exe"extra; filename=junk "x')))
  })
  it('as the message', async () => {
    const { message, after } = await outcomeOf(`Subject: s\r\n${attachment('name=x.exe')}`)
    assert.equal(message.type, 'text/plain')
    assert.match(after, /^Subject: s\r\n/)
    assert.equal(message.headers.has('Content-Transfer-Encoding'), false)
  })
  it('and another one', async () => {
    const { message, removed } = await outcomeOf(
      mixed(TEXT, attachment('name=a.scr'), attachment('name=b.scr')),
    )
    assert.equal(removed, 2)
    assert.deepEqual(
      message.children.map(({ filename }) => filename),
      [undefined, 'WARNING.TXT', 'WARNING.TXT'],
    )
  })
  it('by a notice that has its name and where it is kept', async () => {
    const { message } = await outcomeOf(mixed(attachment('name=x.exe')), {
      action: 'keep-aside',
      keep: () => 'saved-1',
    })
    const text = await message.children[0]!.text()
    assert.match(text, /x\.exe/)
    assert.match(text, /saved-1/)
  })
})

describe('names', () => {
  const bad: [what: string, text: string][] = [
    ['in upper case', mixed(attachment('name=A.EXE'))],
    ['x.vbs', mixed(attachment('name=x.vbs'))],
    ['any parameter', mixed(attachment('x-name=a.bat'))],
    [
      'RFC 2231',
      mixed(
        lines(
          'Content-Type: a/b',
          "Content-Disposition: attachment; filename*=utf-8''ev%69l.exe",
          '',
          'x',
        ),
      ),
    ],
    ['RFC 2231 in the Content-Type', mixed(attachment("name*=utf-8''x%2Eexe"))],
    ['an encoded word', mixed(attachment('name="=?iso-8859-1?Q?x=2Eexe?="'))],
    ['a dot at the end', mixed(attachment('name="a.exe."'))],
    ['a space at the end', mixed(attachment('name="a.exe "'))],
    ['junk behind the quotes', mixed(attachment('name="a.exe" (what)'))],
    ['a semicolon in quotes', mixed(attachment('name="a;b.exe"'))],
    [
      'in an attached message',
      mixed(
        lines('Content-Type: message/rfc822', '', 'Subject: in') + attachment('name=x.exe'),
      ),
    ],
  ]
  for (const [what, text] of bad) it(`${what}: replaced`, async () => await replaced(text))

  const good: [what: string, text: string][] = [
    ['an image', mixed(attachment('name="Jim&amp;Girlz.jpg"'))],
    ['a.exe.txt', mixed(attachment('name=a.exe.txt'))],
    ['a.docm', mixed(attachment('name=a.docm'))],
    ['a.html', mixed(attachment('name=a.html'))],
    ['none', mixed(attachment('x=y'))],
    [
      'a long one in pieces',
      mixed(attachment(`name*0="a long name that is cut at x.exe"; name*1=" and goes on.pdf"`)),
    ],
  ]
  for (const [what, text] of good) it(`${what}: kept`, async () => await kept(text))

  it('a long one in pieces is one', () => {
    const text = attachment(
      `name*0="${'a'.repeat(60)}"; name*1="${'b'.repeat(60)}"; name*2=.pdf`,
    )
    assert.equal(parseMime(text).filename, `${'a'.repeat(60)}${'b'.repeat(60)}.pdf`)
  })
})

describe('zips', () => {
  it('with a bad name: replaced, only if zips are scanned', async () => {
    await replaced(mixed(TEXT, zipped({ name: 'a.exe' })))
    await kept(mixed(TEXT, zipped({ name: 'a.exe' })), { zips: false })
  })
  it('in a zip: replaced', async () => {
    await replaced(
      mixed(zipped({ name: 'in.zip', content: zip([{ name: 'a.exe' }]), deflate: true })),
    )
  })
  it('empty: kept', async () => {
    await kept(mixed(zipped()))
    await kept(mixed(attachment('name=a.zip', '')))
  })
  it('damaged: replaced', async () => {
    await replaced(mixed(attachment('name=a.zip')))
  })
})

describe('attached messages', () => {
  it('are scanned, unless the policy says otherwise', async () => {
    const text = mixed(
      TEXT,
      lines('Content-Type: message/rfc822', '', 'Subject: in') + attachment('name=x.exe'),
    )
    await replaced(text)
    await kept(text, { messages: false })
  })

  it('keep all that is not replaced to the byte', async () => {
    const inner = `Subject:   odd \r\n folded\r\nX-Y:z\r\n${mixed(TEXT, attachment('name=x.exe'))}`
    const text = mixed(
      TEXT,
      `Content-Type: message/rfc822\r\n\r\n${inner.replaceAll('=_x', '=_y')}`,
    )
    const { after } = await outcomeOf(text)
    const bad = attachment('name=x.exe')
    const at = text.indexOf(bad)
    assert.ok(after.startsWith(text.slice(0, at)))
    assert.ok(after.endsWith(text.slice(at + bad.length)))
  })
})

describe('scripts in HTML', () => {
  it('are for a function, and what it changes is changed', async () => {
    const html = lines('Content-Type: text/html', '', '<b>x</b><script>y</script>')
    const { after, before } = await outcomeOf(mixed(TEXT, html), {
      async html(part) {
        const text = await part.text()
        await part.setText(text.replace(/<script>.*<\/script>/, '<!-- -->'))
        return true
      },
    })
    assert.equal(after, before.replace('<script>y</script>', '<!-- -->'))
  })

  it('are in what is named .htm as well', async () => {
    const seen: string[] = []
    await outcomeOf(mixed(attachment('name=a.htm')), {
      html: (part) => Promise.resolve(seen.push(part.filename!) === 0),
    })
    assert.deepEqual(seen, ['a.htm'])
  })
})

describe('what pymilter gets wrong', () => {
  it('D20: attached messages and delivery status stay as they are', async () => {
    const report =
      lines(
        'Content-Type: message/delivery-status',
        '',
        'Reporting-MTA: dns; a.example',
        '',
        'Action: failed',
      ) +
      '\r\n--=_x\r\n' +
      lines('Content-Type: message/rfc822', '', 'Subject:  two  spaces', '', 'text')
    const { before, after } = await outcomeOf(mixed(TEXT, report, attachment('name=x.exe')))
    const untouched = before.slice(0, before.indexOf('--=_x\r\nContent-Type: application'))
    assert.ok(after.startsWith(untouched))
    assert.equal(after.match(/boundary/g)?.length, 1)
  })

  for (const [charset, bytes] of [
    ['utf-8', Buffer.from('é')],
    ['iso-8859-1', Buffer.from([0xe9])],
    ['koi8-r', Buffer.from([0xc1])],
    ['windows-1252', Buffer.from([0x80])],
  ] as const) {
    it(`D21: HTML in ${charset} stays so when it is cleaned`, async () => {
      const head = lines(
        `Content-Type: text/html; charset=${charset}`,
        'Content-Transfer-Encoding: 8bit',
        '',
      )
      const text = Buffer.concat([Buffer.from(`${head}<script></script>`), bytes])
      const { message } = await outcomeOf(text, {
        async html(part) {
          await part.setText((await part.text()).replace('<script></script>', ''))
          return true
        },
      })
      assert.equal(message.charset, charset)
      assert.deepEqual(message.bytes(), bytes)
    })
  }

  it('D21: a name of RFC 2231 is a name', async () => {
    await replaced(mixed(attachment("name*=iso-8859-1''%E9.exe")))
  })

  it('D22: encoded names, dots at the end and encoded messages are seen', async () => {
    await replaced(mixed(attachment('name="=?utf-8?B?eC5leGU=?="')))
    await replaced(mixed(attachment('name=x.exe.')))
    const inner = Buffer.from(mixed(attachment('name=x.exe'))).toString('base64')
    await replaced(
      mixed(
        lines('Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', '', inner),
      ),
    )
  })

  it('D22: zips have limits', async () => {
    const bomb = Buffer.alloc(30_000_000)
    bomb.write('PK\x03\x04')
    await replaced(mixed(zipped({ name: 'b', content: bomb, deflate: true })))
  })

  it('D22: an encrypted zip in a zip is reported', async () => {
    const inner = { name: 'in.zip', content: zip([{ name: 'a.txt' }]), encrypted: true }
    const findings = await checkAttachments(parseMime(mixed(zipped(inner))))
    assert.deepEqual(
      findings.map(({ reason }) => reason),
      ['ZIP_ENCRYPTED'],
    )
  })

  it('D22: calls share nothing', async () => {
    const texts = Array.from({ length: 20 }, (_none, i) =>
      mixed(TEXT, attachment(`name=${i}.exe`)),
    )
    const results = await Promise.all(
      texts.map((text, i) => outcomeOf(text, { notice: ({ names }) => `${i}: ${names[0]}` })),
    )
    for (const [i, { message }] of results.entries()) {
      assert.equal(await message.children[1]!.text(), `${i}: ${i}.exe`)
    }
  })
})
