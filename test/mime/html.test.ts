import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import {
  insertHtml,
  rewriteHtmlPart,
  rewriteLinks,
  sanitizeHtml,
  type SanitizeOptions,
} from '../../src/mime/html/html.ts'
import { parseMime } from '../../src/mime/message.ts'
import { assertGrowth } from '../support/growth.ts'

/** Documents that a parser would write in another way. */
const ODD = [
  '',
  'no tags',
  '<P>Text<p >More</P\t>',
  '<!doctype HTML PUBLIC "-//W3C//DTD HTML 4.0 Transitional//EN"><HTML><BODY BGCOLOR=#fff>x',
  '<a href=x title=\'a"b\' href="y"   >&nbsp;&amp &copy;&#x41</a>',
  '<table><p>foster<tr><td nowrap>1</table>',
  '\ufeff<html>\r\n<body>\r\n<br/>\r<hr>\n\n</body>\r\n\0</html>\r\n',
  '<style><!-- p > a { color: red } --></style><title>a &lt; b</title>',
  '<!--[if mso]><table><tr><td width="600"><![endif]-->x<!--[if !mso]><!-->y<!--<![endif]-->',
  '<![if !mso]>x<![endif]><?xml version="1.0"?><o:p></o:p><v:shape id=_x0000_i1025>',
  '<style>v\\:* { behavior: url(#default#VML); }</style>',
  '<svg viewBox="0 0 9 9"><g><path d="M0 0"/><title>Logo</title></g></svg>',
  '😀<p title="😀">\u{10ffff}\ud800</p>',
  'a < b <3 <> </> <- <',
  '<div',
  '<!-- open',
  '<textarea>\n\n<',
]

