import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isActiveXml, mayBeShown } from '../../src/mime/html/html-xml.ts'
import { assertGrowth } from '../support/growth.ts'

describe('what a document type may define', () => {
  const cases: [xml: string, declares: boolean][] = [
    ['<!DOCTYPE svg [<!x>]><svg/>', true],
    ['<!doctype svg><!DOCTYPE svg [', true],
    ['<!doctype svg PUBLIC "a" "b"><svg><![CDATA[x]]></svg>', false],
    ['<!doctype <!doctype [', true],
    ['<!ENTITY a "b">', true],
    ['<?xml-stylesheet href="a"?>', true],
    ['<svg/>', false],
  ]
  for (const [xml, declares] of cases) {
    it(xml, () => {
      assert.equal(mayBeShown(xml), declares)
      assert.equal(isActiveXml(xml, {}), declares)
    })
  }
})

describe('XML is looked at in a time that grows with it', () => {
  it('all its styles are cleaned once', (test) => {
    const count = (styles: number): number => {
      const { mock } = test.mock.method(String.prototype, 'replaceAll')
      isActiveXml('<style>a{}</style>'.repeat(styles), {})
      mock.restore()
      return mock.calls.filter((call) => String(call.this).includes('style')).length
    }
    assert.equal(count(1_000), count(1))
  })

  const units: [what: string, make: (n: number) => string][] = [
    ['document types without an end', (n) => '<!doctype '.repeat(n)],
    ['a name of an attribute', (n) => `<a ${'b'.repeat(n)}`],
    ['styles', (n) => '<style/>'.repeat(n)],
  ]
  for (const [what, make] of units) {
    it(what, () => assertGrowth(make, 5_000, (xml) => isActiveXml(xml, {})))
  }
})
