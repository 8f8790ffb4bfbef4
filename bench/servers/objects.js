// The workloads as classes.
//
//     node objects.js ADDRESS WORKLOAD
import { ACCEPT, Base, CONTINUE, borrowed, noReply, runMilter, silentLogger } from 'tsmilter'

const [, , address, workload] = process.argv

class Noop extends Base {
  connect() {
    return CONTINUE
  }
  helo() {
    return CONTINUE
  }
  envfrom() {
    return CONTINUE
  }
  envrcpt() {
    return CONTINUE
  }
  data() {
    return CONTINUE
  }
  header() {
    return CONTINUE
  }
  eoh() {
    return CONTINUE
  }
  eom() {
    return CONTINUE
  }
  unknown() {
    return CONTINUE
  }
}

// Plain JavaScript has no decorators; marks are wrapped around methods. What is not kept of a body need
// not be copied; libmilter never lets a chunk be kept.
Noop.prototype.body = borrowed(() => CONTINUE)

class AddHeader extends Base {
  eom() {
    this.addHeader('X-Bench', 'yes')
    return ACCEPT
  }
}

class AddHeaderSilently extends AddHeader {}
for (const stage of ['envfrom', 'envrcpt', 'header']) {
  AddHeaderSilently.prototype[stage] = noReply(() => {})
}

class Body extends Base {
  envfrom() {
    this.fields = []
    this.chunks = []
  }
  header(name, value) {
    this.fields.push([name, value])
  }
  body(chunk) {
    this.chunks.push(chunk)
  }
  eom() {
    const size = this.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    this.addHeader('X-Bench-Fields', String(this.fields.length))
    this.addHeader('X-Bench-Size', String(size))
    if (size > 0) this.chunks[0][0] = 0x23
    for (const chunk of this.chunks) this.replaceBody(chunk)
    this.fields = []
    this.chunks = []
    return ACCEPT
  }
}

const workloads = {
  noop: Noop,
  addheader: AddHeader,
  'addheader-nr': AddHeaderSilently,
  body: Body,
}
const Filter = workloads[workload]
await runMilter('bench', {
  factory: () => new Filter(),
  listen: address,
  maxConnections: 10_000,
  logger: silentLogger(),
})