describe('sanitizing HTML', () => {
  const cases: [what: string, html: string, result: string, options?: SanitizeOptions][] = [
    ['a script', 'a<script>alert(1)</script>b', 'ab'],
    ['a script in capitals', 'a<SCRIPT\nsrc=x >1</ScRiPt\t>b', 'ab'],
    ['a script in a script', 'a<script><script></script>b', 'ab'],
    ['a script with comments', 'a<script><!--<script></script>--></script>b', 'ab'],
    ['a script without an end', 'a<script>alert(1)', 'a'],
    ['a script in a drawing', 'a<svg><script>1</script></svg>b', 'ab'],
    ['a script in a formula', 'a<math><script>1</script></math>b', 'ab'],
    ['a script that is empty, in a drawing', 'a<svg><script href=x /></svg>b', 'ab'],
    ['a script in CDATA', 'a<svg><![CDATA[<script>1</script>]]></svg>b', 'ab'],
    ['what is no CDATA', 'a<![CDATA[<script>1</script>]]>b', 'a1</script>]]>b'],
    ['a script under a condition', 'a<!--[if mso]><script>1</script><![endif]-->b', 'ab'],
    ['a script in noscript', 'a<noscript><script>1</script></noscript>b', 'ab'],
    ['no tag out of two', 'a<<script></script>img src=x>b', 'a<<!---->img src=x>b'],
    ['a script in the name of another tag', '<scr<script>ipt>', '<scr<script>ipt>'],
    ['a handler', '<p id=a onclick="x()">b', '<p id="a">b'],
    ['a handler in capitals', '<IMG SRC=x OnErRoR=1>', '<img src="x">'],
    ['a handler behind a slash', '<img/src="x"/onerror=1>', '<img src="x">'],
    ['a handler behind a value', '<img src="x"onerror=1>', '<img src="x">'],
    ['a second handler', '<img onerror=1 onerror=2>', '<img>'],
    [
      'a value that slips in',
      '<a href onclick=1 =javascript:1>',
      '<a href="" =javascript:1="">',
    ],
    ['javascript', '<a href="javascript:1">x</a>', '<a>x</a>'],
    ['javascript with spaces', '<a href=" \u0001jaVa\tScr\nipt\r:1">x</a>', '<a>x</a>'],
    ['javascript in references', '<a href="&#106;ava&Tab;script&colon;1">x</a>', '<a>x</a>'],
    ['javascript behind another', '<a href=javascript:1 href=javascript:2>x</a>', '<a>x</a>'],
    ['vbscript', '<img src=vbscript:x>', '<img>'],
    ['data of HTML', '<a href="data:text/html;base64,PHA+">x</a>', '<a>x</a>'],
    [
      'data of a picture stays',
      '<img src="data:image/png;base64,AA">',
      '<img src="data:image/png;base64,AA">',
    ],
    [
      'javascript in a drawing',
      '<svg><a xlink:href="javascript:1"><g/></a></svg>',
      '<svg><a><g/></a></svg>',
    ],
    ['javascript in srcset', '<img srcset="a.png 1x, javascript:1 2x">', '<img>'],
    [
      'javascript in a form stays out',
      '<button formaction=javascript:1>x',
      '<button>x',
      { keepForms: true },
    ],
    ['a frame', 'a<iframe src=x><p>no frames</p></iframe>b', 'ab'],
    ['srcdoc', 'a<iframe srcdoc="<script>1</script>"></iframe>b', 'ab'],
    ['an object; what stands for it stays', 'a<object data=x><b>c</b></object>d', 'a<b>c</b>d'],
    [
      'embed, applet, portal',
      'a<embed src=x><applet>c</applet><portal src=x></portal>d',
      'acd',
    ],
    ['frames', '<frameset cols=*><frame src=x></frameset>', ''],
    ['base', '<base href="https://evil.example/"><a href=x>', '<a href=x>'],
    [
      'refreshing',
      '<meta http-equiv=" Refresh" content="0;url=x"><meta charset=utf-8>',
      '<meta charset=utf-8>',
    ],
    ['a style sheet', '<link rel="Stylesheet" href=x>a', 'a'],
    [
      'a style sheet that stays',
      '<link rel=stylesheet href=x>',
      '<link rel=stylesheet href=x>',
      { keepStylesheets: true },
    ],
    ['an import', '<link rel=import href=x>a', 'a', { keepStylesheets: true }],
    ['a form', '<form action=x>a<input name=b></form>', 'a<input name=b>'],
    [
      'a form that stays',
      '<form action=x><button formaction=y></form>',
      '<form action=x><button formaction=y></form>',
      { keepForms: true },
    ],
    [
      'animation of an address',
      'a<svg><a><set attributeName=href to=javascript:1 /></a></svg>b',
      'ab',
    ],
    ['animation', 'a<svg><animate attributeName=href values=javascript:1 /></svg>b', 'ab'],
    ['expression', '<p style="width: expression(1)">', '<p>'],
    ['expression with a comment', '<p style="width: exp/**/ression(1)">', '<p>'],
    ['expression with an escape', String.raw`<p style="width: \65 xpre\ssion(1)">`, '<p>'],
    ['a binding', '<p style="-moz-binding:url(x)">', '<p>'],
    ['behavior', '<style>p { behavior: url(x) }</style>a', 'a'],
    [
      'another behavior',
      '<p style="scroll-behavior: smooth">',
      '<p style="scroll-behavior: smooth">',
    ],
    // What is read as text by some, and as tags by others.
    [
      'an empty drawing',
      'a<svg/><style><!--</style><img src=x onerror=1>-->',
      'a<style><!--</style><img src="x">-->',
    ],
    [
      'a drawing closed from outside',
      '<p><svg></p><style><!--</style><img src=x onerror=1>--></svg>b',
      '<p>b',
    ],
    [
      'a drawing not closed',
      '<svg></p><style><a title="</style><img src=x onerror=1>">',
      '</p><img src="x">">',
    ],
    [
      'a title with tags',
      '<title><img src=x onerror=1></title>',
      '<title>&lt;img src=x onerror=1></title>',
    ],
    ['plaintext', 'a<plaintext><img src=x onerror=1>', 'a'],
    ['a tag without an end', 'a<img src=x onerror=1 ', 'a'],
  ]
  for (const [what, html, expected, options] of cases) {
    it(what, async () => {
      const { html: result, removed } = await sanitizeHtml(html, options)
      assert.equal(result, expected)
      assert.equal(removed.length > 0, result !== html)
    })
  }

  it('tells what it took out, each once', async () => {
    const html = '<p onclick=1><p onclick=2><a href=javascript:1><script></script><form></form>'
    const { removed } = await sanitizeHtml(html)
    assert.deepEqual(removed, [
      'attribute onclick of p',
      'address that runs code in href of a',
      'element script',
      'element form',
    ])
  })

  it('gives the very same string where there is nothing to take out', async () => {
    for (const html of ODD) {
      const result = await sanitizeHtml(html)
      assert.equal(result.html, html)
      assert.deepEqual(result.removed, [], html)
    }
  })
})

