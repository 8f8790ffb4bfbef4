import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sanitizeHtml } from '../../src/mime/html/html.ts'
import { cleanStyle } from '../../src/mime/html/html-style.ts'
import { assertGrowth } from '../support/growth.ts'

describe('style sheets', () => {
  it('lose the rule that loads another one, and nothing else', () => {
    for (const [css, left] of [
      ['@import "a.css";p{color:red}', 'p{color:red}'],
      ["@charset 'x';\n@IMPORT url(//a/b?c=1;2:d) screen ;\np{}", "@charset 'x';\n\np{}"],
      ['@import url("//a/b?x:wght@400;700");p{}', 'p{}'],
      ['@import "a" layer(x) supports(display: grid);@import "b";p{}', 'p{}'],
      ['p{}@import "a"', 'p{}'],
      ['p{color:red}', 'p{color:red}'],
    ] as const) {
      assert.equal(cleanStyle(css, {}), left)
    }
  })

  it('go as a whole where that cannot be told', () => {
    for (const css of [
      '@\\69mport "a";p{}',
      '@import/**/"a";p{}',
      '/*@import "a";*/@import/**/url(b);',
      '@import "a{}',
      'p{width:expression(1)}',
    ]) {
      assert.equal(cleanStyle(css, {}), undefined, css)
    }
  })

  it('keep no address from elsewhere, where it is not wanted', () => {
    const local = { keepRemote: false }
    for (const [css, left] of [
      ['a{background:url(//a/b) red}', 'a{background:none red}'],
      ['a{background:URL( "http://a/b)c" )}', 'a{background:none}'],
      ['a{background:url(cid:x)}', 'a{background:url(cid:x)}'],
      ["a{background:url('data:image/png,x')}", "a{background:url('data:image/png,x')}"],
      ['a{fill:url(#x)}', 'a{fill:url(#x)}'],
      ['a{src:local(x)}', 'a{src:local(x)}'],
      ['a{background:u\\72l(//a)}', undefined],
      ['a{background:image-set("//a" 1x)}', undefined],
      ['a{background:-webkit-image-set(url(//a) 1x)}', undefined],
      ['a{background:im\\61ge-set("//a" 1x)}', undefined],
      ['a{background:src("//a")}', undefined],
      ['a{background:url(//a', undefined],
    ] as const) {
      assert.equal(cleanStyle(css, local), left, css)
      assert.equal(cleanStyle(css, {}), css)
    }
  })

  it('are judged in a time that grows with their length', () => {
    for (const css of [
      '@import ',
      '@import(',
      '@import"',
      "@import('",
      'url(',
      'url("',
      '/*',
      '\\',
    ]) {
      cleanStyle(`${css.repeat(100_000)}{`, { keepRemote: false })
    }
  })

  for (const [what, start, end] of [
    ['before an address', 'p{b:url(', '#a)}'],
    ['before an address in quotes', 'p{b:url("', '#a")}'],
    ['without an address', 'p{b:url(', ')}'],
    ['without an end', 'p{b:url(', ''],
  ] as const) {
    it(`are read once where there are many spaces: ${what}`, () =>
      assertGrowth(
        (n) => start + ' '.repeat(n) + end,
        4_000,
        (css) => cleanStyle(css, { keepRemote: false }),
      ))
  }

  it('are written plainly once, whatever is looked for in them', (test) => {
    const css = `p{b:url(cid:a);fill:url(#a)}${'\\41 '.repeat(1_000)}`
    const { mock } = test.mock.method(String.prototype, 'toLowerCase')
    assert.equal(cleanStyle(css, { keepRemote: false }), css)
    const long = mock.calls.filter((call) => String(call.this).length > 1_000)
    mock.restore()
    assert.equal(long.length, 1)
  })
})

describe('HTML from which nothing is to be loaded', () => {
  const clean = async (html: string): Promise<string> =>
    (await sanitizeHtml(html, { keepRemote: false })).html

  it('keeps what comes with the mail, and links', async () => {
    for (const html of [
      '<img src="cid:x"><img src=data:image/png;base64,x alt=y>',
      '<a href="http://example.org/">x</a>',
      '<table background="cid:x"><td style="color:red">x</table>',
      '<style>p{background:url(cid:x)}</style>',
    ]) {
      assert.equal(await clean(html), html)
    }
  })

  it('loses every address that is loaded when it is shown', async () => {
    for (const html of [
      '<img src=//a>',
      '<img src="\\\\a">',
      '<img srcset="cid:x 1x, //a 2x">',
      '<input type=image src=//a>',
      '<video poster=//a src=//a><source src=//a></video>',
      '<td background=//a>',
      '<svg><image href=//a /></svg>',
      '<svg><image xlink:href=//a /></svg>',
      '<p style="background:url(//a)">',
      '<p style="background:image-set(\'//a\' 1x)">',
      '<style>p{background:url(//a)}</style>',
      '<link rel=stylesheet href=//a>',
    ]) {
      assert.doesNotMatch(await clean(html), /(?:\/\/|\\)a/, html)
    }
  })
})
