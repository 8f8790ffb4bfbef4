import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fc } from '../support/property.ts'
import { UsageError } from '../../src/errors.ts'
import type { EndOfMessageContext, LiveMessageContext } from '../../src/milter/context.ts'
import { Base } from '../../src/milter/base.ts'
import { headerLeadingSpace } from '../../src/milter/marks.ts'
import type { FilterOptions } from '../../src/milter/options.ts'
import { Action, ALL_STEPS, Step } from '../../src/protocol/constants.ts'
import type { EditMessage } from '../../src/protocol/edit-table.ts'
import type { ReplyMessage } from '../../src/protocol/replies.ts'
import { decodeText } from '../../src/protocol/text.ts'
import { ACCEPT, DISCARD, REJECT, TEMPFAIL, reply } from '../../src/session/verdict.ts'
import { eom, FULL_OFFER, header, mail, Wire } from '../support/wire.ts'

type Edit = (ctx: EndOfMessageContext) => void

/** What a filter with these edits sends at end of message. */
function sent(
  edit: Edit,
  options: FilterOptions = {},
  steps = ALL_STEPS & ~Step.HDR_LEADSPC,
): ReplyMessage[] {
  const wire = Wire.negotiated(() => ({ eom: edit }), options, { ...FULL_OFFER, steps })
  wire.send(eom())
  assert.deepEqual(wire.errors(), [])
  return wire.take()
}

function error(edit: Edit, options: FilterOptions = {}): UsageError {
  let caught: unknown
  sent((ctx) => {
    try {
      edit(ctx)
    } catch (problem) {
      caught = problem
    }
  }, options)
  assert.ok(caught instanceof UsageError, 'an error at the call')
  return caught
}

