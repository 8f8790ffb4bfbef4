/** Proved by compiling: what must not compile is marked, and an unused mark is an error itself. */
import { compose, defineFilter, REJECT, reply, serve, shadow, SKIP } from '../../src/index.ts'
import { deliver } from '../../src/testing/index.ts'

const filter = defineFilter({
  name: 'types',
  state: () => ({ count: 0 }),
  connect: (connection, ctx) => {
    ctx.log.info(connection.hostname)
    // @ts-expect-error: there is no message yet
    void ctx.state
  },
  sender: (sender, ctx) => (sender.address === '' ? undefined : void ctx.state.count++),
  async recipient(recipient, { state, sender, connection }) {
    state.count++
    if (connection.authenticated === sender.address) return reply(550, null, recipient.domain)
    return undefined
  },
  headers(mail) {
    mail.subject = 'x'
    mail.subject = undefined
    // @ts-expect-error: the body has not come yet
    void mail.body
    // @ts-expect-error: nor has the whole message
    void mail.raw()
    return mail.state.count > 1 ? REJECT : undefined
  },
  async message(mail) {
    for await (const piece of mail.body) mail.state.count += piece.length
    await mail.body.replace(mail.rawChunks())
    mail.body.replace('text')
    // @ts-expect-error: a field has no position
    mail.headers.append(1, 'X-A', 'b')
    // @ts-expect-error: numbers are no values
    mail.headers.append('X-A', 1)
    // @ts-expect-error: its fields change, not the object
    mail.headers = undefined as never
  },
})

// @ts-expect-error: a stage that does not exist
defineFilter({ name: 'x', mesage: () => {} })
// @ts-expect-error: no name
defineFilter({ message: () => {} })
// @ts-expect-error: SKIP is for pieces of a body
defineFilter({ name: 'x', message: () => SKIP })
// @ts-expect-error: no verdict
defineFilter({ name: 'x', message: () => 'reject' })
// @ts-expect-error: without `state` there is none
defineFilter({ name: 'x', message: (mail) => void mail.state.count })
// @ts-expect-error: only filters of messages can be composed
compose(filter, () => ({}))

void deliver(compose(filter, shadow(filter)), { mta: 'sendmail' })
void serve(filter, { listen: 'inet:8890@localhost' })
