/** Hostile mail: HTML in other charsets, XHTML, SVG, and parts in odd places. */

/** What payloads are made of, with the number of theirs (see `html-payloads.ts`). */
interface Words {
  readonly T: string
  readonly HIT: string
  readonly RUNS: string
}

type Content = Buffer | string
const latin1 = (text: Content): Buffer =>
  typeof text === 'string' ? Buffer.from(text, 'latin1') : text

/** A message of one part. @param fields others, each with its line end */
const mail = (type: string, content: Content, fields = ''): Buffer =>
  Buffer.concat([
    latin1(`MIME-Version: 1.0\r\nContent-Type: ${type}\r\n${fields}\r\n`),
    latin1(content),
  ])

const part = (type: string, content: string, fields = ''): string =>
  `Content-Type: ${type}\r\n${fields}\r\n${content}`

const multipart = (type: string, ...parts: string[]): Buffer =>
  mail(
    `multipart/${type}; boundary=b`,
    `${parts.map((one) => `--b\r\n${one}\r\n`).join('')}--b--\r\n`,
  )

const base64 = (content: Content): string =>
  latin1(content)
    .toString('base64')
    .replaceAll(/(.{76})/g, '$1\r\n')

// ---- charsets

const utf16 = (text: string, big = false): Buffer => {
  const bytes = Buffer.from(text, 'utf16le')
  return big ? bytes.swap16() : bytes
}
const utf32 = (text: string, big = false): Buffer => {
  const bytes = Buffer.alloc(4 * text.length)
  for (let i = 0; i < text.length; i++) {
    if (big) bytes.writeUInt32BE(text.charCodeAt(i), 4 * i)
    else bytes.writeUInt32LE(text.charCodeAt(i), 4 * i)
  }
  return bytes
}

/** What payloads have of EBCDIC (code page 37). */
const EBCDIC = new Map<string, number>(
  Array.from('<>/()=" .', (one, i): [string, number] => [
    one,
    [0x4c, 0x6e, 0x61, 0x4d, 0x5d, 0x7e, 0x7f, 0x40, 0x4b][i]!,
  ]),
)
const ebcdic = (text: string): Buffer =>
  Buffer.from(
    Array.from(text, (one) => {
      const at = 'abcdefghi'.indexOf(one)
      if (at !== -1) return 0x81 + at
      if ('jklmnopqr'.includes(one)) return 0x91 + 'jklmnopqr'.indexOf(one)
      if ('stuvwxyz'.includes(one)) return 0xa2 + 'stuvwxyz'.indexOf(one)
      return EBCDIC.get(one) ?? 0xf0 + Number(one)
    }),
  )

const odd = [
  'utf-32',
  'ucs-4',
  'utf-16',
  'utf-16le',
  'utf-16be',
  'utf-7',
  'unicode',
  'x-user-defined',
]
const names = [
  ...odd,
  'iso-2022-kr',
  'iso-2022-jp',
  'iso-2022-cn',
  'hz-gb-2312',
  'ibm037',
  'cp037',
  'cp1047',
  'cp500',
  'gbk',
  'gb18030',
  'big5',
  'euc-jp',
  'shift_jis',
  'replacement',
  'x-unknown',
  'unknown-8bit',
  '""',
]