describe('HTML that is too much to be read', () => {
  it('is taken out from a tag with too many attributes on, if anything in it is active', async () => {
    const many = Array.from({ length: 10_001 }, (_, n) => `a${n}`).join(' ')
    for (const [rest, left] of [
      [`<a ${many}>x</a>`, `<a ${many}>x</a>`],
      [`<a ${many} onclick=alert(1)>x</a>`, ''],
      [`<a ${many}>x</a><script>alert(1)</script>`, ''],
    ] as const) {
      const { html } = await sanitizeHtml(`<p>Hello</p>${rest}`)
      assert.equal(html, `<p>Hello</p>${left}`)
    }
  })

  it('is taken out of an element of text', async () => {
    const long = '<b>'.repeat(100_000)
    const { html, removed } = await sanitizeHtml(`<title>${long}</title><p>Hello</p>`)
    assert.equal(html, '<title></title><p>Hello</p>')
    assert.deepEqual(removed, ['tags in title', 'text of title'])
  })
})

describe('rewriting links', () => {
  const mark = (url: string): string => `https://safe.example/?u=${url}&ok`
  const cases: [html: string, result: string][] = [
    [
      '<A  HREF=http://a.example/?x=1&amp;y=2 id=b>x</A>',
      '<A  HREF="https://safe.example/?u=http://a.example/?x=1&amp;y=2&amp;ok" id=b>x</A>',
    ],
    ["<img alt='' src='b'/>", '<img alt=\'\' src="https://safe.example/?u=b&amp;ok"/>'],
    [
      '<area href=a><form action=b>',
      '<area href="https://safe.example/?u=a&amp;ok"><form action="https://safe.example/?u=b&amp;ok">',
    ],
    ['<td background=a>', '<td background="https://safe.example/?u=a&amp;ok">'],
    ['<a href=a href=b>', '<a href="https://safe.example/?u=a&amp;ok" href=b>'],
    [
      '<img srcset="a.png, b.png 2x,c 3x">',
      '<img srcset="https://safe.example/?u=a.png&amp;ok, https://safe.example/?u=b.png&amp;ok 2x,https://safe.example/?u=c&amp;ok 3x">',
    ],
    [
      '<svg><image xlink:HREF=a /></svg>',
      '<svg><image xlink:HREF="https://safe.example/?u=a&amp;ok" /></svg>',
    ],
    [
      '<noscript><img src=a></noscript>',
      '<noscript><img src="https://safe.example/?u=a&amp;ok"></noscript>',
    ],
    [
      '<!--[if mso]><v:rect href="a"><![endif]--><b>',
      '<!--[if mso]><v:rect href="https://safe.example/?u=a&amp;ok"><![endif]--><b>',
    ],
    // No links.
    [
      '<base href=a><!-- <a href=b> --><style><a href=c></style><p title="<a href=d>">',
      '<base href=a><!-- <a href=b> --><style><a href=c></style><p title="<a href=d>">',
    ],
  ]
  for (const [html, expected] of cases) {
    it(html, async () => assert.equal(await rewriteLinks(html, mark), expected))
  }

  it('tells where a link stands, and gives it decoded', async () => {
    const seen: unknown[] = []
    const html = '<A HREF="a?b&amp;c">\u{1f600}<IMG SRC=d><object data=e>'
    const result = await rewriteLinks(html, (url, { element, attribute }) => {
      seen.push([url, element, attribute])
      return undefined
    })
    assert.equal(result, html)
    assert.deepEqual(seen, [
      ['a?b&c', 'a', 'href'],
      ['d', 'img', 'src'],
      ['e', 'object', 'data'],
    ])
  })

  it('leaves a tag whose address is the same', async () => {
    const html = "<a href='a&#38;b' >"
    assert.equal(await rewriteLinks(html, (url) => url), html)
  })

  it('passes on what the callback throws, and refuses what is no address', async () => {
    await assert.rejects(
      rewriteLinks('<a href=b>', () => {
        throw new Error('mine')
      }),
      /mine/,
    )
    await assert.rejects(
      rewriteLinks('<a href=b>', () => 1 as unknown as string),
      { code: 'INVALID_OPTION' },
    )
  })
})

