// `npm run bench:mime`: reading a message and writing it back, against what else there is for Node.
//
// Each reader gets the same messages in turn, three times over; the median counts. What they do is not
// the same: ours and mailsplit give the message back byte for byte, postal-mime and mailparser decode
// it and cannot. `structure` is the tree with the types of all parts, `names` their file names, `decoded`
// the content of every part. `kept` is what is still held when the content has been looked at. Last come
// messages that are made to take long; with `--hostile` only they.
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { Joiner, Splitter } from '@zone-eu/mailsplit'
import { simpleParser } from 'mailparser'
import PostalMime from 'postal-mime'
import { parseMime } from 'tsmilter/mime'
import { HOSTILE, strain } from './lib/hostile.js'
import { median } from './lib/measure.js'
import { digits, ratio, table } from './lib/table.js'

const crlf = (text) => Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1')
const base64 = (bytes) => bytes.toString('base64').replaceAll(/.{76}/g, '$&\r\n')

const HEADER = crlf(`Received: from mail.example.org (mail.example.org [192.0.2.1])
\tby mx.example.net with ESMTPS id 4C1000; Wed, 25 Nov 2026 10:00:00 +0000
From: "Alice" <alice@example.org>
To: bob@example.net
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Date: Wed, 25 Nov 2026 10:00:00 +0000
Message-ID: <1@example.org>
MIME-Version: 1.0
`)

const text = (size) =>
  'The quick brown fox jumps over the lazy dog, and comes back.\r\n'.repeat(size / 62)

function mixed(textSize, attachments) {
  const parts = [
    crlf('Content-Type: multipart/mixed; boundary="outer"\n\n--outer\n'),
    crlf('Content-Type: multipart/alternative; boundary="inner"\n\n--inner\n'),
    crlf('Content-Type: text/plain; charset=utf-8\n\n'),
    Buffer.from(text(textSize)),
    crlf('\n--inner\nContent-Type: text/html; charset=utf-8\n\n<p>'),
    Buffer.from(text(textSize)),
    crlf('</p>\n--inner--\n'),
  ]
  for (const [number, bytes] of attachments.entries()) {
    parts.push(
      crlf(
        `\n--outer\nContent-Type: application/octet-stream; name="file${number}.bin"\n` +
          'Content-Transfer-Encoding: base64\nContent-Disposition: attachment\n\n',
      ),
      Buffer.from(base64(bytes)),
    )
  }
  return Buffer.concat([HEADER, ...parts, crlf('\n--outer--\n')])
}

const MESSAGES = {
  'plain, 3 KB': Buffer.concat([
    HEADER,
    crlf('Content-Type: text/plain\n\n'),
    Buffer.from(text(2_500)),
  ]),
  'alternative, 30 KB': mixed(10_000, [randomBytes(6_000)]),
  'attachments, 11 MB': mixed(
    50_000,
    Array.from({ length: 8 }, () => randomBytes(1_000_000)),
  ),
  '500 parts, 500 KB': mixed(
    1_000,
    Array.from({ length: 500 }, () => randomBytes(600)),
  ),
}

async function split(bytes, joined) {
  const splitter = new Splitter()
  const last = joined ? splitter.pipe(new Joiner()) : splitter
  last.on('data', () => {})
  splitter.end(bytes)
  await finished(last)
}

const READERS = {
  'tsmilter, structure and back': (bytes) => {
    const message = parseMime(bytes)
    for (const part of message.walk()) void part.type
    if (message.toBytes().length !== bytes.length) throw new Error('not the same')
  },
  'tsmilter, the same and names': (bytes) => {
    const message = parseMime(bytes)
    for (const part of message.walk()) void [part.type, part.filename]
    if (message.toBytes().length !== bytes.length) throw new Error('not the same')
  },
  'tsmilter, decoded': async (bytes) => {
    for (const part of parseMime(bytes).walk()) {
      if (part.type.startsWith('text/')) await part.text()
      else if (!part.isMultipart) part.bytes()
    }
  },
  'mailsplit, split and joined': (bytes) => split(bytes, true),
  'postal-mime': (bytes) => new PostalMime().parse(bytes),
  mailparser: (bytes) =>
    simpleParser(Readable.from([bytes]), {
      skipTextToHtml: true,
      skipHtmlToText: true,
      skipImageLinks: true,
      skipTextLinks: true,
    }),
}

/** MB a second, over at least a third of a second. */
async function speed(read, bytes) {
  await read(bytes)
  const start = performance.now()
  let count = 0
  while (performance.now() - start < 300) {
    await read(bytes)
    count++
  }
  return (count * bytes.length) / (performance.now() - start) / 1_000
}

const hostileOnly = process.argv.includes('--hostile')

for (const [name, bytes] of hostileOnly ? [] : Object.entries(MESSAGES)) {
  const speeds = new Map(Object.keys(READERS).map((reader) => [reader, []]))
  for (let round = 0; round < 3; round++) {
    for (const [reader, read] of Object.entries(READERS)) {
      speeds.get(reader).push(await speed(read, bytes))
    }
  }
  const fastest = Math.max(
    ...[...speeds]
      .filter(([reader]) => !reader.startsWith('tsmilter'))
      .map(([, all]) => median(all)),
  )
  console.log(`\n### ${name}\n`)
  console.log(
    table(
      ['reader', 'MB/s', '× the fastest other'],
      [...speeds].map(([reader, all]) => [
        reader,
        digits(median(all)),
        ratio(median(all), fastest),
      ]),
    ),
  )
}

if (!hostileOnly) {
  const large = MESSAGES['attachments, 11 MB']
  globalThis.gc?.()
  const before = process.memoryUsage()
  const message = parseMime(large)
  for (const part of message.walk()) for (const piece of part.stream()) void piece.length
  globalThis.gc?.()
  const after = process.memoryUsage()
  const kept = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
  console.log(
    `\nAfter the content of all parts of the message of 11 MB was streamed, ${Math.round(kept / 1024)} KiB more are held${globalThis.gc ? '' : ' (run with --expose-gc for an exact figure)'}; ${message.children.length} parts are still there.`,
  )
}

const strains = []
for (const [name, bytes, use] of HOSTILE) {
  const all = []
  for (let round = 0; round < 3; round++) all.push(await strain(bytes, use))
  strains.push([
    name,
    digits(median(all.map((one) => one.all))),
    digits(median(all.map((one) => one.longest))),
  ])
}
console.log('\n### Made to take long, 1 MB each\n')
console.log(table(['message', 'ms', 'at one go'], strains))
