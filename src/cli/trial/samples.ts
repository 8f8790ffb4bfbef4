/** The messages that `check-config` plays: what filters meet every day. Their domains are those of RFC 2606. */
import type { Transaction } from '../../mta/transaction.ts'

export interface Sample {
  readonly name: string
  readonly transaction: Transaction
}

const header = (from: string, subject: string): string =>
  [
    `From: ${from}`,
    'To: Bob <bob@example.net>',
    `Subject: ${subject}`,
    'Date: Tue, 24 Nov 2026 10:00:00 +0000',
    'Message-ID: <sample@example.org>',
    '',
  ].join('\r\n')

const PLAIN = `${header('Alice <alice@example.org>', 'Hello')}\r\nHello Bob\r\n`
const OUTSIDE = { client: { hostname: 'mail.example.com', address: '192.0.2.10' } }

const WITH_ATTACHMENT = `${header('Alice <alice@example.com>', 'Offer')}MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=b\r
\r
--b\r
Content-Type: text/html; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
<p>See <a href=3D"https://example.com/">here</a></p>\r
--b\r
Content-Type: application/pdf; name=offer.pdf\r
Content-Disposition: attachment; filename=offer.pdf\r
Content-Transfer-Encoding: base64\r
\r
JVBERi0xLjQK\r
--b--\r
`

export const SAMPLES: readonly Sample[] = [
  {
    name: 'from outside',
    transaction: {
      ...OUTSIDE,
      from: 'alice@example.com',
      message: PLAIN.replace('alice@example.org', 'alice@example.com'),
    },
  },
  {
    name: 'of a login',
    transaction: { ...OUTSIDE, authenticated: 'alice@example.org', message: PLAIN },
  },
  {
    name: 'of this machine',
    transaction: { client: { hostname: 'localhost', address: '127.0.0.1' }, message: PLAIN },
  },
  {
    name: 'a bounce',
    transaction: {
      ...OUTSIDE,
      from: '',
      message: `${header('MAILER-DAEMON@example.com', 'Undelivered')}\r\nIt failed.\r\n`,
    },
  },
  {
    name: 'with HTML and an attachment, for two',
    transaction: {
      ...OUTSIDE,
      from: 'alice@example.com',
      to: ['bob@example.net', 'carol@example.net'],
      message: WITH_ATTACHMENT,
    },
  },
  {
    name: 'with 8-bit text and no From',
    transaction: {
      ...OUTSIDE,
      from: 'alice@example.com',
      message: Buffer.from('Subject: caf\xe9\r\n\r\ncaf\xe9\r\n', 'latin1'),
    },
  },
]