describe('inserting in HTML', () => {
  /** `[` is where the top is, `]` where the bottom is. */
  const cases = [
    '[]',
    '[text]',
    '<html><body>[<p>x</p>]</body></html>',
    '<!DOCTYPE html>\n<HTML>\n<HEAD><title>a<body></title></HEAD>\n<BODY class="a>b">[x]</BODY>\n</HTML>\n',
    '<!-- <body> --><body>[x<!-- </body> -->]</body>',
    '<script>"<body>"</script><body>[x<script>"</body>"</script>]</body>',
    '<html><head><style>a</style></head>[<p>x]</html>',
    '<meta charset=utf-8><title>a</title>[<p>x]',
    '<body>[x</body></html><html><body>y]</body></html>',
    '[<div>x</div><body>y]</body>',
    '[x]<!-- open </body>',
    '[x<!-- a -->]<!-- open >',
    '[x]<textarea></body>',
    '[x]<style>a',
    '[<p>x]<svg><![CDATA[</body>',
    '[x]<a href="',
    '[x<svg><path d=""/></svg>y]',
    '[]<title>a',
    '[\ud800😀<b>x</b>]',
  ]
  for (const marked of cases) {
    it(JSON.stringify(marked), async () => {
      const html = marked.replace('[', '').replace(']', '')
      assert.equal(await insertHtml(html, '[', 'top'), marked.replace(']', ''))
      assert.equal(await insertHtml(html, ']', 'bottom'), marked.replace('[', ''))
    })
  }

  it('refuses another place', async () => {
    await assert.rejects(insertHtml('', '', 'middle' as 'top'), { code: 'INVALID_OPTION' })
  })
})

const SOUP = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '<',
        '</',
        '>',
        '/>',
        '"',
        "'",
        '=',
        ' ',
        '\n',
        '\r\n',
        '\r',
        '\0',
        '&',
        '&amp;',
        '&#',
        '<!--',
        '-->',
        '--!>',
        '<!',
        '<![CDATA[',
        ']]>',
        '<!--[if mso]>',
        '<![endif]-->',
        '<?',
        '<p>',
        '</p>',
        '<a href=',
        '<a href="x">',
        '<img src=x onerror=y>',
        ' onclick=',
        'x',
        '<svg>',
        '</svg>',
        '<svg/>',
        '<math>',
        '</math>',
        '<title>',
        '</title>',
        '<path/>',
        '<script>',
        '</script>',
        '<style>',
        '</style>',
        '<textarea>',
        '</textarea>',
        '<mi>',
        '<noscript>',
        '</noscript>',
        '<body>',
        '</body>',
        '<html>',
        '</html>',
        '<head>',
        '<table>',
        '<select>',
        '<template>',
        '<foreignObject>',
        '<desc>',
        '😀',
        '\ud800',
        'javascript:',
        '<form>',
        '</form>',
        '<base href=x>',
        '<iframe>',
        '</iframe>',
        '<xmp>',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 40 },
  )
  .map((pieces) => pieces.join(''))

