import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compose, defineFilter, shadow, type FilterDefinition } from '../../src/index.ts'

const pass = (): void => {}
const make = (name: string, more: Partial<FilterDefinition> = {}) =>
  defineFilter({ name, message: pass, ...more })

const verifier = make('verifier', { order: 'first', edits: ['headers'] })
const signer = make('signer', { order: 'last', edits: ['headers'] })
const sealer = make('sealer', { order: 'last', edits: ['headers'] })
const tag = make('tag', { edits: ['headers'] })
const footer = make('footer', { edits: ['body'] })
const redirect = make('redirect', { edits: ['recipients'] })
const anything = make('anything')
const greylist = defineFilter({ name: 'greylist', recipient: pass })
const own = make('own', { order: 'first' })

describe('the order of filters', () => {
  const right = {
    'verify first, sign last': [verifier, tag, footer, signer],
    'two signers in a row': [verifier, footer, signer, sealer],
    'two first ones in a row': [own, verifier, signer],
    'before the verifier, one that refuses': [greylist, verifier],
    'before the verifier, one that changes the envelope': [redirect, verifier],
    'before the verifier, a shadow': [shadow(tag), verifier],
    'behind the signer, one that changes the envelope': [signer, redirect],
    'behind the signer, one that changes the sender': [
      signer,
      make('srs', { edits: ['sender'] }),
    ],
    'behind the signer, a shadow': [signer, shadow(footer)],
    'a composition in another': [compose(verifier, tag), compose(footer, signer)],
    'only editors': [footer, tag, anything],
  }
  for (const [name, filters] of Object.entries(right)) {
    it(`right: ${name}`, () => void compose(...filters))
  }

  const wrong = {
    'verifies behind a tag': [tag, verifier],
    'verifies behind a footer': [footer, verifier],
    'verifies behind a signer': [signer, verifier],
    'verifies behind a change of the sender': [make('srs', { edits: ['sender'] }), verifier],
    'signs before a tag': [signer, tag],
    'signs before a footer': [verifier, signer, footer],
    'an editor between signers': [signer, tag, sealer],
    'in nested compositions': [compose(verifier, signer), compose(footer)],
    'a trial of a verifier': [tag, shadow(verifier)],
  }
  for (const [name, filters] of Object.entries(wrong)) {
    it(`wrong: ${name}`, () => {
      assert.throws(() => compose(...filters), {
        code: 'INVALID_OPTION',
        message: /^wrong order of filters: /,
      })
    })
  }

  it('says what to move, and what to declare', () => {
    assert.throws(() => compose(anything, verifier), {
      message:
        'wrong order of filters: "verifier" judges a message as it came, so it has to stand before "anything", which can change sender, header or body. If "anything" changes none of it, give it the option "edits"',
    })
    assert.throws(() => compose(signer, footer), {
      message:
        'wrong order of filters: "signer" needs a message as it leaves, so it has to stand behind "footer", which can change header or body',
    })
  })

  it('takes first and last only', () => {
    assert.throws(() => make('x', { order: 'middle' as never }), { code: 'INVALID_OPTION' })
  })
})
