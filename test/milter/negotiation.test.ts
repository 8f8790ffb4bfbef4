import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Action, MacroStage, Step } from '../../src/protocol/constants.ts'
import type { Choice, Offer } from '../../src/protocol/negotiation.ts'
import { Base } from '../../src/milter/base.ts'
import type { Filter } from '../../src/milter/filter-object.ts'
import {
  headerLeadingSpace,
  borrowed,
  noCallback,
  noReply,
  rejectedRecipients,
  symlist,
} from '../../src/milter/marks.ts'
import { Milter } from '../../src/milter/milter.ts'
import type { FilterOptions } from '../../src/milter/options.ts'
import { data, eom, FULL_OFFER, rcpt, mail, RecordingTransport, Wire } from '../support/wire.ts'

function negotiate(
  filter: () => Filter,
  offer: Offer = FULL_OFFER,
  options: FilterOptions = {},
): Choice {
  const wire = new Wire(filter, options)
  wire.send({ type: 'optneg', offer })
  const [answer] = wire.take()
  assert.equal(answer?.type, 'optneg', JSON.stringify(wire.log))
  return (answer as { choice: Choice }).choice
}
const hex = (bits: number): string => `0x${bits.toString(16)}`

class Connect extends Base {
  override connect(): void {}
}
class HeaderAndBody extends Base {
  override header(_name: string, _value: string): void {}
  override body(): void {}
}
class AllNine extends HeaderAndBody {
  override connect(): void {}
  override helo(): void {}
  override envfrom(): void {}
  override envrcpt(): void {}
  override data(): void {}
  override eoh(): void {}
  override unknown(): void {}
}
class QuietHelo extends Base {
  @noReply override helo(): void {}
}
class Rejected extends Base {
  @rejectedRecipients override envrcpt(): void {}
}
class Declined extends AllNine {
  @noCallback override header(): void {}
}
class V2 extends Base {
  override connect(): void {}
  @noReply override helo(): void {}
  override body(): void {}
}
const V2_OFFER: Offer = { version: 2, actions: 0x3f, steps: 0x7f }

describe('what you write is what is negotiated (PYMILTER 11.11, with the leading space on header)', () => {
  const cases: [string, () => Filter, string, Offer?][] = [
    ['nothing', () => new Base(), '0x77f'],
    ['no handlers', () => ({}), '0x77f'],
    ['connect', () => new Connect(), '0x77e'],
    ['connect as a handler', () => ({ connect() {} }), '0x77e'],
    ['header and body', () => new HeaderAndBody(), '0x10074f'],
    ['all nine', () => new AllNine(), '0x100400'],
    ['helo without a reply', () => new QuietHelo(), '0x277d'],
    ['helo without a reply, as a handler', () => ({ helo: noReply(() => {}) }), '0x277d'],
    ['rejected recipients', () => new Rejected(), '0xf77'],
    ['a declined handler', () => new Declined(), '0x420'],
    ['Milter', () => new Milter(), '0x14f790'],
    ['version 2', () => new V2(), '0x6c', V2_OFFER],
    [
      'the small offer of Stalwart',
      () => new Base(),
      '0x42',
      { version: 6, actions: 0xff, steps: 0x42 },
    ],
    [
      'an offer of all ones',
      () => new Base(),
      '0x77f',
      { version: 6, actions: 0xffffffff, steps: 0xffffffff },
    ],
  ]
  for (const [name, filter, steps, offer] of cases) {
    it(`${name}: ${steps}`, () => assert.equal(hex(negotiate(filter, offer).steps), steps))
  }

  it('a class that has run does not decide for its subclasses (pymilter D5)', () => {
    class Parent extends Base {
      override connect(): void {}
    }
    assert.equal(hex(negotiate(() => new Parent()).steps), '0x77e')
    class Child extends Parent {
      override helo(): void {}
    }
    assert.equal(hex(negotiate(() => new Child()).steps), '0x77c')
    assert.equal(hex(negotiate(() => new Parent()).steps), '0x77e')
  })

  it('is worked out for each object', () => {
    class Sometimes extends Base {
      constructor(quiet: boolean) {
        super()
        // oxlint-disable-next-line typescript/unbound-method -- it is called with its object
        if (quiet) this.helo = Base.prototype.helo
      }
      override helo(_name: string): ReturnType<Base['helo']> {}
    }
    assert.equal(hex(negotiate(() => new Sometimes(true)).steps), '0x77f')
    assert.equal(hex(negotiate(() => new Sometimes(false)).steps), '0x77d')
  })

  it('an override without the mark of its parent is not marked', () => {
    class Loud extends QuietHelo {
      override helo(): void {}
    }
    assert.equal(hex(negotiate(() => new Loud()).steps), '0x77d')
    class Same extends QuietHelo {}
    assert.equal(hex(negotiate(() => new Same()).steps), '0x277d')
  })

  it('a mark is on one function and not on others of its name', () => {
    const helo = noReply(() => {})
    assert.equal(hex(negotiate(() => ({ helo })).steps), '0x277d')
    assert.equal(hex(negotiate(() => ({ helo: () => {} })).steps), '0x77d')
  })
})