const charsets = ({ HIT, RUNS }: Words): Buffer[] => {
  const utf7 = RUNS.replaceAll('<', '+ADw-').replaceAll('>', '+AD4-')
  const half = latin1(`<p title="\x81" onclick=${HIT} x="">x</p>`)
  const jis = `<p title="\x1b$B">x</p>\x1b(B<p onclick=${HIT}>x`
  return [
    ...names.map((one) => mail(`text/html; charset=${one}`, RUNS)),
    ...odd.map((one) => mail('text/html', `<meta charset=${one}>${RUNS}`)),
    ...odd.map((one) =>
      mail(
        'text/html',
        `<meta http-equiv=content-type content="text/html; charset=${one}">${RUNS}`,
      ),
    ),
    ...[
      '',
      '; charset=utf-8',
      '; charset=us-ascii',
      '; charset=windows-1252',
      '; charset=gbk',
    ].flatMap((one) => [
      mail(`text/html${one}`, utf16(`\ufeff${RUNS}`)),
      mail(`text/html${one}`, utf16(`\ufeff${RUNS}`, true)),
    ]),
    ...['utf-16', 'utf-16le', 'utf-16be', 'unicode', 'ucs-2'].flatMap((one) => [
      mail(`text/html; charset=${one}`, utf16(RUNS)),
      mail(`text/html; charset=${one}`, utf16(RUNS, true)),
      mail(`text/html; charset=${one}`, utf16(`\ufeff${RUNS}`)),
    ]),
    mail('text/html; charset=utf-32', utf32(RUNS)),
    mail('text/html; charset=utf-32be', utf32(RUNS, true)),
    mail('text/html; charset=utf-32', utf32(`\ufeff${RUNS}`)),
    mail('text/html', utf32(`\ufeff${RUNS}`)),
    mail('text/html; charset=utf-7', utf7),
    mail('text/html; charset=unicode-1-1-utf-7', utf7),
    mail('text/html; charset=x-utf-7', utf7),
    mail('text/html', `<meta charset=utf-7>${utf7}`),
    mail('text/html; charset=us-ascii', `\xef\xbb\xbf${RUNS}`),
    mail('text/html; charset=utf-16', `\xef\xbb\xbf${RUNS}`),
    mail('text/html; charset=utf-7', `\xef\xbb\xbf${RUNS}`),
    mail('text/html; charset=utf-8', `+/v8-${utf7}`),
    mail('text/html; charset=cp037', ebcdic(`<script>${HIT}</script>`)),
    mail('text/html; charset=ebcdic-us', ebcdic(`<script>${HIT}</script>`)),
    ...['iso-2022-jp', 'iso-2022-kr', 'csiso2022jp', 'iso-2022-jp-2', 'utf-8', 'x-unknown'].map(
      (one) => mail(`text/html; charset=${one}`, jis),
    ),
    mail('text/html', `<meta charset=iso-2022-jp>${jis}`),
    mail('text/html', jis),
    ...['iso-2022-jp', 'utf-8', 'iso-2022-kr'].flatMap((one) => [
      mail(
        `text/html; charset=${one}`,
        `<scr\x1b(Bipt>${HIT}</scr\x1b(Bipt><b onclick=${HIT}>`,
      ),
      mail(
        `text/html; charset=${one}`,
        `<img alt="\x1b$B"><img alt="\x1b(B" onclick=${HIT} x="\x1b(J">`,
      ),
      mail(`text/html; charset=${one}`, `<p title="\x0e" onclick=${HIT} x="\x0f">x</p>`),
    ]),
    mail('text/html; charset=hz-gb-2312', `<p title="~{">x</p>~}<b onclick=${HIT}>x`),
    mail('text/html; charset=hz-gb-2312', `<scr~\nipt>${HIT}</scr~\nipt>`),
    mail('text/html; charset=hz', `<p title="~{" onclick=${HIT} x="~}">x</p>`),
    ...[
      'gbk',
      'gb18030',
      'gb2312',
      'big5',
      'shift_jis',
      'euc-kr',
      'euc-jp',
      'utf-8',
      'windows-1252',
    ].flatMap((one) => [
      mail(`text/html; charset=${one}`, half),
      mail('text/html', Buffer.concat([latin1(`<meta charset=${one}>`), half])),
    ]),
    mail('text/html; charset=shift_jis', `<script>x="\\\x83\\";${HIT}</script>`),
    mail("text/html; charset=utf-8; charset*=us-ascii''utf-16le", utf16(RUNS)),
    mail("text/html; charset*=us-ascii''utf-16le", utf16(RUNS)),
    mail('text/html; charset*0=utf-; charset*1=16le', utf16(RUNS)),
    mail('text/html; charset="utf-16le"; charset=utf-8', utf16(RUNS)),
    mail('text/html; charset=utf-8; charset=utf-16le', utf16(RUNS)),
    mail("text/html; charset='utf-16le'", utf16(RUNS)),
    mail('text/html; charset=(x)utf-16le', utf16(RUNS)),
    mail('text/html; charset=" utf-16le "', utf16(RUNS)),
    mail('text/html;charset=utf-8,utf-16le', utf16(RUNS)),
    mail('text/html charset=utf-16le', utf16(RUNS)),
    mail('text/html', `<!-- <meta charset=utf-16le> --><meta charset=utf-7>${utf7}`),
    mail('text/html', `<meta charset=iso-2022-jp><!-- \x1b$B --><b onclick=${HIT}>\x1b(B`),
    mail('text/html', `<x meta charset=iso-2022-jp><meta/charset=iso-2022-jp>${jis}`),
    mail('text/html', `<metaxcharset=iso-2022-jp><meta\fcharset='iso-2022-jp'>${jis}`),
    mail('text/html', `${' '.repeat(900)}<meta charset="iso-2022-jp">${jis}`),
    mail('text/html', `${' '.repeat(1100)}<meta charset="iso-2022-jp">${jis}`),
    mail(
      'text/html',
      `<meta name=x content="text/html;charset=gbk"><meta charset=iso-2022-jp>${jis}`,
    ),
    mail('text/html', `<meta charset=x-bogus charset=gbk><meta charset=iso-2022-jp>${jis}`),
    mail('text/html', `<?xml version="1.0" encoding="utf-16"?>${RUNS}`),
  ]
}

