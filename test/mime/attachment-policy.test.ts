import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { checkAttachments } from '../../src/mime/attachments/attachment-findings.ts'
import { defang, type AttachmentPolicy } from '../../src/mime/attachments/attachment-policy.ts'
import { parseMime, type MimeMessage } from '../../src/mime/message.ts'
import {
  attachedMessage,
  file,
  multipart,
  part,
  PROGRAM,
  TEXT,
} from '../support/attachments.ts'
import { zip } from '../support/zip.ts'
import { assertGrowth } from '../support/growth.ts'

async function defanged(
  text: string,
  policy?: AttachmentPolicy,
): Promise<[string, MimeMessage]> {
  const message = parseMime(text)
  await defang(message, policy)
  const bytes = message.toBytes()
  return [bytes.toString('latin1'), parseMime(bytes)]
}

describe('defang', () => {
  it('leaves what another reading has, and tells so', async () => {
    const text =
      'Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n' +
      `--b\r\n${file('x.exe')}\r\n--b--\r\n`

    const message = parseMime(text)
    const { findings, remaining, removed, action } = await defang(message)
    assert.deepEqual(remaining, findings)
    assert.equal(removed, 0)
    assert.equal(action, 'replace')
    assert.equal(message.edited, false)
  })

  it('leaves a harmless message as it is', async () => {
    const text = multipart([TEXT, file('a.pdf', '%PDF-1.7')])
    const message = parseMime(text)
    assert.deepEqual(await defang(message), {
      findings: [],
      action: 'none',
      remaining: [],
      removed: 0,
      cleaned: 0,
    })
    assert.equal(message.edited, false)
    assert.equal(message.toBytes().toString(), text)
  })

  it('puts a notice in the place of a part, and touches nothing else', async () => {
    const parts = multipart([TEXT, file('x.exe'), file('a.pdf', '%PDF-1.7')])
    const before = `MIME-Version: 1.0\r\n${parts}`
    const [after, message] = await defanged(before)
    const notice = message.children[1]!
    assert.equal(notice.type, 'text/plain')
    assert.equal(notice.filename, 'WARNING.TXT')
    assert.match(await notice.text(), /Name: x\.exe\r\nReason: x\.exe: an extension/)
    const rest = after.replace(notice.toBytes().toString('latin1'), '?')
    assert.equal(rest, before.replace(file('x.exe'), '?'))
  })

  it('has nothing left to find afterwards', async () => {
    const bad = zip([{ name: 'x.exe' }])
    const texts = [
      multipart([TEXT, file('x.exe'), file('b.zip', bad), file('a.pdf', PROGRAM)]),
      file('x.exe'),
      multipart([attachedMessage(multipart([file('x.exe')], 'related'), true)]),
      multipart([attachedMessage(file('x.exe'))]),
      multipart([file('a.eml', file('x.exe'))]),
    ]
    for (const text of texts) {
      for (const action of ['replace', 'remove'] as const) {
        const [after] = await defanged(text, { action })
        assert.deepEqual(await checkAttachments(parseMime(after)), [], text)
      }
    }
  })

  it('takes a part out', async () => {
    const parts = multipart([TEXT, file('x.exe'), file('a.pdf', '%PDF-1.7')])
    const before = `MIME-Version: 1.0\r\n${parts}`
    const [after] = await defanged(before, { action: 'remove' })
    assert.equal(after, before.replace(`--bmixed\r\n${file('x.exe')}\r\n`, ''))
  })

  it('replaces what cannot be taken out, and keeps the other fields', async () => {
    const [, message] = await defanged(`Subject: s\r\n${file('x.exe')}`, { action: 'remove' })
    assert.equal(message.filename, 'WARNING.TXT')
    assert.equal(message.headers.get('Subject'), 's')
    const [, outer] = await defanged(
      multipart([attachedMessage(`Subject: s\r\n${file('x.exe')}`)]),
    )
    const inner = outer.children[0]!.children[0]!
    assert.equal(inner.filename, 'WARNING.TXT')
    assert.equal(inner.headers.get('Subject'), 's')
  })

  it('changes nothing where the caller gives the verdict', async () => {
    for (const action of ['reject', 'quarantine'] as const) {
      const message = parseMime(multipart([file('x.exe')]))
      const result = await defang(message, {
        action,
        html: () => Promise.reject(new Error('no')),
      })
      assert.equal(result.action, action)
      assert.deepEqual(result.remaining, result.findings)
      assert.equal(message.edited, false)
    }
  })

  it('gives content away before it is removed, and tells where it is', async () => {
    const got: [string, string | undefined][] = []
    const [, message] = await defanged(multipart([TEXT, file('x.exe', PROGRAM)]), {
      action: 'keep-aside',
      keep(bytes, { names }) {
        got.push([bytes.toString('latin1'), names[0]])
        return 'box 7'
      },
    })
    assert.deepEqual(got, [[PROGRAM.toString('latin1'), 'x.exe']])
    assert.match(await message.children[1]!.text(), /Kept at: box 7/)
  })

  it('changes nothing if content cannot be kept', async () => {
    const message = parseMime(multipart([file('x.exe'), file('y.exe')]))
    let calls = 0
    const keep = (): Promise<string> =>
      ++calls === 2 ? Promise.reject(new Error('disk full')) : Promise.resolve('here')
    await assert.rejects(defang(message, { action: 'keep-aside', keep }), /disk full/)
    assert.equal(message.edited, false)
  })

  it('writes a notice of one’s own', async () => {
    const [, message] = await defanged(multipart([file('=?utf-8?B?w7wuZXhl?=')]), {
      notice: ({ names, findings }) => `${names[0]} ${findings.length} \ud800`,
      noticeName: 'note.txt',
    })
    assert.equal(message.children[0]!.filename, 'note.txt')
    assert.equal(await message.children[0]!.text(), 'ü.exe 1 \ufffd')
  })

  it('shows names so that they cannot deceive', async () => {
    const name = `a\u202e${'b'.repeat(500)}`
    const field = `=?utf-8?B?${Buffer.from(`${name}.exe`).toString('base64')}?=`
    const [, message] = await defanged(multipart([file(field)]))
    const text = await message.children[0]!.text()
    assert.doesNotMatch(text, /\u202e/)
    assert.ok(text.split('\r\n').every((line) => line.length < 600))
  })

  it('replaces every part, however many there are', async () => {
    const entries = Array.from({ length: 200 }, (_none, i) => ({ name: `${i}.exe` }))
    const text = multipart([file('a.zip', zip(entries)), file('x.exe')])
    const message = parseMime(text)
    const { findings, removed } = await defang(message)
    assert.equal(findings.length, 101)
    assert.equal(removed, 2)
  })

  it('replaces a part once, however much is in it', async () => {
    const bad = zip([{ name: 'x.exe' }, { name: 'y.exe' }])
    const message = parseMime(
      multipart([
        part('Content-Type: message/rfc822; name=z.exe', multipart([file('x.exe')], 'related')),
        file('a.zip', bad),
      ]),
    )
    const { removed, remaining, findings } = await defang(message)
    assert.equal(removed, 2)
    assert.equal(findings.length, 4)
    assert.deepEqual(remaining, [])
    assert.deepEqual(
      message.children.map(({ filename }) => filename),
      ['WARNING.TXT', 'WARNING.TXT'],
    )
  })

  describe('in a sealed part', () => {
    const sealed = multipart([multipart([TEXT, file('x.exe')], 'signed'), file('y.exe')])

    it('reports only', async () => {
      const message = parseMime(sealed)
      const { remaining, removed } = await defang(message)
      assert.equal(removed, 1)
      assert.deepEqual(
        remaining.map(({ name }) => name),
        ['x.exe'],
      )
      assert.match(message.toBytes().toString(), /name="x\.exe"/)
    })

    it('replaces all that is sealed, if the policy says so', async () => {
      for (const text of [sealed, multipart([TEXT, file('x.exe')], 'signed')]) {
        const message = parseMime(text)
        const { remaining } = await defang(message, { sealed: 'replace' })
        assert.deepEqual(remaining, [])
        assert.doesNotMatch(message.toBytes().toString(), /multipart\/signed|name="x\.exe"/)
      }
    })
  })

  describe('with HTML', () => {
    const HTML = part('Content-Type: text/html', '<b>x</b>')
    const seen = async (text: string, policy: AttachmentPolicy = {}): Promise<string[]> => {
      const parts: string[] = []
      const message = parseMime(text)
      const result = await defang(message, {
        ...policy,
        html(one) {
          parts.push(one.filename ?? one.type)
          one.setContent(Buffer.from('clean'))
          return Promise.resolve(true)
        },
      })
      assert.equal(result.cleaned, parts.length)
      return parts
    }

    it('gives it to a function', async () => {
      assert.deepEqual(
        await seen(multipart([TEXT, HTML, file('a.HTM', '<b>'), file('a.txt', '<b>')])),
        ['text/html', 'a.HTM'],
      )
    })

    it('of attached messages, unless the policy says otherwise', async () => {
      const text = multipart([attachedMessage(HTML), HTML])
      assert.equal((await seen(text)).length, 2)
      assert.equal((await seen(text, { messages: false })).length, 1)
    })

    it('but not what is sealed or was removed', async () => {
      assert.deepEqual(
        await seen(multipart([multipart([HTML], 'signed'), file('a.htm', PROGRAM)])),
        [],
      )
    })
  })

  const wrong: AttachmentPolicy[] = [
    { action: 'burn' as never },
    { action: 'keep-aside' },
    { sealed: 'open' as never },
    { contradictions: 'maybe' as never },
    { kinds: 'exe' as never },
    { html: true as never },
    { extensions: ['a b'] },
    { limits: { depth: 0 } },
  ]
  for (const policy of wrong) {
    it(`does not take ${JSON.stringify(policy)}`, async () => {
      await assert.rejects(defang(parseMime('x'), policy), { code: 'INVALID_OPTION' })
    })
  }
})

