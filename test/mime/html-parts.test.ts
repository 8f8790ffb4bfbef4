import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defang } from '../../src/mime/attachment-policy.ts'
import { rewriteHtmlPart, sanitizeHtml } from '../../src/mime/html.ts'
import { parseMime } from '../../src/mime/message.ts'

const ACTIVE = '<p>x</p><script>alert(1)</script>'
const clean = { html: cleaner }

async function cleaner(part: Parameters<typeof rewriteHtmlPart>[0]): Promise<boolean> {
  return await rewriteHtmlPart(part, async (html) => (await sanitizeHtml(html)).html)
}

const mail = (type: string, content: string | Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`MIME-Version: 1.0\r\nContent-Type: ${type}\r\n\r\n`),
    Buffer.from(content),
  ])

const within = (type: string, content: string): Buffer =>
  mail(
    'multipart/signed; boundary=b; protocol="application/pgp-signature"; micalg=pgp-sha256',
    `--b\r\nContent-Type: ${type}\r\n\r\n${content}\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n`,
  )

describe('HTML that a policy has cleaned', () => {
  const utf16 = Buffer.from(`\ufeff${ACTIVE}`, 'utf16le')
  const cases: [what: string, bytes: Buffer][] = [
    ['plain', mail('text/html', ACTIVE)],
    ['meta utf-16le', mail('text/html', `<meta charset=utf-16le>${ACTIVE}`)],
    ['meta utf-32', mail('text/html', `<meta charset="utf-32">${ACTIVE}`)],
    ['meta ucs-2', mail('text/html', `<meta charset=ucs-2>${ACTIVE}`)],
    ...['utf-32', 'utf-16', 'ucs4', 'utf-7', 'utf-16be', 'iso-2022-kr', 'ibm037'].map(
      (one): [string, Buffer] => [one, mail(`text/html; charset=${one}`, ACTIVE)],
    ),
    ['utf-7', mail('text/html; charset=utf-7', '+ADw-script+AD4-alert(1)+ADw-/script+AD4-')],
    ['a mark under another label', mail('text/html; charset=utf-8', utf16)],
    ['a mark without a label', mail('text/html', utf16)],
    ['two labels', mail("text/html; charset=utf-8; charset*=us-ascii''utf-16le", ACTIVE)],
    ['labels in pieces', mail('text/html; charset*0=utf-; charset*1=16le', ACTIVE)],
    ['signed', within('text/html', ACTIVE)],
    ['XHTML', mail('application/xhtml+xml', '<h:script xmlns:h="h">alert(1)</h:script>')],
    ['SVG', mail('image/svg+xml', '<svg><script>alert(1)</script></svg>')],
    ['no encoding', mail('text/html\r\nContent-Transfer-Encoding: x-odd', ACTIVE)],
    ['a type with blanks', mail('text / html', ACTIVE)],
    ['a second type', mail('text/plain\r\nContent-Type: text/html', ACTIVE)],
    ['a name', mail('application/octet-stream; name=x.shtml', ACTIVE)],
    ['no name', mail('application/octet-stream', `<html>${ACTIVE}`)],
  ]
  for (const [what, bytes] of cases) {
    it(`is cleaned or found: ${what}`, async () => {
      const message = parseMime(bytes)
      const { cleaned, findings } = await defang(message, clean)
      assert.ok(cleaned + findings.length > 0)
    })
  }

  it('is left as it is where nothing is active', async () => {
    for (const bytes of [
      mail('text/html; charset=utf-8', '<p>x</p>'),
      mail('text/html; charset=utf-16', Buffer.from('\ufeff<p>x</p>', 'utf16le')),
      mail('text/html; charset=utf-8', '\ufeff<p>ä</p>'),
      within('text/html', '<p>x</p>'),
      mail('text/plain', '<html> is a tag'),
    ]) {
      const message = parseMime(bytes)
      assert.deepEqual((await defang(message, clean)).findings, [])
      assert.deepEqual(Buffer.from(message.toBytes()), bytes)
    }
  })

  it('loses what loads things unasked', async () => {
    for (const html of [
      '<link rel=prefetch href=//a>',
      '<link rel="icon PRELOAD" href=//a>',
      '<link rel=modulepreload href=//a>',
      '<link rel=manifest href=//a>',
      '<track src=//a>',
      '<a ping=//a href=x>',
      '<svg><use href="//a#b"></use></svg>',
      '<svg><use xlink:href="//a#b"></use></svg>',
      '<style>@import "//a"</style>',
      '<style>@\\69mport "//a"</style>',
    ]) {
      assert.doesNotMatch((await sanitizeHtml(html)).html, /\/\/a/, html)
    }
  })
})
