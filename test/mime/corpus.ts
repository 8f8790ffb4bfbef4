/**
 * Messages of all shapes, ordinary and odd, for the laws that hold of every message. All were written
 * for these tests.
 */

export interface Sample {
  readonly name: string
  readonly bytes: Buffer
}

/** Latin-1: one character, one byte. */
const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')
const crlf = (...lines: string[]): Buffer =>
  bytesOf(lines.map((line) => `${line}\r\n`).join(''))
const utf8 = (...lines: string[]): Buffer =>
  Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'utf8')
const base64 = (text: string | Buffer): string[] =>
  (Buffer.from(text)
    .toString('base64')
    .match(/.{1,76}/g) ?? []) as string[]

const HEAD = ['From: a@example.org', 'To: b@example.org', 'Subject: test']
const MIXED = [...HEAD, 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b1']
const TEXT = ['Content-Type: text/plain; charset=us-ascii', '', 'Hello.']
const FILE = [
  'Content-Type: application/octet-stream; name="a.bin"',
  'Content-Transfer-Encoding: base64',
  'Content-Disposition: attachment; filename="a.bin"',
  '',
  'AAECAwQ=',
]
const two = (eol: string): Buffer =>
  bytesOf(
    [...MIXED, '', 'preamble', '--b1', ...TEXT, '--b1', ...FILE, '--b1--', 'epilogue', ''].join(
      eol,
    ),
  )
const mixed = (...body: string[]): Buffer => crlf(...MIXED, '', ...body)
const single = (type: string, ...rest: string[]): Buffer =>
  crlf(...HEAD, `Content-Type: ${type}`, ...rest)

/** The shapes programs disagree about. */
const ODD: [name: string, bytes: Buffer][] = [
  ['CRLF', two('\r\n')],
  ['LF', two('\n')],
  [
    'mixed line ends',
    bytesOf(
      'From: a@example.org\nContent-Type: multipart/mixed; boundary=b1\r\n\n--b1\n\r\none\r\n--b1\r\n\r\ntwo\n--b1--\n',
    ),
  ],
  ['bare CR', crlf(...MIXED, '', '--b1', '', 'one\rtwo\r--b1\rthree', '--b1--')],
  ['CR CR LF', two('\r\r\n')],
  ['no final line end', two('\r\n').subarray(0, -'\r\nepilogue\r\n'.length)],
  ['no closing delimiter', mixed('--b1', ...TEXT, '--b1', ...FILE)],
  ['cut inside a part', two('\r\n').subarray(0, 250)],
  ['cut inside a delimiter', bytesOf(`${mixed('--b1', ...TEXT).toString('latin1')}--b`)],
  [
    'delimiter without a line end at the end',
    bytesOf(`${mixed('--b1', ...TEXT).toString('latin1')}--b1`),
  ],
  [
    '8-bit header',
    crlf('From: J\xf6rg <j@example.org>', 'Subject: gr\xfc\xdfe', '', 'body \xe9'),
  ],
  [
    'nested equal boundaries',
    mixed(
      '--b1',
      'Content-Type: multipart/mixed; boundary=b1',
      '',
      '--b1',
      '',
      'inner',
      '--b1--',
      '--b1',
      '',
      'outer',
      '--b1--',
    ),
  ],
  [
    'boundary that begins another',
    mixed(
      '--b1',
      'Content-Type: multipart/alternative; boundary=b11',
      '',
      '--b11',
      '',
      'inner',
      '--b11--',
      '',
      '--b1',
      '',
      'outer',
      '--b1--',
    ),
  ],
  [
    'inner multipart never closed',
    mixed(
      '--b1',
      'Content-Type: multipart/alternative; boundary=in',
      '',
      '--in',
      '',
      'inner',
      '--b1',
      '',
      'outer',
      '--b1--',
    ),
  ],
  ['spaces behind a delimiter', mixed('--b1 \t', '', 'one', '--b1  ', '', 'two', '--b1-- ')],
  [
    'header of a part without an empty line',
    mixed('--b1', 'Content-Type: text/html', '--b1--'),
  ],
  ['part without a header', mixed('--b1', '', 'one', '--b1--')],
  ['empty part', mixed('--b1', '--b1', '', 'two', '--b1--')],
  ['part of an empty line', mixed('--b1', '', '--b1', '', '', '--b1--')],
  [
    'multipart without a boundary',
    crlf(...HEAD, 'Content-Type: multipart/mixed', '', '--b1', '', 'x'),
  ],
  [
    'two fields Content-Type',
    crlf(...MIXED, 'Content-Type: text/plain', '', '--b1', '', 'one', '--b1--'),
  ],
  [
    'two fields Content-Type, text first',
    crlf(
      ...HEAD,
      'Content-Type: text/plain',
      'Content-Type: multipart/mixed; boundary=b1',
      '',
      '--b1',
      '',
      'one',
      '--b1--',
    ),
  ],
  ['line without a colon', crlf(...HEAD, 'this is no field', 'X-After: yes', '', 'body')],
  ['mbox line', crlf('From a@example.org Mon Jan  1 00:00:00 2024', ...HEAD, '', 'body')],
  [
    'space before the colon',
    crlf('Subject : test', 'Content-Type : text/html', '', '<b>x</b>'),
  ],
  ['name and colon on two lines', crlf('Content-Type', ' : text/html', '', 'body')],
  ['NUL', crlf('Subject: a\0b', 'Content-Type: text/plain', '', 'x\0y')],
  [
    'attached message',
    mixed(
      '--b1',
      'Content-Type: message/rfc822',
      '',
      'Subject: inner',
      '',
      'inner body',
      '--b1--',
    ),
  ],
  [
    'attached message in base64',
    mixed(
      '--b1',
      'Content-Type: message/rfc822',
      'Content-Transfer-Encoding: base64',
      '',
      ...base64('Subject: inner\r\nContent-Type: text/html\r\n\r\n<p>inner</p>\r\n'),
      '--b1--',
    ),
  ],
  ['header only', crlf(...HEAD)],
  ['header only, cut', bytesOf('Subject: test')],
  ['header and empty line', crlf(...HEAD, '')],
  ['empty', Buffer.alloc(0)],
  ['body only', crlf('', 'body')],
  ['one line end', bytesOf('\r\n')],
  ['fold first', crlf(' folded', ...HEAD, '', 'body')],
  [
    'binary body',
    Buffer.concat([
      crlf(
        ...HEAD,
        'Content-Type: application/octet-stream',
        'Content-Transfer-Encoding: binary',
        '',
      ),
      Buffer.from(Array.from({ length: 70_000 }, (_none, i) => (i * 7 + (i >> 8)) & 0xff)),
    ]),
  ],
  ['unknown encoding', single('text/plain', 'Content-Transfer-Encoding: x-foo', '', 'body')],
  [
    'two boundaries',
    crlf(
      ...HEAD,
      'Content-Type: multipart/mixed; boundary=b1; boundary=b2',
      '',
      '--b1',
      '',
      'one',
      '--b1--',
      '--b2',
      '',
      'two',
      '--b2--',
    ),
  ],
  [
    'part behind the closing delimiter',
    mixed('--b1', ...TEXT, '--b1--', '--b1', '', 'hidden', '--b1--'),
  ],
  [
    'multipart in base64',
    crlf(...MIXED, 'Content-Transfer-Encoding: base64', '', '--b1', '', 'one', '--b1--'),
  ],
  ['multipart without a delimiter', mixed('only text')],
  [
    'boundary in quotes with spaces',
    crlf(
      ...HEAD,
      'Content-Type: multipart/mixed; boundary="a b "',
      '',
      '--a b ',
      '',
      'one',
      '--a b --',
    ),
  ],
]

/** What mail programs write every day. */
const ORDINARY: [name: string, bytes: Buffer][] = [
  ['plain text', crlf(...HEAD, '', 'Hello,', '', 'bye.')],
  [
    'alternative in related in mixed',
    mixed(
      '--b1',
      'Content-Type: multipart/related; type="multipart/alternative"; boundary="rel=1"',
      '',
      '--rel=1',
      'Content-Type: multipart/alternative; boundary=alt',
      '',
      '--alt',
      'Content-Type: text/plain; charset=utf-8',
      '',
      'Text',
      '',
      '--alt',
      'Content-Type: text/html; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '<p>Gr=C3=BC=C3=9Fe <img src=3D"cid:i1">=',
      '</p>',
      '',
      '--alt--',
      '',
      '--rel=1',
      'Content-Type: image/png',
      'Content-ID: <i1>',
      'Content-Disposition: inline; filename=i.png',
      'Content-Transfer-Encoding: base64',
      '',
      'iVBORw0KGgo=',
      '--rel=1--',
      '',
      '--b1',
      'Content-Type: application/pdf; name=doc.pdf',
      'Content-Disposition: attachment;',
      ' filename=doc.pdf',
      'Content-Transfer-Encoding: base64',
      '',
      'JVBERi0xLjcK',
      '--b1--',
    ),
  ],
  [
    'signed',
    single(
      'multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256; boundary=sig',
      '',
      '--sig',
      'Content-Type: text/plain',
      '',
      'Signed text.',
      '--sig',
      'Content-Type: application/pgp-signature; name=signature.asc',
      '',
      '-----BEGIN PGP SIGNATURE-----',
      '',
      'abcd',
      '-----END PGP SIGNATURE-----',
      '--sig--',
    ),
  ],
  [
    'encrypted',
    single(
      'multipart/encrypted; protocol="application/pgp-encrypted"; boundary=enc',
      '',
      '--enc',
      'Content-Type: application/pgp-encrypted',
      '',
      'Version: 1',
      '--enc',
      'Content-Type: application/octet-stream; name=encrypted.asc',
      '',
      '-----BEGIN PGP MESSAGE-----',
      '',
      'abcd',
      '-----END PGP MESSAGE-----',
      '--enc--',
    ),
  ],
  [
    'S/MIME',
    single(
      'application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m',
      'Content-Transfer-Encoding: base64',
      'Content-Disposition: attachment; filename=smime.p7m',
      '',
      'MIAGCSqGSIb3DQEHA6CA',
    ),
  ],
  [
    'digest',
    single(
      'multipart/digest; boundary=dig',
      '',
      '--dig',
      '',
      'Subject: one',
      '',
      'first',
      '',
      '--dig',
      '',
      'Subject: two',
      '',
      'second',
      '--dig--',
    ),
  ],
  [
    'delivery status',
    single(
      'multipart/report; report-type=delivery-status; boundary=rep',
      '',
      '--rep',
      '',
      'It failed.',
      '--rep',
      'Content-Type: message/delivery-status',
      '',
      'Reporting-MTA: dns; mx.example.org',
      '',
      'Final-Recipient: rfc822; x@example.org',
      'Action: failed',
      'Status: 5.1.1',
      '',
      '--rep',
      'Content-Type: text/rfc822-headers',
      '',
      'Subject: lost',
      '--rep--',
    ),
  ],
  [
    'invitation',
    single(
      'multipart/alternative; boundary=cal',
      '',
      '--cal',
      'Content-Type: text/plain',
      '',
      'Meet me.',
      '--cal',
      'Content-Type: text/calendar; charset=utf-8; method=REQUEST',
      '',
      'BEGIN:VCALENDAR',
      'METHOD:REQUEST',
      'END:VCALENDAR',
      '--cal--',
    ),
  ],
  [
    'Japanese, ISO-2022-JP',
    single(
      'text/plain; charset=ISO-2022-JP',
      'Content-Transfer-Encoding: 7bit',
      '',
      '\x1b$B$3$s$K$A$O\x1b(B',
    ),
  ],
  [
    'Japanese, Shift_JIS',
    single(
      'text/plain; charset=Shift_JIS',
      'Content-Transfer-Encoding: base64',
      '',
      ...base64(bytesOf('\x83\x65\x83\x58\x83\x67')),
    ),
  ],
  [
    'Korean, EUC-KR',
    single(
      'text/plain; charset=euc-kr',
      'Content-Transfer-Encoding: 8bit',
      '',
      '\xc7\xd1\xb1\xdb',
    ),
  ],
  [
    'Cyrillic, KOI8-R',
    single(
      'text/plain; charset=koi8-r',
      'Content-Transfer-Encoding: 8bit',
      '',
      '\xf0\xd2\xc9\xd7\xc5\xd4',
    ),
  ],
  [
    'Cyrillic, windows-1251, quoted-printable',
    single(
      'text/plain; charset=windows-1251',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '=CF=F0=E8=E2=E5=F2',
    ),
  ],
  [
    'Chinese, GB2312',
    single(
      'text/plain; charset=gb2312',
      'Content-Transfer-Encoding: 8bit',
      '',
      '\xc4\xe3\xba\xc3',
    ),
  ],
  [
    'names of RFC 2231',
    mixed(
      '--b1',
      "Content-Disposition: attachment; filename*=utf-8''%e2%82%ac.txt",
      '',
      'euro',
      '--b1',
      'Content-Type: application/x-zip',
      'Content-Disposition: attachment;',
      " filename*0*=utf-8''a%20long;",
      ' filename*1=" name";',
      ' filename*2*=%20%c3%bc.zip',
      '',
      'zip',
      '--b1--',
    ),
  ],
  [
    'names of RFC 2047',
    mixed(
      '--b1',
      'Content-Type: application/pdf; name="=?utf-8?Q?Gr=C3=BC=C3=9Fe.pdf?="',
      'Content-Disposition: attachment; filename="=?utf-8?B?R3LDvMOfZS5wZGY=?="',
      '',
      'pdf',
      '--b1--',
    ),
  ],
  [
    'raw UTF-8 name',
    Buffer.concat([
      mixed('--b1'),
      utf8('Content-Disposition: attachment; filename="Grüße.txt"', '', 'text', '--b1--'),
    ]),
  ],
  [
    'format=flowed',
    single('text/plain; format=flowed; delsp=yes', '', 'a long ', 'line', '-- ', 'signature'),
  ],
  ['uuencoded', crlf(...HEAD, '', 'text', 'begin 644 a.txt', '#86)C', '`', 'end')],
  [
    'TNEF',
    mixed(
      '--b1',
      ...TEXT,
      '--b1',
      'Content-Type: application/ms-tnef; name="winmail.dat"',
      'Content-Transfer-Encoding: base64',
      '',
      'eJ8+IgAA',
      '--b1--',
    ),
  ],
  ['long lines', crlf(...HEAD, '', 'x'.repeat(5_000), 'y'.repeat(998))],
  [
    'many recipients',
    crlf(
      'From: a@example.org',
      `To: ${Array.from({ length: 200 }, (_none, i) => `r${i}@example.org`).join(',\r\n ')}`,
      '',
      'body',
    ),
  ],
  [
    'message in message',
    single(
      'message/rfc822',
      '',
      'Subject: inner',
      'Content-Type: multipart/mixed; boundary=in',
      '',
      '--in',
      '',
      'one',
      '--in',
      ...FILE,
      '--in--',
    ),
  ],
  [
    'HTML that names its charset',
    single('text/html', '', '<meta charset="iso-8859-1"><p>caf\xe9</p>'),
  ],
  [
    'upper case',
    crlf(
      'CONTENT-TYPE: TEXT/HTML; CHARSET="UTF-8"',
      'CONTENT-TRANSFER-ENCODING: BASE64',
      '',
      'PGI+eDwvYj4=',
    ),
  ],
  [
    'comment behind the encoding',
    single('text/plain', 'Content-Transfer-Encoding: base64', ' (all of it)', '', 'aGVsbG8='),
  ],
  [
    'UTF-16',
    single(
      'text/plain; charset=utf-16le',
      'Content-Transfer-Encoding: base64',
      '',
      ...base64(Buffer.from('héllo\r\n', 'utf16le')),
    ),
  ],
]

export const CORPUS: readonly Sample[] = [...ODD, ...ORDINARY].map(([name, bytes]) => ({
  name,
  bytes,
}))

/** A message of the corpus. */
export function sample(name: string): Buffer {
  const found = CORPUS.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no message ${name}`)
  return found.bytes
}
