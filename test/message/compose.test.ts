import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  ACCEPT,
  compose,
  defineFilter,
  REJECT,
  reply,
  shadow,
  type MessageFilter,
} from '../../src/index.ts'
import { deliver, openSession } from '../../src/testing/index.ts'

/** A filter that notes when it is asked, and does what it is given. */
function noting(
  name: string,
  events: string[],
  stages: Readonly<Record<string, (mail: never) => unknown>>,
): MessageFilter {
  return defineFilter({
    name,
    ...Object.fromEntries(
      Object.entries(stages).map(([stage, handler]) => [
        stage,
        (subject: never) => {
          events.push(`${name} ${stage}`)
          return handler(subject)
        },
      ]),
    ),
  })
}
const nothing = (): void => {}

describe('a composition', () => {
  it('asks its filters in order at each stage', async () => {
    const events: string[] = []
    const stages = { sender: nothing, recipient: nothing, headers: nothing }
    const outcome = await deliver(
      compose(
        noting('a', events, stages),
        noting('b', events, { ...stages, message: nothing }),
      ),
    )
    assert.equal(outcome.verdict, 'accept')
    assert.deepEqual(events, [
      'a sender',
      'b sender',
      'a recipient',
      'b recipient',
      'a headers',
      'b headers',
      'b message',
    ])
  })

  it('shows a filter the header as those before it have left it, so after their message', async () => {
    const events: string[] = []
    const seen: unknown[] = []
    const outcome = await deliver(
      compose(
        noting('a', events, {
          message: (mail: { subject: string }) => void (mail.subject = 'from a'),
        }),
        noting('b', events, {
          headers: (mail: { subject: string }) => void seen.push(mail.subject),
          message: async (mail: { raw(): Promise<Buffer> }) =>
            void seen.push(String(await mail.raw())),
        }),
      ),
      { message: 'Subject: x\r\n\r\nhello\r\n' },
    )
    assert.equal(outcome.verdict, 'accept')
    assert.deepEqual(events, ['a message', 'b headers', 'b message'])
    assert.deepEqual(seen, ['from a', 'Subject: from a\r\n\r\nhello\r\n'])
  })

  it('takes the first refusal, and says whose it was', async () => {
    const events: string[] = []
    const outcome = await deliver(
      compose(
        noting('a', events, {
          message: (mail: { headers: Map<string, string> }) => void mail.headers,
        }),
        noting('b', events, { message: () => reply(550, '5.7.1', 'b says no') }),
        noting('c', events, { message: () => REJECT }),
      ),
    )
    assert.equal(outcome.reply, '550 5.7.1 b says no')
    assert.deepEqual(events, ['a message', 'b message'])
    const line = outcome.log.find(
      ({ message }) => message === 'a filter decides on the message',
    )
    assert.equal(line?.fields['filter'], 'b')
    assert.equal(line?.fields['verdict'], 'reject')
    assert.equal(line?.fields['reply'], '550 5.7.1 b says no')
  })

  it('takes ACCEPT for the word of one filter alone, for as long as it says', async () => {
    const events: string[] = []
    await using session = await openSession(
      compose(
        noting('a', events, { connect: () => ACCEPT, message: nothing }),
        noting('b', events, { sender: () => ACCEPT, message: nothing }),
        noting('c', events, { message: nothing }),
      ),
    )
    await session.deliver()
    await session.deliver()
    assert.deepEqual(events, ['a connect', 'b sender', 'c message', 'b sender', 'c message'])
  })

  it('accepts at once what all its filters accept', async () => {
    // What accepts early behind a Postfix with a defect is heard at the end only.
    for (const [mta, stage] of [
      [{ postfix: '3.7' }, 'eom'],
      ['postfix', 'mail'],
    ] as const) {
      const outcome = await deliver(
        compose(
          defineFilter({ name: 'a', sender: () => ACCEPT, message: nothing }),
          defineFilter({ name: 'b', sender: async () => ACCEPT, message: nothing }),
        ),
        { mta },
      )
      assert.equal(outcome.stage, stage)
      assert.equal(outcome.verdict, 'accept')
    }
  })

  it('keeps the failures of its filters apart', async () => {
    const outcome = await deliver(
      compose(
        defineFilter({
          name: 'good',
          message: (mail) => void mail.headers.append('X-Good', '1'),
        }),
        defineFilter({
          name: 'bad',
          onError: 'continue',
          async message(mail) {
            mail.headers.append('X-Bad', '1')
            await sleep(1)
            throw new Error('boom')
          },
        }),
        defineFilter({
          name: 'late',
          onError: 'accept',
          deadlines: { message: 10 },
          async message(mail) {
            mail.headers.append('X-Late', '1')
            await sleep(50)
          },
        }),
        defineFilter({
          name: 'last',
          message: (mail) => void mail.headers.append('X-Last', '1'),
        }),
      ),
    )
    assert.equal(outcome.verdict, 'accept')
    assert.match(outcome.message!.toString(), /X-Good: 1\r\nX-Last: 1\r\n\r\n/)
    assert.doesNotMatch(outcome.message!.toString(), /X-Bad|X-Late/)
    assert.deepEqual(
      outcome.log
        .filter(({ level }) => level === 'error')
        .map(({ fields }) => [fields['filter'], fields['verdict']]),
      [
        ['bad', 'continue'],
        ['late', 'accept'],
      ],
    )
  })

  it('defers what a filter fails on that has no policy of its own', async () => {
    const events: string[] = []
    const outcome = await deliver(
      compose(
        noting('a', events, {
          message: () => {
            throw new Error('boom')
          },
        }),
        noting('b', events, { message: nothing }),
      ),
    )
    assert.equal(outcome.verdict, 'tempfail')
    assert.deepEqual(events, ['a message'])
  })

  it('sends one plan for all: edits that take each other back are none', async () => {
    const outcome = await deliver(
      compose(
        defineFilter({
          name: 'a',
          message(mail) {
            mail.headers.prepend('X-A', 'b')
            mail.subject = 'other'
            mail.recipients.add('x@example.net')
            mail.body.replace('other\r\n')
            mail.sender.replace('other@example.org')
          },
        }),
        defineFilter({
          name: 'b',
          message(mail) {
            mail.headers.delete('X-A')
            mail.subject = 'A message'
            mail.recipients.remove('x@example.net')
            mail.body.replace('Hello\r\n')
            mail.sender.replace('alice@example.org')
          },
        }),
      ),
    )
    assert.deepEqual(outcome.errors, [])
    assert.deepEqual(outcome.edits, [])
    assert.equal(outcome.verdict, 'accept')
  })

  it('gives each filter its own state', async () => {
    const seen: unknown[] = []
    const one = (name: string) =>
      defineFilter({
        name,
        state: () => ({ name }),
        message: ({ state }) => void seen.push(state.name),
      })
    await deliver(compose(one('a'), one('b')))
    assert.deepEqual(seen, ['a', 'b'])
  })
})