describe('any message', () => {
  it('is checked and defanged without an error', async () => {
    const piece = fc.constantFrom(
      'Content-Type: multipart/mixed; boundary=b\r\n',
      'Content-Type: message/rfc822\r\n',
      'Content-Type: a/b; name=x.exe\r\n',
      'Content-Type: a/b; name=x.zip\r\n',
      'Content-Type: a/b; name=x.eml\r\n',
      'Content-Transfer-Encoding: base64\r\n',
      '\r\n',
      '--b\r\n',
      '--b--\r\n',
      'PK\x03\x04',
      'MZ\0\0',
      'x',
      '\0',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
        const message = parseMime(Buffer.from(pieces.join(''), 'latin1'))
        const before = Buffer.from(message.toBytes())
        const { removed, remaining } = await defang(message)
        if (removed === 0) assert.deepEqual(message.toBytes(), before)
        const left = await checkAttachments(parseMime(message.toBytes()))
        if (remaining.length === 0)
          assert.deepEqual(
            left.filter((one) => one.part !== undefined),
            [],
          )
      }),
      { numRuns: 500 },
    )
  })

  it('takes time that grows with its size only', async () => {
    const parts = (n: number): string =>
      multipart(Array.from({ length: n }, (_none, i) => file(`${i}.exe`)))
    await assertGrowth(parts, 375, async (bytes) => {
      assert.ok((await defang(parseMime(bytes))).removed >= 375)
    })
    const parameters = (n: number): Buffer => {
      const all = Array.from({ length: n }, (_none, i) => `; p${i}=x`).join('')
      return Buffer.from(`Content-Type: a/b${all}\r\n\r\n`)
    }
    await assertGrowth(parameters, 3_750, (bytes) => checkAttachments(parseMime(bytes)))
  })
})