describe('actions', () => {
  it('are all that are offered, unless the option says less (pymilter D16)', () => {
    assert.equal(negotiate(() => ({})).actions, 0x1ff)
    assert.equal(negotiate(() => ({}), FULL_OFFER, { actions: Action.ADDHDRS }).actions, 1)
    assert.equal(
      negotiate(() => ({}), FULL_OFFER, { actions: ['ADDHDRS', 'CHGBODY'] }).actions,
      3,
    )
    assert.equal(negotiate(() => ({}), V2_OFFER).actions, 0x3f)
  })

  it('that are required and not offered refuse the connection', () => {
    const wire = new Wire(() => ({}), { requiredActions: Action.CHGFROM })
    wire.send({ type: 'optneg', offer: V2_OFFER })
    assert.equal(wire.transport.closed, true)
    assert.equal(wire.log[0]?.fields['code'], 'ACTIONS_NOT_OFFERED')
  })
})

describe('macro lists', () => {
  it('are asked for with symlist (pymilter D1), with braces where they belong', () => {
    class Lists extends Base {
      @symlist('i', 'auth_authen') override envfrom(): void {}
      @symlist() override helo(): void {}
    }
    const choice = negotiate(() => new Lists())
    assert.deepEqual(
      [...choice.macros!],
      [
        [MacroStage.HELO, []],
        [MacroStage.MAIL, ['i', 'auth_authen']],
      ],
    )
    assert.equal(hex(choice.steps), '0x779')
  })

  it('come from the negotiate handler, too', () => {
    const choice = negotiate(() => ({
      negotiate: () => ({ macros: { [MacroStage.CONNECT]: ['j', '{client_addr}'] } }),
      envrcpt: symlist('rcpt_addr')(() => {}),
    }))
    assert.deepEqual(
      [...choice.macros!],
      [
        [MacroStage.CONNECT, ['j', 'client_addr']],
        [MacroStage.RCPT, ['rcpt_addr']],
      ],
    )
  })

  it('bring the list of EOH with that of EOM, for Sendmail', () => {
    const choice = negotiate(() => ({ eom: symlist('i')(() => {}) }))
    assert.deepEqual([...choice.macros!.keys()], [MacroStage.EOM, MacroStage.EOH])
  })
})

describe('the negotiate handler', () => {
  it('sees the offer and may take its time', async () => {
    let seen: Offer | undefined
    const wire = new Wire(() => ({
      negotiate: async (_ctx, offer) => {
        seen = offer
        await null
        return { actions: Action.ADDHDRS, steps: Step.NOBODY | Step.NR_HDR }
      },
      header: () => {},
    }))
    wire.send({ type: 'optneg', offer: FULL_OFFER }, mail(), rcpt())
    await wire.settle()
    assert.deepEqual(seen, FULL_OFFER)
    const [answer, ...rest] = wire.take()
    assert.equal(answer?.type === 'optneg' && hex(answer.choice.steps), '0x90')
    assert.equal(answer?.type === 'optneg' && answer.choice.actions, 1)
    assert.equal(rest.length, 2, 'what was pipelined behind it is answered after it')
  })

  it('may ask by name', () => {
    const choice = negotiate(() => ({
      negotiate: () => ({ actions: ['ADDHDRS', 'CHGFROM'], steps: ['NOBODY', 'NR_HDR'] }),
    }))
    assert.deepEqual([choice.actions, hex(choice.steps)], [0x41, '0x90'])
  })

  it('that asks by a wrong name gets an error with the right ones', () => {
    const wire = new Wire(() => ({ negotiate: () => ({ steps: ['NOBOD'] }) as object }))
    wire.send({ type: 'optneg', offer: FULL_OFFER })
    assert.equal(wire.transport.closed, true)
    assert.match(
      String((wire.errors()[0]!.fields['err'] as Error).message),
      /^"steps" of what negotiate returned is .*; it is bits, or a list of some of NOCONNECT, /,
    )
  })

  it('that fails or returns an invalid value refuses the connection, and says so', async () => {
    const bad: (() => unknown)[] = [
      () => {
        throw new Error('not today')
      },
      () => Promise.reject(new Error('not today')),
      () => 'accept',
      () => ({ macros: { 0: ['two names'] } }),
    ]
    for (const negotiateBadly of bad) {
      const wire = new Wire(() => ({ negotiate: negotiateBadly as () => undefined }))
      wire.send({ type: 'optneg', offer: FULL_OFFER })
      await wire.settle()
      assert.deepEqual(wire.take(), [])
      assert.equal(wire.transport.closed, true)
      assert.equal(wire.errors().length, 1)
    }
  })
})