// ---- XHTML

const X = 'http://www.w3.org/1999/xhtml'
const SVG = 'http://www.w3.org/2000/svg'
const xhtmlTexts = ({ T, HIT }: Words): string[] => [
  `<html xmlns="${X}"><body><script>${HIT}</script></body></html>`,
  `<h:html xmlns:h="${X}"><h:script>${HIT}</h:script></h:html>`,
  `<h:html xmlns:h="${X}"><h:img src="x" onerror="${HIT}"/></h:html>`,
  `<h:html xmlns:h="${X}"><h:a href="javascript:${HIT}">x</h:a></h:html>`,
  `<h:html xmlns:h="${X}"><h:iframe src="javascript:${HIT}"/></h:html>`,
  `<h:html xmlns:h="${X}"><h:body onload="${HIT}"/></h:html>`,
  `<h:html xmlns:h="${X}"><h:link rel="stylesheet" href="${T}/a.css"/></h:html>`,
  `<h:html xmlns:h="${X}"><h:meta http-equiv="refresh" content="0;url=${T}/a.html"/></h:html>`,
  `<h:html xmlns:h="${X}"><h:iframe src="${T}/a.html"/></h:html>`,
  `<h:html xmlns:h="${X}"><h:object data="${T}/a.html"/></h:html>`,
  `<h:html xmlns:h="${X}"><h:embed src="${T}/a.html"/></h:html>`,
  `<h:html xmlns:h="${X}"><h:style>@import "${T}/a.css";</h:style></h:html>`,
  `<\u00e4:html xmlns:\u00e4="${X}"><\u00e4:script>${HIT}</\u00e4:script></\u00e4:html>`,
  `<x xmlns:h="${X}"><h:script\n>${HIT}</h:script\n></x>`,
  `<x><script xmlns="${X}">${HIT}</script></x>`,
  `<x><y xmlns="&#104;ttp://www.w3.org/1999/xhtml"><script>${HIT}</script></y></x>`,
  `<!DOCTYPE x [<!ENTITY n "${X}">]><x:x xmlns:x="&n;"><x:script>${HIT}</x:script></x:x>`,
  `<!DOCTYPE html [<!ENTITY e "<script xmlns='${X}'>${HIT}</script>">]><html xmlns="${X}">&e;</html>`,
  `<!DOCTYPE html [<!ENTITY e '<img xmlns="${X}" src="x" onerror="${HIT}"/>'>]><html xmlns="${X}">&e;</html>`,
  `<!DOCTYPE html [<!ENTITY e "&#60;script xmlns='${X}'>${HIT}&#60;/script>">]><html xmlns="${X}">&e;</html>`,
  `<!DOCTYPE html [<!ENTITY e "javascript:${HIT}">]><html xmlns="${X}"><a href="&e;">x</a></html>`,
  `<!DOCTYPE html [<!ATTLIST body onload CDATA "${HIT}">]><html xmlns="${X}"><body/></html>`,
  `<!DOCTYPE x [<!ATTLIST x xmlns CDATA "${X}">]><x><script xmlns="${X}">${HIT}</script></x>`,
  `<?xml-stylesheet href="${T}/a.css"?><html xmlns="${X}"/>`,
  `<?xml-stylesheet type="text/xsl" href="data:text/xml,x"?><html xmlns="${X}"><script>${HIT}</script></html>`,
  `<html xmlns="${X}"><![CDATA[<x>]]><script><![CDATA[${HIT}]]></script></html>`,
  `<html xmlns="${X}"><title><script>${HIT}</script></title></html>`,
  `<html xmlns="${X}"><textarea><script>${HIT}</script></textarea></html>`,
  `<html xmlns="${X}"><xmp><script>${HIT}</script></xmp></html>`,
  `<html xmlns="${X}"><noscript><script>${HIT}</script></noscript></html>`,
  `<html xmlns="${X}"><style><script>${HIT}</script></style></html>`,
  `<html xmlns="${X}"><plaintext/><script>${HIT}</script></html>`,
  `<html xmlns="${X}"><svg xmlns="${SVG}" onload="${HIT}"/></html>`,
  `<html xmlns="${X}"><s:svg xmlns:s="${SVG}"><s:script>${HIT}</s:script></s:svg></html>`,
  `<html xmlns="${X}"><s:svg xmlns:s="${SVG}"><s:a xmlns:l="http://www.w3.org/1999/xlink" l:href="javascript:${HIT}"><s:text>x</s:text></s:a></s:svg></html>`,
  `<html xmlns="${X}"><!-- --!><script>${HIT}</script> --><script>${HIT}</script></html>`,
]
const xhtml = (words: Words): Buffer[] => [
  ...xhtmlTexts(words).map((one) =>
    mail('application/xhtml+xml; charset=utf-8', Buffer.from(one)),
  ),
  ...xhtmlTexts(words)
    .slice(0, 3)
    .flatMap((one) => [
      mail('application/xhtml+xml', utf16(`\ufeff${one}`)),
      mail('text/xml', one),
      mail('application/xml', one),
      mail('application/octet-stream; name=x.xhtml', one),
      mail('application/octet-stream; name=x.xht', one),
      mail('application/x-unknown+xml', one),
    ]),
]

