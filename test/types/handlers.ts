// Proved by compiling: each line below `@ts-expect-error` must not compile. Never run.
import {
  ACCEPT,
  Base,
  CONTINUE,
  decode,
  DISCARD,
  borrowed,
  noReply,
  REJECT,
  reply,
  runMilter,
  serve,
  SKIP,
  type Handlers,
  type MilterServer,
} from '../../src/index.ts'

const listen = 'inet:0@localhost'

// A filter in full, sync and async.
const complete: Handlers = {
  negotiate: (_ctx, offer) => ({ actions: offer.actions }),
  connect: (ctx, hostname, family, address, port) =>
    family === 'inet' && port === 0 && hostname !== address ? REJECT : ctx.log.info('x'),
  helo: async (_ctx, name) => (name === '' ? reply(550, '5.5.2', 'no name') : CONTINUE),
  envfrom: (ctx, _sender, ...words) =>
    ctx.sender.parameters.size === words.length ? undefined : DISCARD,
  envrcpt: async (ctx) => (ctx.rejectedByServer ? undefined : ACCEPT),
  header: (ctx, name, value) => (ctx.raw.exact && name === value ? ACCEPT : undefined),
  body: (_ctx, chunk) => (chunk.length > 9 ? SKIP : undefined),
  eom(ctx) {
    ctx.addHeader('X', 'y')
    ctx.quarantine(Buffer.from('why'))
  },
  abort: (ctx) => void ctx.signal.aborted,
  close: (_ctx, reason) => void (reason === 'quit'),
  unknown: () => REJECT,
}
const named: Handlers = { negotiate: () => ({ actions: ['ADDHDRS'], steps: ['NOHELO'] }) }
export const servedWithNames: Promise<MilterServer> = serve(() => named, {
  listen,
  actions: ['CHGBODY'],
})
// @ts-expect-error -- not a name
export const misspeltAction: Handlers = { negotiate: () => ({ actions: ['ADDHDR'] }) }
export const served: Promise<MilterServer> = serve(() => complete, { listen })
export const served2: Promise<MilterServer> = serve(() => new Base(), { listen })
export const served3: Promise<MilterServer> = serve(
  () => {
    let subject = ''
    return {
      header(_ctx, name, value) {
        if (name.toLowerCase() === 'subject') subject = value
      },
      eom(ctx) {
        if (/lottery/i.test(subject)) return reply(550, '5.7.1', 'No lotteries here')
        ctx.addHeader('X-Checked', 'yes')
        return ACCEPT
      },
    }
  },
  { listen },
)

// ---- a chunk that is borrowed

export const looking: Handlers = {
  body: borrowed((_ctx, chunk: Buffer) => (chunk.length > 9 ? SKIP : undefined)),
}
export const waiting: Handlers = {
  // @ts-expect-error it must be synchronous
  body: borrowed(async (_ctx, chunk: Buffer) => void chunk.length),
}

// ---- editing the message outside end of message

export const early: Handlers = {
  // @ts-expect-error a header cannot be added at MAIL
  envfrom: (ctx) => ctx.addHeader('X', 'y'),
  // @ts-expect-error nor in front of the body
  eoh: (ctx) => ctx.insertHeader(0, 'X', 'y'),
  // @ts-expect-error nor can a body be replaced while it arrives
  body: (ctx) => ctx.replaceBody('x'),
  // @ts-expect-error nor anything at abort
  abort: (ctx) => ctx.quarantine('x'),
  // @ts-expect-error nor without a message
  close: (ctx) => ctx.deleteRecipient('<a@b>'),
}

// ---- a noReply handler that answers

export const answering: Handlers = {
  // @ts-expect-error a verdict
  header: noReply(() => REJECT),
  // @ts-expect-error sometimes a verdict
  envrcpt: noReply((_ctx, to) => {
    if (to === '') return REJECT
    return undefined
  }),
  // @ts-expect-error a promise of a verdict
  data: noReply(async () => ACCEPT),
  helo: noReply((ctx, name) => ctx.log.info(name)),
  eoh: noReply(async (ctx) => ctx.log.info('x')),
}
export class Answering extends Base {
  @noReply override helo(name: string) {
    this.log.info(name)
  }
  // @ts-expect-error a verdict
  @noReply override header() {
    return REJECT
  }
  // @ts-expect-error a promise of a verdict
  @noReply override async envrcpt() {
    return REJECT
  }
}

// ---- a misspelt callback

export const misspelt: Handlers = {
  // @ts-expect-error no such callback
  envform: () => REJECT,
}
// @ts-expect-error no such callback
export const misspelt2: Promise<MilterServer> = serve(() => ({ heder() {}, eom() {} }), {
  listen,
})
// @ts-expect-error no callback at all
export const misspelt3: Promise<MilterServer> = serve(() => ({ hello() {} }), { listen })
export const misspelt4: Promise<void> = runMilter('x', {
  // @ts-expect-error no such callback
  factory: () => ({ heder() {}, eom() {} }),
  listen,
})
export const ran: Promise<void> = runMilter('x', { factory: () => complete, listen })
export const ran2: Promise<void> = runMilter('x', { factory: () => new Base(), listen })
export const ran3: Promise<void> = runMilter('x', {
  factory: () => ({ eom: (ctx) => ctx.addHeader('X-Seen', 'yes') }),
  listen,
})
export class Misspelt extends Base {
  // @ts-expect-error overrides nothing
  override hello() {}
}

// ---- verdicts of the wrong stage

export const wrongStage: Handlers = {
  // @ts-expect-error there is no message to discard
  connect: () => DISCARD,
  // @ts-expect-error only a body can be skipped
  header: () => SKIP,
  // @ts-expect-error only a body can be skipped
  eom: async () => SKIP,
  // @ts-expect-error not a verdict
  helo: () => 'accept',
  // @ts-expect-error not a verdict
  eoh: () => true,
}

// ---- arguments

export const wrongArguments: Handlers = {
  // @ts-expect-error a header's value is text
  header: (_ctx, _name, value: Buffer) => void value,
  eom(ctx) {
    // @ts-expect-error the index comes first
    ctx.insertHeader('X', 0, 'y')
    // @ts-expect-error a value is text or bytes
    ctx.addHeader('X', 5)
  },
}

// ---- bytes

export const bytes: Handlers = {
  header: decode('bytes')((_ctx: unknown, _name: string, value: Buffer) => void value.length),
}
export class Bytes extends Base {
  @decode('bytes') override header(_name: string, value: string | Buffer) {
    if (typeof value === 'string') return
    value.readUInt8(0)
  }
}
