import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { addFooter } from '../../src/mime/footer.ts'
import { parseMime } from '../../src/mime/message.ts'
import { Chromium } from './support/chromium.ts'
import { available } from './support/program.ts'

/** A banner is shown in a real browser, whatever style sheet the message brings for it. */

/** What hides an element, each as a rule for it, with all the weight there is. */
const HIDING = [
  'display:none',
  'visibility:hidden',
  'opacity:0',
  'position:absolute;left:-9999px',
  'position:fixed;top:-999px',
  'float:left;width:0;overflow:hidden',
  'height:0;overflow:hidden',
  'max-height:0;overflow:hidden',
  'max-width:0;max-height:1px;overflow:hidden;white-space:nowrap',
  'clip-path:inset(50%)',
  'clip:rect(0,0,0,0);position:absolute',
  'transform:scale(0)',
  'scale:0',
  'translate:-9999px',
  'rotate:x 90deg',
  'filter:opacity(0)',
  'mask:linear-gradient(transparent,transparent)',
  'text-indent:-9999px',
  'font-size:0',
  'color:transparent',
  '-webkit-text-fill-color:transparent',
  'content-visibility:hidden',
  'zoom:0.01',
  'margin-top:-9999px',
  'writing-mode:vertical-rl;height:1px;overflow:hidden',
  'letter-spacing:-99px',
  'contain:strict;width:0;height:0',
]
const SELECTORS = ['[data-footer]', 'body>div:first-child', 'div', 'div:not(#a):not(#b)']
const page = (selector: string, rule: string): string =>
  `<style>${selector}{${rule.replaceAll(/(?=;|$)/g, '!important')}}</style><p>Hello</p>`

/** Whether the text of the banner is where somebody looks, and of the usual size and colour. */
const LOOK = `(() => {
  const found = document.querySelector('[data-footer]')
  const { width, height, left, top } = found.getBoundingClientRect()
  const style = getComputedStyle(found)
  const range = document.createRange()
  range.selectNodeContents(found)
  const text = range.getBoundingClientRect()
  return found.checkVisibility({ opacityProperty: true, visibilityProperty: true, contentVisibilityAuto: true })
    && left >= 0 && top >= 0 && width > 100 && height >= 15
    && text.left >= 0 && text.top >= 0 && text.width > 50 && text.height >= 15
    && found.contains(document.elementFromPoint(text.left + 5, text.top + 5))
    && [style.color, style.webkitTextFillColor].every((color) => color === 'rgb(0, 0, 0)')
    && ['filter', 'maskImage', 'clipPath', 'transform', 'scale', 'translate', 'rotate'].every((one) => style[one] === 'none')
})()`

describe('a banner in Chromium', () => {
  if (!available('chromium', ['--version'], 'chromium')) return
  // Nothing is loaded; no connection goes anywhere.
  const chromium = new Chromium(9)
  let session = ''
  before(async () => {
    session = await chromium.tab(() => {})
  })
  after(async () => await chromium.close())

  async function isShown(html: string): Promise<boolean> {
    const url = `data:text/html;base64,${Buffer.from(html).toString('base64')}`
    await chromium.call('Page.navigate', { url }, session)
    for (;;) {
      const expression = `document.readyState === 'complete' && location.href === ${JSON.stringify(url)} ? String(${LOOK}) : 'loading'`
      const { result } = await chromium.call('Runtime.evaluate', { expression }, session)
      const { value } = result as { readonly value?: string }
      if (value !== 'loading') return value === 'true'
    }
  }

  it('is shown under style sheets that hide it', { timeout: 120_000 }, async () => {
    const hidden: string[] = []
    let bites = 0
    for (const rule of HIDING) {
      for (const selector of SELECTORS) {
        const html = page(selector, rule)
        const message = parseMime(`Content-Type: text/html\r\n\r\n${html}\r\n`)
        await addFooter(message, { text: 'CAUTION: external', position: 'top', mark: 'mine' })
        const written = await message.text()
        if (!(await isShown(written))) hidden.push(`${selector} {${rule}}`)
        const bare = written.replace(/ style="all:[^"]*"/, '')
        assert.notEqual(bare, written)
        if (!(await isShown(bare))) bites++
      }
    }
    assert.deepEqual(hidden, [])
    assert.equal(bites, HIDING.length * SELECTORS.length, 'the rules hide what is not guarded')
  })
})