// ---- SVG

const svgTexts = ({ T, HIT }: Words): string[] => [
  `<svg xmlns="${SVG}"><script>${HIT}</script></svg>`,
  `<svg xmlns="${SVG}" onload="${HIT}"/>`,
  `<s:svg xmlns:s="${SVG}"><s:script>${HIT}</s:script></s:svg>`,
  `<s:svg xmlns:s="${SVG}"><s:image href="${T}/a.gif"/><s:script>${HIT}</s:script></s:svg>`,
  `<svg xmlns="${SVG}"><image href="${T}/a.gif"/></svg>`,
  `<svg xmlns="${SVG}"><use href="${T}/a.svg#x"/><script href="${T}/a.js"/></svg>`,
  `<svg xmlns="${SVG}"><style>@import "${T}/a.css";</style></svg>`,
  `<svg xmlns="${SVG}"><style>rect{fill:url(${T}/a.svg#f)}</style><rect width="9" height="9"/></svg>`,
  `<svg xmlns="${SVG}"><foreignObject><iframe xmlns="${X}" src="${T}/a.html"/></foreignObject></svg>`,
  `<svg xmlns="${SVG}"><foreignObject><body xmlns="${X}" onload="${HIT}"/></foreignObject></svg>`,
  `<svg xmlns="${SVG}"><a href="javascript:${HIT}"><text y="9">x</text></a></svg>`,
  `<svg xmlns="${SVG}"><a><set attributeName="href" to="javascript:${HIT}"/><text y="9">x</text></a></svg>`,
  `<svg xmlns="${SVG}"><animate attributeName="x" dur="1s" onbegin="${HIT}"/></svg>`,
  `<svg xmlns="${SVG}"><filter id="f"><feImage href="${T}/a.gif"/></filter><rect width="9" height="9" filter="url(#f)"/></svg>`,
  `<!DOCTYPE svg [<!ENTITY e "<script xmlns='${SVG}'>${HIT}</script>">]><svg xmlns="${SVG}">&e;</svg>`,
  `<?xml-stylesheet href="${T}/a.css"?><svg xmlns="${SVG}"/>`,
  `<?xml version="1.0"?><!-- x --><svg xmlns="${SVG}"><g onclick="${HIT}"/></svg>`,
]
const svg = (words: Words): Buffer[] => [
  ...svgTexts(words).map((one) => mail('image/svg+xml', one)),
  ...svgTexts(words)
    .slice(0, 2)
    .flatMap((one) => [
      mail('image/svg', one, 'Content-Disposition: inline; filename=x.svg\r\n'),
      mail('image/png; name=x.svg', one),
      mail('application/octet-stream; name="x.svg"', one),
      mail('image/svg+xml', base64(one), 'Content-Transfer-Encoding: base64\r\n'),
      mail('image/svg+xml; charset=utf-16', utf16(`\ufeff${one}`)),
      multipart(
        'related',
        part('text/html', '<img src="cid:x">'),
        part('image/svg+xml', one, 'Content-ID: <x>\r\n'),
      ),
    ]),
]

// ---- parts in odd places

const plain = part('text/plain', 'x')
const message = (inner: Content): Buffer => mail('message/rfc822', inner)

