// `npm run bench:micro`: the parts by which every byte and every field goes. Times are for comparing a
// change with what was there before, on the same machine.
import { parseArgs } from 'node:util'
import { FieldRecord } from '../dist/message/field-record.js'
import { planHeaders } from '../dist/message/plan/header-plan.js'
import { HeaderView } from '../dist/protocol/commands.js'
import { decodeText, encodeCommand, encodeReply, FrameDecoder } from '../dist/protocol/index.js'
import { median } from './lib/measure.js'
import { digits, table } from './lib/table.js'

const { values: options } = parseArgs({ options: { only: { type: 'string' } } })

/** Something the optimiser cannot know to be unused. */
let sink = 0

/** Runs `once` in rounds of 20 ms; answers nanoseconds for each of its `count` parts. */
function time(once, count) {
  const round = (repeat) => {
    const start = process.hrtime.bigint()
    for (let i = 0; i < repeat; i++) sink += once()
    return Number(process.hrtime.bigint() - start)
  }
  let repeat = 1
  while (round(repeat) < 20e6) repeat *= 2
  const rounds = Array.from({ length: 15 }, () => round(repeat))
  return {
    typical: median(rounds) / repeat / count,
    best: Math.min(...rounds) / repeat / count,
  }
}

const field = (i) => [
  'X-Field-' + (i % 100),
  ` field ${i} of a header, with a value of usual length`,
]
const frames = Array.from({ length: 1_000 }, (_, i) => {
  const [name, value] = field(i)
  return encodeCommand({ type: 'header', name, value })
})
const stream = Buffer.concat(frames)

const decode = (pieces) => () => {
  const decoder = new FrameDecoder(65_535)
  let seen = 0
  for (const piece of pieces) {
    decoder.push(piece)
    while (decoder.next()) seen += decoder.end - decoder.start
  }
  return seen
}
const pieces = []
for (let at = 0; at < stream.length; at += 100) pieces.push(stream.subarray(at, at + 100))

const payloads = frames.map((bytes) => ({ bytes, start: 5, end: bytes.length }))
const view = new HeaderView()

const text = (value) => {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value)
  return () => {
    let length = 0
    for (let i = 0; i < 100; i++) length += decodeText(bytes, 0, bytes.length).length
    return length
  }
}
const ASCII = 'Alice Example <alice@example.org>, Bob Example <bob@example.net>'

const records = (count) =>
  Array.from({ length: count }, (_, i) => {
    const [name, value] = field(i)
    return FieldRecord.of(Buffer.from(name), Buffer.from(value))
  })
/** One of three changed, one of three deleted, as many new ones at the end. */
const edited = (before) => [
  ...before.flatMap((record, i) => {
    if (i % 3 === 0) return [FieldRecord.of(record.name, Buffer.from(` changed ${i}`), record)]
    return i % 3 === 1 ? [] : [record]
  }),
  ...records(Math.floor(before.length / 3)),
]
const plan = (count, change) => {
  const before = records(count)
  const after = change(before)
  return () => planHeaders(before, after, 'postfix').length
}
const appended = (before) => [...before, ...records(1)]

const MARKS = [
  ['frames, in one piece', 'frame', 1_000, decode([stream])],
  ['frames, in pieces of 100 bytes', 'frame', 1_000, decode(pieces)],
  [
    'encodeReply, a new field',
    'reply',
    1,
    () => encodeReply({ type: 'addheader', name: 'X-Bench', value: ' yes' }).length,
  ],
  ['encodeReply, continue', 'reply', 1, () => encodeReply({ type: 'continue' }).length],
  [
    'HeaderView, text of name and value',
    'field',
    1_000,
    () => {
      let length = 0
      for (const payload of payloads) {
        view.read(payload)
        length += view.name.length + view.value.length
      }
      return length
    },
  ],
  ['decodeText, 64 bytes of ASCII', 'text', 100, text(ASCII)],
  ['decodeText, 64 bytes of UTF-8', 'text', 100, text(ASCII.replaceAll('example', 'éxampl'))],
  [
    'decodeText, 64 bytes, one of them wrong',
    'text',
    100,
    text(Buffer.from(ASCII.replace('A', '\xff'), 'latin1')),
  ],
  ...[20, 1_000, 10_000].flatMap((count) => [
    [`planHeaders, ${count} fields, one new`, 'field', count, plan(count, appended)],
    [`planHeaders, ${count} fields, all kinds of edits`, 'field', count, plan(count, edited)],
  ]),
]

const rows = []
for (const [name, unit, count, once] of MARKS) {
  if (options.only !== undefined && !name.includes(options.only)) continue
  const { typical, best } = time(once, count)
  rows.push([name, unit, digits(typical), digits(best)])
}
console.log(table(['what', 'for each', 'median, ns', 'best, ns'], rows))
if (Number.isNaN(sink)) console.log('nothing was measured')
