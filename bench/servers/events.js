// The workloads on handlers of events.
//
//     node events.js ADDRESS WORKLOAD
import { ACCEPT, CONTINUE, borrowed, noReply, serve } from 'tsmilter'

const [, , address, workload] = process.argv
const goOn = () => CONTINUE
// What is not kept of a body need not be copied; libmilter never lets a chunk be kept.
const look = borrowed(() => CONTINUE)

const noop = () => ({
  connect: goOn,
  helo: goOn,
  envfrom: goOn,
  envrcpt: goOn,
  data: goOn,
  header: goOn,
  eoh: goOn,
  body: look,
  eom: goOn,
  unknown: goOn,
})

const addheader = () => ({
  eom(ctx) {
    ctx.addHeader('X-Bench', 'yes')
    return ACCEPT
  },
})

// With the callbacks that are usual with libmilter; this library declines what has no handler.
const addheaderNr = () => ({
  envfrom: noReply(() => {}),
  envrcpt: noReply(() => {}),
  header: noReply(() => {}),
  eom(ctx) {
    ctx.addHeader('X-Bench', 'yes')
    return ACCEPT
  },
})

const body = () => {
  let fields = []
  let chunks = []
  return {
    envfrom() {
      fields = []
      chunks = []
    },
    header(_ctx, name, value) {
      fields.push([name, value])
    },
    body(_ctx, chunk) {
      chunks.push(chunk)
    },
    eom(ctx) {
      const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      ctx.addHeader('X-Bench-Fields', String(fields.length))
      ctx.addHeader('X-Bench-Size', String(size))
      if (size > 0) chunks[0][0] = 0x23
      for (const chunk of chunks) ctx.replaceBody(chunk)
      // What is still held when the connection ends stays in memory longer than it does.
      fields = []
      chunks = []
      return ACCEPT
    },
  }
}

const workloads = { noop, addheader, 'addheader-nr': addheaderNr, body }
await serve(workloads[workload], { listen: address, maxConnections: 10_000 })
