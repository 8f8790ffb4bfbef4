import { after, before, describe, it } from 'node:test'
import { mailServerModel } from '../../src/mta/index.ts'
import { encodeFrame, encodeReply, Reply } from '../../src/protocol/index.ts'
import { BothSides } from './support/both-sides.ts'
import { eachServer, message } from './support/stack.ts'

/** What becomes of mail when a filter fails, by what is configured: the real server and its model. */
eachServer('a filter that fails', (kind) => {
  const { failureActions } = mailServerModel(kind.name)
  // With F= missing Sendmail accepts, which the model does not take for its default.
  const installed = kind.name === 'postfix' ? (['as installed'] as const) : []
  for (const action of [...failureActions, ...installed]) {
    describe(`where the default action is ${action}`, () => {
      let sides: BothSides
      before(async () => {
        const onFailure = action === 'as installed' ? undefined : action
        sides = await BothSides.start(kind, { onFailure }, { defaultAction: action })
      })
      after(() => sides.stop())

      for (const letter of ['C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E']) {
        it(`with a reply that does not exist in answer to ${letter}`, () =>
          sides.same({ answers: { [letter]: encodeFrame(0x7a) } }))
      }
      for (const letter of ['C', 'M', 'E']) {
        it(`with a reply without a code in answer to ${letter}`, () =>
          sides.same({
            answers: { [letter]: encodeFrame(Reply.REPLYCODE, Buffer.from('hello\0')) },
          }))
      }
    })
  }
})

eachServer('a bare CR in a body', (kind) => {
  let sides: BothSides
  before(async () => {
    sides = await BothSides.start(kind)
  })
  after(() => sides.stop())
  // What Postfix sends on has a space in its place (smtp_proto.c); in its queue it stays.
  const bodies = kind.name === 'postfix' ? [] : ['a\rb\r\n', 'a\r\rb\r\n', '\r\r\r\n']
  for (const body of ['a\r\r\n', 'a\r\r\r\nb\r\n', ...bodies]) {
    it(JSON.stringify(body), () => sides.same({ original: message([], body), messages: 2 }))
  }
  if (kind.name === 'sendmail') {
    it('in a field', () => sides.same({ original: message(['X-CR: a\rb']) }))
  }
})

eachServer('SHUTDOWN', (kind) => {
  let sides: BothSides
  before(async () => {
    sides = await BothSides.start(kind)
  })
  after(() => sides.stop())
  for (const letter of ['C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E']) {
    it(`in answer to ${letter}`, () =>
      sides.same({ answers: { [letter]: encodeReply({ type: 'shutdown' }) } }))
  }
})