describe('any text', () => {
  it('stays to the byte where no link changes', async () => {
    await fc.assert(
      fc.asyncProperty(SOUP, async (html) => {
        assert.equal(await rewriteLinks(html, () => undefined), html)
      }),
    )
  })

  it('has another address in each place', async () => {
    const collect = async (html: string, next?: string): Promise<[string, string[]]> => {
      const urls: string[] = []
      const result = await rewriteLinks(html, (url, { attribute }) => {
        if (attribute !== 'srcset') urls.push(url)
        return next
      })
      return [result, urls]
    }
    await fc.assert(
      fc.asyncProperty(SOUP, async (html) => {
        const [result, urls] = await collect(html, 'a>"&amp;-->')
        const [, again] = await collect(result)
        assert.deepEqual(
          again,
          urls.map(() => 'a>"&amp;-->'),
        )
      }),
      { numRuns: 500 },
    )
  })

  it('holds an inserted piece once, and nothing else is changed', async () => {
    await fc.assert(
      fc.asyncProperty(SOUP, fc.constantFrom('top', 'bottom'), async (html, place) => {
        const result = await insertHtml(html, '<i id=mine>', place)
        assert.equal(result.replace('<i id=mine>', ''), html)
      }),
    )
  })

  it('is clean once it is sanitized', async () => {
    await fc.assert(
      fc.asyncProperty(SOUP, async (html) => {
        const first = await sanitizeHtml(html)
        const second = await sanitizeHtml(first.html)
        assert.equal(second.html, first.html)
        if (first.removed.length === 0) assert.equal(first.html, html)
      }),
      { numRuns: 500 },
    )
  })
})

describe('long texts take a time that grows with them', () => {
  const pieces = [
    '<',
    '<div>',
    '<svg>',
    '<svg/>',
    '<svg></svg>',
    '<svg><b></svg>',
    '<svg><b></svg',
    '<svg><title>',
    '<math>',
    '<!--',
    '<!--[if]><a href=x>-->',
    '<noscript></noscript>',
    '</',
    '&',
    '<a href="',
    '/*',
    '<a href=javascript:x>',
    '<script>',
    '<script></script>',
    '<title>',
    '<body>',
    '</body>',
  ]
  for (const piece of pieces) {
    it(piece, () =>
      assertGrowth(
        (size) => piece.repeat(size / piece.length),
        125_000,
        async (html) => {
          await sanitizeHtml(html)
          await rewriteLinks(html, (url) => `${url}y`)
          await insertHtml(html, 'x', 'bottom')
          await insertHtml(html, 'x', 'top')
        },
      ),
    )
  }
})

describe('rewriting the HTML of a part', () => {
  const message = (charset: string, body: Buffer): Buffer =>
    Buffer.concat([
      Buffer.from(
        `Subject: x\r\nContent-Type: text/html; charset=${charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n`,
      ),
      body,
    ])

  it('keeps the charset', async () => {
    const mime = parseMime(message('iso-8859-1', Buffer.from('<a href=x>é</a>\r\n', 'latin1')))
    assert.equal(await rewriteHtmlPart(mime, (html) => rewriteLinks(html, () => 'y')), true)
    const expected = message('iso-8859-1', Buffer.from('<a href="y">é</a>\r\n', 'latin1'))
    assert.deepEqual(mime.toBytes(), expected)
  })

  it('keeps line ends of every kind, and bytes that are no text', async () => {
    const text = (link: string): Buffer =>
      message('utf-8', Buffer.from(`<a ${link}>\n\xff\r\n</a>\n\r\n`, 'latin1'))
    const mime = parseMime(text('href=x'))
    await rewriteHtmlPart(mime, (html) => rewriteLinks(html, () => 'y'))
    assert.deepEqual(mime.toBytes(), text('href="y"'))
  })

  it('says the charset of a text that was ASCII', async () => {
    const mime = parseMime('Content-Type: text/html\r\n\r\n<p>x</p>\r\n')
    await rewriteHtmlPart(mime, (html) => `${html}é`)
    const again = parseMime(mime.toBytes())
    assert.equal(again.charset, 'utf-8')
    assert.equal(await again.text(), '<p>x</p>\r\né')
  })

  it('is refused in what is signed', async () => {
    const mime = parseMime(
      'Content-Type: multipart/signed; boundary=s\n\n--s\nContent-Type: text/html\n\n<p>\n--s--\n',
    )
    await assert.rejects(
      rewriteHtmlPart(mime.children[0]!, () => 'x'),
      { code: 'SEALED_PART' },
    )
  })

  it('writes nothing back where nothing changes', async () => {
    const bytes = message('utf-8', Buffer.from('<p>\xff\0\r</p>', 'latin1'))
    const mime = parseMime(bytes)
    assert.equal(
      await rewriteHtmlPart(mime, async (html) => (await sanitizeHtml(html)).html),
      false,
    )
    assert.equal(mime.edited, false)
    assert.deepEqual(mime.toBytes(), bytes)
  })
})
