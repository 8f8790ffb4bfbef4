import { after, before, describe, it } from 'node:test'
import { mailServerModel } from '../../src/mta/index.ts'
import { encodeFrame, Reply } from '../../src/protocol/index.ts'
import { BothSides } from './support/both-sides.ts'
import { eachServer } from './support/stack.ts'

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
