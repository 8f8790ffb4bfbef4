import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError } from '../src/index.ts'
import { requireOptional } from '../src/optional-package.ts'

const thrown = (load: (path: string) => unknown): UsageError => {
  try {
    requireOptional('mailauth', 'authenticate', load)
  } catch (error) {
    assert.ok(error instanceof UsageError)
    return error
  }
  return assert.fail('it did not throw')
}

describe('a package whose version counts', () => {
  it('is asked for with the line that installs it', () => {
    const { code, message } = thrown(() => {
      throw Object.assign(new Error('no'), { code: 'MODULE_NOT_FOUND' })
    })
    assert.equal(code, 'MISSING_PACKAGE')
    assert.equal(
      message,
      'authenticate needs the package mailauth, which is not installed: npm install mailauth@7.1.0',
    )
  })

  for (const version of ['4.13.3', '7.0.9', '7.1.1', '8.0.0', '7.1.0-beta']) {
    it(`is not ${version}`, () => {
      const { code, message } = thrown(() => ({ version }))
      assert.equal(code, 'WRONG_PACKAGE_VERSION')
      assert.equal(
        message,
        `authenticate needs the package mailauth in version 7.1.0, and ${version} is installed: npm install --save-exact mailauth@7.1.0`,
      )
    })
  }

  it('is loaded by its subpaths', () => {
    const paths: string[] = []
    const load = requireOptional('mailauth', 'authenticate', (path) => {
      paths.push(path)
      return { version: '7.1.0' }
    })
    load('lib/spf/index.js')
    assert.deepEqual(paths, ['mailauth/package.json', 'mailauth/lib/spf/index.js'])
  })

  it('throws what a broken install throws', () => {
    const broken = new SyntaxError('broken')
    assert.throws(
      () =>
        requireOptional('mailauth', 'authenticate', () => {
          throw broken
        }),
      broken,
    )
  })
})
