import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sanitizeHtml } from '../../src/mime/index.ts'

/** Long HTML is read in pieces; where one ends must make no difference. */

const PIECE = 32_768
const FRAGMENTS = [
  '<p onclick="x" title="a&amp;b">t&eacute;xt</p>',
  '<script>alert("</scr")</script>',
  '<!--[if mso]><script>x</script><![endif]-->',
  '<svg><![CDATA[<script>]]></svg>',
  '<a href="java\r\nscript:x">\u{1f600}</a>\r\n',
  '<style>@import "x"</style><title>&lt;b&gt;</title>',
]

describe('HTML in pieces', () => {
  for (const fragment of FRAGMENTS) {
    it(`is cleaned as in one: ${JSON.stringify(fragment)}`, async () => {
      const alone = await sanitizeHtml(`xx${fragment}`)
      for (let before = 0; before <= fragment.length; before++) {
        const pad = 'x'.repeat(PIECE - before)
        const { html, removed } = await sanitizeHtml(pad + fragment)
        assert.ok(
          html === pad + alone.html.slice(2),
          `cut behind ${before}: ${html.slice(-200)}`,
        )
        assert.deepEqual(removed, alone.removed)
      }
    })
  }
})
