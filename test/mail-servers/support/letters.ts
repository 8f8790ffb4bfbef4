/** Messages of all the forms that mail has, small ones. */
import type { Letter } from './mailbox.ts'

const header = (...more: readonly string[]): string =>
  [
    'From: Alice <alice@example.org>',
    'To: bob@example.net',
    'Subject: hello',
    'Date: Mon, 30 Nov 2026 10:00:00 +0000',
    'Message-ID: <1@example.org>',
    ...more,
    '',
    '',
  ].join('\r\n')

const mime = (type: string, encoding?: string): string =>
  header(
    'MIME-Version: 1.0',
    `Content-Type: ${type}`,
    ...(encoding === undefined ? [] : [`Content-Transfer-Encoding: ${encoding}`]),
  )

const multipart = (type: string, ...parts: readonly string[]): string =>
  `${mime(`multipart/${type}; boundary="b"`)}preamble\r\n` +
  `${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\nepilogue\r\n`

const TEXT = 'Content-Type: text/plain\r\n\r\nHello'
const HTML =
  'Content-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>Hello</p>\r\n</body></html>'
const PDF =
  'Content-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment; filename="a.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK'
const SIGNATURE = '-----BEGIN PGP SIGNATURE-----\r\n\r\niQEz\r\n-----END PGP SIGNATURE-----'

const TEXTS: Readonly<Record<string, string>> = {
  plain: `${header()}Hello\r\n`,
  'no body': header(),
  'no body, no empty line': header().slice(0, -2),
  'only empty lines': `${header()}\r\n\r\n\r\n`,
  'no subject': `${header().replace(/Subject.*\r\n/, '')}Hello\r\n`,
  'an empty subject': `${header().replace('hello', '')}Hello\r\n`,
  'two subjects': `${header('Subject: other')}Hello\r\n`,
  'folded fields': `${header('Cc: a@example.net,\r\n\tb@example.net', 'X-Long: a\r\n  b\r\n\tc', 'Subject:\r\n folded').replace('Subject: hello\r\n', '')}Hello\r\n`,
  'encoded words': `${header().replace('hello', '=?utf-8?Q?caf=C3=A9?=\r\n =?utf-8?B?eA==?=')}Hello\r\n`,
  '8-bit fields': `${header('X-Raw: caf\xe9').replace('hello', 'caf\xc3\xa9')}Hello\r\n`,
  'odd spaces in fields': `${header('X-None:v', 'X-Two:  v', 'X-Tab:\tv ', 'X-Empty:')}Hello\r\n`,
  'fields from outside': `${header('X-External: no', 'Received-SPF: pass', 'DKIM-Signature: v=1; d=example.org; b=', 'X-Greylist: x')}Hello\r\n`,
  '8-bit text': `${mime('text/plain; charset=utf-8', '8bit')}caf\xc3\xa9\r\n`,
  'text in another charset': `${mime('text/plain; charset=iso-8859-1', '8bit')}caf\xe9\r\n`,
  'flowed text': `${mime('text/plain; format=flowed; delsp=yes')}one \r\ntwo \r\n> quoted \r\n\r\n-- \r\nAlice\r\n`,
  'quoted-printable': `${mime('text/plain; charset=utf-8', 'quoted-printable')}caf=C3=A9 =\r\nand on=20\r\n`,
  'base64 text': `${mime('text/plain; charset=utf-8', 'base64')}Y2Fmw6kNCg==\r\n`,
  html: `${mime('text/html; charset=utf-8')}<p>Hello</p>\r\n`,
  'lines of dots': `${header()}.\r\n..\r\n.x\r\n...\r\n`,
  'a line of 998': `${header()}${'x'.repeat(998)}\r\n`,
  'bare CR': `${header()}a\rb\r\n`,
  'an alternative': multipart('alternative', TEXT, HTML),
  attachments: multipart('mixed', TEXT, PDF, PDF.replaceAll('a.pdf', 'caf=C3=A9.pdf')),
  'attachments of an alternative': multipart(
    'mixed',
    `Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n${TEXT}\r\n--c\r\n${HTML}\r\n--c--`,
    PDF,
  ),
  'an attached message': multipart(
    'mixed',
    TEXT,
    `Content-Type: message/rfc822\r\n\r\n${multipart('mixed', TEXT, PDF).replaceAll('--b', '--d').replace('"b"', '"d"')}`,
  ),
  'only an attachment': `${mime('application/pdf; name=a.pdf', 'base64')}JVBERi0xLjQK\r\n`,
  'a report': multipart(
    'report; report-type=delivery-status',
    TEXT,
    'Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; example.org',
  ),
  'signed by S/MIME': multipart(
    'signed; protocol="application/pkcs7-signature"; micalg=sha-256',
    TEXT,
    PDF.replaceAll('application/pdf', 'application/pkcs7-signature').replaceAll(
      'a.pdf',
      'smime.p7s',
    ),
  ),
  'signed by PGP': multipart(
    'signed; protocol="application/pgp-signature"; micalg=pgp-sha256',
    TEXT,
    `Content-Type: application/pgp-signature\r\n\r\n${SIGNATURE}`,
  ),
  'encrypted by PGP': multipart(
    'encrypted; protocol="application/pgp-encrypted"',
    'Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1',
    'Content-Type: application/octet-stream\r\n\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nhQEM\r\n-----END PGP MESSAGE-----',
  ),
  'encrypted by S/MIME': `${mime('application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m', 'base64')}MIIB\r\n`,
  'signed in its text': `${header()}-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nHello\r\n${SIGNATURE}\r\n`,
}

export const LETTERS: readonly Letter[] = Object.entries(TEXTS).map(([name, text]) => ({
  name,
  message: Buffer.from(text, 'latin1'),
}))
