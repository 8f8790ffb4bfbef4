// The workloads on whole messages.
//
//     node messages.js ADDRESS WORKLOAD [EDITS]
import { CONTINUE, defineFilter, serve } from 'tsmilter'

const [, , address, workload, edits] = process.argv
const goOn = () => CONTINUE

const workloads = {
  noop: {
    connect: goOn,
    helo: goOn,
    sender: goOn,
    recipient: goOn,
    headers: goOn,
    message: goOn,
  },

  addheader: {
    reads: [],
    message(mail) {
      mail.headers.append('X-Bench', 'yes')
    },
  },

  // The same by a filter that does not say what it reads.
  'addheader-read': {
    message(mail) {
      mail.headers.append('X-Bench', 'yes')
    },
  },

  body: {
    async message(mail) {
      const text = await mail.body.bytes()
      mail.headers.append('X-Bench-Fields', String(mail.headers.length))
      mail.headers.append('X-Bench-Size', String(text.length))
      if (text.length > 0) await mail.body.replace(['#', text.subarray(1)])
    },
  },

  // The first of three fields is changed, the second deleted, and for the third a new one is added.
  // The new value is an address, because some of the fields hold addresses.
  edits: {
    message(mail) {
      const fields = mail.headers.fields().slice(0, Number(edits))
      for (const [number, field] of fields.entries()) {
        if (number % 3 === 0) field.value = `<changed-${number}@example.org>`
        else if (number % 3 === 1) field.remove()
        else mail.headers.append('X-Added', `${number}`)
      }
    },
  },
}

const filter = defineFilter({ name: 'bench', ...workloads[workload] })
await serve(filter, { listen: address, maxConnections: 10_000 })