describe('edits on the wire (PYMILTER 11.14)', () => {
  const cases: [string, Edit, EditMessage][] = [
    [
      'addHeader',
      (ctx) => ctx.addHeader('X', 'v'),
      { type: 'addheader', name: 'X', value: 'v' },
    ],
    [
      'insertHeader 0',
      (ctx) => ctx.insertHeader(0, 'X', 'v'),
      { type: 'insheader', index: 0, name: 'X', value: 'v' },
    ],
    [
      'insertHeader 5',
      (ctx) => ctx.insertHeader(5, 'X', 'v'),
      { type: 'insheader', index: 5, name: 'X', value: 'v' },
    ],
    [
      'changeHeader',
      (ctx) => ctx.changeHeader('S', 2, 'v'),
      { type: 'chgheader', index: 2, name: 'S', value: 'v' },
    ],
    [
      'changeHeader null',
      (ctx) => ctx.changeHeader('S', 1, null),
      { type: 'chgheader', index: 1, name: 'S', value: '' },
    ],
    [
      'changeHeader empty',
      (ctx) => ctx.changeHeader('S', 1, ''),
      { type: 'chgheader', index: 1, name: 'S', value: '' },
    ],
    [
      'deleteHeader',
      (ctx) => ctx.deleteHeader('S', 3),
      { type: 'chgheader', index: 3, name: 'S', value: '' },
    ],
    [
      'deleteHeader the first',
      (ctx) => ctx.deleteHeader('S'),
      { type: 'chgheader', index: 1, name: 'S', value: '' },
    ],
    ['addRecipient', (ctx) => ctx.addRecipient('<a@b>'), { type: 'addrcpt', address: '<a@b>' }],
    [
      'addRecipient with parameters',
      (ctx) => ctx.addRecipient('<a@b>', 'NOTIFY=NEVER'),
      { type: 'addrcpt_par', address: '<a@b>', parameters: 'NOTIFY=NEVER' },
    ],
    [
      'deleteRecipient',
      (ctx) => ctx.deleteRecipient('<a@b>'),
      { type: 'delrcpt', address: '<a@b>' },
    ],
    [
      'changeFrom',
      (ctx) => ctx.changeFrom('<>'),
      { type: 'chgfrom', address: '<>', parameters: undefined },
    ],
    [
      'changeFrom with parameters',
      (ctx) => ctx.changeFrom('<a@b>', 'RET=HDRS'),
      { type: 'chgfrom', address: '<a@b>', parameters: 'RET=HDRS' },
    ],
    ['quarantine', (ctx) => ctx.quarantine('why'), { type: 'quarantine', reason: 'why' }],
    [
      'bytes',
      (ctx) => ctx.addHeader(Buffer.from('X'), Buffer.from([0xe9])),
      { type: 'addheader', name: 'X', value: '\udce9' },
    ],
    [
      'text that came as bytes',
      (ctx) => ctx.addHeader('X', 'caf\udce9'),
      { type: 'addheader', name: 'X', value: 'caf\udce9' },
    ],
    [
      'text',
      (ctx) => ctx.addHeader('X', 'café'),
      { type: 'addheader', name: 'X', value: 'café' },
    ],
  ]
  for (const [name, edit, frame] of cases) {
    it(name, () => assert.deepEqual(sent(edit), [frame, { type: 'continue' }]))
  }

  it('progress goes out at once', async () => {
    let done: () => void = () => {}
    const wire = Wire.negotiated(() => ({
      eom: async (ctx) => {
        ctx.addHeader('X', 'v')
        ctx.progress()
        await new Promise<void>((resolve) => (done = resolve))
      },
    }))
    wire.send(eom())
    await wire.settle()
    assert.equal(wire.answers(), 'progress')
    done()
    await wire.settle()
    assert.equal(wire.answers(), 'addheader continue')
  })

  it('bodies are cut into chunks of 65,535 bytes (FT22)', () => {
    const sizes = (edit: Edit): number[] =>
      sent(edit).flatMap((frame) => (frame.type === 'replbody' ? [frame.chunk.length] : []))
    assert.deepEqual(
      sizes((ctx) => ctx.replaceBody(Buffer.alloc(65_535))),
      [65_535],
    )
    assert.deepEqual(
      sizes((ctx) => ctx.replaceBody(Buffer.alloc(65_536))),
      [65_535, 1],
    )
    assert.deepEqual(
      sizes((ctx) => ctx.replaceBody(Buffer.alloc(200_000))),
      [65_535, 65_535, 65_535, 3_395],
    )
    assert.deepEqual(
      sizes((ctx) => ctx.replaceBody('')),
      [0],
    )
    assert.deepEqual(
      sizes(() => {}),
      [],
    )
    assert.deepEqual(
      sizes((ctx) => {
        for (const part of ['', 'one', '', 'three']) ctx.replaceBody(part)
      }),
      [3, 5],
    )
    const pieces = (...lengths: number[]): number[] =>
      sizes((ctx) =>
        (ctx as LiveMessageContext).replaceBodyWith(
          lengths.map((length) => Buffer.alloc(length)),
        ),
      )
    assert.deepEqual(pieces(), [0], 'none is an empty body')
    assert.deepEqual(pieces(1, 65_535, 65_536), [1, 65_535, 65_535, 1])
  })

  it('are one write, in an order every mail server takes', () => {
    const wire = Wire.negotiated(() => ({
      eom(ctx) {
        ctx.replaceBody('body')
        ctx.quarantine('why')
        ctx.addRecipient('<a@b>')
        ctx.addHeader('A', '1')
        ctx.replaceBody('more')
        ctx.changeFrom('<c@d>')
        ctx.changeHeader('B', 1, '2')
        return ACCEPT
      },
    }))
    wire.transport.writes.length = 0
    wire.send(eom())
    assert.equal(
      wire.answers(),
      'addheader chgheader addrcpt chgfrom quarantine replbody replbody accept',
    )
    assert.equal(wire.transport.writes.length, 1)
  })

  it('go only with a verdict that lets the message pass', () => {
    for (const verdict of [REJECT, TEMPFAIL, DISCARD, reply(550)]) {
      const wire = Wire.negotiated(() => ({
        eom(ctx) {
          ctx.addHeader('A', '1')
          ctx.quarantine('why')
          return verdict
        },
      }))
      wire.send(eom())
      assert.equal(wire.answers(), verdict.reply ? 'replycode' : verdict.kind)
    }
  })
})