describe('a shadow', () => {
  const strict = defineFilter({
    name: 'strict',
    recipient: (recipient) => (recipient.address === 'no@example.net' ? REJECT : undefined),
    message(mail) {
      mail.subject = 'changed'
      mail.headers.delete('To')
      mail.recipients.add('archive@example.net', 'NOTIFY=NEVER')
      mail.sender.replace('new@example.org')
      mail.body.replace('gone')
      mail.quarantine('suspicious')
    },
  })
  const lines = (log: Awaited<ReturnType<typeof deliver>>['log']) =>
    log.filter(({ message }) => message === 'a shadow filter would have done this')

  it('changes nothing, and logs what it would have done', async () => {
    const outcome = await deliver(shadow(strict), { to: ['no@example.net', 'bob@example.net'] })
    assert.equal(outcome.verdict, 'accept')
    assert.deepEqual(outcome.edits, [])
    assert.deepEqual(outcome.recipients, ['no@example.net', 'bob@example.net'])
    const [refusal, plan] = lines(outcome.log).map(({ fields }) => fields)
    assert.deepEqual(
      [refusal?.['filter'], refusal?.['stage'], refusal?.['verdict']],
      ['strict', 'recipient', 'reject'],
    )
    assert.deepEqual(plan?.['edits'], [
      'change 1 to Subject: changed',
      'delete To 1',
      'change the sender to <new@example.org>',
      'add the recipient <archive@example.net> NOTIFY=NEVER',
      'quarantine suspicious',
      'replace the body by 4 bytes',
    ])
  })

  it('never refuses: neither by a verdict nor by a failure nor by its time', async () => {
    for (const handler of [
      () => REJECT,
      () => reply(421, '4.3.2', 'bye'),
      () => {
        throw new Error('boom')
      },
      async () => {
        throw new Error('boom')
      },
      () => 'nonsense' as never,
      () => sleep(200),
    ]) {
      for (const stage of [
        'connect',
        'helo',
        'sender',
        'recipient',
        'headers',
        'message',
      ] as const) {
        const outcome = await deliver(
          shadow(
            defineFilter({
              name: 'test',
              deadlines: { [stage]: 10 },
              onError: 'reject',
              [stage]: handler,
            }),
          ),
        )
        assert.equal(outcome.verdict, 'accept', `${stage}: ${outcome.reply}`)
      }
    }
  })

  it('beside others sees what they have done, and they do not see what it does', async () => {
    const seen: unknown[] = []
    const outcome = await deliver(
      compose(
        defineFilter({ name: 'a', message: (mail) => void (mail.subject = 'a') }),
        shadow(
          defineFilter({
            name: 'b',
            message(mail) {
              seen.push(mail.subject)
              mail.subject = 'b'
            },
          }),
        ),
        defineFilter({ name: 'c', message: (mail) => void seen.push(mail.subject) }),
      ),
    )
    assert.deepEqual(seen, ['a', 'a'])
    assert.match(outcome.message!.toString(), /^Subject: a\r$/m)
    assert.deepEqual(
      lines(outcome.log).map(({ fields }) => fields['edits']),
      [['change 1 to Subject: b']],
    )
  })
})
