import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Base,
  Milter,
  noReply,
  REJECT,
  runMilter,
  serve,
  silentLogger,
  type ServeOptions,
} from '../../src/index.ts'
import type { Filter } from '../../src/milter/filter-object.ts'

const listen = 'inet:0@127.0.0.1'
const start = async (factory: () => unknown, options: object = {}): Promise<void> => {
  const made = { listen, logger: silentLogger(), ...options } as ServeOptions
  await using _server = await serve(factory as () => object, made)
}
const run = (options: object): Promise<void> =>
  runMilter('test', {
    factory: () => ({}),
    listen,
    logger: silentLogger(),
    ...options,
  } as never)

class Typo extends Base {
  override envfrom(): void {}
  eomm(): typeof REJECT {
    return REJECT
  }
}
class Elsewhere extends Base {
  mailFrom(): void {}
}
class Plain {
  Eom(): void {}
}
class Arrow extends Base {
  heder = (): void => {}
}

describe('a filter is tried before a server listens', () => {
  for (const [what, factory, wanted] of [
    [
      'a factory that throws',
      () => {
        throw new TypeError('no directory')
      },
      { code: 'FACTORY_FAILED', message: /TypeError: no directory/ },
    ],
    ['a misspelt callback', () => ({ eomm() {} }), { message: /did you mean eom\?/ }],
    ['one of swapped letters', () => ({ haeder() {} }), { message: /did you mean header\?/ }],
    ['one of a class', () => new Typo(), { message: /Typo\.eomm .*did you mean eom\?/ }],
    [
      'one with the name of elsewhere',
      () => new Elsewhere(),
      { message: /Elsewhere\.mailFrom .*envfrom/ },
    ],
    ['one in other case', () => new Plain(), { message: /Plain\.Eom .*did you mean eom\?/ }],
    ['one that is a field', () => new Arrow(), { message: /did you mean header\?/ }],
    ['a class in place of a factory', Typo, { message: /class Typo.*\(\) => new Typo\(\)/ }],
    ['no handlers', () => undefined, { message: /must return an object/ }],
    ['a promise', async () => ({}), { message: /returned a promise/ }],
    ['a handler that is none', () => ({ eom: 'x' }), { message: /eom must be a function/ }],
    ['a mark that does not fit', () => ({ eom: noReply(() => {}) }), { message: /eom/ }],
  ] as const) {
    it(what, async () => {
      const refused = { code: 'INVALID_HANDLER', ...wanted }
      await assert.rejects(start(factory as never), refused)
      await assert.rejects(run({ factory }), refused)
    })
  }

  it('what was thrown is the cause', async () => {
    const cause = new Error('boom')
    const thrown = start(() => {
      throw cause
    })
    await assert.rejects(thrown, { cause })
  })

  it('a class may have methods of its own', async () => {
    class Own extends Base {
      override header(): void {}
      override envfrom(): void {}
      headers(): void {}
      mailFrom(): void {}
      subject(): void {}
      get eomm(): string {
        return ''
      }
      #eon(): void {}
      override eom(): void {
        this.#eon()
      }
    }
    await start(() => new Own())
    await start(() => new Milter() as Filter)
  })
})

describe('invalid options', () => {
  for (const [options, message] of [
    [
      { backlogg: 1 },
      /^backlogg is not an option of serve; did you mean backlog\? The options are: listen,/,
    ],
    [{ socket: 'inet:0' }, /^socket is not an option of serve; here it is called listen\./],
    [{ maxMemroy: 1 }, /did you mean maxMemory\?/],
    [
      { timeouts: { idel: 1 } },
      /^timeouts\.idel is not an option of serve; did you mean idle\?/,
    ],
    [{ timeouts: 5 }, /timeouts takes an object with idle, frame, write/],
    [{ unixSocket: { perms: 1 } }, /The options are: unixSocket\.mode/],
    [{ whatever: undefined }, /^whatever is not an option of serve\. The options are/],
  ] as const) {
    it(`of serve: ${JSON.stringify(options)}`, async () => {
      await assert.rejects(
        start(() => ({}), options),
        { code: 'INVALID_OPTION', message },
      )
    })
  }

  for (const [options, message] of [
    [{ socket: listen }, /^socket is not an option of runMilter; here it is called listen\./],
    [{ onEror: 'reject' }, /^onEror is not an option of runMilter; did you mean onError\?/],
    [{ stop: { dedline: 1 } }, /^stop\.dedline is not an option of runMilter/],
    [{ signal: AbortSignal.abort() }, /^signal is not an option of runMilter/],
  ] as const) {
    it(`of runMilter: ${Object.keys(options).join()}`, async () => {
      await assert.rejects(run(options), { code: 'INVALID_OPTION', message })
    })
  }

  it('of neither: what is no object', async () => {
    for (const options of [undefined, null, 'inet:0']) {
      await assert.rejects(
        serve(() => ({}), options as never),
        { code: 'INVALID_OPTION' },
      )
      await assert.rejects(runMilter('test', options as never), { code: 'INVALID_OPTION' })
    }
  })
})