const places = ({ HIT, RUNS }: Words): Buffer[] => {
  const html = part('text/html; charset=utf-8', RUNS)
  const qp = RUNS.replaceAll('=', '=3D')
  return [
    multipart('mixed', plain, html),
    multipart('mixed', html, html),
    multipart('alternative', plain, html),
    multipart('alternative', html, plain),
    multipart('related', html),
    multipart('report', plain, html),
    multipart('digest', html),
    multipart('digest', mail('text/html', RUNS).toString('latin1')),
    multipart('x-unknown', html),
    multipart(
      'form-data',
      part('text/html', RUNS, 'Content-Disposition: form-data; name=x\r\n'),
    ),
    multipart('parallel', html, plain),
    multipart(
      'signed; protocol="application/pgp-signature"; micalg=pgp-sha256',
      html,
      part('application/pgp-signature', 'x'),
    ),
    multipart(
      'signed; protocol="application/pkcs7-signature"',
      html,
      part('application/pkcs7-signature', 'AAAA'),
    ),
    multipart(
      'encrypted; protocol="application/pgp-encrypted"',
      part('application/pgp-encrypted', 'Version: 1'),
      html,
    ),
    mail('multipart/mixed; boundary=b', `${RUNS}\r\n--b\r\n${plain}\r\n--b--\r\n`),
    mail('multipart/mixed; boundary=b', `--b\r\n${plain}\r\n--b--\r\n${RUNS}\r\n`),
    mail(
      'multipart/mixed; boundary=b',
      `--b\r\n${plain}\r\n--b--\r\n--b\r\n${html}\r\n--b--\r\n`,
    ),
    mail('multipart/alternative; boundary=b', `<html>${RUNS}</html>\r\n`),
    mail('multipart/mixed', `--\r\n${html}\r\n----\r\n`),
    mail('multipart/mixed; boundary=""', `--\r\n${html}\r\n----\r\n`),
    mail(
      'multipart/mixed; boundary=b; boundary=c',
      `--b\r\n${plain}\r\n--b--\r\n--c\r\n${html}\r\n--c--\r\n`,
    ),
    mail('multipart/mixed boundary=b', `--b\r\n${html}\r\n--b--\r\n`),
    mail('multipart/mixed; boundary=b', `--b\r\n${html}`),
    mail('multipart/mixed; boundary=b', `--b\r${html.replaceAll('\r\n', '\r')}\r--b--\r`),
    mail('multipart/mixed; boundary=b', `--b\n${html.replaceAll('\r\n', '\n')}\n--b--\n`),
    message(mail('text/html', RUNS)),
    message(message(mail('text/html', RUNS))),
    message(multipart('alternative', plain, html)),
    mail(
      'message/rfc822',
      base64(mail('text/html', RUNS)),
      'Content-Transfer-Encoding: base64\r\n',
    ),
    mail('message/global', mail('text/html', RUNS)),
    mail(
      'application/octet-stream; name=x.eml',
      base64(mail('text/html', RUNS)),
      'Content-Transfer-Encoding: base64\r\n',
    ),
    mail('text/plain; name=x.eml', mail('text/html', RUNS)),
    multipart(
      'mixed',
      plain,
      part('message/rfc822', mail('text/html', RUNS).toString('latin1')),
    ),
    mail('text/plain\r\nContent-Type: text/html', RUNS),
    mail('text/html\r\nContent-Type: text/plain', RUNS),
    mail('text / html', RUNS),
    mail('"text/html"', RUNS),
    mail('text/html charset=utf-8', RUNS),
    mail('text/html, text/plain', RUNS),
    mail('text/html:', RUNS),
    mail('TEXT/HTML', RUNS),
    mail('text/(x)html', RUNS),
    mail('text/html(x)', RUNS),
    mail('\r\n text/html', RUNS),
    mail('text/x-html', RUNS, 'Content-Disposition: inline; filename=x.html\r\n'),
    ...[
      'html',
      'htm',
      'HTM',
      'shtml',
      'shtm',
      'xhtml',
      'mht',
      'mhtml',
      'hta',
      'htc',
      'html.',
      'html ',
      'htm\\"',
    ].flatMap((one) => [
      mail(`text/plain; name="x.${one}"`, RUNS),
      mail(
        'application/octet-stream',
        RUNS,
        `Content-Disposition: attachment; filename="x.${one}"\r\n`,
      ),
    ]),
    mail('text/plain', RUNS, 'Content-Disposition: attachment; filename=x.html\r\n'),
    mail('text/plain', RUNS, "Content-Disposition: attachment; filename*=utf-8''x%2Ehtml\r\n"),
    mail(
      'text/plain',
      RUNS,
      'Content-Disposition: attachment; filename="=?utf-8?Q?x=2Ehtml?="\r\n',
    ),
    mail('text/html', RUNS, 'Content-Disposition: attachment\r\n'),
    mail('application/octet-stream', `<html>${RUNS}</html>`),
    mail('application/x-unknown', `<!doctype html>${RUNS}`),
    mail('image/png', `<html>${RUNS}</html>`),
    mail('application/pdf; name=x.pdf', `<html>${RUNS}</html>`),
    mail('text/html', base64(RUNS), 'Content-Transfer-Encoding: base64\r\n'),
    mail('text/html', RUNS, 'Content-Transfer-Encoding: base64\r\n'),
    mail('text/html', `<p onclick=${HIT}>`, 'Content-Transfer-Encoding: base64\r\n'),
    mail('text/html', base64(RUNS), 'Content-Transfer-Encoding: "base64"\r\n'),
    mail('text/html', base64(RUNS), 'Content-Transfer-Encoding: base64x\r\n'),
    mail(
      'text/html',
      base64(RUNS),
      'Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n',
    ),
    mail(
      'text/html',
      base64(RUNS),
      'Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n',
    ),
    mail('text/html', `!${base64(RUNS)}`, 'Content-Transfer-Encoding: base64\r\n'),
    mail(
      'text/html',
      `${base64('<p>x</p>')}\r\n${RUNS}`,
      'Content-Transfer-Encoding: base64\r\n',
    ),
    mail('text/html', qp, 'Content-Transfer-Encoding: quoted-printable\r\n'),
    mail(
      'text/html',
      qp.replaceAll('<', '=3C'),
      'Content-Transfer-Encoding: quoted-printable\r\n',
    ),
    mail(
      'text/html',
      qp.replaceAll('<', '=3c=\r\n'),
      'Content-Transfer-Encoding: quoted-printable\r\n',
    ),
    mail(
      'text/html',
      qp.replaceAll('<', '=3C'),
      'Content-Transfer-Encoding: quoted printable\r\n',
    ),
    mail('text/html', RUNS, 'Content-Transfer-Encoding: quoted-printable\r\n'),
    mail('text/html', RUNS, 'Content-Transfer-Encoding: x-odd\r\n'),
    mail('text/html', `<scr\r\nipt>${HIT}</script>${RUNS}`),
    mail('text/html', `${RUNS.replaceAll('<', '<\r\n')}${RUNS}`),
    mail('text/html; format=flowed; delsp=yes', `<scr \r\nipt>${HIT}</scr \r\nipt>${RUNS}`),
    mail('text/enriched', RUNS),
    mail('text/html', `${'x'.repeat(70_000)}${RUNS}`),
    Buffer.from(`MIME-Version: 1.0\r\nX: y\r\nContent-Type: text/html\r\n\r\n${RUNS}`),
    Buffer.from(`X: y\r\nContent-Type: text/html\r\n\r\n${RUNS}`),
    Buffer.from(`From x\nContent-Type: text/html\n\n${RUNS}`),
    Buffer.from(`Content-Type: text/html\r\nthis is no field\r\n\r\n${RUNS}`),
    Buffer.from(`Subject: x\r\n${' '.repeat(4)}\r\nContent-Type: text/html\r\n\r\n${RUNS}`),
    Buffer.from(`Content-Type : text/html\r\n\r\n${RUNS}`),
    Buffer.from(`Content-Type: text/plain\r\n\r\n<html>${RUNS}`),
  ]
}

const MAILS = { charsets, xhtml, svg, places }

/** All of them, by families; each with a number of its own, the first with the one that is given. */
export function hostileMails(first: number): { family: string; id: number; mail: Buffer }[] {
  const mails: { family: string; id: number; mail: Buffer }[] = []
  for (const [family, of] of Object.entries(MAILS)) {
    const count = of(wordsOf(0)).length
    for (let i = 0; i < count; i++) {
      const id = first + mails.length
      mails.push({ family, id, mail: of(wordsOf(id))[i]! })
    }
  }
  return mails
}

function wordsOf(id: number): Words {
  const HIT = `hit(${id})`
  const RUNS = `<p>x</p><script>${HIT}</script><img src=x onerror=${HIT}>`
  return { T: `http://t${id}.test`, HIT, RUNS }
}