describe('the white space after a header name', () => {
  const LEADING = ALL_STEPS
  const value = (edit: Edit, steps: number): string => {
    const wire = Wire.negotiated(
      () => ({ header: () => {}, eom: edit }),
      {},
      { ...FULL_OFFER, steps },
    )
    wire.send(mail(), eom())
    const frame = wire.take().find((one) => one.type === 'addheader')
    return String((frame as { value: string }).value)
  }

  it('is added here where the mail server writes nothing but what it gets', () => {
    for (const [given, wired] of [
      ['v', ' v'],
      [' v', '  v'],
      ['\tv', '\tv'],
      ['\n v', '\n v'],
      ['', ''],
    ] as const) {
      assert.equal(
        value((ctx) => ctx.addHeader('X', given), LEADING),
        wired,
      )
      assert.equal(
        value((ctx) => ctx.addHeader('X', given), LEADING & ~Step.HDR_LEADSPC),
        given,
      )
    }
  })

  it('is hidden from handlers, and what they send back arrives as it came', () => {
    for (const raw of [' v', '  v', '\tv', '\n v', ' v \n\tw']) {
      let seen = ''
      const wire = Wire.negotiated(() => ({
        header: (_ctx, _name, text) => void (seen = text),
        eom: (ctx) => ctx.addHeader('X', seen),
      }))
      wire.send(mail(), header('X', raw), eom())
      assert.equal(seen, raw.startsWith(' ') ? raw.slice(1) : raw)
      assert.equal((wire.take()[2] as { value: string }).value, raw)
    }
  })

  it("is the author's own with headerLeadingSpace, on any mail server", () => {
    for (const [steps, received, seen, wired] of [
      [LEADING, ' v', ' v', ' v'],
      [LEADING, 'v', 'v', 'v'],
      [LEADING & ~Step.HDR_LEADSPC, 'v', ' v', 'v'],
    ] as const) {
      const values: string[] = []
      class Signer extends Base {
        @headerLeadingSpace override header(_name: string, text: string) {
          values.push(text)
        }
        override eom() {
          this.addHeader('X', values[0]!)
        }
      }
      const wire = Wire.negotiated(() => new Signer(), {}, { ...FULL_OFFER, steps })
      wire.send(header('A', received), eom())
      assert.deepEqual(values, [seen])
      assert.equal((wire.take()[1] as { value: string }).value, wired)
    }
  })

  it('is in the raw form for signers, which knows whether it is exact', () => {
    for (const [steps, received, expected, exact] of [
      [LEADING, '\tcaf\udce9', '\tcaf\udce9', true],
      [LEADING & ~Step.HDR_LEADSPC, 'v', ' v', false],
    ] as const) {
      let raw: { name: Buffer; value: Buffer; exact: boolean } | undefined
      const wire = Wire.negotiated(
        () => ({ header: (ctx) => void (raw = ctx.raw) }),
        {},
        { ...FULL_OFFER, steps },
      )
      wire.send(mail(), header('X-\udcff', received), eom())
      assert.equal(decodeText(raw!.name), 'X-\udcff')
      assert.equal(decodeText(raw!.value), expected)
      assert.equal(raw!.exact, exact)
    }
  })
})

