import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sanitizeHtml, type SanitizeOptions } from '../../src/mime/html/html.ts'
import { assertGrowth } from '../support/growth.ts'

/** Comments with a condition, which some programs show (`<!--[if mso]>`). */

const clean = async (html: string, options?: SanitizeOptions): Promise<string> =>
  (await sanitizeHtml(html, options)).html
const under = (html: string, condition = '[if gte mso 9]'): string =>
  `a<!--${condition}>${html}<![endif]-->b`

describe('what is taken out elsewhere is taken out under a condition', () => {
  const remote = [
    '<img src="http://e/x">',
    '<v:image src="http://e/x"/>',
    '<v:fill type=frame src=http://e/x>',
    '<v:imagedata o:href="http://e/x">',
    '<xml><o:x r:href="http://e"/></xml>',
    '<table background="http://e/x">',
    '<style>a{background:url(http://e)}</style>',
    '<div style="background:url(http://e)">',
    '<bgsound src=http://e>',
  ]
  for (const html of remote) {
    it(`with keepRemote: false: ${html}`, async () => {
      assert.equal(await clean(under(html), { keepRemote: false }), 'ab')
      assert.equal(await clean(under(html, ' [IF mso]'), { keepRemote: false }), 'ab')
      assert.equal(await clean(under(html)), under(html))
    })
  }
  const active = [
    '<link rel=stylesheet href=http://e>',
    '<link rel=prefetch href=http://e>',
    '<style>@import "http://e"</style>',
    '<a ping=http://e href=x>',
    '<form action=http://e><input></form>',
    '<html manifest=http://e>',
    '<div style="behavior:url(http://e)">',
    '<meta http-equiv=refresh content="0;url=http://e">',
    // What begins in one and ends in the next is no whole to judge.
    '<style>a{}',
    '<a title="',
    '<!--[if b]><!--[if c]><!--[if d]><p>',
  ]
  for (const html of active) {
    it(`always: ${html}`, async () => assert.equal(await clean(under(html)), 'ab'))
  }
  it('as the options have it', async () => {
    const html = under('<form action=x></form><link rel=stylesheet href=x>')
    assert.equal(await clean(html, { keepForms: true, keepStylesheets: true }), html)
  })

  const kept = [
    '<table><tr><td width="600">',
    '<xml><o:OfficeDocumentSettings><o:AllowPNG/></o:OfficeDocumentSettings></xml>',
    '<style type="text/css">table {border-collapse:collapse} v\\:* {behavior:url(#default#VML)}</style>',
    '<v:roundrect href="http://e/x" style="width:9px" fill="t"><v:fill color="#fff"/><w:anchorlock/>',
    '<p>x <![endif]',
  ]
  for (const html of kept) {
    it(`nothing else: ${html}`, async () =>
      assert.equal(await clean(under(html), { keepRemote: false }), under(html)))
  }

  it('nothing of one that shows what follows', async () => {
    const html = '<!--[if !mso]><!--><p>x</p><!--<![endif]--><!-- note: <b>x</b> -->'
    assert.equal(await clean(html, { keepRemote: false }), html)
  })

  it('and what is removed around it is removed', async () => {
    const html = `<script>1</script>${under('<img src=http://e>')}<img src=http://e>`
    assert.equal(await clean(html, { keepRemote: false }), 'ab<img>')
  })

  it('of as many as are looked into', async () => {
    const html = under('<p>').repeat(1_500)
    const left = await clean(html)
    assert.equal(left.split('<!--').length - 1, 1_000)
  })

  for (const piece of ['<!--[if a]><p>-->', '<!--[if a]><p>', '<!--[if a]>']) {
    it(`in a time that grows with the length: ${piece}`, () =>
      assertGrowth(
        (n) => piece.repeat(n),
        5_000,
        (html) => sanitizeHtml(html),
      ))
  }
})

describe('a style that draws from another document', () => {
  const cases: [html: string, left: string][] = [
    ['<rect style="filter:url(http://e#x)"></rect>', '<rect style="filter:none"></rect>'],
    [
      '<rect style="fill:red;marker:url(//e#x);x:y"></rect>',
      '<rect style="fill:red;marker:none;x:y"></rect>',
    ],
    [
      '<rect style="fill:url(data:a;b) url(//e#x)"></rect>',
      '<rect style="fill:url(data:a;b) none"></rect>',
    ],
    ['<rect style="clip-path:u\\72l(//e#x)"></rect>', '<rect></rect>'],
    [
      '<rect style="fill:url(#x);filter:url(\'#y\')"></rect>',
      '<rect style="fill:url(#x);filter:url(\'#y\')"></rect>',
    ],
  ]
  for (const [html, left] of cases) {
    it(html, async () => assert.equal(await clean(`<svg>${html}</svg>`), `<svg>${left}</svg>`))
  }

  it('in a style sheet', async () => {
    assert.equal(
      await clean('<style>rect{filter:url(http://e#x)}</style>'),
      '<style>rect{filter:none}</style>',
    )
    const kept =
      '<style>p{background:url(//e)}td{filter:alpha(opacity=50);mask-type:luminance;background-fill:url(//e)}</style>'
    assert.equal(await clean(kept), kept)
  })

  for (const piece of [
    'fill:',
    'fill:url(',
    'fill:"',
    'fill:(',
    'fill:(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa(',
    'fill:url(a);',
  ]) {
    it(`is judged in a time that grows with the length: ${piece}`, () =>
      assertGrowth(
        (n) => `<style>${piece.repeat(n)}</style>`,
        20_000,
        (html) => sanitizeHtml(html),
      ))
  }
})