describe('marks', () => {
  const misplaced: [string, () => Filter][] = [
    ['noReply on eom', () => ({ eom: noReply(() => {}) })],
    ['noReply on abort', () => ({ abort: noReply(() => {}) })],
    ['noCallback on close', () => ({ close: noCallback(() => {}) })],
    ['symlist on header', () => ({ header: symlist('i')(() => {}) })],
    ['rejectedRecipients on envfrom', () => ({ envfrom: rejectedRecipients(() => {}) })],
    ['borrowed on header', () => ({ header: borrowed(() => {}) })],
    ['headerLeadingSpace on body', () => ({ body: headerLeadingSpace(() => {}) })],
  ]
  for (const [name, filter] of misplaced) {
    it(`${name} is an error that names the right places`, () => {
      const wire = new Wire(filter)
      wire.send({ type: 'optneg', offer: FULL_OFFER })
      const error = wire.errors()[0]?.fields['err'] as { code: string; message: string }
      assert.equal(error.code, 'INVALID_HANDLER')
      assert.match(error.message, /does not fit/)
    })
  }

  it('as decorators are checked where the class is written', () => {
    assert.throws(() => {
      class Wrong extends Base {
        @noReply override eom(): void {}
      }
      return Wrong
    }, /noReply does not fit eom: only these can go without a reply: connect, helo/)
  })

  it('take no more macros than Sendmail keeps', () => {
    const names = Array.from({ length: 51 }, (_, i) => `macro${i}`)
    assert.throws(() => symlist(...names), { code: 'INVALID_OPTION' })
    assert.throws(() => symlist('i j'), { code: 'INVALID_OPTION' })
  })
})

describe('over TCP', () => {
  function overTcp(filter: () => Filter): { wire: Wire; steps: number } {
    const transport = new RecordingTransport()
    transport.acknowledgesLate = true
    const wire = new Wire(filter, {}, transport)
    wire.send({ type: 'optneg', offer: FULL_OFFER })
    const [answer] = wire.take() as unknown as [{ choice: Choice }]
    return { wire, steps: answer.choice.steps }
  }
  const both = Step.NODATA | Step.NR_DATA

  it('DATA comes and is answered, so that Postfix does not wait for an acknowledgement', () => {
    const { wire, steps } = overTcp(() => ({ eom: () => undefined }))
    assert.equal(steps & both, 0)
    wire.send(mail(), rcpt(), data, eom())
    // MAIL and RCPT were declined, and are answered if they come all the same.
    assert.equal(wire.answers(), 'continue continue continue continue')
    assert.equal(negotiate(() => ({ eom: () => undefined })).steps & both, Step.NODATA)
  })

  it('a handler of DATA that does not answer is called, and answered for', () => {
    let called = 0
    const { wire, steps } = overTcp(() => ({ data: noReply(() => void called++) }))
    assert.equal(steps & both, 0)
    wire.send(mail(), rcpt(), data)
    assert.equal(called, 1)
    assert.equal(wire.answers(), 'continue continue continue')
  })

  it("the filter's own word on the steps holds", () => {
    const { steps } = overTcp(() => ({ negotiate: () => ({ steps: Step.NODATA }) }))
    assert.equal(steps & both, Step.NODATA)
  })
})