describe('header values', () => {
  const wired = (text: string): string =>
    (sent((ctx) => ctx.addHeader('X', text))[0] as { value: string }).value

  it('are folded with LF on the wire (FT21)', () => {
    assert.equal(wired('a\r\n\tb\r\n c'), 'a\n\tb\n c')
    assert.equal(wired('a\n b'), 'a\n b')
    assert.equal(wired('a\r\n'), 'a')
    assert.equal(wired('a\n'), 'a')
  })

  it('have no line of spaces only, where some programs end the header', () => {
    const values: [value: string, sent: string][] = [
      ['a\n \n b', 'a\n b'],
      ['a\r\n\t \r\n \r\n\tb', 'a\n\tb'],
      ['a\n ', 'a'],
      ['a\n \r\n', 'a'],
      ['\n b', '\n b'],
      ['\n \n b', '\n b'],
      ['\n ', ' '],
      ['\n \r\n\t', ' '],
    ]
    for (const [value, wanted] of values) {
      const [added, inserted, changed] = sent((ctx) => {
        ctx.addHeader('X', value)
        ctx.insertHeader(0, 'X', value)
        ctx.changeHeader('X', 1, value)
      }) as { value: string }[]
      for (const edit of [added, inserted, changed]) assert.equal(edit!.value, wanted)
    }
    // Bytes are those of a field that was received.
    const bytes = Buffer.from('a\n \n b')
    const [verbatim] = sent((ctx) => ctx.addHeader('X', bytes)) as { value: string }[]
    assert.equal(verbatim!.value, 'a\n \n b')
  })

  it('that would become another header, or break the message, are refused', () => {
    for (const bad of [
      'a\nBcc: x',
      'a\r\nBcc: x',
      'a\rb',
      'a\0b',
      'a\n\n b',
      'a\r',
      '\r\n\r\nx',
    ]) {
      assert.equal(error((ctx) => ctx.addHeader('X', bad)).code, 'INVALID_HEADER_VALUE')
      assert.equal(error((ctx) => ctx.insertHeader(0, 'X', bad)).code, 'INVALID_HEADER_VALUE')
      assert.equal(error((ctx) => ctx.changeHeader('X', 1, bad)).code, 'INVALID_HEADER_VALUE')
    }
  })

  it('never bring a line that is not a continuation, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', ' ', '\t', '\r', '\n', '\0', ':') }),
        (text) => {
          let value: string
          try {
            value = wired(text)
          } catch {
            return
          }
          assert.doesNotMatch(value, /[\r\0]|\n[^ \t]|\n$/)
        },
      ),
    )
  })
})

describe('what cannot be sent', () => {
  const cases: [string, Edit, string, RegExp][] = [
    [
      'a header without a name',
      (ctx) => ctx.addHeader('', 'v'),
      'INVALID_HEADER_NAME',
      /needs a name/,
    ],
    [
      'a name with a colon',
      (ctx) => ctx.addHeader('X:', 'v'),
      'INVALID_HEADER_NAME',
      /without colon/,
    ],
    [
      'a name with a line break',
      (ctx) => ctx.changeHeader('X\nY', 1, 'v'),
      'INVALID_HEADER_NAME',
      /0x0a/,
    ],
    [
      'a negative index',
      (ctx) => ctx.insertHeader(-1, 'X', 'v'),
      'INVALID_INDEX',
      /0 is the top/,
    ],
    [
      'a broken index',
      (ctx) => ctx.changeHeader('X', 1.5, 'v'),
      'INVALID_INDEX',
      /whole number/,
    ],
    ['a change at 0', (ctx) => ctx.changeHeader('X', 0, 'v'), 'INVALID_INDEX', /from 1 to/],
    ['a deletion at 0', (ctx) => ctx.deleteHeader('X', 0), 'INVALID_INDEX', /from 1 to/],
    [
      'an index of 2^31',
      (ctx) => ctx.insertHeader(2 ** 31, 'X', 'v'),
      'INVALID_INDEX',
      /whole number/,
    ],
    ['an empty recipient', (ctx) => ctx.addRecipient(''), 'INVALID_ADDRESS', /empty/],
    [
      'an empty sender',
      (ctx) => ctx.changeFrom(''),
      'INVALID_ADDRESS',
      /'<>' for the null sender/,
    ],
    [
      'a recipient with a line break',
      (ctx) => ctx.deleteRecipient('<a@b>\r\n'),
      'INVALID_ADDRESS',
      /0x0d/,
    ],
    [
      'parameters with NUL',
      (ctx) => ctx.addRecipient('<a@b>', 'A\0'),
      'INVALID_ADDRESS',
      /0x00/,
    ],
    [
      'a parameter that a recipient cannot have',
      (ctx) => ctx.addRecipient('<a@b>', 'NOTIFY=NEVER X-OTHER=1'),
      'INVALID_ADDRESS',
      /"X-OTHER=1".*NOTIFY and ORCPT.*Sendmail/,
    ],
    [
      'NOTIFY without a value',
      (ctx) => ctx.addRecipient('<a@b>', 'NOTIFY'),
      'INVALID_ADDRESS',
      /write NOTIFY=NEVER.*Sendmail/,
    ],
    [
      'RET without a value',
      (ctx) => ctx.changeFrom('<a@b>', 'RET'),
      'INVALID_ADDRESS',
      /write RET=FULL or RET=HDRS/,
    ],
    ['an empty reason', (ctx) => ctx.quarantine(''), 'INVALID_ADDRESS', /reason is empty/],
    [
      'a value of 64 KiB',
      (ctx) => ctx.addHeader('X', 'v'.repeat(65_536)),
      'TOO_LONG',
      /65535 were negotiated/,
    ],
    [
      'a stray surrogate',
      (ctx) => ctx.addHeader('X', '\ud800'),
      'INVALID_TEXT',
      /pass a Buffer/,
    ],
  ]
  for (const [name, edit, code, advice] of cases) {
    it(`${name} is an error at the call: ${code}`, () => {
      const problem = error(edit)
      assert.equal(problem.code, code)
      assert.match(problem.message, advice)
    })
  }

  it('a value that just fits is sent', () => {
    assert.equal(sent((ctx) => ctx.addHeader('X', 'v'.repeat(65_535 - 3))).length, 2)
  })

  it('an action that was not granted is an error that names it', () => {
    const actions = Action.ADDHDRS
    const refused: Edit[] = [
      (ctx) => ctx.changeHeader('X', 1, 'v'),
      (ctx) => ctx.deleteHeader('X'),
      (ctx) => ctx.addRecipient('<a@b>'),
      (ctx) => ctx.addRecipient('<a@b>', 'NOTIFY=NEVER'),
      (ctx) => ctx.deleteRecipient('<a@b>'),
      (ctx) => ctx.changeFrom('<a@b>'),
      (ctx) => ctx.replaceBody('x'),
      (ctx) => ctx.quarantine('x'),
    ]
    for (const edit of refused) {
      const problem = error(edit, { actions })
      assert.equal(problem.code, 'ACTION_NOT_NEGOTIATED')
      assert.match(problem.message, /has only ADDHDRS/)
    }
    assert.equal(sent((ctx) => ctx.insertHeader(0, 'X', 'v'), { actions }).length, 2)
  })

  it('more edits than the limit are refused', () => {
    const problem = error(
      (ctx) => {
        for (let i = 0; i < 11; i++) ctx.addHeader('X', String(i))
      },
      { maxEdits: 10 },
    )
    assert.equal(problem.code, 'TOO_MANY_EDITS')
  })

  it('edits outside end of message are an error, also with a context that was kept', async () => {
    let kept: EndOfMessageContext | undefined
    const problems: string[] = []
    const attempt = (): void => {
      try {
        kept!.addHeader('X', 'late')
      } catch (problem) {
        problems.push((problem as UsageError).code)
      }
    }
    const wire = Wire.negotiated(() => ({
      envfrom: (ctx) => {
        kept ??= ctx as unknown as EndOfMessageContext
        attempt()
      },
      eom: (ctx) => {
        if (kept !== ctx) attempt()
        kept = ctx
      },
    }))
    wire.send(mail(), eom())
    attempt()
    wire.send(mail(), eom())
    assert.deepEqual(problems, Array(4).fill('WRONG_STAGE'))
    assert.equal(wire.answers(), 'continue continue continue continue')
  })
})

describe('edits of Base', () => {
  it('are those of the context, in eom alone', () => {
    class Filter extends Base {
      override envfrom() {
        assert.throws(() => this.addHeader('X', 'early'), { code: 'WRONG_STAGE' })
      }
      override eom() {
        this.addHeader('A', '1')
        this.insertHeader(0, 'B', '2')
        this.changeHeader('C', 1, '3')
        this.deleteHeader('D')
        this.addRecipient('<a@b>')
        this.deleteRecipient('<c@d>')
        this.changeFrom('<e@f>')
        this.quarantine('why')
        this.replaceBody('body')
      }
    }
    const wire = Wire.negotiated(() => new Filter())
    wire.send(mail(), eom())
    assert.deepEqual(wire.errors(), [])
    assert.equal(
      wire.answers(),
      'continue addheader insheader chgheader chgheader addrcpt delrcpt chgfrom quarantine replbody continue',
    )
  })

  it('before any callback, and between messages, are refused', () => {
    const filter = new Base()
    assert.throws(() => filter.addHeader('X', 'v'), { code: 'WRONG_STAGE' })
    assert.throws(() => filter.id, { code: 'WRONG_STAGE' })
  })
})
